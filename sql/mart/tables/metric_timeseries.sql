/*
 * mart.metric_timeseries: generated from the database by `deno task generate`
 *
 *   id               uuid          not null default gen_random_uuid()
 *   organization_id  uuid          not null
 *   metric_key       varchar(100)  not null
 *   granularity      varchar(10)   not null
 *   ts_bucket        timestamptz   not null
 *   value_num        numeric
 *   value_json       jsonb
 *   sample_count     bigint        not null
 *   numeric_count    bigint        not null default 0
 *   value_sum        numeric
 *   value_min        numeric
 *   value_max        numeric
 *   source           varchar(20)   not null
 *
 *   pk_metric_timeseries                  primary key (organization_id, id)
 *   unq_metric_timeseries_bucket          unique (organization_id, source, metric_key, granularity, ts_bucket)
 *   fk_metric_timeseries_organization_id  foreign key (organization_id) references ops.organization(id) on delete
 *                                           cascade
 *   chk_metric_timeseries_granularity     check (granularity in ('hour', 'day'))
 *   chk_metric_timeseries_numeric_count   check (numeric_count >= 0 and numeric_count <= sample_count)
 *   chk_metric_timeseries_sample_count    check (sample_count > 0)
 *   chk_metric_timeseries_source          check (source in ('metric', 'node', 'judge', 'evaluation'))
 *
 *   idx_metric_timeseries_ts_bucket  index (organization_id, granularity, ts_bucket)
 */

select app.table_usual_comments('mart.metric_timeseries');
comment on table mart.metric_timeseries is
  E'@unique id\nWhat was measured, by hour and by day of the organization''s time zone: metrics of analyses, node '
  'results, judge scores, metrics of workflows.';
comment on column mart.metric_timeseries.source is
  E'@words MetricSource\n'
  '@word metric Metrics of analyses.\n'
  '@word node Scores of the pipelines nodes.\n'
  '@word judge Scores that judges gave.\n'
  '@word evaluation Metrics of workflow runs.\n'
  'metric: of analyses; node: results of their nodes (scores, and statuses as texts); judge: scores by rubric '
  'and criterion; evaluation: of workflow runs.';
comment on column mart.metric_timeseries.metric_key is
  'metric: its key; node: the node; judge: rubric, version and criterion, as "quality v1/clarity"; evaluation: the '
  'name, after the step''s key and "/" if it is of a step. Longer than 100 characters: 91, "~" and 8 of its MD5.';
comment on column mart.metric_timeseries.granularity is
  E'@words MetricGranularity\n'
  '@word hour By the hour.\n'
  '@word day By the day.\n'
  'hour or day.';
comment on column mart.metric_timeseries.ts_bucket is 'Start of the hour or day.';
comment on column mart.metric_timeseries.value_num is 'Mean of the numbers.';
comment on column mart.metric_timeseries.value_json is
  'For numbers: "p50", "p90", "p95", "p99", each within 1 % of the number at that rank, and "sketch", which '
  'mart.merge_sketches adds up and mart.quantile reads. For texts and JSON: "counts", how often each value (its '
  'first 200 characters) occurred; of more than 100 distinct ones 100 that a hash chose, the others together under '
  '"other".';
comment on column mart.metric_timeseries.sample_count is 'How many values.';
comment on column mart.metric_timeseries.numeric_count is 'How many of them are numbers.';
comment on column mart.metric_timeseries.value_sum is 'Sum of the numbers.';
comment on column mart.metric_timeseries.value_min is 'Smallest number.';
comment on column mart.metric_timeseries.value_max is 'Largest number.';
comment on constraint unq_metric_timeseries_bucket on mart.metric_timeseries is
  'One row per source, metric, granularity and bucket.';
comment on constraint chk_metric_timeseries_source on mart.metric_timeseries is
  'source must be metric, node, judge or evaluation';
comment on constraint chk_metric_timeseries_granularity on mart.metric_timeseries is 'granularity must be hour or day';
comment on constraint chk_metric_timeseries_sample_count on mart.metric_timeseries is
  'sample_count must be more than 0';
comment on constraint chk_metric_timeseries_numeric_count on mart.metric_timeseries is
  'numeric_count must be from 0 to sample_count';

select app.table_protect('mart.metric_timeseries');
select app.table_policies_for_members('mart.metric_timeseries', to_read => 'marts:read');
select app.table_policy_for_analysts('mart.metric_timeseries');

grant select on mart.metric_timeseries to curestry_member;
grant select on mart.metric_timeseries to curestry_analyst;
grant select, insert, delete, update on mart.metric_timeseries to curestry_definer;
