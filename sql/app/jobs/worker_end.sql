create or replace function app.worker_end(worker text) returns void
language sql volatile security definer set search_path = '' as $$
  delete from app.worker_heartbeat h where h.worker_id = worker;
$$;
alter function app.worker_end owner to curestry_definer;
revoke execute on function app.worker_end from public;
grant execute on function app.worker_end to curestry_worker;
comment on function app.worker_end is 'Says that a worker has stopped in good order: it holds no jobs.';
