create or replace function app.require_person() returns integer
language plpgsql stable set search_path = '' as $$
begin
  if app.session_user_id() is null then
    if app.organization_id() is null then
      perform app.refuse('CU001',
        'This needs credentials: sign in, and send "Authorization: Bearer" with the session token');
    end if;
    perform app.refuse('CU002', 'This needs a person who has signed in; an API key cannot do it');
  end if;
  return app.session_user_id();
end;
$$;
revoke execute on function app.require_person from public;
grant execute on function app.require_person to curestry_member, curestry_definer;
comment on function app.require_person is
  'The user who makes the request in person; refuses (CU001, CU002) anybody else.';
