create or replace function app.task_list() returns setof ops.task_run
language sql stable security definer set search_path = '' as $$
  select r.task, r.kind,
         -- Late: no success for three times the interval, and half a minute for a worker that starts
         clock_timestamp() > greatest(r.succeeded_at, r.expected_since)
                             + r.expected_seconds * interval '3 seconds' + interval '30 seconds',
         r.expected_seconds, r.started_at, r.succeeded_at, r.failed_at, r.error, r.milliseconds
    from app.task_run r
   order by r.task, r.kind;
$$;
alter function app.task_list owner to curestry_definer;
revoke execute on function app.task_list from public;
grant execute on function app.task_list to curestry_owner;
comment on function app.task_list is 'What runs by itself, when it last did, and which of it is late. For operators.';
