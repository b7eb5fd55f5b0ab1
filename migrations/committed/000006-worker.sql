--! Previous: sha1:d6d029915c1f47108f83c491233efaaac13066d9
--! Hash: sha1:280a822e757f8cc2c5c03629e6127c43338734bb
--! Message: who works, and whether the work is done

/*
 * Who works and whether the work is done: workers have a heartbeat, scheduled tasks a record of their last success, and
 * operators see failed jobs.
 */

-- Others wait behind a migration that waits
set local lock_timeout = '30s';

create table app.worker_heartbeat (
    worker_id text not null,
    started_at timestamptz not null default clock_timestamp(),
    beat_at timestamptz not null default clock_timestamp(),
    constraint pk_worker_heartbeat primary key (worker_id)
);

create table app.task_run (
    kind text not null,
    task text not null,
    expected_seconds integer not null,
    expected_since timestamptz not null default clock_timestamp(),
    started_at timestamptz,
    succeeded_at timestamptz,
    failed_at timestamptz,
    error text,
    milliseconds double precision,
    constraint pk_task_run primary key (kind, task),
    constraint chk_task_run_kind check (kind in ('schedule', 'poll')),
    constraint chk_task_run_expected_seconds check (expected_seconds > 0)
);

create table app.operator (
    user_id integer not null,
    granted_at timestamptz not null default now(),
    constraint pk_operator primary key (user_id),
    constraint fk_operator_user_id foreign key (user_id) references core.users (id) on delete cascade
);

create type ops.failed_job as (
    id bigint,
    task text,
    attempts integer,
    max_attempts integer,
    error text,
    created_at timestamptz,
    failed_at timestamptz
);

create type ops.task_run as (
    task text,
    kind text,
    is_late boolean,
    expected_seconds integer,
    started_at timestamptz,
    succeeded_at timestamptz,
    failed_at timestamptz,
    error text,
    milliseconds double precision
);

--! Included ops/types/jobs.sql
comment on type ops.failed_job is 'A job of the worker that failed for good. What it is about is not in the API.';
comment on column ops.failed_job.id is 'Identifies the job.';
comment on column ops.failed_job.task is 'What was to be done.';
comment on column ops.failed_job.attempts is 'How often it was tried.';
comment on column ops.failed_job.max_attempts is 'How often it was to be tried at most.';
comment on column ops.failed_job.error is 'Why it failed the last time.';
comment on column ops.failed_job.created_at is 'When it was queued.';
comment on column ops.failed_job.failed_at is 'When it failed the last time.';

comment on type ops.task_run is 'A task of the worker that runs by itself, and when it last did.';
comment on column ops.task_run.task is 'Which task.';
comment on column ops.task_run.kind is 'schedule: a line of the crontab; poll: looked for all the time.';
comment on column ops.task_run.is_late is 'Whether it has not succeeded for three times as long as it should take.';
comment on column ops.task_run.expected_seconds is 'How often it runs: at most this long after the time before.';
comment on column ops.task_run.started_at is 'When it last began.';
comment on column ops.task_run.succeeded_at is 'When it last succeeded.';
comment on column ops.task_run.failed_at is 'When it last failed.';
comment on column ops.task_run.error is 'Why it last failed.';
comment on column ops.task_run.milliseconds is 'How long it took the last time.';
grant usage on type ops.failed_job, ops.task_run to curestry_member, curestry_definer;
--! EndIncluded ops/types/jobs.sql
--! Included app/functions/require_operator.sql
create or replace function app.require_operator() returns integer
language plpgsql stable security definer set search_path = '' as $$
declare
  v_user constant integer := app.require_person();
begin
  if not exists (select from app.operator o where o.user_id = v_user) then
    perform app.refuse('CU002', 'This is for operators: "curestry operator grant" makes one');
  end if;
  return v_user;
end;
$$;
alter function app.require_operator() owner to curestry_definer;
revoke execute on function app.require_operator() from public;
comment on function app.require_operator() is
  'The operator who makes the request in person; refuses (CU001, CU002) anybody else, and every API key.';
--! EndIncluded app/functions/require_operator.sql
--! Included app/functions/grant_operator.sql
create or replace function app.grant_operator(user_email text) returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_user integer;
begin
  select u.id into v_user from core.users u where lower(u.email) = lower(user_email);
  if not found then
    perform app.refuse('CU003', format('There is no user with the e-mail address %s', user_email), 'email');
  end if;
  insert into app.operator (user_id) values (v_user) on conflict do nothing;
  return v_user;
