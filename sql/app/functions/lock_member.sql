/* The organization's row is locked first, by everything that changes its members: so they are changed one after the other. */
create or replace function app.lock_member(organization uuid, member_user_id integer) returns ops.organization_user
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
alter function app.lock_member(uuid, integer) owner to curestry_definer;
revoke execute on function app.lock_member(uuid, integer) from public;
comment on function app.lock_member(uuid, integer) is
  'A member, active or invited, of an organization whose members nobody else can change until the transaction ends.';
