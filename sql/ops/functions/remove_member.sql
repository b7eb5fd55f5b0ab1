create or replace function ops.remove_member(user_id integer) returns ops.organization_user
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_organization constant uuid := app.require('members:write');
  v_member ops.organization_user := app.lock_member(v_organization, remove_member.user_id);
begin
  perform app.check_rank(v_member.role);
  update ops.organization_user m set status = 'removed'
   where m.organization_id = v_organization and m.id = v_member.id
  returning m.* into v_member;
  return v_member;
end;
$$;
alter function ops.remove_member(integer) owner to curestry_definer;
revoke execute on function ops.remove_member(integer) from public;
grant execute on function ops.remove_member(integer) to curestry_member;
comment on function ops.remove_member(integer) is
  'Removes a member, or takes an invitation back, from their next request on; the API keys that they made for this organization stop working. Needs members:write; only an owner removes admins and owners. The last owner cannot be removed.';
