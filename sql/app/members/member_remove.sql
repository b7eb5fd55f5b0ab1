create or replace function app.member_remove(organization uuid, member_email text) returns ops.organization_user
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_member ops.organization_user := app.member_lock(organization, app.user_by_email(member_email));
begin
  if exists (select from ops.organization o where o.id = organization and o.personal_user_id = v_member.user_id) then
    perform app.refuse('CU005', 'Nobody leaves a personal organization', 'organization', 'organization_owner');
  end if;
  update ops.organization_user m set status = 'removed'
   where m.organization_id = organization and m.id = v_member.id
  returning m.* into v_member;
  return v_member;
end;
$$;
alter function app.member_remove owner to curestry_definer;
revoke execute on function app.member_remove from public;
grant execute on function app.member_remove to curestry_owner;
comment on function app.member_remove is
  'Removes a member, or withdraws an invitation; the member''s API keys for this organization stop working. The last '
  'owner stays. For operators.';
