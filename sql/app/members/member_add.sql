/* Somebody who was invited, or was a member before, is one from now on; the code of the invitation is worth nothing. */
create or replace function app.member_add(organization uuid, member_email text, member_role text)
returns ops.organization_user
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_user integer;
  v_member ops.organization_user;
begin
  perform from ops.organization o where o.id = organization for no key update;
  v_user := app.user_ensure(member_email);
  select m.* into v_member from ops.organization_user m where m.organization_id = organization and m.user_id = v_user;
  if v_member.status = 'active' then
    perform app.refuse('CU005', format('%s is a member already, as %s', member_email, v_member.role),
                       'email', 'unq_organization_user_user_id');
  end if;
  insert into ops.organization_user as m (organization_id, user_id, role, status)
  values (organization, v_user, member_role, 'active')
  on conflict on constraint unq_organization_user_user_id do update set role = excluded.role, status = 'active'
  returning m.* into v_member;
  return v_member;
end;
$$;
alter function app.member_add owner to curestry_definer;
revoke execute on function app.member_add from public;
grant execute on function app.member_add to curestry_owner;
comment on function app.member_add is
  'Makes a person a member of an organization, without an invitation; creates the account if it is new. For operators.';
