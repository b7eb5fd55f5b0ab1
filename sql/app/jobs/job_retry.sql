create or replace function app.job_retry(job_id bigint) returns text
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_task constant text := app.job_require_unlocked(job_id);
begin
  perform graphile_worker.reschedule_jobs(array[job_id], run_at => now(), attempts => 0);
  return v_task;
end;
$$;
alter function app.job_retry owner to curestry_definer;
revoke execute on function app.job_retry from public;
grant execute on function app.job_retry to curestry_owner;
comment on function app.job_retry is
  'Lets a job run again at once, with all its attempts; answers its task. Refuses one that runs just now. For '
  'operators.';
