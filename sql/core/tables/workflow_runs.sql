comment on table core.workflow_runs is E'@unique id\nOne execution of a workflow.';
comment on column core.workflow_runs.id is 'Identifies the run; unique across organizations.';
comment on column core.workflow_runs.user_id is 'Who started it.';
comment on column core.workflow_runs.started_at is 'When it started.';
comment on column core.workflow_runs.finished_at is 'When it ended; null while it runs.';
comment on column core.workflow_runs.status is 'running, success, failed or cancelled.';
comment on column core.workflow_runs.meta is 'Anything else, a JSON object.';
comment on column core.workflow_runs.organization_id is 'The organization that the row belongs to; given by the request, never by the caller.';
comment on constraint pk_workflow_runs on core.workflow_runs is 'One row per organization and id.';
comment on constraint fk_workflow_runs_organization_id on core.workflow_runs is 'The organization must exist.';
comment on constraint fk_workflow_runs_user_id on core.workflow_runs is 'The user must exist.';
comment on constraint chk_workflow_runs_status on core.workflow_runs is 'status must be running, success, failed or cancelled';
comment on constraint chk_workflow_runs_finished_at on core.workflow_runs is 'finished_at must be given when the run has ended, and not while it is running';
comment on constraint chk_workflow_runs_times on core.workflow_runs is 'finished_at must not lie before started_at';
comment on constraint chk_workflow_runs_meta on core.workflow_runs is 'meta must be a JSON object of at most 256 KiB, nested at most 32 deep';
comment on constraint chk_workflow_runs_plausible_times on core.workflow_runs is 'started_at and finished_at must be times from 2000 to 2099';

alter table core.workflow_runs alter column organization_id set default app.organization_id();

alter table core.workflow_runs enable row level security;
alter table core.workflow_runs force row level security;
revoke all on core.workflow_runs from curestry_anonymous, curestry_member, curestry_analyst, curestry_definer;

drop policy if exists select_own on core.workflow_runs;
create policy select_own on core.workflow_runs for select to curestry_member
  using (organization_id = app.organization_if('workflows:read'));
comment on policy select_own on core.workflow_runs is 'Members read the rows of their request''s organization, with workflows:read.';
grant select on core.workflow_runs to curestry_member;

drop policy if exists insert_own on core.workflow_runs;
create policy insert_own on core.workflow_runs for insert to curestry_member
  with check (organization_id = app.organization_if('workflows:write'));
comment on policy insert_own on core.workflow_runs is 'Members write to their request''s organization, with workflows:write.';
grant insert (started_at, finished_at, status, meta) on core.workflow_runs to curestry_member;

drop policy if exists update_own on core.workflow_runs;
create policy update_own on core.workflow_runs for update to curestry_member
  using (organization_id = app.organization_if('workflows:write'));
comment on policy update_own on core.workflow_runs is 'Members change the rows of their request''s organization, with workflows:write.';
grant update (finished_at, status, meta) on core.workflow_runs to curestry_member;

drop policy if exists delete_own on core.workflow_runs;
create policy delete_own on core.workflow_runs for delete to curestry_member
  using (organization_id = app.organization_if('workflows:write'));
comment on policy delete_own on core.workflow_runs is 'Members delete the rows of their request''s organization, with workflows:write.';
grant delete on core.workflow_runs to curestry_member;
grant usage on sequence core.workflow_runs_id_seq to curestry_member;

drop policy if exists select_granted on core.workflow_runs;
create policy select_granted on core.workflow_runs for select to curestry_analyst
  using (organization_id = any (app.analyst_organizations()));
comment on policy select_granted on core.workflow_runs is 'Analysts read the organizations granted to them.';
grant select on core.workflow_runs to curestry_analyst;

drop policy if exists definer_all on core.workflow_runs;
create policy definer_all on core.workflow_runs for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on core.workflow_runs is 'The functions that look past row level security; the grants say what they may.';
grant select, update (status) on core.workflow_runs to curestry_definer;

create or replace trigger _200_end before update of status on core.workflow_runs
  for each row execute function app.tg_workflow_runs__end();
select app.audit_table('core.workflow_runs');
