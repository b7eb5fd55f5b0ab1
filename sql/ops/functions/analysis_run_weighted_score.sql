/* Only of a complete judgement: with a criterion missing, the mean would be of something else. */
create or replace function ops.analysis_run_weighted_score(run ops.analysis_run, rubric_id uuid default null)
returns numeric
language sql stable set search_path = '' as $$
  select case when count(*) = count(s.id) and sum(c.weight) > 0 then sum(c.weight * s.score) / sum(c.weight) end
    from ops.judge_criterion c
    left join ops.judge_score s
      on s.organization_id = c.organization_id and s.criterion_id = c.id and s.analysis_run_id = run.id
   where c.organization_id = run.organization_id
     and c.rubric_id = coalesce(
           analysis_run_weighted_score.rubric_id,
           (select case when count(distinct k.rubric_id) = 1 then min(k.rubric_id::text)::uuid end
              from ops.judge_score j
              join ops.judge_criterion k on k.organization_id = j.organization_id and k.id = j.criterion_id
             where j.organization_id = run.organization_id and j.analysis_run_id = run.id));
$$;
revoke execute on function ops.analysis_run_weighted_score from public;
grant execute on function ops.analysis_run_weighted_score to curestry_member, curestry_analyst;
comment on function ops.analysis_run_weighted_score is
  E'@float\n'
  '@arg rubric_id By which rubric; if absent, by the one that the scores are of.\n'
  'The mean of what judges gave by a rubric, weighted by its criteria, 0 to 10; null unless every criterion of '
  'it has a score. Without rubricId: the rubric by which the run was judged, if it is one.';
