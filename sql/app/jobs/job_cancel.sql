create or replace function app.job_cancel(job_id bigint) returns text
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_task constant text := app.job_require_unlocked(job_id);
begin
  perform graphile_worker.complete_jobs(array[job_id]);
  return v_task;
end;
$$;
alter function app.job_cancel owner to curestry_definer;
revoke execute on function app.job_cancel from public;
grant execute on function app.job_cancel to curestry_owner;
comment on function app.job_cancel is
  'Takes a job out of the queue; answers its task. Refuses one that runs just now. For operators.';
