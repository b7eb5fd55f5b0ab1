/*
 * What every policy of a member compares with. Plain SQL that reads two settings and no table, so that it becomes the
 * index condition itself; app.begin_request makes the settings after it has verified a credential.
 */
create or replace function app.organization_if(permission text) returns uuid
language sql stable parallel safe
return case
  when position(' ' || permission || ' ' in current_setting('curestry.permissions', true)) > 0
  then nullif(current_setting('curestry.organization_id', true), '')::uuid
end;
revoke execute on function app.organization_if from public;
grant execute on function app.organization_if to curestry_member, curestry_anonymous, curestry_definer;
comment on function app.organization_if is
  'The organization of the current request if the request holds this permission, else null.';
