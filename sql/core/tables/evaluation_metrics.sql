/*
 * core.evaluation_metrics: generated from the database by `deno task generate`
 *
 *   id               integer           not null default nextval('core.evaluation_metrics_id_seq')
 *   run_id           integer           not null
 *   node_key         varchar(64)
 *   metric_name      varchar(64)       not null
 *   metric_value     double precision  not null
 *   metric_meta      jsonb
 *   created_at       timestamptz       not null default now()
 *   organization_id  uuid              not null default app.organization_id()
 *   occurred_at      timestamptz       not null generated always as (created_at) stored
 *
 *   pk_evaluation_metrics                   primary key (organization_id, id)
 *   unq_evaluation_metrics_run_node_metric  unique nulls not distinct (organization_id, run_id, node_key, metric_name,
 *                                             created_at)
 *   fk_evaluation_metrics_run_id            foreign key (organization_id, run_id) references
 *                                             core.workflow_runs(organization_id, id) on delete cascade
 *   chk_evaluation_metrics_created_at       check (created_at >= '2000-01-01 00:00:00+00' and created_at < '2100-01-01
 *                                             00:00:00+00')
 *   chk_evaluation_metrics_metric_meta      check (octet_length(metric_meta) <= 262144 and not
 *                                             jsonb_path_exists(metric_meta, '$.**{33}'))
 *   chk_evaluation_metrics_metric_name      check (metric_name ~ '\S')
 *   chk_evaluation_metrics_metric_value     check (metric_value > '-Infinity'::double precision and metric_value <
 *                                             'Infinity'::double precision)
 *
 *   idx_evaluation_metrics_metric_name  index (organization_id, metric_name, created_at)
 *   idx_evaluation_metrics_occurred_at  index (organization_id, occurred_at)
 *   idx_evaluation_metrics_run_metric   index (organization_id, run_id, metric_name)
 */

select app.table_usual_comments('core.evaluation_metrics');
comment on table core.evaluation_metrics is E'@unique id\nA number that a workflow run, or one of its steps, produced.';
comment on column core.evaluation_metrics.id is 'Identifies the number; unique across organizations.';
comment on column core.evaluation_metrics.run_id is 'The run that produced it.';
comment on column core.evaluation_metrics.node_key is 'The step that produced it; null: the run as a whole.';
comment on column core.evaluation_metrics.metric_name is 'What was measured.';
comment on column core.evaluation_metrics.metric_value is 'The number.';
comment on column core.evaluation_metrics.metric_meta is 'More about it, as JSON.';
comment on column core.evaluation_metrics.created_at is 'When it was measured.';
comment on column core.evaluation_metrics.occurred_at is 'The time that it counts for: created_at.';
comment on constraint fk_evaluation_metrics_run_id on core.evaluation_metrics is
  'run_id must name a workflow run of the same organization.';
comment on constraint chk_evaluation_metrics_metric_name on core.evaluation_metrics is 'metric_name must not be blank';
comment on constraint chk_evaluation_metrics_metric_value on core.evaluation_metrics is
  'metric_value must be a finite number';
comment on constraint chk_evaluation_metrics_metric_meta on core.evaluation_metrics is
  'metric_meta must be JSON of at most 256 KiB, nested at most 32 deep';
comment on constraint chk_evaluation_metrics_created_at on core.evaluation_metrics is
  'created_at must be a time from 2000 to 2099';
comment on index core.unq_evaluation_metrics_run_node_metric is
  'there is a value of this metric_name for this run, node_key and created_at already';

alter table core.evaluation_metrics alter column organization_id set default app.organization_id();

select app.table_protect('core.evaluation_metrics');
select app.table_policies_for_members(
  'core.evaluation_metrics', to_read => 'workflows:read', to_write => 'workflows:write', writes => '{insert,delete}');
select app.table_policy_for_analysts('core.evaluation_metrics');

grant select,
      insert (run_id, node_key, metric_name, metric_value, metric_meta, created_at),
      delete
   on core.evaluation_metrics to curestry_member;
grant select on core.evaluation_metrics to curestry_analyst;
grant select on core.evaluation_metrics to curestry_definer;
grant usage on sequence core.evaluation_metrics_id_seq to curestry_member;

select app.mart_source_table('core.evaluation_metrics', 'evaluation', time_field => 'created_at');
select app.audit_table('core.evaluation_metrics', summarize_inserts => true);
