/*
 * ops.judge_score: generated from the database by `deno task generate`
 *
 *   id               uuid         not null default gen_random_uuid()
 *   organization_id  uuid         not null default app.organization_id()
 *   analysis_run_id  uuid         not null
 *   criterion_id     uuid         not null
 *   score            numeric      not null
 *   comment          text
 *   evidence         jsonb        not null default '{}'
 *   occurred_at      timestamptz  not null default now()
 *   created_at       timestamptz  not null default now()
 *
 *   pk_judge_score                  primary key (organization_id, id)
 *   unq_judge_score_criterion_id    unique (organization_id, analysis_run_id, criterion_id)
 *   fk_judge_score_analysis_run_id  foreign key (organization_id, analysis_run_id) references
 *                                     ops.analysis_run(organization_id, id) on delete cascade
 *   fk_judge_score_criterion_id     foreign key (organization_id, criterion_id) references
 *                                     ops.judge_criterion(organization_id, id)
 *   chk_judge_score_comment         check (octet_length(comment) <= 1048576)
 *   chk_judge_score_evidence        check (jsonb_typeof(evidence) = 'object' and octet_length(evidence) <= 1048576 and
 *                                     not jsonb_path_exists(evidence, '$.**{33}'))
 *   chk_judge_score_score           check (score >= 0::numeric and score <= 10::numeric)
 *
 *   idx_judge_score_criterion_id  index (organization_id, criterion_id, occurred_at)
 *   idx_judge_score_occurred_at   index (organization_id, occurred_at)
 *   idx_judge_score_score         index (organization_id, score)
 */

select app.table_usual_comments('ops.judge_score');
comment on table ops.judge_score is E'@unique id\nWhat a judge gave an analysis run by one criterion.';
comment on column ops.judge_score.analysis_run_id is 'The run that was judged.';
comment on column ops.judge_score.criterion_id is 'By which criterion.';
comment on column ops.judge_score.score is
  E'@float\n'
  '@behavior -filterBy -orderBy -attribute:groupBy -havingBy -attribute:aggregate:filterBy -aggregate:filterBy '
  '-attribute:aggregate:orderBy\n0 to 10; judgeScoresByScore looks for it.';
comment on column ops.judge_score.comment is 'Why, in the words of the judge.';
comment on column ops.judge_score.evidence is 'What the judge goes by, a JSON object.';
comment on column ops.judge_score.occurred_at is 'The time that it counts for.';
comment on constraint unq_judge_score_criterion_id on ops.judge_score is
  'scores: criterion must not repeat within a rubric';
comment on constraint fk_judge_score_analysis_run_id on ops.judge_score is
  'analysis_run_id must name an analysis run of the same organization.';
comment on constraint fk_judge_score_criterion_id on ops.judge_score is
  'criterion_id must name a criterion of the same organization.';
comment on constraint chk_judge_score_score on ops.judge_score is 'scores: score must be from 0 to 10';
comment on constraint chk_judge_score_comment on ops.judge_score is 'scores: comment must be at most 1 MiB';
comment on constraint chk_judge_score_evidence on ops.judge_score is
  'scores: evidence must be a JSON object of at most 1 MiB, nested at most 32 deep';

alter table ops.judge_score alter column organization_id set default app.organization_id();

select app.table_protect('ops.judge_score');
select app.table_policies_for_members('ops.judge_score', to_read => 'analyses:read');
select app.table_policy_for_analysts('ops.judge_score');

grant select on ops.judge_score to curestry_member;
grant select on ops.judge_score to curestry_analyst;
grant select, insert, update (occurred_at) on ops.judge_score to curestry_definer;

create or replace trigger _200_rubric after insert on ops.judge_score
  referencing new table as new_rows for each statement execute function app.tg_judge_score__rubric();
select app.mart_source_table('ops.judge_score', 'judge');
select app.mart_source_table('ops.judge_score', 'analysis', trigger_function => 'tg__mart_changes_of_runs');
select app.audit_table('ops.judge_score');
