/*
 * A definer function that filters by organization itself: the operators of numeric are not leakproof, and do not use
 * their index under row level security. A plan for each call leaves out the bounds that are not given.
 */
create or replace function ops.judge_scores_by_score(
  at_least numeric default null, at_most numeric default null, criterion_id uuid default null,
  highest_first boolean default true
) returns setof ops.judge_score
language plpgsql stable security definer set search_path = '' set plan_cache_mode = force_custom_plan rows 100 as $$
declare
  v_organization constant uuid := app.organization_if('analyses:read');
begin
  if highest_first then
    return query
      select s.* from ops.judge_score s
       where s.organization_id = v_organization
         and (at_least is null or s.score >= at_least) and (at_most is null or s.score <= at_most)
         and (judge_scores_by_score.criterion_id is null or s.criterion_id = judge_scores_by_score.criterion_id)
       order by s.score desc, s.occurred_at desc, s.id desc;
  else
    return query
      select s.* from ops.judge_score s
       where s.organization_id = v_organization
         and (at_least is null or s.score >= at_least) and (at_most is null or s.score <= at_most)
         and (judge_scores_by_score.criterion_id is null or s.criterion_id = judge_scores_by_score.criterion_id)
       order by s.score, s.occurred_at, s.id;
  end if;
end;
$$;
alter function ops.judge_scores_by_score owner to curestry_definer;
revoke execute on function ops.judge_scores_by_score from public;
grant execute on function ops.judge_scores_by_score to curestry_member;
comment on function ops.judge_scores_by_score is
  E'@arg at_least The least score; 0 if absent.\n'
  '@arg at_most The greatest score; 10 if absent.\n'
  '@arg criterion_id By which criterion; any if absent.\n'
  '@arg highest_first Otherwise lowest first.\n'
  'The scores that judges gave from atLeast to atMost, both included, highest first or lowest first; of one '
  'criterion, or of all. Needs analyses:read.';
