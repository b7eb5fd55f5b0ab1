create or replace function ops.change_member_role(user_id integer, role text) returns ops.organization_user
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_organization constant uuid := app.require('members:write');
  v_member ops.organization_user := app.member_lock(v_organization, change_member_role.user_id);
begin
  perform app.member_check_rank(v_member.role, change_member_role.role);
  update ops.organization_user m set role = change_member_role.role
   where m.organization_id = v_organization and m.id = v_member.id
  returning m.* into v_member;
  return v_member;
end;
$$;
alter function ops.change_member_role owner to curestry_definer;
revoke execute on function ops.change_member_role from public;
grant execute on function ops.change_member_role to curestry_member;
comment on function ops.change_member_role is
  E'@notNull\n@words role MemberRole\n'
  '@arg user_id The member.\n'
  '@arg role What the member will be.\n'
  'Changes what a member may do, from their next request on. Needs members:write; only an owner changes, or '
  'appoints, admins and owners. The last owner cannot be changed.';
