create or replace view report.judge_scores with (security_invoker = true) as
select o.slug as organization, s.id as judge_score_id, s.analysis_run_id, r.prompt_id, p.name as prompt_name,
       b.name as rubric, b.version as rubric_version, c.key as criterion, c.title as criterion_title, c.weight,
       s.score, s.comment, s.occurred_at
  from ops.judge_score s
  join ops.organization o on o.id = s.organization_id
  join ops.analysis_run r on r.organization_id = s.organization_id and r.id = s.analysis_run_id
  join ops.judge_criterion c on c.organization_id = s.organization_id and c.id = s.criterion_id
  join ops.judge_rubric b on b.organization_id = c.organization_id and b.id = c.rubric_id
  left join core.prompts p on p.organization_id = r.organization_id and p.id = r.prompt_id;
grant select on report.judge_scores to curestry_analyst;
comment on view report.judge_scores is 'What judges gave, one row a score, with rubric, criterion and prompt by name.';
comment on column report.judge_scores.organization is 'Slug of the organization.';
comment on column report.judge_scores.judge_score_id is 'Identifies the score.';
comment on column report.judge_scores.analysis_run_id is 'The run that was judged; joins to report.analyses.';
comment on column report.judge_scores.prompt_id is 'The prompt of the run.';
comment on column report.judge_scores.prompt_name is 'Its name, as it is now.';
comment on column report.judge_scores.rubric is 'Name of the rubric.';
comment on column report.judge_scores.rubric_version is 'Its version.';
comment on column report.judge_scores.criterion is 'Key of the criterion.';
comment on column report.judge_scores.criterion_title is 'Its display name.';
comment on column report.judge_scores.weight is 'Its share in the total.';
comment on column report.judge_scores.score is '0 to 10.';
comment on column report.judge_scores.comment is 'Why, in the words of the judge.';
comment on column report.judge_scores.occurred_at is 'The time that it counts for.';
