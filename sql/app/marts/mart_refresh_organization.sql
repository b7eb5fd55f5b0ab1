/*
 * Deletes the changes of one organization and recomputes exactly their hours and days, in one transaction: after a
 * crash, the changes are still there. The lock is taken before the statement that deletes the changes, whose snapshot
 * then sees everything that an earlier worker wrote. The time zone is read in that same statement: whoever sees a new
 * zone also sees the change that announces it.
 */
create or replace function app.mart_refresh_organization(organization uuid) returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_sources text[];
  v_hours timestamptz[];
  v_zone text;
  v_is_new boolean;
  v_immutable_before timestamptz;
  v_source text;
  v_lows timestamptz[];
  v_highs timestamptz[];
begin
  perform pg_advisory_xact_lock(hashtextextended('curestry marts ' || organization, 0));
  with deleted as (
    delete from app.mart_change m where m.organization_id = organization returning m.source, m.hour
  ), change as (
    select distinct source, hour from deleted
  )
  select (select array_agg(c.source) from change c), (select array_agg(c.hour) from change c),
         coalesce(s.time_zone, 'UTC'), coalesce(s.time_zone, 'UTC') <> o.time_zone,
         coalesce(s.marts_immutable_before, '-infinity')
    into v_sources, v_hours, v_zone, v_is_new, v_immutable_before
    from (values (organization)) as i (id)
    left join ops.organization o on o.id = i.id
    left join app.mart_state s on s.organization_id = i.id;
  if v_hours is null then
    return 0;
  end if;
  if v_is_new or '-infinity' = any (v_hours) then
    return app.mart_rebuild_organization(organization);
  end if;
  foreach v_source in array array(select distinct s.source from unnest(v_sources) as s (source) order by 1) loop
    select array_agg(h.low order by h.low), array_agg(h.high order by h.low) into v_lows, v_highs
      from app.bucket_hours(v_zone, array(
             select m.hour from unnest(v_sources, v_hours) as m (source, hour) where m.source = v_source)) as h
     where h.low >= v_immutable_before;
    perform app.mart_refresh_buckets(organization, v_zone, v_source, v_lows, v_highs);
  end loop;
  return (select count(distinct h.hour) from unnest(v_hours) as h (hour));
end;
$$;
alter function app.mart_refresh_organization owner to curestry_definer;
revoke execute on function app.mart_refresh_organization from public;
grant execute on function app.mart_refresh_organization to curestry_worker, curestry_owner;
comment on function app.mart_refresh_organization is
  'Brings the marts of one organization up to date; returns how many hours had changed.';
