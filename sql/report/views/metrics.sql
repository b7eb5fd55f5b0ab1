create or replace view report.metrics with (security_invoker = true) as
select o.slug as organization, m.analysis_run_id, m.key as metric,
       m.value_num, m.value_text, m.value_json, m.occurred_at
  from ops.analysis_metric m
  join ops.organization o on o.id = m.organization_id;
grant select on report.metrics to curestry_analyst;
comment on view report.metrics is 'The measured values of analyses, one row a value.';
comment on column report.metrics.organization is 'Slug of the organization.';
comment on column report.metrics.analysis_run_id is 'The run; joins to report.analyses.';
comment on column report.metrics.metric is 'What was measured.';
comment on column report.metrics.value_num is 'The value, if it is a number.';
comment on column report.metrics.value_text is 'The value, if it is a text.';
comment on column report.metrics.value_json is 'The value, if it is JSON.';
comment on column report.metrics.occurred_at is 'The time that it counts for.';