end;
$$;
alter function app.grant_operator(text) owner to curestry_definer;
revoke execute on function app.grant_operator(text) from public;
grant execute on function app.grant_operator(text) to curestry_owner;
comment on function app.grant_operator(text) is
  'Lets a user see failed jobs and scheduled tasks of the whole installation through the API, and retry jobs; refuses an unknown one. For operators.';
--! EndIncluded app/functions/grant_operator.sql
--! Included app/functions/revoke_operator.sql
create or replace function app.revoke_operator(user_email text) returns boolean
language sql volatile security definer set search_path = '' as $$
  with gone as (
    delete from app.operator o using core.users u
     where u.id = o.user_id and lower(u.email) = lower(user_email)
    returning o.user_id
  )
  select exists (select from gone);
$$;
alter function app.revoke_operator(text) owner to curestry_definer;
revoke execute on function app.revoke_operator(text) from public;
grant execute on function app.revoke_operator(text) to curestry_owner;
comment on function app.revoke_operator(text) is
  'Makes an operator an ordinary user again, from their next request on; answers whether they were one. For operators.';
--! EndIncluded app/functions/revoke_operator.sql
--! Included app/functions/list_operators.sql
create or replace function app.list_operators() returns table (email text, granted_at timestamptz)
language sql stable security definer set search_path = '' as $$
  select u.email::text, o.granted_at
    from app.operator o join core.users u on u.id = o.user_id
   order by 1;
$$;
alter function app.list_operators() owner to curestry_definer;
revoke execute on function app.list_operators() from public;
grant execute on function app.list_operators() to curestry_owner;
comment on function app.list_operators() is 'The users who are operators. For operators.';
--! EndIncluded app/functions/list_operators.sql
--! Included app/functions/mart_freshness.sql
create or replace function app.mart_freshness() returns table (mart text, oldest_change_seconds double precision, waiting bigint)
language sql stable security definer set search_path = '' as $$
  select m.name, extract(epoch from clock_timestamp() - w.oldest)::double precision, w.waiting
    from unnest(array['analysis_daily', 'feature_daily', 'metric_timeseries']) as m (name),
         (select min(k.created_at) as oldest, count(*) as waiting from app.mart_mark k) w;
$$;
alter function app.mart_freshness() owner to curestry_definer;
revoke execute on function app.mart_freshness() from public;
comment on function app.mart_freshness() is
  'How far each mart is behind: the age of the oldest change that it has not taken, and how many wait.';
--! EndIncluded app/functions/mart_freshness.sql
--! Included app/functions/marked_organizations.sql
/* Jumps from organization to organization in the index, so that many marks of one cost no more than one mark. */
create or replace function app.marked_organizations() returns setof uuid
language sql stable security definer set search_path = '' as $$
  with recursive marked as (
    (select m.organization_id from app.mart_mark m order by m.organization_id limit 1)
    union all
    select n.organization_id
      from marked p,
           lateral (select m.organization_id from app.mart_mark m
                     where m.organization_id > p.organization_id order by m.organization_id limit 1) n
  )
  select organization_id from marked;
$$;
alter function app.marked_organizations() owner to curestry_definer;
revoke execute on function app.marked_organizations() from public;
grant execute on function app.marked_organizations() to curestry_worker, curestry_owner;
comment on function app.marked_organizations() is
  'The organizations whose marts are behind. The worker asks every two seconds; one look into an index if there are none.';
--! EndIncluded app/functions/marked_organizations.sql
--! Included app/functions/try_refresh_organization.sql
/* A lock of its own, so that whoever comes second does not wait, with a connection in hand, for whoever came first. */
create or replace function app.try_refresh_organization(organization uuid) returns integer
language plpgsql volatile security definer set search_path = '' as $$
begin
  if not pg_try_advisory_xact_lock(hashtextextended('curestry refresh ' || organization, 0)) then
    return null;
  end if;
  return app.refresh_organization(organization);
end;
$$;
alter function app.try_refresh_organization(uuid) owner to curestry_definer;
revoke execute on function app.try_refresh_organization(uuid) from public;
grant execute on function app.try_refresh_organization(uuid) to curestry_worker, curestry_owner;
comment on function app.try_refresh_organization(uuid) is
  'Brings the marts of one organization up to date, unless another worker is at it just now (null); answers how many hours had changed.';
