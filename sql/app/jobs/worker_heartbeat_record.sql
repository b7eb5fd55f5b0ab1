/*
 * Beside the time, the session keeps a lock: a worker whose program is too busy for a heartbeat in time still has its
 * connection, and does not count as dead; the connection of one that was killed ends with it.
 */
create or replace function app.worker_heartbeat_record(worker text) returns void
language plpgsql volatile security definer set search_path = '' as $$
begin
  perform pg_try_advisory_lock(app.worker_lock_key(worker));
  insert into app.worker_heartbeat (worker_id) values (worker)
  on conflict on constraint pk_worker_heartbeat do update set heartbeat_at = clock_timestamp();
end;
$$;
alter function app.worker_heartbeat_record owner to curestry_definer;
revoke execute on function app.worker_heartbeat_record from public;
grant execute on function app.worker_heartbeat_record to curestry_worker;
comment on function app.worker_heartbeat_record is
  'Says that a worker is alive, by the name under which it locks jobs; called every ten seconds on a connection that '
  'it keeps.';
