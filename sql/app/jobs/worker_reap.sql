/*
 * graphile-worker waits four hours before it takes a job from a worker that is gone. Runs with the rights of
 * curestry_worker, to whom the queue belongs. graphile_worker._private_jobs is no public interface of that library:
 * package.json pins its version, and test/worker/crashes_lose_nothing.test.ts fails where another one keeps its jobs
 * otherwise.
 */
create or replace function app.worker_reap(timeout interval default app.worker_heartbeat_timeout()) returns integer
language plpgsql volatile set search_path = '' as $$
declare
  v_dead text[];
  v_jobs integer;
begin
  v_dead := app.worker_list_dead(
    array(select distinct j.locked_by from graphile_worker.jobs j
           where greatest(j.locked_at, pg_postmaster_start_time()) < clock_timestamp() - timeout),
    timeout);
  if v_dead = '{}' then
    return 0;
  end if;
  update graphile_worker._private_jobs j set last_error = 'The worker ended in the middle of it'
   where j.locked_by = any (v_dead);
  get diagnostics v_jobs = row_count;
  -- A scheduled job that may not be tried again was replaced by the schedule, which has queued another
  delete from graphile_worker._private_jobs j
   where j.locked_by = any (v_dead) and j.attempts >= j.max_attempts and j.payload::jsonb ? '_cron';
  perform graphile_worker.force_unlock_workers(v_dead);
  return v_jobs;
end;
$$;
revoke execute on function app.worker_reap from public;
grant execute on function app.worker_reap to curestry_worker;
comment on function app.worker_reap is
  'Gives the jobs of workers that died back to the queue, for others to run; answers how many. A poll of the worker.';
