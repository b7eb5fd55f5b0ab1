/*
 * Rows that are right are not touched: an upsert would lock each of them, and write that. Nothing else writes to the
 * marts at the same time; see app.mart_refresh_organization. Rows are found by bucket, and then by ctid: by id, the
 * planner might read all rows that it expects of an organization. Planner settings: sql/README.md; a join of what was
 * computed with what is there may hash.
 */
create or replace function app.mart_refresh_metric_timeseries(
  organization uuid, source text, bucket_size text, lows timestamptz[], highs timestamptz[]) returns void
language sql volatile security definer set search_path = ''
set enable_seqscan = off set enable_mergejoin = off set jit = off as $$
  with computed as materialized (
    select * from app.mart_compute_metric_timeseries(
             organization, mart_refresh_metric_timeseries.source,
             case bucket_size when 'hour' then 'fact' else 'hour' end, null, lows, highs)
  ), present as materialized (
    select t.*
      from unnest(lows, highs) as b (low, high),
           lateral (select t.ctid as place, t.metric_key::text, t.ts_bucket, t.source, t.value_num, t.value_json,
                           t.sample_count, t.numeric_count, t.value_sum, t.value_min, t.value_max
                      from mart.metric_timeseries t
                     where t.organization_id = (select organization) and t.granularity = bucket_size
                       and t.ts_bucket >= b.low and t.ts_bucket < b.high
                    offset 0) t
     where t.source = mart_refresh_metric_timeseries.source
  ), gone as (
    delete from mart.metric_timeseries
     where ctid = any (array(
             select p.place from present p
              where (p.metric_key, p.ts_bucket) not in (select c.metric_key, c.ts_bucket from computed c)))
  ), corrected as (
    update mart.metric_timeseries m
       set value_num = c.value_num, value_json = c.value_json, sample_count = c.sample_count,
           numeric_count = c.numeric_count, value_sum = c.value_sum, value_min = c.value_min, value_max = c.value_max
      from computed c
      join present p on p.metric_key = c.metric_key and p.ts_bucket = c.ts_bucket
     where m.ctid = p.place
       and (p.value_num, p.value_json, p.sample_count, p.numeric_count, p.value_sum, p.value_min, p.value_max)
           is distinct from (c.value_num, c.value_json, c.sample_count, c.numeric_count,
                             c.value_sum, c.value_min, c.value_max)
  )
  insert into mart.metric_timeseries
    (organization_id, source, metric_key, granularity, ts_bucket, value_num, value_json,
     sample_count, numeric_count, value_sum, value_min, value_max)
  select organization, mart_refresh_metric_timeseries.source, c.metric_key, bucket_size, c.ts_bucket,
         c.value_num, c.value_json, c.sample_count, c.numeric_count,
         c.value_sum, c.value_min, c.value_max
    from computed c
   where (c.metric_key, c.ts_bucket) not in (select p.metric_key, p.ts_bucket from present p);
$$;
alter function app.mart_refresh_metric_timeseries owner to curestry_definer;
revoke execute on function app.mart_refresh_metric_timeseries from public;
comment on function app.mart_refresh_metric_timeseries is
  'Brings these buckets of mart.metric_timeseries up to date: hours from what was recorded, days from the hours.';
