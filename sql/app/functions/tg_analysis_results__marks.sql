/* A document counts in the hour of its run. */
create or replace function app.tg_analysis_results__marks() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if TG_OP <> 'INSERT' then
    insert into app.mart_mark (organization_id, hour)
    select distinct r.organization_id, date_trunc('hour', r.occurred_at, 'UTC')
      from old_rows d
      join ops.analysis_run r on r.organization_id = d.organization_id and r.id = d.analysis_run_id;
  end if;
  if TG_OP <> 'DELETE' then
    insert into app.mart_mark (organization_id, hour)
    select distinct r.organization_id, date_trunc('hour', r.occurred_at, 'UTC')
      from new_rows d
      join ops.analysis_run r on r.organization_id = d.organization_id and r.id = d.analysis_run_id;
  end if;
  return null;
end;
$$;
alter function app.tg_analysis_results__marks() owner to curestry_definer;
revoke execute on function app.tg_analysis_results__marks() from public;
comment on function app.tg_analysis_results__marks() is 'Trigger: marks the hours of the runs whose documents changed.';
