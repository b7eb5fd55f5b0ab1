create or replace function app.worker_count_alive() returns bigint
language sql stable security definer set search_path = '' as $$
  select count(*) from app.worker_heartbeat h
   where h.heartbeat_at > clock_timestamp() - app.worker_heartbeat_timeout();
$$;
alter function app.worker_count_alive owner to curestry_definer;
revoke execute on function app.worker_count_alive from public;
comment on function app.worker_count_alive is 'How many workers have a heartbeat.';
