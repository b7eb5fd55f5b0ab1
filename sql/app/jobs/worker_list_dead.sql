/*
 * A worker is dead when its last heartbeat is too old and its connection is gone. After a restart of the server the
 * time counts from then: everybody has to connect again first.
 */
create or replace function app.worker_list_dead(suspects text[], timeout interval) returns text[]
language sql volatile security definer set search_path = '' as $$
  with gone as (
    delete from app.worker_heartbeat h
     where greatest(h.heartbeat_at, pg_postmaster_start_time()) < clock_timestamp() - timeout
       and not app.worker_is_connected(h.worker_id)
    returning h.worker_id
  ), strangers as (
    select s.worker_id
      from unnest(suspects) as s (worker_id)
     where not exists (select from app.worker_heartbeat h where h.worker_id = s.worker_id)
       and not app.worker_is_connected(s.worker_id)
  )
  select coalesce(array_agg(d.worker_id), '{}')
    from (select g.worker_id from gone g union select s.worker_id from strangers s) d;
$$;
alter function app.worker_list_dead owner to curestry_definer;
revoke execute on function app.worker_list_dead from public;
grant execute on function app.worker_list_dead to curestry_worker;
comment on function app.worker_list_dead is
  'Forgets and answers the workers that died: known ones, and those of the suspects that never had a heartbeat.';
