/*
 * Rows that are right are not written. Rows that should not exist are found by bucket and deleted by ctid: by id, the
 * planner might read all rows that it expects of an organization. Nothing else writes to the marts at the same time;
 * see app.mart_refresh_organization. Planner settings: sql/README.md.
 */
create or replace function app.mart_refresh_metric_timeseries(
  organization uuid, source text, bucket_size text, lows timestamptz[], highs timestamptz[]) returns void
language sql volatile security definer set search_path = ''
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off as $$
  with computed as materialized (
    select *
      from app.mart_compute_metric_timeseries(organization, mart_refresh_metric_timeseries.source, lows, highs)
     where bucket_size = 'hour'
    union all
    select *
      from app.mart_merge_metric_timeseries(
             organization, mart_refresh_metric_timeseries.source, 'hour', null, lows, highs)
     where bucket_size = 'day'
  ), gone as (
    delete from mart.metric_timeseries
     where ctid = any (array(
             select t.ctid
               from unnest(lows, highs) as b (low, high),
                    lateral (select t.ctid, t.source, t.metric_key::text, t.ts_bucket from mart.metric_timeseries t
                              where t.organization_id = (select organization) and t.granularity = bucket_size
                                and t.ts_bucket >= b.low and t.ts_bucket < b.high
                             offset 0) t
              where t.source = mart_refresh_metric_timeseries.source
                and (t.metric_key, t.ts_bucket) not in (select c.metric_key, c.ts_bucket from computed c)))
  )
  insert into mart.metric_timeseries as m
    (organization_id, source, metric_key, granularity, ts_bucket, value_num, value_json,
     sample_count, numeric_count, value_sum, value_min, value_max)
  select organization, mart_refresh_metric_timeseries.source, c.metric_key, bucket_size, c.ts_bucket,
         c.value_num, c.value_json, c.sample_count, c.numeric_count,
         c.value_sum, c.value_min, c.value_max
    from computed c
  on conflict (organization_id, source, metric_key, granularity, ts_bucket) do update
    set value_num = excluded.value_num, value_json = excluded.value_json, sample_count = excluded.sample_count,
        numeric_count = excluded.numeric_count, value_sum = excluded.value_sum,
        value_min = excluded.value_min, value_max = excluded.value_max
  where (m.value_num, m.value_json, m.sample_count, m.numeric_count, m.value_sum, m.value_min, m.value_max)
        is distinct from (excluded.value_num, excluded.value_json, excluded.sample_count, excluded.numeric_count,
                          excluded.value_sum, excluded.value_min, excluded.value_max);
$$;
alter function app.mart_refresh_metric_timeseries owner to curestry_definer;
revoke execute on function app.mart_refresh_metric_timeseries from public;
comment on function app.mart_refresh_metric_timeseries is
  'Brings these buckets of mart.metric_timeseries up to date: hours from what was recorded, days from the hours.';
