create or replace function ops.leave_organization() returns ops.organization_user
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_user constant integer := app.require_person();
  v_organization constant uuid := app.organization_id();
  v_member ops.organization_user := app.member_lock(v_organization, v_user);
begin
  if exists (select from ops.organization o where o.id = v_organization and o.personal_user_id is not null) then
    perform app.refuse('CU005', 'Nobody leaves a personal organization', 'organization', 'organization_owner');
  end if;
  update ops.organization_user m set status = 'removed'
   where m.organization_id = v_organization and m.id = v_member.id
  returning m.* into v_member;
  return v_member;
end;
$$;
alter function ops.leave_organization owner to curestry_definer;
revoke execute on function ops.leave_organization from public;
grant execute on function ops.leave_organization to curestry_member;
comment on function ops.leave_organization is
  E'@notNull\n'
  'Leaves the organization of this request. Its last owner cannot leave. Needs a person who has signed in.';
