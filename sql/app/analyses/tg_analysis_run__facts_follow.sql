/*
 * A run that was recorded while it was going on has facts from then. They count when it counts: all marts have the
 * run at one time, whenever it ends.
 */
create or replace function app.tg_analysis_run__facts_follow() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  update ops.analysis_metric m set occurred_at = NEW.occurred_at
   where m.organization_id = NEW.organization_id and m.analysis_run_id = NEW.id and m.occurred_at <> NEW.occurred_at;
  update ops.analysis_node_result n set occurred_at = NEW.occurred_at
   where n.organization_id = NEW.organization_id and n.analysis_run_id = NEW.id and n.occurred_at <> NEW.occurred_at;
  update ops.judge_score s set occurred_at = NEW.occurred_at
   where s.organization_id = NEW.organization_id and s.analysis_run_id = NEW.id and s.occurred_at <> NEW.occurred_at;
  return null;
end;
$$;
alter function app.tg_analysis_run__facts_follow owner to curestry_definer;
revoke execute on function app.tg_analysis_run__facts_follow from public;
comment on function app.tg_analysis_run__facts_follow is
  'Trigger: what a run has measured counts at the time at which the run counts.';
