create or replace function app.organization_id() returns uuid
language sql stable parallel safe
return nullif(current_setting('curestry.organization_id', true), '')::uuid;
revoke execute on function app.organization_id from public;
grant execute on function app.organization_id to curestry_member, curestry_anonymous, curestry_definer;
comment on function app.organization_id is
  'The organization of the current request, else null. Inserted rows belong to it.';