--! EndIncluded app/functions/try_refresh_organization.sql
--! Included app/functions/refresh_marts.sql
create or replace function app.refresh_marts() returns table (organization_id uuid, hours integer)
language plpgsql volatile security definer set search_path = '' as $$
begin
  -- In one order, so that two of these wait for each other instead of against each other.
  for organization_id in select o from app.marked_organizations() o order by 1 loop
    begin
      hours := app.refresh_organization(organization_id);
    exception when others then
      -- Its marks stay; the others go on
      hours := null;
      raise warning 'The marts of the organization % were not brought up to date: %', organization_id, sqlerrm;
    end;
    return next;
  end loop;
end;
$$;
alter function app.refresh_marts() owner to curestry_definer;
revoke execute on function app.refresh_marts() from public;
grant execute on function app.refresh_marts() to curestry_owner;
revoke execute on function app.refresh_marts() from curestry_worker;
comment on function app.refresh_marts() is
  'Brings the marts of all organizations up to date in one transaction; the hours are null where that failed. For psql: the worker and "curestry rollup" take each organization in a transaction of its own.';
--! EndIncluded app/functions/refresh_marts.sql
--! Included app/functions/worker_lock.sql
create or replace function app.worker_lock(worker text) returns bigint
language sql immutable
return hashtextextended('curestry worker ' || worker, 0);
revoke execute on function app.worker_lock(text) from public;
grant execute on function app.worker_lock(text) to curestry_definer;
comment on function app.worker_lock(text) is
  'The key of the advisory lock that a worker''s connection holds for as long as the worker lives.';
--! EndIncluded app/functions/worker_lock.sql
--! Included app/functions/worker_beat.sql
/*
 * Beside the time, the session keeps a lock: a worker whose program is too busy to beat in time still has its connection,
 * and is not taken for dead; the connection of one that was killed ends with it.
 */
create or replace function app.worker_beat(worker text) returns void
language plpgsql volatile security definer set search_path = '' as $$
begin
  perform pg_try_advisory_lock(app.worker_lock(worker));
  insert into app.worker_heartbeat (worker_id) values (worker)
  on conflict on constraint pk_worker_heartbeat do update set beat_at = clock_timestamp();
end;
$$;
alter function app.worker_beat(text) owner to curestry_definer;
revoke execute on function app.worker_beat(text) from public;
grant execute on function app.worker_beat(text) to curestry_worker;
comment on function app.worker_beat(text) is
  'Says that a worker is alive, by the name under which it locks jobs; called every ten seconds on a connection that it keeps.';
--! EndIncluded app/functions/worker_beat.sql
--! Included app/functions/end_worker.sql
create or replace function app.end_worker(worker text) returns void
language sql volatile security definer set search_path = '' as $$
  delete from app.worker_heartbeat h where h.worker_id = worker;
$$;
alter function app.end_worker(text) owner to curestry_definer;
revoke execute on function app.end_worker(text) from public;
grant execute on function app.end_worker(text) to curestry_worker;
comment on function app.end_worker(text) is 'Says that a worker has stopped in good order: it holds no jobs.';
--! EndIncluded app/functions/end_worker.sql
--! Included app/functions/dead_workers.sql
/*
 * Dead is who was silent for long and has no connection any more. A server that comes back first gives everybody time to
 * connect again: silence counts from its start.
 */
create or replace function app.dead_workers(suspects text[], silence interval) returns text[]
language sql volatile security definer set search_path = '' as $$
  with gone as (
    delete from app.worker_heartbeat h
     where greatest(h.beat_at, pg_postmaster_start_time()) < clock_timestamp() - silence
       and pg_try_advisory_xact_lock(app.worker_lock(h.worker_id))
    returning h.worker_id
  ), strangers as (
    select s.worker_id
      from unnest(suspects) as s (worker_id)
     where not exists (select from app.worker_heartbeat h where h.worker_id = s.worker_id)
       and pg_try_advisory_xact_lock(app.worker_lock(s.worker_id))
  )
  select coalesce(array_agg(d.worker_id), '{}')
    from (select g.worker_id from gone g union select s.worker_id from strangers s) d;
$$;
alter function app.dead_workers(text[], interval) owner to curestry_definer;
revoke execute on function app.dead_workers(text[], interval) from public;
grant execute on function app.dead_workers(text[], interval) to curestry_worker;
comment on function app.dead_workers(text[], interval) is
  'Forgets and answers the workers that died: known ones, and those of the suspects that never had a heartbeat.';
