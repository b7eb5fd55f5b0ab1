/*
 * Takes the marks of one organization and recomputes exactly their hours and days, in one transaction: a crash leaves the
 * marks in place. The lock comes before the statement that takes the marks, whose snapshot then sees all that an earlier
 * worker has written. The time zone is read in that same statement: whoever sees it changed sees the mark of that as well.
 */
create or replace function app.refresh_organization(organization uuid) returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_sources text[];
  v_hours timestamptz[];
  v_zone text;
  v_is_new boolean;
  v_frozen timestamptz;
  v_source text;
  v_lows timestamptz[];
  v_highs timestamptz[];
begin
  perform pg_advisory_xact_lock(hashtextextended('curestry marts ' || organization, 0));
  with taken as (
    delete from app.mart_mark m where m.organization_id = organization returning m.source, m.hour
  ), mark as (
    select distinct source, hour from taken
  )
  select (select array_agg(m.source) from mark m), (select array_agg(m.hour) from mark m),
         coalesce(s.time_zone, 'UTC'), coalesce(s.time_zone, 'UTC') <> o.time_zone, coalesce(s.frozen_before, '-infinity')
    into v_sources, v_hours, v_zone, v_is_new, v_frozen
    from (values (organization)) as i (id)
    left join ops.organization o on o.id = i.id
    left join app.mart_state s on s.organization_id = i.id;
  if v_hours is null then
    return 0;
  end if;
  if v_is_new or '-infinity' = any (v_hours) then
    return app.rebuild_organization(organization);
  end if;
  foreach v_source in array array(select distinct s.source from unnest(v_sources) as s (source) order by 1) loop
    select array_agg(h.low order by h.low), array_agg(h.high order by h.low) into v_lows, v_highs
      from app.mart_hours(v_zone, array(select m.hour from unnest(v_sources, v_hours) as m (source, hour) where m.source = v_source)) as h
     where h.low >= v_frozen;
    perform app.refresh_buckets(organization, v_zone, v_source, v_lows, v_highs);
  end loop;
  return (select count(distinct h.hour) from unnest(v_hours) as h (hour));
end;
$$;
alter function app.refresh_organization(uuid) owner to curestry_definer;
revoke execute on function app.refresh_organization(uuid) from public;
grant execute on function app.refresh_organization(uuid) to curestry_worker, curestry_owner;
comment on function app.refresh_organization(uuid) is
  'Brings the marts of one organization up to date; answers how many hours had changed.';
