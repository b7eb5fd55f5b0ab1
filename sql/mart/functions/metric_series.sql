create or replace function mart.metric_series(
  key text, "from" timestamptz, "to" timestamptz, bucket mart.series_bucket default 'DAY',
  fill mart.series_fill default 'NONE', source text default 'metric'
) returns mart.series_point[]
language plpgsql stable security definer set search_path = '' set jit = off as $$
declare
  v_organization constant uuid := app.require('marts:read');
  v_zone constant text := coalesce(
    (select s.time_zone from app.mart_state s where s.organization_id = v_organization), 'UTC');
  -- Days are of two zones while the marts are rebuilt for another one
  v_part constant text := case
    when metric_series.bucket = 'HOUR' or exists (
           select from app.mart_state s
            where s.organization_id = v_organization and s.rebuild_time_zone <> s.time_zone) then 'hour'
    else 'day' end;
  v_keys text[];
begin
  if source not in ('metric', 'node', 'judge', 'evaluation') then
    perform app.refuse('CU004',
      format('source: must be metric, node, judge or evaluation, not %s', to_json(source)),
      'source', 'metric_series_source');
  end if;
  -- Longer keys stand there shortened, and new ones come within seconds
  if length(key) <= 100 and not exists (select from app.mart_change c where c.organization_id = v_organization)
     and not exists (select from mart.metric_timeseries m
                      where m.organization_id = v_organization and m.source = metric_series.source
                        and m.metric_key = metric_series.key) then
    v_keys := mart.metric_keys(metric_series.source);
    if cardinality(v_keys) > 0 then
      perform app.refuse('CU004',
        format('key: no metric is called %s; there is %s%s', to_json(key), array_to_string(v_keys[:20], ', '),
               case when cardinality(v_keys) > 20 then ' and others, see metricKeys' end),
        'key', 'metric_series_key');
    end if;
  end if;
  return (
    with bucket as materialized (
      select b.* from app.bucket_series(v_zone, metric_series.bucket, "from", "to") as b
    ), measured as (
      select b.n, b.points, b.low, b.high, m.sample_count, m.numeric_count,
             m.value_sum, m.value_num, m.value_min, m.value_max, m.value_json,
             -- The bucket of the last number before, or here
             max(b.n) filter (where m.numeric_count > 0) over (order by b.n) as last
        from bucket b
        left join app.mart_compute_metric_timeseries(
               v_organization, metric_series.source, v_part, metric_series.key,
               (select array_agg(a.low order by a.n) from bucket a),
               (select array_agg(a.high order by a.n) from bucket a)) as m
          on m.ts_bucket = b.low
    ), point as (
      select b.n, b.points, b.low, b.high,
             case
               when b.sample_count is not null then
                 row(b.sample_count, b.numeric_count, b.value_sum, b.value_num, b.value_min, b.value_max,
                     (b.value_json ->> 'p50')::numeric, (b.value_json ->> 'p90')::numeric,
                     (b.value_json ->> 'p95')::numeric, (b.value_json ->> 'p99')::numeric,
                     b.value_json -> 'counts', (b.value_json ->> 'other')::bigint)::mart.series_values
               when metric_series.fill = 'ZERO' then row(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, '{}', 0)::mart.series_values
               when metric_series.fill = 'PREVIOUS' then
                 row(0, 0, 0, l.value_num, l.value_min, l.value_max,
                     (l.value_json ->> 'p50')::numeric, (l.value_json ->> 'p90')::numeric,
                     (l.value_json ->> 'p95')::numeric, (l.value_json ->> 'p99')::numeric,
                     null, null)::mart.series_values
               when metric_series.fill = 'NULL' then
                 row(0, 0, null, null, null, null, null, null, null, null, null, null)::mart.series_values
             end as measured
        from measured b
        left join measured l on l.n = b.last
    )
    select coalesce(array_agg(row(c.low, c.high, (c.measured).*, p.low, p.measured)::mart.series_point
                              order by c.n), '{}')
      from point c
      join point p on p.n = c.n - c.points
     where c.n > c.points and c.measured is distinct from null);
end;
$$;
alter function mart.metric_series owner to curestry_definer;
revoke execute on function mart.metric_series from public;
grant execute on function mart.metric_series to curestry_member;
comment on function mart.metric_series is
  E'@words source MetricSource\n'
  '@arg key The key of the metric.\n'
  '@arg from Start of the period.\n'
  '@arg to End of the period, exclusive.\n'
  '@arg bucket How long a point is; DAY if absent.\n'
  '@arg fill What an empty bucket becomes; NONE if absent.\n'
  '@arg source Where the metric is from; metric if absent.\n'
  'A metric over time, in buckets of the organization''s time zone that the period from "from" to before "to" '
  'touches, at most 10000, each beside that of the previous period. source: metric (of analyses), node, judge or '
  'evaluation. Needs marts:read.';