--! EndIncluded app/functions/dead_workers.sql
--! Included app/functions/reap_workers.sql
/*
 * graphile-worker waits four hours before it takes a job from a worker that is gone. Runs with the rights of
 * curestry_worker, to whom the queue belongs.
 */
create or replace function app.reap_workers(silence interval default interval '40 seconds') returns integer
language plpgsql volatile set search_path = '' as $$
declare
  v_dead text[];
  v_jobs integer;
begin
  v_dead := app.dead_workers(
    array(select distinct j.locked_by from graphile_worker.jobs j
           where greatest(j.locked_at, pg_postmaster_start_time()) < clock_timestamp() - silence),
    silence);
  if v_dead = '{}' then
    return 0;
  end if;
  update graphile_worker._private_jobs j set last_error = 'The worker ended in the middle of it' where j.locked_by = any (v_dead);
  get diagnostics v_jobs = row_count;
  -- A scheduled job that may not be tried again was replaced by the schedule, which has queued another
  delete from graphile_worker._private_jobs j
   where j.locked_by = any (v_dead) and j.attempts >= j.max_attempts and j.payload::jsonb ? '_cron';
  perform graphile_worker.force_unlock_workers(v_dead);
  return v_jobs;
end;
$$;
revoke execute on function app.reap_workers(interval) from public;
grant execute on function app.reap_workers(interval) to curestry_worker;
comment on function app.reap_workers(interval) is
  'Gives the jobs of workers that died back to the queue, for others to run; answers how many. A poll of the worker.';
--! EndIncluded app/functions/reap_workers.sql
--! Included app/functions/tidy_jobs.sql
create or replace function app.tidy_jobs(keep interval default interval '7 days', newest integer default 20) returns integer
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
revoke execute on function app.tidy_jobs(interval, integer) from public;
grant execute on function app.tidy_jobs(interval, integer) to curestry_worker;
comment on function app.tidy_jobs(interval, integer) is
  'Removes scheduled jobs that failed for good: all but the newest of each task, and those too after some days. A job of the worker.';
--! EndIncluded app/functions/tidy_jobs.sql
--! Included app/functions/expect_tasks.sql
create or replace function app.expect_tasks(tasks jsonb) returns void
language plpgsql volatile security definer set search_path = '' as $$
begin
  insert into app.task_run (kind, task, expected_seconds)
  select t.kind, t.task, t.seconds
    from jsonb_to_recordset(tasks) as t (kind text, task text, seconds integer)
   order by 1, 2
  on conflict on constraint pk_task_run do update
    set expected_seconds = excluded.expected_seconds
    where task_run.expected_seconds <> excluded.expected_seconds;
  delete from app.task_run r
   where not exists (select from jsonb_to_recordset(tasks) as t (kind text, task text) where t.kind = r.kind and t.task = r.task);
end;
$$;
alter function app.expect_tasks(jsonb) owner to curestry_definer;
revoke execute on function app.expect_tasks(jsonb) from public;
grant execute on function app.expect_tasks(jsonb) to curestry_worker;
comment on function app.expect_tasks(jsonb) is
  'Says which tasks run by themselves ({kind, task, seconds}: how often), so that one that does not run at all is missed. The worker does so when it starts.';
--! EndIncluded app/functions/expect_tasks.sql
--! Included app/functions/note_task_start.sql
create or replace function app.note_task_start(task_kind text, task_name text) returns void
language sql volatile security definer set search_path = '' as $$
  update app.task_run r set started_at = clock_timestamp() where r.kind = task_kind and r.task = task_name;
$$;
alter function app.note_task_start(text, text) owner to curestry_definer;
revoke execute on function app.note_task_start(text, text) from public;
grant execute on function app.note_task_start(text, text) to curestry_worker;
comment on function app.note_task_start(text, text) is 'Notes that a task which runs by itself has begun.';
--! EndIncluded app/functions/note_task_start.sql
--! Included app/functions/note_task_end.sql
create or replace function app.note_task_end(task_kind text, task_name text, took double precision, failure text) returns void
language sql volatile security definer set search_path = '' as $$
  update app.task_run r
     set started_at = clock_timestamp() - took * interval '1 millisecond',
         succeeded_at = case when failure is null then clock_timestamp() else r.succeeded_at end,
         failed_at = case when failure is null then r.failed_at else clock_timestamp() end,
         error = case when failure is null then r.error else left(failure, 1000) end,
         milliseconds = took
   where r.kind = task_kind and r.task = task_name;
