create or replace function app.cancel_job(job_id bigint) returns text
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_task constant text := app.unlocked_job(job_id);
begin
  perform graphile_worker.complete_jobs(array[job_id]);
  return v_task;
end;
$$;
alter function app.cancel_job(bigint) owner to curestry_definer;
revoke execute on function app.cancel_job(bigint) from public;
grant execute on function app.cancel_job(bigint) to curestry_owner;
comment on function app.cancel_job(bigint) is
  'Takes a job out of the queue; answers its task. Refuses one that runs just now. For operators.';
