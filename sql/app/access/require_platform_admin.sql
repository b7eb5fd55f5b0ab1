create or replace function app.require_platform_admin() returns integer
language plpgsql stable security definer set search_path = '' as $$
declare
  v_user constant integer := app.require_person();
begin
  if not exists (select from app.platform_admin o where o.user_id = v_user) then
    perform app.refuse('CU002', 'This is for platform admins: "curestry platform-admin grant" makes one');
  end if;
  return v_user;
end;
$$;
alter function app.require_platform_admin owner to curestry_definer;
revoke execute on function app.require_platform_admin from public;
comment on function app.require_platform_admin is
  'The platform admin who makes the request in person; refuses (CU001, CU002) anybody else, and every API key.';
