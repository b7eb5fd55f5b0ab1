create or replace function ops.invite_member(email text, role text default 'member') returns ops.new_invitation
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_organization constant uuid := app.require('members:write');
  v_code constant text := encode(
    sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())), 'hex');
  v_user integer;
  v_member ops.organization_user;
  v_expires constant timestamptz := now() + interval '7 days';
begin
  perform app.member_check_rank(role);
  perform from ops.organization o where o.id = v_organization for no key update;
  v_user := app.user_ensure(email);
  select m.* into v_member from ops.organization_user m where m.organization_id = v_organization and m.user_id = v_user;
  if v_member.status = 'active' then
    perform app.refuse('CU005', 'email: this person is a member already; changeMemberRole changes the role',
                       'email', 'unq_organization_user_user_id');
  end if;
  if v_member.status = 'invited' then
    perform app.member_check_rank(v_member.role);
  end if;
  insert into ops.organization_user as m (organization_id, user_id, role, status)
  values (v_organization, v_user, invite_member.role, 'invited')
  on conflict on constraint unq_organization_user_user_id do update set role = excluded.role, status = 'invited'
  returning m.* into v_member;
  -- A new invitation replaces earlier ones.
  update ops.invitation i set expires_at = least(i.expires_at, greatest(now(), i.created_at + interval '1 microsecond'))
   where i.organization_id = v_organization and i.organization_user_id = v_member.id and i.accepted_at is null;
  insert into ops.invitation (organization_id, organization_user_id, code_hash, invited_by_user_id, expires_at)
  values (v_organization, v_member.id, encode(sha256(convert_to(v_code, 'UTF8')), 'hex'), app.user_id(), v_expires);
  return row(v_member.id, v_user, app.email_normalize(email), v_member.role, v_code, v_expires)::ops.new_invitation;
end;
$$;
alter function ops.invite_member owner to curestry_definer;
revoke execute on function ops.invite_member from public;
grant execute on function ops.invite_member to curestry_member;
comment on function ops.invite_member is
  E'@notNull\n@words role MemberRole\n'
  '@arg email Whom to invite.\n'
  '@arg role What the person will be; member if absent.\n'
  'Invites a person by e-mail address, as viewer, member, admin or owner, and returns a code, once: give it to '
  'that person, who accepts with it within 7 days. Needs members:write; only an owner invites admins and owners.';
