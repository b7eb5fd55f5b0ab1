/* Only owners have organization:write, so that is the permission to change, remove or appoint admins and owners. */
create or replace function app.member_check_rank(variadic roles text[]) returns void
language plpgsql stable set search_path = '' as $$
begin
  if ('admin' = any (roles) or 'owner' = any (roles)) and app.organization_if('organization:write') is null then
    perform app.refuse('CU002', 'Only an owner manages admins and owners', 'role');
  end if;
end;
$$;
revoke execute on function app.member_check_rank from public;
grant execute on function app.member_check_rank to curestry_definer;
comment on function app.member_check_rank is
  'Refuses (CU002) anybody but an owner, if one of these roles is admin or owner.';
