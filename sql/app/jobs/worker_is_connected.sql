/* pg_stat_activity shows names of logins and of applications to everybody, and no analyst is a worker. */
create or replace function app.worker_is_connected(worker text) returns boolean
language sql stable security definer set search_path = '' as $$
  select exists (select from pg_catalog.pg_stat_activity a
                  where a.application_name = left('curestry worker ' || worker, 63)
                    and pg_has_role(a.usesysid, 'curestry_worker', 'member'));
$$;
alter function app.worker_is_connected owner to curestry_definer;
revoke execute on function app.worker_is_connected from public;
comment on function app.worker_is_connected is 'Whether the connection of a worker that its heartbeats use is there.';
