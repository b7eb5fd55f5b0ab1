/*
 * A score and a change of its rubric come one after the other: whichever is second waits, and a change that comes
 * second is refused. Many scores at once do not wait for each other.
 */
create or replace function app.tg_judge_score__rubric() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  perform from ops.judge_rubric r
    where (r.organization_id, r.id) in (
      select c.organization_id, c.rubric_id
        from new_rows s
        join ops.judge_criterion c on c.organization_id = s.organization_id and c.id = s.criterion_id)
      for share;
  return null;
end;
$$;
alter function app.tg_judge_score__rubric owner to curestry_definer;
revoke execute on function app.tg_judge_score__rubric from public;
comment on function app.tg_judge_score__rubric is
  'Trigger: locks the rubrics of new scores against change until the scores are there or not.';
