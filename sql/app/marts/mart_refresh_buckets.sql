create or replace function app.mart_refresh_buckets(
  organization uuid, zone text, source text, lows timestamptz[], highs timestamptz[]) returns void
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_days date[];
  v_lows timestamptz[];
  v_highs timestamptz[];
begin
  if coalesce(cardinality(lows), 0) = 0 then
    return;
  end if;
  select array_agg(d.day order by d.day), array_agg(d.low order by d.day), array_agg(d.high order by d.day)
    into v_days, v_lows, v_highs
    from app.bucket_days(zone, lows) as d;
  case source
    when 'analysis' then
      perform app.mart_refresh_analysis_hourly(organization, lows, highs);
      perform app.mart_refresh_analysis_daily(organization, v_days, v_lows, v_highs);
    when 'feature' then
      perform app.mart_refresh_feature_daily(organization, v_days, v_lows, v_highs);
    else
      perform app.mart_refresh_metric_timeseries(organization, source, 'hour', lows, highs);
      perform app.mart_refresh_metric_timeseries(organization, source, 'day', v_lows, v_highs);
  end case;
  insert into app.mart_update (organization_id, source, from_ts, to_ts)
  select organization, mart_refresh_buckets.source, min(h.low), max(h.high) from unnest(lows, highs) as h (low, high)
  having min(h.low) < max(h.high);
end;
$$;
alter function app.mart_refresh_buckets owner to curestry_definer;
revoke execute on function app.mart_refresh_buckets from public;
comment on function app.mart_refresh_buckets is
  'Brings the hours with these starts and ends up to date in the marts of a source, and the days that contain them, '
  'and tells subscribers.';