$$;
alter function app.note_task_end(text, text, double precision, text) owner to curestry_definer;
revoke execute on function app.note_task_end(text, text, double precision, text) from public;
grant execute on function app.note_task_end(text, text, double precision, text) to curestry_worker;
comment on function app.note_task_end(text, text, double precision, text) is
  'Notes how a task which runs by itself has ended: how long it took, in milliseconds, and why it failed, else null.';
--! EndIncluded app/functions/note_task_end.sql
--! Included app/functions/task_runs.sql
create or replace function app.task_runs() returns setof ops.task_run
language sql stable security definer set search_path = '' as $$
  select r.task, r.kind,
         -- Three times may go wrong; the rest is for a worker that starts
         clock_timestamp() > greatest(r.succeeded_at, r.expected_since) + r.expected_seconds * interval '3 seconds' + interval '30 seconds',
         r.expected_seconds, r.started_at, r.succeeded_at, r.failed_at, r.error, r.milliseconds
    from app.task_run r
   order by r.task, r.kind;
$$;
alter function app.task_runs() owner to curestry_definer;
revoke execute on function app.task_runs() from public;
grant execute on function app.task_runs() to curestry_owner;
comment on function app.task_runs() is 'What runs by itself, when it last did, and which of it is late. For operators.';
--! EndIncluded app/functions/task_runs.sql
--! Included app/functions/list_jobs.sql
create or replace function app.list_jobs(only_failed boolean default false)
returns table (id bigint, task text, state text, attempts integer, max_attempts integer, error text,
               created_at timestamptz, updated_at timestamptz, run_at timestamptz, worker text)
language plpgsql stable security definer set search_path = '' as $$
begin
  return query select j.id, j.task_identifier::text,
         case when j.locked_at is not null then 'running'
              when j.attempts >= j.max_attempts then 'failed'
              when j.last_error is not null then 'retrying'
              else 'waiting' end,
         j.attempts::integer, j.max_attempts::integer, left(j.last_error, 2000), j.created_at, j.updated_at, j.run_at, j.locked_by
    from graphile_worker.jobs j
   where not only_failed or (j.locked_at is null and j.attempts >= j.max_attempts)
   order by j.id;
end;
$$;
alter function app.list_jobs(boolean) owner to curestry_definer;
revoke execute on function app.list_jobs(boolean) from public;
grant execute on function app.list_jobs(boolean) to curestry_owner;
comment on function app.list_jobs(boolean) is
  'The jobs of the queue, or those of them that failed for good, with the last error; not what they are about. For operators.';
--! EndIncluded app/functions/list_jobs.sql
--! Included app/functions/job_counts.sql
create or replace function app.job_counts() returns table (waiting bigint, running bigint, failed bigint)
language plpgsql stable security definer set search_path = '' as $$
begin
  return query
  select count(*) filter (where j.locked_at is null and j.attempts < j.max_attempts),
         count(*) filter (where j.locked_at is not null),
         count(*) filter (where j.locked_at is null and j.attempts >= j.max_attempts)
    from graphile_worker.jobs j;
end;
$$;
alter function app.job_counts() owner to curestry_definer;
revoke execute on function app.job_counts() from public;
comment on function app.job_counts() is 'How many jobs wait, run, and have failed for good.';
--! EndIncluded app/functions/job_counts.sql
--! Included app/functions/unlocked_job.sql
create or replace function app.unlocked_job(job_id bigint) returns text
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
alter function app.unlocked_job(bigint) owner to curestry_definer;
revoke execute on function app.unlocked_job(bigint) from public;
comment on function app.unlocked_job(bigint) is
  'The task of a job that does not run, which until the end of the transaction no worker takes; refuses (CU003, CU005) another.';
--! EndIncluded app/functions/unlocked_job.sql
--! Included app/functions/retry_job.sql
create or replace function app.retry_job(job_id bigint) returns text
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_task constant text := app.unlocked_job(job_id);
begin
  perform graphile_worker.reschedule_jobs(array[job_id], run_at => now(), attempts => 0);
  return v_task;
end;
$$;
alter function app.retry_job(bigint) owner to curestry_definer;
revoke execute on function app.retry_job(bigint) from public;
grant execute on function app.retry_job(bigint) to curestry_owner;
comment on function app.retry_job(bigint) is
  'Lets a job run again at once, with all its attempts; answers its task. Refuses one that runs just now. For operators.';
