create or replace function app.refresh_marts() returns table (organization_id uuid, hours integer)
language plpgsql volatile security definer set search_path = '' as $$
begin
  -- In one order, so that two of these wait for each other instead of against each other.
  for organization_id in select o from app.marked_organizations() o order by 1 loop
    begin
      hours := app.refresh_organization(organization_id);
    exception when others then
      -- Its marks stay; the others go on
      hours := null;
      raise warning 'The marts of the organization % were not brought up to date: %', organization_id, sqlerrm;
    end;
    return next;
  end loop;
end;
$$;
alter function app.refresh_marts() owner to curestry_definer;
revoke execute on function app.refresh_marts() from public;
grant execute on function app.refresh_marts() to curestry_owner;
revoke execute on function app.refresh_marts() from curestry_worker;
comment on function app.refresh_marts() is
  'Brings the marts of all organizations up to date in one transaction; the hours are null where that failed. For psql: the worker and "curestry rollup" take each organization in a transaction of its own.';
