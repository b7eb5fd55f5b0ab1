create or replace function app.legal_hold_exists(organization uuid) returns boolean
language sql stable security definer set search_path = '' as $$
  select (app.legal_hold_of(organization)).id is not null;
$$;
alter function app.legal_hold_exists owner to curestry_definer;
revoke execute on function app.legal_hold_exists from public;
comment on function app.legal_hold_exists is
  'Whether an organization is under legal hold, so that nothing of it is erased, deleted or removed by age.';
