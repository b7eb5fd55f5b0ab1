create or replace function app.check_marts(from_ts timestamptz default '-infinity', to_ts timestamptz default 'infinity')
returns table (organization text, mart text, bucket text, key text, expected jsonb, actual jsonb)
language sql stable security definer set search_path = '' as $$
  with span as (
    select date_trunc('day', greatest(from_ts, '1900-01-01Z'), 'UTC') as low,
           case when to_ts >= '3000-01-01Z' then '3000-01-01Z'::timestamptz
                else date_trunc('day', to_ts - interval '1 microsecond', 'UTC') + interval '1 day' end as high
  ), expected as (
    select o.slug, 'metric_timeseries' as mart, g.size || ' ' || to_char(c.ts_bucket at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI"Z"') as bucket, c.metric_key as key,
           jsonb_build_object('value_num', c.value_num, 'value_json', c.value_json, 'sample_count', c.sample_count, 'numeric_count', c.numeric_count,
                              'value_sum', c.value_sum, 'value_min', c.value_min, 'value_max', c.value_max) as state
      from ops.organization o, span s, unnest(array['hour', 'day']) as g (size),
           lateral app.compute_metric_timeseries(o.id, g.size, s.low, s.high) as c
    union all
    select o.slug, 'analysis_daily', c.day::text, '', to_jsonb(c) - 'day'
      from ops.organization o, span s,
           lateral app.compute_analysis_daily(o.id, (s.low at time zone 'UTC')::date, (s.high at time zone 'UTC')::date) as c
    union all
    select o.slug, 'feature_daily', c.day::text, c.feature_key, to_jsonb(c) - 'day' - 'feature_key'
      from ops.organization o, span s,
           lateral app.compute_feature_daily(o.id, (s.low at time zone 'UTC')::date, (s.high at time zone 'UTC')::date) as c
  ), actual as (
    select o.slug, 'metric_timeseries' as mart, m.granularity || ' ' || to_char(m.ts_bucket at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI"Z"') as bucket, m.metric_key as key,
           to_jsonb(m) - '{id,organization_id,metric_key,granularity,ts_bucket}'::text[] as state
      from span s, mart.metric_timeseries m join ops.organization o on o.id = m.organization_id
     where m.ts_bucket >= s.low and m.ts_bucket < s.high
    union all
    select o.slug, 'analysis_daily', m.day::text, '', to_jsonb(m) - '{id,organization_id,day}'::text[]
      from span s, mart.analysis_daily m join ops.organization o on o.id = m.organization_id
     where m.day >= (s.low at time zone 'UTC')::date and m.day < (s.high at time zone 'UTC')::date
    union all
    select o.slug, 'feature_daily', m.day::text, m.feature_key, to_jsonb(m) - '{id,organization_id,day,feature_key}'::text[]
      from span s, mart.feature_daily m join ops.organization o on o.id = m.organization_id
     where m.day >= (s.low at time zone 'UTC')::date and m.day < (s.high at time zone 'UTC')::date
  )
  select slug, mart, bucket, key, e.state, a.state
    from expected e
    full join actual a using (slug, mart, bucket, key)
   where e.state is distinct from a.state
   order by 1, 2, 3, 4;
$$;
alter function app.check_marts(timestamptz, timestamptz) owner to curestry_definer;
revoke execute on function app.check_marts(timestamptz, timestamptz) from public;
grant execute on function app.check_marts(timestamptz, timestamptz) to curestry_owner;
comment on function app.check_marts(timestamptz, timestamptz) is
  'Recomputes the marts of a span of days from their source and lists every difference; none is what it should say. For operators.';
