comment on table ops.analysis_node_result is E'@unique id\nWhat one node of the analysis pipeline found.';
comment on column ops.analysis_node_result.id is 'Identifies the row; unique across organizations.';
comment on column ops.analysis_node_result.organization_id is 'The organization that the row belongs to; given by the request, never by the caller.';
comment on column ops.analysis_node_result.analysis_run_id is 'The run that it is of.';
comment on column ops.analysis_node_result.node is 'entropy, llm_judge, rag_oracle, regex_checks or another; once per run.';
comment on column ops.analysis_node_result.status is 'ok, warn, fail or error.';
comment on column ops.analysis_node_result.score is '0 to 10.';
comment on column ops.analysis_node_result.details is 'What was found, a JSON object.';
comment on column ops.analysis_node_result.occurred_at is 'The time that it counts for.';
comment on column ops.analysis_node_result.created_at is 'When the row was written.';
comment on constraint pk_analysis_node_result on ops.analysis_node_result is 'One row per organization and id.';
comment on constraint unq_analysis_node_result_node on ops.analysis_node_result is 'nodeResults: a run has one result per node';
comment on constraint fk_analysis_node_result_analysis_run_id on ops.analysis_node_result is 'analysis_run_id must name an analysis run of the same organization.';
comment on constraint chk_analysis_node_result_node on ops.analysis_node_result is 'nodeResults: node must not be blank';
comment on constraint chk_analysis_node_result_status on ops.analysis_node_result is 'nodeResults: status must be ok, warn, fail or error';
comment on constraint chk_analysis_node_result_score on ops.analysis_node_result is 'nodeResults: score must be from 0 to 10';
comment on constraint chk_analysis_node_result_details on ops.analysis_node_result is 'nodeResults: details must be a JSON object of at most 1 MiB, nested at most 32 deep';

alter table ops.analysis_node_result alter column organization_id set default app.organization_id();

alter table ops.analysis_node_result enable row level security;
alter table ops.analysis_node_result force row level security;
revoke all on ops.analysis_node_result from curestry_anonymous, curestry_member, curestry_analyst, curestry_definer;

drop policy if exists select_own on ops.analysis_node_result;
create policy select_own on ops.analysis_node_result for select to curestry_member
  using (organization_id = app.organization_if('analyses:read'));
comment on policy select_own on ops.analysis_node_result is 'Members read the rows of their request''s organization, with analyses:read.';
grant select on ops.analysis_node_result to curestry_member;

drop policy if exists select_granted on ops.analysis_node_result;
create policy select_granted on ops.analysis_node_result for select to curestry_analyst
  using (organization_id = any (app.analyst_organizations()));
comment on policy select_granted on ops.analysis_node_result is 'Analysts read the organizations granted to them.';
grant select on ops.analysis_node_result to curestry_analyst;

drop policy if exists definer_all on ops.analysis_node_result;
create policy definer_all on ops.analysis_node_result for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on ops.analysis_node_result is 'The functions that look past row level security; the grants say what they may.';
grant select, insert on ops.analysis_node_result to curestry_definer;

select app.mark_table('ops.analysis_node_result', 'node');
select app.audit_table('ops.analysis_node_result', summarize_inserts => true);
