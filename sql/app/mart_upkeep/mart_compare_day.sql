/*
 * Recomputes everything from what was recorded, also what a refresh merges from hours. It is one statement with one
 * snapshot, which sees facts, marts and changes as a writer or a refresh committed them together: a difference that
 * is not waiting is an error. Planner settings: sql/README.md.
 */
create or replace function app.mart_compare_day(
  organization uuid, zone text, day date, low timestamptz, high timestamptz)
returns table (mart text, bucket text, key text, expected jsonb, actual jsonb, waiting boolean)
language sql stable security definer set search_path = '' set enable_seqscan = off set jit = off as $$
  with hour as materialized (
    select array_agg(h.low) as lows, array_agg(h.high) as highs
      from app.bucket_hours(zone, array(
             select generate_series(date_trunc('hour', mart_compare_day.low, 'UTC'),
                                    mart_compare_day.high - interval '1 microsecond', interval '1 hour'))) as h
     where h.low >= mart_compare_day.low and h.low < mart_compare_day.high
  ), analysis as materialized (
    select a.dimension, a.value,
           jsonb_build_object('analyses', a.analyses, 'scored', a.scored,
                              'avg_overall', a.sum_overall / nullif(a.overall_count, 0), 'sum_overall', a.sum_overall,
                              'avg_entropy', a.sum_entropy / nullif(a.entropy_count, 0),
                              'sum_entropy', a.sum_entropy) as state,
           jsonb_build_object('judged', a.judged, 'avg_judged', a.sum_judged / nullif(a.judged, 0),
                              'sum_judged', a.sum_judged) as judgement
      from app.mart_compute_analysis_hourly(
             organization, array[mart_compare_day.low], array[mart_compare_day.high]) as a
  ), expected as (
    select 'metric_timeseries' as mart,
           g.size || ' ' || to_char(c.ts_bucket at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI"Z"') as bucket,
           s.source, case s.source when 'metric' then '' else s.source || ' ' end || c.metric_key as key,
           jsonb_build_object('value_num', c.value_num, 'value_json', c.value_json,
                              'sample_count', c.sample_count, 'numeric_count', c.numeric_count,
                              'value_sum', c.value_sum, 'value_min', c.value_min, 'value_max', c.value_max) as state
      from hour h,
           unnest(array['metric', 'node', 'judge', 'evaluation']) as s (source),
           unnest(array['hour', 'day']) as g (size),
           lateral app.mart_compute_metric_timeseries(
             organization, s.source, 'fact', null,
             case g.size when 'hour' then h.lows else array[mart_compare_day.low] end,
             case g.size when 'hour' then h.highs else array[mart_compare_day.high] end) as c
    union all
    select 'analysis_hourly', to_char(a.ts_bucket at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI"Z"'),
           'analysis', btrim(a.dimension || ' ' || a.value),
           to_jsonb(a) - '{ts_bucket,dimension,value}'::text[]
      from hour h, lateral app.mart_compute_analysis_hourly(organization, h.lows, h.highs) as a
    union all
    select 'analysis_daily', mart_compare_day.day::text, 'analysis', '', a.state
      from analysis a where a.dimension = 'all'
    union all
    select 'analysis_daily_by', mart_compare_day.day::text, 'analysis', a.dimension || ' ' || a.value,
           a.state || a.judgement
      from analysis a where a.dimension <> 'all'
    union all
    select 'feature_daily', mart_compare_day.day::text, 'feature', c.feature_key, to_jsonb(c) - 'day' - 'feature_key'
      from app.mart_compute_feature_daily(
             organization, array[mart_compare_day.day], array[mart_compare_day.low], array[mart_compare_day.high]) as c
  ), actual as (
    select 'metric_timeseries' as mart,
           m.granularity || ' ' || to_char(m.ts_bucket at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI"Z"') as bucket,
           m.source::text, case m.source when 'metric' then '' else m.source || ' ' end || m.metric_key as key,
           to_jsonb(m) - '{id,organization_id,source,metric_key,granularity,ts_bucket}'::text[] as state
      from mart.metric_timeseries m
     where m.organization_id = organization and m.granularity in ('hour', 'day')
       and m.ts_bucket >= mart_compare_day.low and m.ts_bucket < mart_compare_day.high
    union all
    select 'analysis_hourly', to_char(m.ts_bucket at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI"Z"'),
           'analysis', btrim(m.dimension || ' ' || m.value),
           to_jsonb(m) - '{id,organization_id,ts_bucket,dimension,value}'::text[]
      from mart.analysis_hourly m
     where m.organization_id = organization
       and m.ts_bucket >= mart_compare_day.low and m.ts_bucket < mart_compare_day.high
    union all
    select 'analysis_daily', m.day::text, 'analysis', '', to_jsonb(m) - '{id,organization_id,day}'::text[]
      from mart.analysis_daily m
     where m.organization_id = organization and m.day = mart_compare_day.day
    union all
    select 'analysis_daily_by', m.day::text, 'analysis', m.dimension || ' ' || m.value,
           to_jsonb(m) - '{id,organization_id,day,dimension,value}'::text[]
      from mart.analysis_daily_by m
     where m.organization_id = organization and m.day = mart_compare_day.day
    union all
    select 'feature_daily', m.day::text, 'feature', m.feature_key,
           to_jsonb(m) - '{id,organization_id,day,feature_key}'::text[]
      from mart.feature_daily m
     where m.organization_id = organization and m.day = mart_compare_day.day
  )
  select mart, bucket, key, e.state, a.state,
         exists (select from app.mart_change m
                  where m.organization_id = organization and m.source in (coalesce(e.source, a.source), 'zone')
                    and (m.hour = '-infinity'
                         or (m.hour > mart_compare_day.low - interval '1 hour' and m.hour < mart_compare_day.high)))
    from expected e
    full join actual a using (mart, bucket, source, key)
   where e.state is distinct from a.state
   order by 1, 2, 3;
$$;
alter function app.mart_compare_day owner to curestry_definer;
revoke execute on function app.mart_compare_day from public;
comment on function app.mart_compare_day is
  'Recomputes a day of an organization and its hours from what was recorded, and lists where the marts differ; '
  'waiting: a refresh is due that may correct it.';
