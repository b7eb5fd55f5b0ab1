create or replace function app.require_operator() returns integer
language plpgsql stable security definer set search_path = '' as $$
declare
  v_user constant integer := app.require_person();
begin
  if not exists (select from app.operator o where o.user_id = v_user) then
    perform app.refuse('CU002', 'This is for operators: "curestry operator grant" makes one');
  end if;
  return v_user;
end;
$$;
alter function app.require_operator() owner to curestry_definer;
revoke execute on function app.require_operator() from public;
comment on function app.require_operator() is
  'The operator who makes the request in person; refuses (CU001, CU002) anybody else, and every API key.';
