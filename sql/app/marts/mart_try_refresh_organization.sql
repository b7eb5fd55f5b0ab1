/* A lock of its own, so that a second worker does not wait for the first while it occupies a connection. */
create or replace function app.mart_try_refresh_organization(organization uuid) returns integer
language plpgsql volatile security definer set search_path = '' as $$
begin
  if not app.organization_lock_try(organization, 'refresh') then
    return null;
  end if;
  return app.mart_refresh_organization(organization);
end;
$$;
alter function app.mart_try_refresh_organization owner to curestry_definer;
revoke execute on function app.mart_try_refresh_organization from public;
grant execute on function app.mart_try_refresh_organization to curestry_worker, curestry_owner;
comment on function app.mart_try_refresh_organization is
  'Brings a slice of the marts of one organization up to date, unless another worker is doing so (null); returns how '
  'many hours.';
