/*
 * At most 100 days in each call, from the oldest to the newest; app.mart_state says how far it is. A row of a mart is
 * the old one or the new one; the zone of the marts changes with the last day, and until then series are computed from
 * hours, which most zones have in common. One change of all hours stays until the end, so that nobody takes the marts
 * for right; a further one has the rebuild begin again. The caller holds the lock of the organization's marts.
 */
create or replace function app.mart_rebuild_organization(organization uuid) returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_state app.mart_state;
  v_zone text;
  v_from timestamptz;
  v_since timestamptz;
  v_day record;
  v_is_done boolean := false;
  v_starts timestamptz[] := '{}';
  v_lows timestamptz[] := '{}';
  v_highs timestamptz[] := '{}';
  v_hours integer := 0;
begin
  select o.time_zone into v_zone from ops.organization o where o.id = organization;
  if not found then
    delete from app.mart_change m where m.organization_id = organization;
    return 0;
  end if;
  insert into app.mart_state (organization_id, time_zone) values (organization, 'UTC') on conflict do nothing;
  select s.* into v_state from app.mart_state s where s.organization_id = organization;
  if v_state.rebuild_change_id is null
     or exists (select from app.mart_change m
                 where m.organization_id = organization and m.hour = '-infinity' and m.id <> v_state.rebuild_change_id)
  then
    v_from := v_state.marts_immutable_before;
    -- Immutable days stay as they are: the days of the new zone start with the next midnight.
    if isfinite(v_from) and v_zone <> v_state.time_zone then
      v_from := (select case d.low when v_from then d.low else d.high end
                   from app.bucket_days(v_zone, array[v_from]) as d);
    end if;
    with deleted as (
      delete from app.mart_change m
       where m.organization_id = organization and m.hour = '-infinity'
      returning m.created_at
    )
    select min(d.created_at), o.time_zone into v_since, v_zone
      from ops.organization o left join deleted d on true
     where o.id = organization
     group by o.time_zone;
    insert into app.mart_change as m (organization_id, source, hour, created_at)
    values (organization, 'zone', '-infinity', coalesce(v_since, now()))
    returning m.id into v_state.rebuild_change_id;
    update app.mart_state s
       set rebuild_change_id = v_state.rebuild_change_id, rebuild_time_zone = v_zone, rebuild_next_ts = v_from,
           marts_immutable_before = v_from
     where s.organization_id = organization;
  else
    v_zone := v_state.rebuild_time_zone;
    v_from := v_state.rebuild_next_ts;
  end if;
  for v_count in 1 .. 100 loop
    select * into v_day from app.mart_next_day(organization, v_zone, v_from, 'infinity');
    v_is_done := not found;
    exit when v_is_done;
    v_starts := v_starts || array(select generate_series(date_trunc('hour', v_day.low, 'UTC'),
                                                         v_day.high - interval '1 microsecond', interval '1 hour'));
    v_lows := v_lows || v_day.low;
    v_highs := v_highs || v_day.high;
    v_hours := v_hours + extract(epoch from v_day.high - v_day.low)::integer / 3600;
    v_from := v_day.high;
  end loop;
  -- Hours of UTC at both ends may lie in days beside
  select array_agg(h.low), array_agg(h.high) into v_lows, v_highs
    from app.bucket_hours(v_zone, v_starts) as h
   where exists (select from unnest(v_lows, v_highs) as d (low, high) where h.low >= d.low and h.low < d.high);
  perform app.mart_refresh_all_sources(organization, v_zone, v_lows, v_highs);
  if v_is_done then
    delete from app.mart_change m where m.organization_id = organization and m.id = v_state.rebuild_change_id;
    update app.mart_state s
       set time_zone = v_zone, rebuild_change_id = null, rebuild_time_zone = null, rebuild_next_ts = null
     where s.organization_id = organization;
  else
    update app.mart_state s set rebuild_next_ts = v_from where s.organization_id = organization;
  end if;
  return v_hours;
end;
$$;
alter function app.mart_rebuild_organization owner to curestry_definer;
revoke execute on function app.mart_rebuild_organization from public;
comment on function app.mart_rebuild_organization is
  'Goes on with recomputing all marts of an organization, in its time zone; returns how many hours.';
