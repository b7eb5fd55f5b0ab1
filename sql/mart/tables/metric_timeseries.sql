comment on table mart.metric_timeseries is E'@unique id\nWhat was measured, by hour and by day of the organization''s time zone: metrics of analyses, node results, judge scores, metrics of workflows.';
comment on column mart.metric_timeseries.id is 'Identifies the row; unique across organizations.';
comment on column mart.metric_timeseries.organization_id is 'The organization that the row belongs to; given by the request, never by the caller.';
comment on column mart.metric_timeseries.source is 'metric: of analyses; node: results of their nodes (scores, and statuses as texts); judge: scores by rubric and criterion; evaluation: of workflow runs.';
comment on column mart.metric_timeseries.metric_key is 'metric: its key; node: the node; judge: rubric, version and criterion, as "quality v1/clarity"; evaluation: the name, after the step''s key and "/" if it is of a step. Longer than 100 characters: 91, "~" and 8 of its MD5.';
comment on column mart.metric_timeseries.granularity is 'hour or day.';
comment on column mart.metric_timeseries.ts_bucket is 'Start of the hour or day.';
comment on column mart.metric_timeseries.value_num is 'Mean of the numbers.';
comment on column mart.metric_timeseries.value_json is 'For numbers: "p50", "p90", "p95", "p99", each within 1 % of the number at that rank, and "sketch", which mart.merge_sketches adds up and mart.quantile reads. For texts and JSON: "counts", how often each value (its first 200 characters) occurred; of more than 100 distinct ones 100 that a hash chose, the others together under "other".';
comment on column mart.metric_timeseries.sample_count is 'How many values.';
comment on column mart.metric_timeseries.numeric_count is 'How many of them are numbers.';
comment on column mart.metric_timeseries.value_sum is 'Sum of the numbers.';
comment on column mart.metric_timeseries.value_min is 'Smallest number.';
comment on column mart.metric_timeseries.value_max is 'Largest number.';
comment on constraint pk_metric_timeseries on mart.metric_timeseries is 'One row per organization and id.';
comment on constraint unq_metric_timeseries_bucket on mart.metric_timeseries is 'One row per source, metric, granularity and bucket.';
comment on constraint fk_metric_timeseries_organization_id on mart.metric_timeseries is 'The organization must exist.';
comment on constraint chk_metric_timeseries_source on mart.metric_timeseries is 'source must be metric, node, judge or evaluation';
comment on constraint chk_metric_timeseries_granularity on mart.metric_timeseries is 'granularity must be hour or day';
comment on constraint chk_metric_timeseries_sample_count on mart.metric_timeseries is 'sample_count must be more than 0';
comment on constraint chk_metric_timeseries_numeric_count on mart.metric_timeseries is 'numeric_count must be from 0 to sample_count';

alter table mart.metric_timeseries enable row level security;
alter table mart.metric_timeseries force row level security;
revoke all on mart.metric_timeseries from curestry_anonymous, curestry_member, curestry_analyst, curestry_definer;

drop policy if exists select_own on mart.metric_timeseries;
create policy select_own on mart.metric_timeseries for select to curestry_member
  using (organization_id = app.organization_if('marts:read'));
comment on policy select_own on mart.metric_timeseries is 'Members read the rows of their request''s organization, with marts:read.';
grant select on mart.metric_timeseries to curestry_member;

drop policy if exists select_granted on mart.metric_timeseries;
create policy select_granted on mart.metric_timeseries for select to curestry_analyst
  using (organization_id = any (app.analyst_organizations()));
comment on policy select_granted on mart.metric_timeseries is 'Analysts read the organizations granted to them.';
grant select on mart.metric_timeseries to curestry_analyst;

drop policy if exists definer_all on mart.metric_timeseries;
create policy definer_all on mart.metric_timeseries for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on mart.metric_timeseries is 'The functions that look past row level security; the grants say what they may.';
grant select, insert, delete, update on mart.metric_timeseries to curestry_definer;
