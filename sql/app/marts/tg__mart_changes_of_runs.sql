/*
 * A document and a judgement count when their run ended, whatever their own time is. While a run is unfinished, a
 * transaction that changes what belongs to it and one that ends it wait for each other, so that the recorded hour is
 * the one in which it will count.
 */
create or replace function app.tg__mart_changes_of_runs() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if TG_OP <> 'INSERT' then
    perform from ops.analysis_run r
      where (r.organization_id, r.id) in (select organization_id, analysis_run_id from old_rows)
        and r.finished_at is null
        for share;
    insert into app.mart_change (organization_id, source, hour)
    select distinct r.organization_id, TG_ARGV[0], date_trunc('hour', r.occurred_at, 'UTC')
      from old_rows o join ops.analysis_run r on r.organization_id = o.organization_id and r.id = o.analysis_run_id;
  end if;
  if TG_OP <> 'DELETE' then
    perform from ops.analysis_run r
      where (r.organization_id, r.id) in (select organization_id, analysis_run_id from new_rows)
        and r.finished_at is null
        for share;
    insert into app.mart_change (organization_id, source, hour)
    select distinct r.organization_id, TG_ARGV[0], date_trunc('hour', r.occurred_at, 'UTC')
      from new_rows n join ops.analysis_run r on r.organization_id = n.organization_id and r.id = n.analysis_run_id;
  end if;
  return null;
end;
$$;
alter function app.tg__mart_changes_of_runs owner to curestry_definer;
revoke execute on function app.tg__mart_changes_of_runs from public;
comment on function app.tg__mart_changes_of_runs is
  'Trigger: records the hours of the runs whose document or judgements changed.';
