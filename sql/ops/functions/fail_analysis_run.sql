create or replace function ops.fail_analysis_run(id uuid, message text default null) returns ops.analysis_run
language sql volatile security definer set search_path = '' as $$
  select *
    from app.analysis_run_end(
           id, 'failed', case when message is not null then jsonb_build_object('error', message) end);
$$;
alter function ops.fail_analysis_run owner to curestry_definer;
revoke execute on function ops.fail_analysis_run from public;
grant execute on function ops.fail_analysis_run to curestry_member;
comment on function ops.fail_analysis_run is
  E'@notNull\n'
  '@arg id The run.\n'
  '@arg message Why it failed.\n'
  'Ends a queued or running analysis as failed; the message is kept in meta.error. Needs analyses:write.';
