comment on table core.workflow_nodes is E'@unique id\nOne step of a workflow run.';
comment on column core.workflow_nodes.id is 'Identifies the step; unique across organizations.';
comment on column core.workflow_nodes.run_id is 'The run that it is a step of.';
comment on column core.workflow_nodes.key is 'Name of the step, such as detect_language; unique within the run.';
comment on column core.workflow_nodes.status is 'pending, running, success or failed.';
comment on column core.workflow_nodes.started_at is 'When it started.';
comment on column core.workflow_nodes.finished_at is 'When it ended.';
comment on column core.workflow_nodes.result is 'What came out, as JSON.';
comment on column core.workflow_nodes.organization_id is 'The organization that the row belongs to; given by the request, never by the caller.';
comment on constraint pk_workflow_nodes on core.workflow_nodes is 'One row per organization and id.';
comment on constraint unq_workflow_nodes_key on core.workflow_nodes is 'a run has one node per key';
comment on constraint fk_workflow_nodes_run_id on core.workflow_nodes is 'run_id must name a workflow run of the same organization.';
comment on constraint chk_workflow_nodes_key on core.workflow_nodes is 'key must not be blank';
comment on constraint chk_workflow_nodes_status on core.workflow_nodes is 'status must be pending, running, success or failed';
comment on constraint chk_workflow_nodes_times on core.workflow_nodes is 'finished_at must not lie before started_at';
comment on constraint chk_workflow_nodes_result on core.workflow_nodes is 'result must be JSON of at most 1 MiB, nested at most 32 deep';
comment on constraint chk_workflow_nodes_plausible_times on core.workflow_nodes is 'started_at and finished_at must be times from 2000 to 2099';

alter table core.workflow_nodes alter column organization_id set default app.organization_id();

alter table core.workflow_nodes enable row level security;
alter table core.workflow_nodes force row level security;
revoke all on core.workflow_nodes from curestry_anonymous, curestry_member, curestry_analyst, curestry_definer;

drop policy if exists select_own on core.workflow_nodes;
create policy select_own on core.workflow_nodes for select to curestry_member
  using (organization_id = app.organization_if('workflows:read'));
comment on policy select_own on core.workflow_nodes is 'Members read the rows of their request''s organization, with workflows:read.';
grant select on core.workflow_nodes to curestry_member;

drop policy if exists insert_own on core.workflow_nodes;
create policy insert_own on core.workflow_nodes for insert to curestry_member
  with check (organization_id = app.organization_if('workflows:write'));
comment on policy insert_own on core.workflow_nodes is 'Members write to their request''s organization, with workflows:write.';
grant insert (run_id, key, status, started_at, finished_at, result) on core.workflow_nodes to curestry_member;

drop policy if exists update_own on core.workflow_nodes;
create policy update_own on core.workflow_nodes for update to curestry_member
  using (organization_id = app.organization_if('workflows:write'));
comment on policy update_own on core.workflow_nodes is 'Members change the rows of their request''s organization, with workflows:write.';
grant update (status, started_at, finished_at, result) on core.workflow_nodes to curestry_member;

drop policy if exists delete_own on core.workflow_nodes;
create policy delete_own on core.workflow_nodes for delete to curestry_member
  using (organization_id = app.organization_if('workflows:write'));
comment on policy delete_own on core.workflow_nodes is 'Members delete the rows of their request''s organization, with workflows:write.';
grant delete on core.workflow_nodes to curestry_member;
grant usage on sequence core.workflow_nodes_id_seq to curestry_member;

drop policy if exists select_granted on core.workflow_nodes;
create policy select_granted on core.workflow_nodes for select to curestry_analyst
  using (organization_id = any (app.analyst_organizations()));
comment on policy select_granted on core.workflow_nodes is 'Analysts read the organizations granted to them.';
grant select on core.workflow_nodes to curestry_analyst;

drop policy if exists definer_all on core.workflow_nodes;
create policy definer_all on core.workflow_nodes for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on core.workflow_nodes is 'The functions that look past row level security; the grants say what they may.';
grant select, update (status) on core.workflow_nodes to curestry_definer;

create or replace trigger _200_life before insert or update of status on core.workflow_nodes
  for each row execute function app.tg_workflow_nodes__life();
select app.audit_table('core.workflow_nodes');
