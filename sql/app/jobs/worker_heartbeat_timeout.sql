create or replace function app.worker_heartbeat_timeout() returns interval
language sql immutable
return interval '40 seconds';
revoke execute on function app.worker_heartbeat_timeout from public;
grant execute on function app.worker_heartbeat_timeout to curestry_worker, curestry_definer;
comment on function app.worker_heartbeat_timeout is
  'How long a worker may be silent before it counts as dead: four of its heartbeats.';
