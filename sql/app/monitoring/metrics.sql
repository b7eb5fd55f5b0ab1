/* Names and labels are few and the same for everybody: no organization, no person. */
create or replace function app.metrics() returns table (name text, help text, labels jsonb, value double precision)
language sql stable security definer set search_path = '' as $$
  select 'curestry_mart_oldest_change_seconds',
         'Age of the oldest change that a mart has not processed; 0 if it has processed all.',
         jsonb_build_object('mart', f.mart), coalesce(f.oldest_change_seconds, 0)
    from app.mart_freshness_all() f
  union all
  select 'curestry_mart_changes_waiting', 'Changes that a mart has not processed.',
         jsonb_build_object('mart', f.mart), f.waiting
    from app.mart_freshness_all() f
  union all
  select 'curestry_audit_unsealed_seconds', 'Age of the oldest row of the audit log that is not sealed; 0 if all are.',
         '{}', coalesce(app.audit_unsealed_seconds(), 0)
  union all
  select 'curestry_jobs', 'Jobs in the queue by state.', jsonb_build_object('state', s.state), s.jobs
    from app.job_counts() c,
         lateral (values ('waiting', c.waiting), ('running', c.running), ('failed', c.failed)) as s (state, jobs)
  union all
  select 'curestry_task_seconds_since_success',
         'Time since a task that runs by itself last succeeded; none if it never did.',
         jsonb_build_object('task', r.task, 'kind', r.kind), extract(epoch from clock_timestamp() - r.succeeded_at)
    from app.task_list() r where r.succeeded_at is not null
  union all
  select 'curestry_task_late', '1 for a task that runs by itself and is late, else 0.',
         jsonb_build_object('task', r.task, 'kind', r.kind), r.is_late::integer
    from app.task_list() r
  union all
  select 'curestry_workers_alive', 'Workers with a heartbeat.', '{}', app.worker_count_alive();
$$;
alter function app.metrics owner to curestry_definer;
revoke execute on function app.metrics from public;
grant execute on function app.metrics to curestry_gateway, curestry_owner;
comment on function app.metrics is
  'Figures of the database for GET /metrics, all of them gauges: a further one is a further row.';
