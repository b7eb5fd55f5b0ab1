create or replace function app.mart_is_behind(organization uuid) returns boolean
language sql stable security definer set search_path = '' as $$
  select exists (select from app.mart_change m where m.organization_id = organization);
$$;
alter function app.mart_is_behind owner to curestry_definer;
revoke execute on function app.mart_is_behind from public;
grant execute on function app.mart_is_behind to curestry_worker, curestry_owner;
comment on function app.mart_is_behind is 'Whether the marts of an organization have changes to process.';
