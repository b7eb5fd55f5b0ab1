create or replace function ops.remove_member(user_id integer) returns ops.organization_user
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_organization constant uuid := app.require('members:write');
  v_member ops.organization_user := app.member_lock(v_organization, remove_member.user_id);
begin
  perform app.member_check_rank(v_member.role);
  update ops.organization_user m set status = 'removed'
   where m.organization_id = v_organization and m.id = v_member.id
  returning m.* into v_member;
  return v_member;
end;
$$;
alter function ops.remove_member owner to curestry_definer;
revoke execute on function ops.remove_member from public;
grant execute on function ops.remove_member to curestry_member;
comment on function ops.remove_member is
  E'@notNull\n'
  '@arg user_id The member.\n'
  'Removes a member, or withdraws an invitation, from their next request on; the API keys that they created for '
  'this organization stop working. Needs members:write; only an owner removes admins and owners. The last owner '
  'cannot be removed.';
