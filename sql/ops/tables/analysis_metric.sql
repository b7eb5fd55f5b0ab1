/*
 * ops.analysis_metric: generated from the database by `deno task generate`
 *
 *   id               uuid          not null default gen_random_uuid()
 *   organization_id  uuid          not null default app.organization_id()
 *   analysis_run_id  uuid          not null
 *   key              varchar(100)  not null
 *   value_num        numeric
 *   value_text       text
 *   value_json       jsonb
 *   occurred_at      timestamptz   not null default now()
 *   created_at       timestamptz   not null default now()
 *
 *   pk_analysis_metric                  primary key (organization_id, id)
 *   unq_analysis_metric_key             unique (organization_id, analysis_run_id, key)
 *   fk_analysis_metric_analysis_run_id  foreign key (organization_id, analysis_run_id) references
 *                                         ops.analysis_run(organization_id, id) on delete cascade
 *   chk_analysis_metric_has_value       check (value_num is not null or value_text is not null or value_json is not
 *                                         null)
 *   chk_analysis_metric_key             check (key ~ '\S')
 *   chk_analysis_metric_value_json      check (octet_length(value_json) <= 1048576 and not
 *                                         jsonb_path_exists(value_json, '$.**{33}'))
 *   chk_analysis_metric_value_num       check (value_num > '-Infinity'::numeric and value_num < 'Infinity'::numeric)
 *   chk_analysis_metric_value_text      check (octet_length(value_text) <= 1048576)
 *
 *   idx_analysis_metric_key          index (organization_id, key, occurred_at)
 *   idx_analysis_metric_occurred_at  index (organization_id, occurred_at)
 */

select app.table_usual_comments('ops.analysis_metric');
comment on table ops.analysis_metric is
  E'@unique id\nA measured value of an analysis run: a number, a text or JSON, under a key.';
comment on column ops.analysis_metric.analysis_run_id is 'The run that it is of.';
comment on column ops.analysis_metric.key is
  'What was measured; once per run. The numbers of the document have their own names as keys.';
comment on column ops.analysis_metric.value_num is 'The value, if it is a number.';
comment on column ops.analysis_metric.value_text is 'The value, if it is a text.';
comment on column ops.analysis_metric.value_json is 'The value, if it is JSON.';
comment on column ops.analysis_metric.occurred_at is 'The time that it counts for.';
comment on constraint unq_analysis_metric_key on ops.analysis_metric is 'metrics: key must not repeat';
comment on constraint fk_analysis_metric_analysis_run_id on ops.analysis_metric is
  'analysis_run_id must name an analysis run of the same organization.';
comment on constraint chk_analysis_metric_key on ops.analysis_metric is 'metrics: key must not be blank';
comment on constraint chk_analysis_metric_has_value on ops.analysis_metric is
  'metrics: one of value_num, value_text and value_json is required';
comment on constraint chk_analysis_metric_value_num on ops.analysis_metric is
  'metrics: value_num must be a finite number';
comment on constraint chk_analysis_metric_value_text on ops.analysis_metric is
  'metrics: value_text must be at most 1 MiB';
comment on constraint chk_analysis_metric_value_json on ops.analysis_metric is
  'metrics: value_json must be at most 1 MiB, nested at most 32 deep';

alter table ops.analysis_metric alter column organization_id set default app.organization_id();

select app.table_protect('ops.analysis_metric');
select app.table_policies_for_members('ops.analysis_metric', to_read => 'analyses:read');
select app.table_policy_for_analysts('ops.analysis_metric');

grant select on ops.analysis_metric to curestry_member;
grant select on ops.analysis_metric to curestry_analyst;
grant select,
      insert,
      update (value_num, value_text, value_json, occurred_at)
   on ops.analysis_metric to curestry_definer;

select app.mart_source_table('ops.analysis_metric', 'metric');
select app.audit_table('ops.analysis_metric', summarize_inserts => true);
