create or replace function app.job_tidy(keep interval default interval '7 days', newest integer default 20)
returns integer
language plpgsql volatile set search_path = '' as $$
declare
  v_removed integer;
begin
  -- Only what the schedule queues again anyway: other failed jobs wait for an operator
  delete from graphile_worker._private_jobs j
   using (select f.id, f.updated_at, row_number() over (partition by f.task_id order by f.id desc) as place
            from graphile_worker._private_jobs f
           where f.attempts >= f.max_attempts and f.locked_at is null and f.payload::jsonb ? '_cron') f
   where j.id = f.id and j.locked_at is null and (f.place > newest or f.updated_at < now() - keep);
  get diagnostics v_removed = row_count;
  return v_removed;
end;
$$;
revoke execute on function app.job_tidy from public;
grant execute on function app.job_tidy to curestry_worker;
comment on function app.job_tidy is
  'Removes scheduled jobs that failed for good: all but the newest of each task, and those too after some days. A '
  'job of the worker.';
