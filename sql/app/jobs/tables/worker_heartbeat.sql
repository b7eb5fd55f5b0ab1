/*
 * app.worker_heartbeat: generated from the database by `deno task generate`
 *
 *   worker_id     text         not null
 *   started_at    timestamptz  not null default clock_timestamp()
 *   heartbeat_at  timestamptz  not null default clock_timestamp()
 *
 *   pk_worker_heartbeat  primary key (worker_id)
 */

comment on table app.worker_heartbeat is 'The workers that are alive. The jobs of one that dies go back to the queue.';
comment on column app.worker_heartbeat.worker_id is
  'The name under which it locks jobs (graphile_worker.jobs.locked_by).';
comment on column app.worker_heartbeat.started_at is 'When it started.';
comment on column app.worker_heartbeat.heartbeat_at is 'When it last said that it is alive.';
comment on constraint pk_worker_heartbeat on app.worker_heartbeat is 'One row a worker.';

select app.table_protect('app.worker_heartbeat');

grant select, insert, update, delete on app.worker_heartbeat to curestry_definer;
