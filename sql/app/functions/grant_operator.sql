create or replace function app.grant_operator(user_email text) returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_user integer;
begin
  select u.id into v_user from core.users u where lower(u.email) = lower(user_email);
  if not found then
    perform app.refuse('CU003', format('There is no user with the e-mail address %s', user_email), 'email');
  end if;
  insert into app.operator (user_id) values (v_user) on conflict do nothing;
  return v_user;
end;
$$;
alter function app.grant_operator(text) owner to curestry_definer;
revoke execute on function app.grant_operator(text) from public;
grant execute on function app.grant_operator(text) to curestry_owner;
comment on function app.grant_operator(text) is
  'Lets a user see failed jobs and scheduled tasks of the whole installation through the API, and retry jobs; refuses an unknown one. For operators.';
