create or replace function app.mart_refresh_all() returns table (organization_id uuid, hours integer)
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_hours integer;
begin
  -- Always in the same order, so that two of these calls cannot deadlock.
  for organization_id in select o from app.mart_changed_organizations() o order by 1 loop
    begin
      hours := 0;
      loop
        v_hours := app.mart_refresh_organization(organization_id);
        hours := hours + v_hours;
        exit when not app.mart_is_behind(organization_id);
      end loop;
    exception when others then
      -- Its changes stay; the others continue
      hours := null;
      raise warning 'The marts of the organization % were not brought up to date: %', organization_id, sqlerrm;
    end;
    return next;
  end loop;
end;
$$;
alter function app.mart_refresh_all owner to curestry_definer;
revoke execute on function app.mart_refresh_all from public;
grant execute on function app.mart_refresh_all to curestry_owner;
revoke execute on function app.mart_refresh_all from curestry_worker;
comment on function app.mart_refresh_all is
  'Brings the marts of all organizations up to date in one transaction; the hours are null where that failed. For '
  'psql: the worker and "curestry rollup" use one transaction for each slice of an organization.';
