create or replace function app.member_set_role(organization uuid, member_email text, member_role text)
returns ops.organization_user
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_member ops.organization_user := app.member_lock(organization, app.user_by_email(member_email));
begin
  update ops.organization_user m set role = member_role
   where m.organization_id = organization and m.id = v_member.id
  returning m.* into v_member;
  return v_member;
end;
$$;
alter function app.member_set_role owner to curestry_definer;
revoke execute on function app.member_set_role from public;
grant execute on function app.member_set_role to curestry_owner;
comment on function app.member_set_role is
  'Changes what a member, active or invited, may do in an organization; the last owner stays one. For operators.';
