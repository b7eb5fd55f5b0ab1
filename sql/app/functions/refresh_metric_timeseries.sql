create or replace function app.refresh_metric_timeseries(organization uuid, source text, bucket_size text, lows timestamptz[], highs timestamptz[]) returns void
language sql volatile security definer set search_path = '' set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off as $$
  with computed as materialized (
    select * from app.compute_metric_timeseries(organization, refresh_metric_timeseries.source, lows, highs) where bucket_size = 'hour'
    union all
    select * from app.merge_metric_timeseries(organization, refresh_metric_timeseries.source, 'hour', null, lows, highs) where bucket_size = 'day'
  ), gone as (
    delete from mart.metric_timeseries m
     using unnest(lows, highs) as b (low, high)
     where m.organization_id = organization and m.granularity = bucket_size and m.ts_bucket >= b.low and m.ts_bucket < b.high
       and m.source = refresh_metric_timeseries.source
       and (m.metric_key::text, m.ts_bucket) not in (select c.metric_key, c.ts_bucket from computed c)
  )
  insert into mart.metric_timeseries as m
    (organization_id, source, metric_key, granularity, ts_bucket, value_num, value_json, sample_count, numeric_count, value_sum, value_min, value_max)
  select organization, refresh_metric_timeseries.source, c.metric_key, bucket_size, c.ts_bucket, c.value_num, c.value_json, c.sample_count, c.numeric_count,
         c.value_sum, c.value_min, c.value_max
    from computed c
  on conflict (organization_id, source, metric_key, granularity, ts_bucket) do update
    set value_num = excluded.value_num, value_json = excluded.value_json, sample_count = excluded.sample_count,
        numeric_count = excluded.numeric_count, value_sum = excluded.value_sum, value_min = excluded.value_min, value_max = excluded.value_max
  where (m.value_num, m.value_json, m.sample_count, m.numeric_count, m.value_sum, m.value_min, m.value_max)
        is distinct from (excluded.value_num, excluded.value_json, excluded.sample_count, excluded.numeric_count, excluded.value_sum, excluded.value_min, excluded.value_max);
$$;
alter function app.refresh_metric_timeseries(uuid, text, text, timestamptz[], timestamptz[]) owner to curestry_definer;
revoke execute on function app.refresh_metric_timeseries(uuid, text, text, timestamptz[], timestamptz[]) from public;
comment on function app.refresh_metric_timeseries(uuid, text, text, timestamptz[], timestamptz[]) is
  'Makes these buckets of mart.metric_timeseries right: hours from what was recorded, days from the hours.';
