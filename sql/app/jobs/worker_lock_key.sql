create or replace function app.worker_lock_key(worker text) returns bigint
language sql immutable
return hashtextextended('curestry worker ' || worker, 0);
revoke execute on function app.worker_lock_key from public;
grant execute on function app.worker_lock_key to curestry_definer;
comment on function app.worker_lock_key is
  'The key of the advisory lock that a worker''s connection holds for as long as the worker lives.';
