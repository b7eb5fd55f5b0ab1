/*
 * ops.analysis_node_result: generated from the database by `deno task generate`
 *
 *   id               uuid         not null default gen_random_uuid()
 *   organization_id  uuid         not null default app.organization_id()
 *   analysis_run_id  uuid         not null
 *   node             varchar(50)  not null
 *   status           varchar(20)  not null
 *   score            numeric
 *   details          jsonb        not null default '{}'
 *   occurred_at      timestamptz  not null default now()
 *   created_at       timestamptz  not null default now()
 *
 *   pk_analysis_node_result                  primary key (organization_id, id)
 *   unq_analysis_node_result_node            unique (organization_id, analysis_run_id, node)
 *   fk_analysis_node_result_analysis_run_id  foreign key (organization_id, analysis_run_id) references
 *                                              ops.analysis_run(organization_id, id) on delete cascade
 *   chk_analysis_node_result_details         check (jsonb_typeof(details) = 'object' and octet_length(details) <=
 *                                              1048576 and not jsonb_path_exists(details, '$.**{33}'))
 *   chk_analysis_node_result_node            check (node ~ '\S')
 *   chk_analysis_node_result_score           check (score >= 0::numeric and score <= 10::numeric)
 *   chk_analysis_node_result_status          check (status in ('ok', 'warn', 'fail', 'error'))
 *
 *   idx_analysis_node_result_node         index (organization_id, node, status)
 *   idx_analysis_node_result_occurred_at  index (organization_id, occurred_at)
 */

select app.table_usual_comments('ops.analysis_node_result');
comment on table ops.analysis_node_result is E'@unique id\nWhat one node of the analysis pipeline found.';
comment on column ops.analysis_node_result.analysis_run_id is 'The run that it is of.';
comment on column ops.analysis_node_result.node is
  'entropy, llm_judge, rag_oracle, regex_checks or another; once per run.';
comment on column ops.analysis_node_result.status is
  E'@words NodeResultStatus\n'
  '@word ok Nothing to complain of.\n'
  '@word warn Something to look at.\n'
  '@word fail The text does not pass.\n'
  '@word error The node itself failed.\n'
  'ok, warn, fail or error.';
comment on column ops.analysis_node_result.score is E'@float\n0 to 10.';
comment on column ops.analysis_node_result.details is 'What was found, a JSON object.';
comment on column ops.analysis_node_result.occurred_at is 'The time that it counts for.';
comment on constraint unq_analysis_node_result_node on ops.analysis_node_result is
  'nodeResults: node must not repeat';
comment on constraint fk_analysis_node_result_analysis_run_id on ops.analysis_node_result is
  'analysis_run_id must name an analysis run of the same organization.';
comment on constraint chk_analysis_node_result_node on ops.analysis_node_result is
  'nodeResults: node must not be blank';
comment on constraint chk_analysis_node_result_status on ops.analysis_node_result is
  'nodeResults: status must be ok, warn, fail or error';
comment on constraint chk_analysis_node_result_score on ops.analysis_node_result is
  'nodeResults: score must be from 0 to 10';
comment on constraint chk_analysis_node_result_details on ops.analysis_node_result is
  'nodeResults: details must be a JSON object of at most 1 MiB, nested at most 32 deep';

alter table ops.analysis_node_result alter column organization_id set default app.organization_id();

select app.table_protect('ops.analysis_node_result');
select app.table_policies_for_members('ops.analysis_node_result', to_read => 'analyses:read');
select app.table_policy_for_analysts('ops.analysis_node_result');

grant select on ops.analysis_node_result to curestry_member;
grant select on ops.analysis_node_result to curestry_analyst;
grant select, insert, update (occurred_at) on ops.analysis_node_result to curestry_definer;

select app.mart_source_table('ops.analysis_node_result', 'node');
select app.audit_table('ops.analysis_node_result', summarize_inserts => true);
