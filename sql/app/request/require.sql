create or replace function app.require(permission text) returns uuid
language plpgsql stable set search_path = '' as $$
declare
  v_organization constant uuid := app.organization_if(permission);
begin
  if v_organization is null then
    if app.organization_id() is null then
      perform app.refuse('CU001',
        'This needs credentials: send "Authorization: Bearer" with an API key or a session token');
    end if;
    perform app.refuse('CU002',
      format('This needs the permission %s, which these credentials do not have', permission));
  end if;
  return v_organization;
end;
$$;
revoke execute on function app.require from public;
grant execute on function app.require to curestry_member, curestry_definer;
comment on function app.require is
  'The organization of the current request; refuses (CU001, CU002) a request that does not hold this permission.';
