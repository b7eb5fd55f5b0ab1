/* Owners alone hold organization:write; so who lacks it may not touch admins and owners, nor make any. */
create or replace function app.check_rank(variadic roles text[]) returns void
language plpgsql stable set search_path = '' as $$
begin
  if ('admin' = any (roles) or 'owner' = any (roles)) and app.organization_if('organization:write') is null then
    perform app.refuse('CU002', 'Only an owner manages admins and owners', 'role');
  end if;
end;
$$;
revoke execute on function app.check_rank(text[]) from public;
grant execute on function app.check_rank(text[]) to curestry_definer;
comment on function app.check_rank(text[]) is 'Refuses (CU002) who is no owner, if one of these roles is admin or owner.';
