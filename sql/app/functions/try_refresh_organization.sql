/* A lock of its own, so that whoever comes second does not wait, with a connection in hand, for whoever came first. */
create or replace function app.try_refresh_organization(organization uuid) returns integer
language plpgsql volatile security definer set search_path = '' as $$
begin
  if not pg_try_advisory_xact_lock(hashtextextended('curestry refresh ' || organization, 0)) then
    return null;
  end if;
  return app.refresh_organization(organization);
end;
$$;
alter function app.try_refresh_organization(uuid) owner to curestry_definer;
revoke execute on function app.try_refresh_organization(uuid) from public;
grant execute on function app.try_refresh_organization(uuid) to curestry_worker, curestry_owner;
comment on function app.try_refresh_organization(uuid) is
  'Brings the marts of one organization up to date, unless another worker is at it just now (null); answers how many hours had changed.';
