create or replace view report.metric_timeseries with (security_invoker = true) as
select o.slug as organization, m.metric_key as metric, m.granularity, m.ts_bucket as bucket,
       m.sample_count, m.numeric_count, m.value_num as mean, m.value_sum as sum, m.value_min as min,
       m.value_max as max, m.value_json -> 'counts' as counts,
       m.source, m.ts_bucket at time zone o.time_zone as bucket_local,
       (m.value_json ->> 'p50')::numeric as p50, (m.value_json ->> 'p90')::numeric as p90,
       (m.value_json ->> 'p95')::numeric as p95, (m.value_json ->> 'p99')::numeric as p99,
       m.value_json -> 'sketch' as sketch, (m.value_json ->> 'other')::bigint as other_count
  from mart.metric_timeseries m
  join ops.organization o on o.id = m.organization_id;
grant select on report.metric_timeseries to curestry_analyst;
comment on view report.metric_timeseries is
  'What was measured, by hour and by day of the organization''s time zone. Choose a granularity, each value counts '
  'in an hour and in a day, and a source.';
comment on column report.metric_timeseries.organization is 'Slug of the organization.';
comment on column report.metric_timeseries.metric is
  'The key of the metric; of other sources as mart.metric_timeseries says.';
comment on column report.metric_timeseries.granularity is 'hour or day.';
comment on column report.metric_timeseries.bucket is 'Start of the hour or day.';
comment on column report.metric_timeseries.sample_count is 'How many values.';
comment on column report.metric_timeseries.numeric_count is 'How many of them are numbers.';
comment on column report.metric_timeseries.mean is 'Mean of the numbers.';
comment on column report.metric_timeseries.sum is 'Sum of the numbers.';
comment on column report.metric_timeseries.min is 'Smallest number.';
comment on column report.metric_timeseries.max is 'Largest number.';
comment on column report.metric_timeseries.counts is
  'For texts and JSON: how often each value occurred; of more than 100 distinct ones 100 that a hash chose.';
comment on column report.metric_timeseries.source is
  'metric (of analyses), node (results), judge (scores) or evaluation (of workflows).';
comment on column report.metric_timeseries.bucket_local is
  'Start of the hour or day, as the clocks of the organization''s time zone show it.';
comment on column report.metric_timeseries.p50 is 'Median, within 1 %.';
comment on column report.metric_timeseries.p90 is 'Nine of ten numbers are at most this, within 1 %.';
comment on column report.metric_timeseries.p95 is '95 of 100 numbers are at most this, within 1 %.';
comment on column report.metric_timeseries.p99 is '99 of 100 numbers are at most this, within 1 %.';
comment on column report.metric_timeseries.sketch is
  'To merge quantiles: mart.quantile(mart.merge_sketches(array_agg(sketch)), 0.95).';
comment on column report.metric_timeseries.other_count is
  'For texts and JSON: how often values occurred that are not in counts.';
