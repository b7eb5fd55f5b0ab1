/*
 * Beside the time, the session bears the worker's name: a worker whose program is too busy for a heartbeat in time
 * still has its connection, and does not count as dead; the connection of one that was killed ends with it. (A lock
 * could be taken by an analyst after it, and the dead worker would live on.)
 */
create or replace function app.worker_heartbeat_record(worker text) returns void
language plpgsql volatile security definer set search_path = '' as $$
begin
  perform set_config('application_name', left('curestry worker ' || worker, 63), false);
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
