create or replace function app.refresh_marts() returns table (organization_id uuid, hours integer)
language plpgsql volatile security definer set search_path = '' as $$
begin
  -- In one order, so that two workers wait for each other instead of against each other.
  for organization_id in select distinct m.organization_id from app.mart_mark m order by 1 loop
    hours := app.refresh_organization(organization_id);
    return next;
  end loop;
end;
$$;
alter function app.refresh_marts() owner to curestry_definer;
revoke execute on function app.refresh_marts() from public;
grant execute on function app.refresh_marts() to curestry_worker, curestry_owner;
comment on function app.refresh_marts() is
  'Brings the marts of all organizations up to date with what was recorded. The job of the worker, every minute; also "curestry rollup".';
