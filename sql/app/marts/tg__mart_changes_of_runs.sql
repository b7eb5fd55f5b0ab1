/*
 * A document and a judgement count when their run ended, whatever their own time is. While a run is unfinished, a
 * transaction that changes what belongs to it and one that ends it wait for each other, so that the recorded hour is
 * the one in which it will count. "offset 0", and "for share", have each run looked up by its key, whatever the planner
 * thinks of the table.
 */
create or replace function app.tg__mart_changes_of_runs() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if TG_OP <> 'INSERT' then
    perform from old_rows n,
         lateral (select from ops.analysis_run r
                   where r.organization_id = n.organization_id and r.id = n.analysis_run_id and r.finished_at is null
                     for share) r;
    insert into app.mart_change (organization_id, source, hour)
    select distinct n.organization_id, TG_ARGV[0], date_trunc('hour', r.occurred_at, 'UTC')
      from old_rows n,
           lateral (select r.occurred_at from ops.analysis_run r
                     where r.organization_id = n.organization_id and r.id = n.analysis_run_id
                    offset 0) r;
  end if;
  if TG_OP <> 'DELETE' then
    perform from new_rows n,
         lateral (select from ops.analysis_run r
                   where r.organization_id = n.organization_id and r.id = n.analysis_run_id and r.finished_at is null
                     for share) r;
    insert into app.mart_change (organization_id, source, hour)
    select distinct n.organization_id, TG_ARGV[0], date_trunc('hour', r.occurred_at, 'UTC')
      from new_rows n,
           lateral (select r.occurred_at from ops.analysis_run r
                     where r.organization_id = n.organization_id and r.id = n.analysis_run_id
                    offset 0) r;
  end if;
  return null;
end;
$$;
alter function app.tg__mart_changes_of_runs owner to curestry_definer;
revoke execute on function app.tg__mart_changes_of_runs from public;
comment on function app.tg__mart_changes_of_runs is
  'Trigger: records the hours of the runs whose document or judgements changed.';
