create or replace function app.job_require_unlocked(job_id bigint) returns text
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_task text;
  v_locked timestamptz;
begin
  select t.identifier, j.locked_at
    into v_task, v_locked
    from graphile_worker._private_jobs j
    join graphile_worker._private_tasks t on t.id = j.task_id
   where j.id = job_id
     for update of j;
  if not found then
    perform app.refuse('CU003', format('There is no job %s', job_id), 'id');
  end if;
  if v_locked is not null then
    perform app.refuse('CU005', format('The job %s runs just now; wait for its end', job_id), 'id');
  end if;
  return v_task;
end;
$$;
alter function app.job_require_unlocked owner to curestry_definer;
revoke execute on function app.job_require_unlocked from public;
comment on function app.job_require_unlocked is
  'The task of a job that does not run, which until the end of the transaction no worker takes; refuses (CU003, '
  'CU005) another.';