--! EndIncluded app/functions/retry_job.sql
--! Included app/functions/cancel_job.sql
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
--! EndIncluded app/functions/cancel_job.sql
--! Included app/functions/record_own_features.sql
/*
 * The gateway knows credentials, not people: they are looked up here, whether or not they hold any more, because the use
 * that is recorded was made while they did.
 */
create or replace function app.record_own_features(uses jsonb) returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_count integer;
begin
  insert into ops.feature_event (organization_id, user_id, feature_key, occurred_at, event_count)
  select o.id, coalesce(k.user_id, s.user_id), left('api.' || u.field, 100),
         clock_timestamp() - least(greatest(u.age, 0), 86400) * interval '1 second', least(u.count, 1000000)
    from jsonb_to_recordset(uses) as u ("jwtId" text, "keyHash" text, organization text, field text, count integer, age double precision)
    left join ops.api_key k on k.key_hash = u."keyHash"
    left join core.sessions s on s.jwt_id = u."jwtId",
         lateral (select coalesce(
                    k.organization_id,
                    case when u.organization is null then (select p.id from ops.organization p where p.personal_user_id = s.user_id)
                         else (select n.id from ops.organization n where n.slug = u.organization) end) as id) o
   where (k.id is not null or s.id is not null) and o.id is not null and u.count > 0;
  get diagnostics v_count = row_count;
  return v_count;
end;
$$;
alter function app.record_own_features(jsonb) owner to curestry_definer;
revoke execute on function app.record_own_features(jsonb) from public;
grant execute on function app.record_own_features(jsonb) to curestry_gateway;
comment on function app.record_own_features(jsonb) is
  'Records which fields of our own API were used ({jwtId or keyHash, organization, field, count, age in seconds}), as the features api.<field>. The gateway calls it every few seconds, beside the requests.';
--! EndIncluded app/functions/record_own_features.sql
--! Included app/functions/audit_unsealed_seconds.sql
create or replace function app.audit_unsealed_seconds() returns double precision
language sql stable security definer set search_path = '' as $$
  select extract(epoch from clock_timestamp() - a.ts)::double precision
    from app.audit_sealer s,
         lateral (select e.ts from ops.audit_log e where e.xid >= s.through_xid order by e.xid limit 1) a;
$$;
alter function app.audit_unsealed_seconds() owner to curestry_definer;
revoke execute on function app.audit_unsealed_seconds() from public;
comment on function app.audit_unsealed_seconds() is 'The age of the oldest row of the audit log that is not sealed; null if all are.';
--! EndIncluded app/functions/audit_unsealed_seconds.sql
--! Included app/functions/health.sql
/*
 * Degraded is what works, but needs somebody to look at it. Each part gives its own figures and, in v_problems, what is
 * wrong: a further part (app.mart_check) adds itself at the mark below.
 */
create or replace function app.health() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  v_report jsonb;
  v_problems text[] := '{}';
begin
  v_report := jsonb_build_object(
    'recent_analyses_24h',
      (select coalesce(sum(r.n), 0)
         from ops.organization o,
              lateral (select count(*) as n from core.analysis_results r
                        where r.organization_id = o.id and r.created_at > now() - interval '24 hours') r),
    'timestamp', to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
    'database', jsonb_build_object('version', current_setting('server_version'), 'migrated', true),
    'marts', (
      select jsonb_build_object(
               'oldest_change_seconds', round(max(f.oldest_change_seconds)::numeric, 1),
               'waiting', max(f.waiting),
               'freshness', jsonb_object_agg(f.mart, round(f.oldest_change_seconds::numeric, 1)))
        from app.mart_freshness() f),
    'workers', (select jsonb_build_object('alive', count(*)) from app.worker_heartbeat h where h.beat_at > clock_timestamp() - interval '40 seconds'),
    'jobs', (select jsonb_build_object('waiting', c.waiting, 'running', c.running, 'failed', c.failed) from app.job_counts() c));

  with runs as (select * from app.task_runs())
  select v_report || jsonb_build_object('tasks', coalesce(jsonb_agg(jsonb_build_object(
           'task', r.task, 'kind', r.kind, 'late', r.is_late, 'expected_seconds', r.expected_seconds,
           'seconds_since_success', round(extract(epoch from clock_timestamp() - r.succeeded_at), 1)) order by r.task, r.kind), '[]')),
         v_problems || coalesce(array_agg(format('task %s (%s) is late', r.task, r.kind) order by r.task, r.kind) filter (where r.is_late), '{}')
    into v_report, v_problems
    from runs r;

  -- Further parts stand here

  return jsonb_build_object(
    'status', case when v_problems = '{}' then 'healthy' else 'degraded' end,
    'problems', to_jsonb(v_problems)) || v_report;
