create or replace function app.session_user_id() returns integer
language sql stable parallel safe
return case when coalesce(current_setting('curestry.api_key_id', true), '') = '' then app.user_id() end;
revoke execute on function app.session_user_id from public;
grant execute on function app.session_user_id to curestry_member, curestry_definer;
comment on function app.session_user_id is
  'The user who makes the current request in person; null for an API key, which does not act for its creator as a '
  'person.';
