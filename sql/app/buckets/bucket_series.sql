/* The previous period comes first: as many buckets as the period itself has, ending where that starts. */
create or replace function app.bucket_series(zone text, size mart.series_bucket, from_ts timestamptz, to_ts timestamptz)
returns table (n bigint, points bigint, low timestamptz, high timestamptz)
language plpgsql stable set search_path = '' as $$
declare
  v_unit constant text := lower(size::text);
  v_step constant interval := ('1 ' || v_unit)::interval;
  v_first timestamp;
  v_points bigint;
begin
  if from_ts >= to_ts then
    perform app.refuse('CU004', 'to: must lie after from', 'to', 'series_to');
  end if;
  if not (isfinite(from_ts) and isfinite(to_ts)) or from_ts < '1970-01-01Z' or to_ts > '2200-01-01Z' then
    perform app.refuse('CU004', 'from, to: must be times from 1970 to 2199', 'from', 'series_times');
  end if;
  if extract(epoch from to_ts - from_ts) / extract(epoch from v_step) > 10000 then
    perform app.refuse('CU006', format(
      'from, to: at most 10000 points, and these are about %s; take larger buckets or a shorter period',
      ceil(extract(epoch from to_ts - from_ts) / extract(epoch from v_step))), 'to', 'series_points');
  end if;
  if v_unit = 'hour' then
    return query
      with hour as (
        select h.low, h.high
          from app.bucket_hours(zone, array(
                 select generate_series(date_trunc('hour', from_ts - (to_ts - from_ts), 'UTC') - interval '4 hours',
                                        to_ts - interval '1 microsecond', interval '1 hour'))) as h
      ), span as (
        select count(*) as points, min(h.low) as first from hour h where h.high > from_ts and h.low < to_ts
      )
      select row_number() over (order by l.low), l.points, l.low, l.high
        from (select h.low, h.high, s.points
                from hour h, span s
               where h.low < to_ts
               order by h.low desc
               limit (select 2 * s.points from span s)) l;
  else
    v_first := date_trunc(v_unit, from_ts at time zone zone);
    v_points := (select count(*)
                   from generate_series(v_first, (to_ts - interval '1 microsecond') at time zone zone, v_step));
    return query
      select row_number() over (order by b.n), v_points, b.low, b.high
        from (select k.n, app.bucket_day_start(zone, (v_first + k.n * v_step)::date) as low,
                     app.bucket_day_start(zone, (v_first + (k.n + 1) * v_step)::date) as high
                from generate_series(-v_points, v_points - 1) as k (n)) b;
  end if;
end;
$$;
revoke execute on function app.bucket_series from public;
grant execute on function app.bucket_series to curestry_definer;
comment on function app.bucket_series is
  'The buckets of a time zone that overlap a period, preceded by as many of the previous period; refuses (CU006) '
  'more than 10000.';
