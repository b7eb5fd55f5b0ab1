/* Everything that changes members locks the organization's row first, so members are changed one at a time. */
create or replace function app.member_lock(organization uuid, member_user_id integer) returns ops.organization_user
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_member ops.organization_user;
begin
  perform from ops.organization o where o.id = organization for no key update;
  select m.* into v_member from ops.organization_user m
   where m.organization_id = organization and m.user_id = member_user_id and m.status <> 'removed';
  if not found then
    perform app.refuse('CU003', format('There is no member %s in this organization', member_user_id), 'userId');
  end if;
  return v_member;
end;
$$;
alter function app.member_lock owner to curestry_definer;
revoke execute on function app.member_lock from public;
comment on function app.member_lock is
  'A member, active or invited, of an organization whose members no other transaction can change until this one ends.';
