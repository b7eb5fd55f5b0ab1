create or replace function app.is_held(organization uuid) returns boolean
language sql stable security definer set search_path = '' as $$
  select (app.legal_hold_of(organization)).id is not null;
$$;
alter function app.is_held(uuid) owner to curestry_definer;
revoke execute on function app.is_held(uuid) from public;
comment on function app.is_held(uuid) is
  'Whether an organization is under legal hold, so that nothing of it is erased, deleted or thrown away by age.';
