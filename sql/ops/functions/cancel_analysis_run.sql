create or replace function ops.cancel_analysis_run(id uuid, reason text default null) returns ops.analysis_run
language sql volatile security definer set search_path = '' as $$
  select *
    from app.analysis_run_end(
           id, 'cancelled', case when reason is not null then jsonb_build_object('reason', reason) end);
$$;
alter function ops.cancel_analysis_run owner to curestry_definer;
revoke execute on function ops.cancel_analysis_run from public;
grant execute on function ops.cancel_analysis_run to curestry_member;
comment on function ops.cancel_analysis_run is
  E'@notNull\n'
  '@arg id The run.\n'
  '@arg reason Why.\n'
  'Ends a queued or running analysis as cancelled; the reason is kept in meta.reason. Needs analyses:write.';
