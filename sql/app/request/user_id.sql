create or replace function app.user_id() returns integer
language sql stable parallel safe
return nullif(current_setting('curestry.user_id', true), '')::integer;
revoke execute on function app.user_id from public;
grant execute on function app.user_id to curestry_member, curestry_anonymous, curestry_definer;
comment on function app.user_id is
  'The user of the current request (with an API key: the user who created it), else null.';
