create or replace function app.job_list(only_failed boolean default false)
returns table (id bigint, task text, state text, attempts integer, max_attempts integer, error text,
               created_at timestamptz, updated_at timestamptz, run_at timestamptz, worker text)
language plpgsql stable security definer set search_path = '' as $$
begin
  return query select j.id, j.task_identifier::text,
         case when j.locked_at is not null then 'running'
              when j.attempts >= j.max_attempts then 'failed'
              when j.last_error is not null then 'retrying'
              else 'waiting' end,
         j.attempts::integer, j.max_attempts::integer, left(j.last_error, 2000),
         j.created_at, j.updated_at, j.run_at, j.locked_by
    from graphile_worker.jobs j
   where not only_failed or (j.locked_at is null and j.attempts >= j.max_attempts)
   order by j.id;
end;
$$;
alter function app.job_list owner to curestry_definer;
revoke execute on function app.job_list from public;
grant execute on function app.job_list to curestry_owner;
comment on function app.job_list is
  'The jobs of the queue, or those of them that failed for good, with the last error; not what they are about. For '
  'operators.';
