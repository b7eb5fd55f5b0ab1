comment on table ops.analysis_metric is E'@unique id\nA measured value of an analysis run: a number, a text or JSON, under a key.';
comment on column ops.analysis_metric.id is 'Identifies the row; unique across organizations.';
comment on column ops.analysis_metric.organization_id is 'The organization that the row belongs to; given by the request, never by the caller.';
comment on column ops.analysis_metric.analysis_run_id is 'The run that it is of.';
comment on column ops.analysis_metric.key is 'What was measured; once per run. The numbers of the document stand under their own names.';
comment on column ops.analysis_metric.value_num is 'The value, if it is a number.';
comment on column ops.analysis_metric.value_text is 'The value, if it is a text.';
comment on column ops.analysis_metric.value_json is 'The value, if it is JSON.';
comment on column ops.analysis_metric.occurred_at is 'The time that it counts for.';
comment on column ops.analysis_metric.created_at is 'When the row was written.';
comment on constraint pk_analysis_metric on ops.analysis_metric is 'One row per organization and id.';
comment on constraint unq_analysis_metric_key on ops.analysis_metric is 'metrics: a run has one value per key';
comment on constraint fk_analysis_metric_analysis_run_id on ops.analysis_metric is 'analysis_run_id must name an analysis run of the same organization.';
comment on constraint chk_analysis_metric_key on ops.analysis_metric is 'metrics: key must not be blank';
comment on constraint chk_analysis_metric_has_value on ops.analysis_metric is 'metrics: one of value_num, value_text and value_json is required';
comment on constraint chk_analysis_metric_value_num on ops.analysis_metric is 'metrics: value_num must be a finite number';
comment on constraint chk_analysis_metric_value_text on ops.analysis_metric is 'metrics: value_text must be at most 1 MiB';
comment on constraint chk_analysis_metric_value_json on ops.analysis_metric is 'metrics: value_json must be at most 1 MiB, nested at most 32 deep';

alter table ops.analysis_metric alter column organization_id set default app.organization_id();

alter table ops.analysis_metric enable row level security;
alter table ops.analysis_metric force row level security;
revoke all on ops.analysis_metric from curestry_anonymous, curestry_member, curestry_analyst, curestry_definer;

drop policy if exists select_own on ops.analysis_metric;
create policy select_own on ops.analysis_metric for select to curestry_member
  using (organization_id = app.organization_if('analyses:read'));
comment on policy select_own on ops.analysis_metric is 'Members read the rows of their request''s organization, with analyses:read.';
grant select on ops.analysis_metric to curestry_member;

drop policy if exists select_granted on ops.analysis_metric;
create policy select_granted on ops.analysis_metric for select to curestry_analyst
  using (organization_id = any (app.analyst_organizations()));
comment on policy select_granted on ops.analysis_metric is 'Analysts read the organizations granted to them.';
grant select on ops.analysis_metric to curestry_analyst;

drop policy if exists definer_all on ops.analysis_metric;
create policy definer_all on ops.analysis_metric for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on ops.analysis_metric is 'The functions that look past row level security; the grants say what they may.';
grant select, insert, update (value_num, value_text, value_json) on ops.analysis_metric to curestry_definer;

select app.mark_table('ops.analysis_metric', 'metric');
select app.audit_table('ops.analysis_metric', summarize_inserts => true);
