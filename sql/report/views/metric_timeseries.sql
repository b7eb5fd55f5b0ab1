create or replace view report.metric_timeseries with (security_invoker = true) as
select o.slug as organization, m.metric_key as metric, m.granularity, m.ts_bucket as bucket, m.sample_count, m.numeric_count,
       m.value_num as mean, m.value_sum as sum, m.value_min as min, m.value_max as max, m.value_json -> 'counts' as counts
  from mart.metric_timeseries m
  join ops.organization o on o.id = m.organization_id;
grant select on report.metric_timeseries to curestry_analyst;
comment on view report.metric_timeseries is 'The metrics of analyses by hour and by day (UTC). Choose a granularity: each value counts in an hour and in a day.';
comment on column report.metric_timeseries.organization is 'Slug of the organization.';
comment on column report.metric_timeseries.metric is 'The key of the metric.';
comment on column report.metric_timeseries.granularity is 'hour or day.';
comment on column report.metric_timeseries.bucket is 'Start of the hour or day.';
comment on column report.metric_timeseries.sample_count is 'How many values.';
comment on column report.metric_timeseries.numeric_count is 'How many of them are numbers.';
comment on column report.metric_timeseries.mean is 'Mean of the numbers.';
comment on column report.metric_timeseries.sum is 'Sum of the numbers.';
comment on column report.metric_timeseries.min is 'Smallest number.';
comment on column report.metric_timeseries.max is 'Largest number.';
comment on column report.metric_timeseries.counts is 'For texts and JSON: how often each value occurred.';
