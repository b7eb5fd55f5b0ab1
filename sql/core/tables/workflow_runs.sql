/*
 * core.workflow_runs: generated from the database by `deno task generate`
 *
 *   id               integer      not null default nextval('core.workflow_runs_id_seq')
 *   user_id          integer
 *   started_at       timestamptz  not null default now()
 *   finished_at      timestamptz
 *   status           varchar(32)  not null default 'running'
 *   meta             jsonb        not null default '{}'
 *   organization_id  uuid         not null default app.organization_id()
 *
 *   pk_workflow_runs                   primary key (organization_id, id)
 *   fk_workflow_runs_organization_id   foreign key (organization_id) references ops.organization(id) on delete cascade
 *   fk_workflow_runs_user_id           foreign key (user_id) references core.users(id)
 *   chk_workflow_runs_finished_at      check ((finished_at is not null) = (status <> 'running'))
 *   chk_workflow_runs_meta             check (jsonb_typeof(meta) = 'object' and octet_length(meta) <= 262144 and not
 *                                        jsonb_path_exists(meta, '$.**{33}'))
 *   chk_workflow_runs_plausible_times  check (started_at >= '2000-01-01 00:00:00+00' and started_at < '2100-01-01
 *                                        00:00:00+00' and finished_at >= '2000-01-01 00:00:00+00' and finished_at <
 *                                        '2100-01-01 00:00:00+00')
 *   chk_workflow_runs_status           check (status in ('running', 'success', 'failed', 'cancelled'))
 *   chk_workflow_runs_times            check (finished_at >= started_at)
 *
 *   idx_workflow_runs_organization_status  index (organization_id, status, started_at)
 *   idx_workflow_runs_started_at           index (organization_id, started_at)
 *   idx_workflow_runs_user_status          index (user_id, status)
 */

select app.table_usual_comments('core.workflow_runs');
comment on table core.workflow_runs is E'@unique id\nOne execution of a workflow.';
comment on column core.workflow_runs.id is 'Identifies the run; unique across organizations.';
comment on column core.workflow_runs.user_id is 'Who started it.';
comment on column core.workflow_runs.started_at is 'When it started.';
comment on column core.workflow_runs.finished_at is 'When it ended; null while it runs.';
comment on column core.workflow_runs.status is
  E'@words WorkflowRunStatus\n'
  '@word running It is worked on.\n'
  '@word success It ended well.\n'
  '@word failed It ended with an error.\n'
  '@word cancelled Somebody ended it.\n'
  'running, success, failed or cancelled.';
comment on column core.workflow_runs.meta is 'Anything else, a JSON object.';
comment on constraint chk_workflow_runs_status on core.workflow_runs is
  'status must be running, success, failed or cancelled';
comment on constraint chk_workflow_runs_finished_at on core.workflow_runs is
  'finished_at must be given when the run has ended, and not while it is running';
comment on constraint chk_workflow_runs_times on core.workflow_runs is 'finished_at must not lie before started_at';
comment on constraint chk_workflow_runs_meta on core.workflow_runs is
  'meta must be a JSON object of at most 256 KiB, nested at most 32 deep';
comment on constraint chk_workflow_runs_plausible_times on core.workflow_runs is
  'started_at and finished_at must be times from 2000 to 2099';

alter table core.workflow_runs alter column organization_id set default app.organization_id();

select app.table_protect('core.workflow_runs');
select app.table_policies_for_members('core.workflow_runs', to_read => 'workflows:read', to_write => 'workflows:write');
select app.table_policy_for_analysts('core.workflow_runs');

grant select,
      insert (started_at, finished_at, status, meta),
      update (finished_at, status, meta),
      delete
   on core.workflow_runs to curestry_member;
grant select on core.workflow_runs to curestry_analyst;
grant select, update (status) on core.workflow_runs to curestry_definer;
grant usage on sequence core.workflow_runs_id_seq to curestry_member;

create or replace trigger _200_end before update of status on core.workflow_runs
  for each row execute function app.tg_workflow_runs__end();
select app.audit_table('core.workflow_runs');