end;
$$;
alter function app.health() owner to curestry_definer;
revoke execute on function app.health() from public;
grant execute on function app.health() to curestry_gateway, curestry_owner;
comment on function app.health() is
  'The health report of the specification: status, analyses of the last 24 hours, the time; and how far the marts are behind, which tasks are late, how many workers are alive, how many jobs wait and have failed.';
--! EndIncluded app/functions/health.sql
--! Included app/functions/metrics.sql
/* Names and labels are few and the same for everybody: no organization, no person. */
create or replace function app.metrics() returns table (name text, help text, labels jsonb, value double precision)
language sql stable security definer set search_path = '' as $$
  select 'curestry_mart_oldest_change_seconds', 'Age of the oldest change that a mart has not taken; 0 if it has taken all.',
         jsonb_build_object('mart', f.mart), coalesce(f.oldest_change_seconds, 0)
    from app.mart_freshness() f
  union all
  select 'curestry_mart_changes_waiting', 'Changes that a mart has not taken.', jsonb_build_object('mart', f.mart), f.waiting
    from app.mart_freshness() f
  union all
  select 'curestry_audit_unsealed_seconds', 'Age of the oldest row of the audit log that is not sealed; 0 if all are.', '{}',
         coalesce(app.audit_unsealed_seconds(), 0)
  union all
  select 'curestry_jobs', 'Jobs in the queue by state.', jsonb_build_object('state', s.state), s.jobs
    from app.job_counts() c,
         lateral (values ('waiting', c.waiting), ('running', c.running), ('failed', c.failed)) as s (state, jobs)
  union all
  select 'curestry_task_seconds_since_success', 'Time since a task that runs by itself last succeeded; none if it never did.',
         jsonb_build_object('task', r.task, 'kind', r.kind), extract(epoch from clock_timestamp() - r.succeeded_at)
    from app.task_runs() r where r.succeeded_at is not null
  union all
  select 'curestry_task_late', '1 for a task that runs by itself and is late, else 0.',
         jsonb_build_object('task', r.task, 'kind', r.kind), r.is_late::integer
    from app.task_runs() r
  union all
  select 'curestry_workers_alive', 'Workers with a heartbeat.', '{}', count(*)
    from app.worker_heartbeat h where h.beat_at > clock_timestamp() - interval '40 seconds';
$$;
alter function app.metrics() owner to curestry_definer;
revoke execute on function app.metrics() from public;
grant execute on function app.metrics() to curestry_gateway, curestry_owner;
comment on function app.metrics() is
  'Figures of the database for GET /metrics, all of them gauges: a further one is a further row.';
--! EndIncluded app/functions/metrics.sql
--! Included app/tables/operator.sql
comment on table app.operator is 'Users who operate the installation: they see failed jobs and scheduled tasks through the API. Made and unmade by "curestry operator".';
comment on column app.operator.user_id is 'Who.';
comment on column app.operator.granted_at is 'Since when.';
comment on constraint pk_operator on app.operator is 'A user is an operator once.';
comment on constraint fk_operator_user_id on app.operator is 'The user must exist.';

alter table app.operator enable row level security;
alter table app.operator force row level security;

drop policy if exists definer_all on app.operator;
create policy definer_all on app.operator for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on app.operator is 'The functions that look past row level security; the grants say what they may.';
grant select, insert, delete on app.operator to curestry_definer;

select app.audit_table('app.operator', organization_column => null, id_column => 'user_id');
--! EndIncluded app/tables/operator.sql
--! Included app/tables/task_run.sql
comment on table app.task_run is 'What runs by itself, and when it last did: one row a task.';
comment on column app.task_run.kind is 'schedule: a line of worker/crontab; poll: looked for all the time.';
comment on column app.task_run.task is 'Which task.';
comment on column app.task_run.expected_seconds is 'How often it runs: at most this long after the time before.';
comment on column app.task_run.expected_since is 'Since when it should run.';
comment on column app.task_run.started_at is 'When it last began.';
comment on column app.task_run.succeeded_at is 'When it last succeeded.';
comment on column app.task_run.failed_at is 'When it last failed.';
comment on column app.task_run.error is 'Why it last failed.';
comment on column app.task_run.milliseconds is 'How long it took the last time.';
comment on constraint pk_task_run on app.task_run is 'One row a task.';
comment on constraint chk_task_run_kind on app.task_run is 'kind must be schedule or poll';
comment on constraint chk_task_run_expected_seconds on app.task_run is 'expected_seconds must be above 0';

