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
