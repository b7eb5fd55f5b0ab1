comment on table core.evaluation_metrics is E'@unique id\nA number that a workflow run, or one of its steps, produced.';
comment on column core.evaluation_metrics.id is 'Identifies the number; unique across organizations.';
comment on column core.evaluation_metrics.run_id is 'The run that produced it.';
comment on column core.evaluation_metrics.node_key is 'The step that produced it; null: the run as a whole.';
comment on column core.evaluation_metrics.metric_name is 'What was measured.';
comment on column core.evaluation_metrics.metric_value is 'The number.';
comment on column core.evaluation_metrics.metric_meta is 'More about it, as JSON.';
comment on column core.evaluation_metrics.created_at is 'When it was measured.';
comment on column core.evaluation_metrics.occurred_at is 'The time that it counts for: created_at.';
comment on column core.evaluation_metrics.organization_id is 'The organization that the row belongs to; given by the request, never by the caller.';
comment on constraint pk_evaluation_metrics on core.evaluation_metrics is 'One row per organization and id.';
comment on constraint fk_evaluation_metrics_run_id on core.evaluation_metrics is 'run_id must name a workflow run of the same organization.';
comment on constraint chk_evaluation_metrics_metric_name on core.evaluation_metrics is 'metric_name must not be blank';
comment on constraint chk_evaluation_metrics_metric_value on core.evaluation_metrics is 'metric_value must be a finite number';
comment on constraint chk_evaluation_metrics_metric_meta on core.evaluation_metrics is 'metric_meta must be JSON of at most 256 KiB, nested at most 32 deep';
comment on constraint chk_evaluation_metrics_created_at on core.evaluation_metrics is 'created_at must be a time from 2000 to 2099';
comment on index core.unq_evaluation_metrics_run_node_metric is 'this metric of the run and node was recorded for this time already';

alter table core.evaluation_metrics alter column organization_id set default app.organization_id();

alter table core.evaluation_metrics enable row level security;
alter table core.evaluation_metrics force row level security;
revoke all on core.evaluation_metrics from curestry_anonymous, curestry_member, curestry_analyst, curestry_definer;

drop policy if exists select_own on core.evaluation_metrics;
create policy select_own on core.evaluation_metrics for select to curestry_member
  using (organization_id = app.organization_if('workflows:read'));
comment on policy select_own on core.evaluation_metrics is 'Members read the rows of their request''s organization, with workflows:read.';
grant select on core.evaluation_metrics to curestry_member;

drop policy if exists insert_own on core.evaluation_metrics;
create policy insert_own on core.evaluation_metrics for insert to curestry_member
  with check (organization_id = app.organization_if('workflows:write'));
comment on policy insert_own on core.evaluation_metrics is 'Members write to their request''s organization, with workflows:write.';
grant insert (run_id, node_key, metric_name, metric_value, metric_meta, created_at) on core.evaluation_metrics to curestry_member;

drop policy if exists delete_own on core.evaluation_metrics;
create policy delete_own on core.evaluation_metrics for delete to curestry_member
  using (organization_id = app.organization_if('workflows:write'));
comment on policy delete_own on core.evaluation_metrics is 'Members delete the rows of their request''s organization, with workflows:write.';
grant delete on core.evaluation_metrics to curestry_member;
grant usage on sequence core.evaluation_metrics_id_seq to curestry_member;

drop policy if exists select_granted on core.evaluation_metrics;
create policy select_granted on core.evaluation_metrics for select to curestry_analyst
  using (organization_id = any (app.analyst_organizations()));
comment on policy select_granted on core.evaluation_metrics is 'Analysts read the organizations granted to them.';
grant select on core.evaluation_metrics to curestry_analyst;

drop policy if exists definer_all on core.evaluation_metrics;
create policy definer_all on core.evaluation_metrics for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on core.evaluation_metrics is 'The functions that look past row level security; the grants say what they may.';
grant select on core.evaluation_metrics to curestry_definer;

select app.mark_table('core.evaluation_metrics', 'evaluation', time_field => 'created_at');
select app.audit_table('core.evaluation_metrics', summarize_inserts => true);