alter table app.task_run enable row level security;
alter table app.task_run force row level security;

drop policy if exists definer_all on app.task_run;
create policy definer_all on app.task_run for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on app.task_run is 'The functions that look past row level security; the grants say what they may.';
grant select, insert, update, delete on app.task_run to curestry_definer;
--! EndIncluded app/tables/task_run.sql
--! Included app/tables/worker_heartbeat.sql
comment on table app.worker_heartbeat is 'The workers that are alive. The jobs of one that dies go back to the queue.';
comment on column app.worker_heartbeat.worker_id is 'The name under which it locks jobs (graphile_worker.jobs.locked_by).';
comment on column app.worker_heartbeat.started_at is 'When it started.';
comment on column app.worker_heartbeat.beat_at is 'When it last said that it is alive.';
comment on constraint pk_worker_heartbeat on app.worker_heartbeat is 'One row a worker.';

alter table app.worker_heartbeat enable row level security;
alter table app.worker_heartbeat force row level security;

drop policy if exists definer_all on app.worker_heartbeat;
create policy definer_all on app.worker_heartbeat for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on app.worker_heartbeat is 'The functions that look past row level security; the grants say what they may.';
grant select, insert, update, delete on app.worker_heartbeat to curestry_definer;
--! EndIncluded app/tables/worker_heartbeat.sql
--! Included ops/functions/failed_jobs.sql
create or replace function ops.failed_jobs() returns setof ops.failed_job
language plpgsql stable security definer set search_path = '' as $$
begin
  perform app.require_operator();
  return query select j.id, j.task, j.attempts, j.max_attempts, j.error, j.created_at, j.updated_at from app.list_jobs(true) j;
end;
$$;
alter function ops.failed_jobs() owner to curestry_definer;
revoke execute on function ops.failed_jobs() from public;
grant execute on function ops.failed_jobs() to curestry_member;
comment on function ops.failed_jobs() is 'The jobs of the worker that failed for good, of all organizations. For operators, in person.';
--! EndIncluded ops/functions/failed_jobs.sql
--! Included ops/functions/task_runs.sql
create or replace function ops.task_runs() returns setof ops.task_run
language plpgsql stable security definer set search_path = '' as $$
begin
  perform app.require_operator();
  return query select r.* from app.task_runs() r;
end;
$$;
alter function ops.task_runs() owner to curestry_definer;
revoke execute on function ops.task_runs() from public;
grant execute on function ops.task_runs() to curestry_member;
comment on function ops.task_runs() is 'The tasks of the worker that run by themselves, and which of them are late. For operators, in person.';
--! EndIncluded ops/functions/task_runs.sql
--! Included ops/functions/retry_job.sql
create or replace function ops.retry_job(id bigint) returns text
language plpgsql volatile security definer set search_path = '' as $$
begin
  perform app.require_operator();
  return app.retry_job(retry_job.id);
end;
$$;
alter function ops.retry_job(bigint) owner to curestry_definer;
revoke execute on function ops.retry_job(bigint) from public;
grant execute on function ops.retry_job(bigint) to curestry_member;
comment on function ops.retry_job(bigint) is
  'Lets a job run again at once, with all its attempts; answers its task. For operators, in person.';
--! EndIncluded ops/functions/retry_job.sql
--! Included ops/functions/cancel_job.sql
create or replace function ops.cancel_job(id bigint) returns text
language plpgsql volatile security definer set search_path = '' as $$
begin
  perform app.require_operator();
  return app.cancel_job(cancel_job.id);
end;
$$;
alter function ops.cancel_job(bigint) owner to curestry_definer;
revoke execute on function ops.cancel_job(bigint) from public;
grant execute on function ops.cancel_job(bigint) to curestry_member;
comment on function ops.cancel_job(bigint) is 'Takes a job out of the queue; answers its task. For operators, in person.';
--! EndIncluded ops/functions/cancel_job.sql
