/* The one definition of the mart: what a refresh writes, and what a check compares with. */
create or replace function app.compute_metric_timeseries(organization uuid, bucket_size text, from_ts timestamptz, to_ts timestamptz)
returns table (metric_key text, ts_bucket timestamptz, value_num numeric, value_json jsonb, sample_count bigint, numeric_count bigint,
               value_sum numeric, value_min numeric, value_max numeric)
language sql stable security definer set search_path = '' as $$
  with sample as (
    select m.key, date_trunc(bucket_size, m.occurred_at, 'UTC') as bucket, m.value_num,
           case when m.value_num is null then left(coalesce(m.value_text, m.value_json::text), 200) end as word
      from ops.analysis_metric m
     where m.organization_id = organization and m.occurred_at >= from_ts and m.occurred_at < to_ts
  ), word as (
    select key, bucket, jsonb_object_agg(word, n) as counts
      from (select key, bucket, word, count(*) as n from sample where word is not null group by key, bucket, word) w
     group by key, bucket
  )
  select s.key, s.bucket, avg(s.value_num), (select jsonb_build_object('counts', w.counts) from word w where w.key = s.key and w.bucket = s.bucket),
         count(*), count(s.value_num), sum(s.value_num), min(s.value_num), max(s.value_num)
    from sample s
   group by s.key, s.bucket;
$$;
alter function app.compute_metric_timeseries(uuid, text, timestamptz, timestamptz) owner to curestry_definer;
revoke execute on function app.compute_metric_timeseries(uuid, text, timestamptz, timestamptz) from public;
comment on function app.compute_metric_timeseries(uuid, text, timestamptz, timestamptz) is
  'mart.metric_timeseries of an organization and a span of time, computed from ops.analysis_metric.';
