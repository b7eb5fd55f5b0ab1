/*
 * In one transaction, so that readers see either the old marts or the new ones. The caller holds the lock of the
 * organization's marts.
 */
create or replace function app.mart_rebuild_organization(organization uuid) returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_zone text;
  v_before text;
  v_from timestamptz;
  v_day record;
  v_hours integer := 0;
begin
  select o.time_zone, coalesce(s.time_zone, 'UTC'), coalesce(s.marts_immutable_before, '-infinity')
    into v_zone, v_before, v_from
    from ops.organization o
    left join app.mart_state s on s.organization_id = o.id
   where o.id = organization;
  if not found then
    return 0;
  end if;
  if v_zone <> v_before then
    -- Immutable days stay as they are: the days of the new zone start with the next midnight.
    if isfinite(v_from) then
      v_from := (select case d.low when v_from then d.low else d.high end
                   from app.bucket_days(v_zone, array[v_from]) as d);
    end if;
    delete from mart.metric_timeseries m where m.organization_id = organization and m.ts_bucket >= v_from;
    delete from mart.analysis_hourly m where m.organization_id = organization and m.ts_bucket >= v_from;
    delete from mart.analysis_daily m
     where m.organization_id = organization and m.day >= (v_from at time zone v_zone)::date;
    delete from mart.analysis_daily_by m
     where m.organization_id = organization and m.day >= (v_from at time zone v_zone)::date;
    delete from mart.feature_daily m
     where m.organization_id = organization and m.day >= (v_from at time zone v_zone)::date;
    insert into app.mart_state as s (organization_id, time_zone, marts_immutable_before)
    values (organization, v_zone, v_from)
    on conflict (organization_id) do update
      set time_zone = excluded.time_zone, marts_immutable_before = excluded.marts_immutable_before;
  end if;
  loop
    select * into v_day from app.mart_next_day(organization, v_zone, v_from, 'infinity');
    exit when not found;
    perform app.mart_refresh_day(organization, v_zone, v_day.low, v_day.high);
    v_hours := v_hours + extract(epoch from v_day.high - v_day.low)::integer / 3600;
    v_from := v_day.high;
  end loop;
  return v_hours;
end;
$$;
alter function app.mart_rebuild_organization owner to curestry_definer;
revoke execute on function app.mart_rebuild_organization from public;
comment on function app.mart_rebuild_organization is
  'Recomputes all marts of an organization, in its time zone; returns how many hours.';
