comment on table ops.judge_score is E'@unique id\nWhat a judge gave an analysis run by one criterion.';
comment on column ops.judge_score.id is 'Identifies the row; unique across organizations.';
comment on column ops.judge_score.organization_id is 'The organization that the row belongs to; given by the request, never by the caller.';
comment on column ops.judge_score.analysis_run_id is 'The run that was judged.';
comment on column ops.judge_score.criterion_id is 'By which criterion.';
comment on column ops.judge_score.score is '0 to 10.';
comment on column ops.judge_score.comment is 'Why, in the words of the judge.';
comment on column ops.judge_score.evidence is 'What the judge goes by, a JSON object.';
comment on column ops.judge_score.occurred_at is 'The time that it counts for.';
comment on column ops.judge_score.created_at is 'When the row was written.';
comment on constraint pk_judge_score on ops.judge_score is 'One row per organization and id.';
comment on constraint unq_judge_score_criterion_id on ops.judge_score is 'scores: a run has one score per criterion';
comment on constraint fk_judge_score_analysis_run_id on ops.judge_score is 'analysis_run_id must name an analysis run of the same organization.';
comment on constraint fk_judge_score_criterion_id on ops.judge_score is 'criterion_id must name a criterion of the same organization.';
comment on constraint chk_judge_score_score on ops.judge_score is 'scores: score must be from 0 to 10';
comment on constraint chk_judge_score_comment on ops.judge_score is 'scores: comment must be at most 1 MiB';
comment on constraint chk_judge_score_evidence on ops.judge_score is 'scores: evidence must be a JSON object of at most 1 MiB, nested at most 32 deep';

alter table ops.judge_score alter column organization_id set default app.organization_id();

alter table ops.judge_score enable row level security;
alter table ops.judge_score force row level security;
revoke all on ops.judge_score from curestry_anonymous, curestry_member, curestry_analyst, curestry_definer;

drop policy if exists select_own on ops.judge_score;
create policy select_own on ops.judge_score for select to curestry_member
  using (organization_id = app.organization_if('analyses:read'));
comment on policy select_own on ops.judge_score is 'Members read the rows of their request''s organization, with analyses:read.';
grant select on ops.judge_score to curestry_member;

drop policy if exists select_granted on ops.judge_score;
create policy select_granted on ops.judge_score for select to curestry_analyst
  using (organization_id = any (app.analyst_organizations()));
comment on policy select_granted on ops.judge_score is 'Analysts read the organizations granted to them.';
grant select on ops.judge_score to curestry_analyst;

drop policy if exists definer_all on ops.judge_score;
create policy definer_all on ops.judge_score for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on ops.judge_score is 'The functions that look past row level security; the grants say what they may.';
grant select, insert on ops.judge_score to curestry_definer;

create or replace trigger _200_rubric after insert on ops.judge_score
  referencing new table as new_rows for each statement execute function app.tg_judge_score__rubric();
select app.mark_table('ops.judge_score', 'judge');
select app.mark_table('ops.judge_score', 'analysis', trigger_function => 'tg__mart_marks_of_runs');
select app.audit_table('ops.judge_score');
