/*
 * Takes the marks of one organization and recomputes exactly their hours and days, in one transaction: a crash leaves the
 * marks in place. The lock comes before the statement that takes the marks, whose snapshot then sees all that an earlier
 * worker has written.
 */
create or replace function app.refresh_organization(organization uuid) returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_hours timestamptz[];
begin
  perform pg_advisory_xact_lock(hashtextextended('curestry marts ' || organization, 0));
  with taken as (
    delete from app.mart_mark m where m.organization_id = organization returning m.hour
  )
  select array_agg(distinct hour order by hour) into v_hours from taken;
  if v_hours is null then
    return 0;
  end if;
  perform app.refresh_hours(organization, v_hours);
  return cardinality(v_hours);
end;
$$;
alter function app.refresh_organization(uuid) owner to curestry_definer;
revoke execute on function app.refresh_organization(uuid) from public;
comment on function app.refresh_organization(uuid) is
  'Brings the marts of one organization up to date; answers how many hours had changed.';
