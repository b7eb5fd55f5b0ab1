/*
 * core.workflow_nodes: generated from the database by `deno task generate`
 *
 *   id               integer      not null default nextval('core.workflow_nodes_id_seq')
 *   run_id           integer      not null
 *   key              varchar(64)  not null
 *   status           varchar(32)  not null default 'pending'
 *   started_at       timestamptz
 *   finished_at      timestamptz
 *   result           jsonb
 *   organization_id  uuid         not null default app.organization_id()
 *
 *   pk_workflow_nodes                   primary key (organization_id, id)
 *   unq_workflow_nodes_key              unique (organization_id, run_id, key)
 *   fk_workflow_nodes_run_id            foreign key (organization_id, run_id) references
 *                                         core.workflow_runs(organization_id, id) on delete cascade
 *   chk_workflow_nodes_key              check (key ~ '\S')
 *   chk_workflow_nodes_plausible_times  check (started_at >= '2000-01-01 00:00:00+00' and started_at < '2100-01-01
 *                                         00:00:00+00' and finished_at >= '2000-01-01 00:00:00+00' and finished_at <
 *                                         '2100-01-01 00:00:00+00')
 *   chk_workflow_nodes_result           check (octet_length(result) <= 1048576 and not jsonb_path_exists(result,
 *                                         '$.**{33}'))
 *   chk_workflow_nodes_status           check (status in ('pending', 'running', 'success', 'failed'))
 *   chk_workflow_nodes_times            check (finished_at >= started_at)
 */

select app.table_usual_comments('core.workflow_nodes');
comment on table core.workflow_nodes is E'@unique id\nOne step of a workflow run.';
comment on column core.workflow_nodes.id is 'Identifies the step; unique across organizations.';
comment on column core.workflow_nodes.run_id is 'The run that it is a step of.';
comment on column core.workflow_nodes.key is 'Name of the step, such as detect_language; unique within the run.';
comment on column core.workflow_nodes.status is
  E'@words WorkflowNodeStatus\n'
  '@word pending It waits for its turn.\n'
  '@word running It is worked on.\n'
  '@word success It ended well.\n'
  '@word failed It ended with an error.\n'
  'pending, running, success or failed.';
comment on column core.workflow_nodes.started_at is 'When it started.';
comment on column core.workflow_nodes.finished_at is 'When it ended.';
comment on column core.workflow_nodes.result is 'What came out, as JSON.';
comment on constraint unq_workflow_nodes_key on core.workflow_nodes is 'the run has a node with this key already';
comment on constraint fk_workflow_nodes_run_id on core.workflow_nodes is
  'run_id must name a workflow run of the same organization.';
comment on constraint chk_workflow_nodes_key on core.workflow_nodes is 'key must not be blank';
comment on constraint chk_workflow_nodes_status on core.workflow_nodes is
  'status must be pending, running, success or failed';
comment on constraint chk_workflow_nodes_times on core.workflow_nodes is 'finished_at must not lie before started_at';
comment on constraint chk_workflow_nodes_result on core.workflow_nodes is
  'result must be JSON of at most 1 MiB, nested at most 32 deep';
comment on constraint chk_workflow_nodes_plausible_times on core.workflow_nodes is
  'started_at and finished_at must be times from 2000 to 2099';

alter table core.workflow_nodes alter column organization_id set default app.organization_id();

select app.table_protect('core.workflow_nodes');
select app.table_policies_for_members(
  'core.workflow_nodes', to_read => 'workflows:read', to_write => 'workflows:write');
select app.table_policy_for_analysts('core.workflow_nodes');

grant select,
      insert (run_id, key, status, started_at, finished_at, result),
      update (status, started_at, finished_at, result),
      delete
   on core.workflow_nodes to curestry_member;
grant select on core.workflow_nodes to curestry_analyst;
grant select, update (status) on core.workflow_nodes to curestry_definer;
grant usage on sequence core.workflow_nodes_id_seq to curestry_member;

create or replace trigger _200_life before insert or update of status on core.workflow_nodes
  for each row execute function app.tg_workflow_nodes__life();
select app.audit_table('core.workflow_nodes');
