create or replace function app.analysis_run_end(run_id uuid, end_status text, note jsonb) returns ops.analysis_run
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_organization constant uuid := app.require('analyses:write');
  v_run ops.analysis_run;
begin
  update ops.analysis_run r
     set status = end_status, finished_at = now(),
         started_at = case when end_status = 'cancelled' then r.started_at else coalesce(r.started_at, now()) end,
         meta = r.meta || coalesce(note, '{}')
   where r.organization_id = v_organization and r.id = run_id
  returning r.* into v_run;
  if not found then
    perform app.refuse('CU003', format('There is no analysis run %s in this organization', run_id), 'id');
  end if;
  return v_run;
end;
$$;
alter function app.analysis_run_end owner to curestry_definer;
revoke execute on function app.analysis_run_end from public;
comment on function app.analysis_run_end is
  'Ends a run of the request''s organization; the life of a run decides whether it may.';
