create or replace function app.end_worker(worker text) returns void
language sql volatile security definer set search_path = '' as $$
  delete from app.worker_heartbeat h where h.worker_id = worker;
$$;
alter function app.end_worker(text) owner to curestry_definer;
revoke execute on function app.end_worker(text) from public;
grant execute on function app.end_worker(text) to curestry_worker;
comment on function app.end_worker(text) is 'Says that a worker has stopped in good order: it holds no jobs.';
