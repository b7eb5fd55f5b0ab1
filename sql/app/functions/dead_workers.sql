/*
 * Dead is who was silent for long and has no connection any more. A server that comes back first gives everybody time to
 * connect again: silence counts from its start.
 */
create or replace function app.dead_workers(suspects text[], silence interval) returns text[]
language sql volatile security definer set search_path = '' as $$
  with gone as (
    delete from app.worker_heartbeat h
     where greatest(h.beat_at, pg_postmaster_start_time()) < clock_timestamp() - silence
       and pg_try_advisory_xact_lock(app.worker_lock(h.worker_id))
    returning h.worker_id
  ), strangers as (
    select s.worker_id
      from unnest(suspects) as s (worker_id)
     where not exists (select from app.worker_heartbeat h where h.worker_id = s.worker_id)
       and pg_try_advisory_xact_lock(app.worker_lock(s.worker_id))
  )
  select coalesce(array_agg(d.worker_id), '{}')
    from (select g.worker_id from gone g union select s.worker_id from strangers s) d;
$$;
alter function app.dead_workers(text[], interval) owner to curestry_definer;
revoke execute on function app.dead_workers(text[], interval) from public;
grant execute on function app.dead_workers(text[], interval) to curestry_worker;
comment on function app.dead_workers(text[], interval) is
  'Forgets and answers the workers that died: known ones, and those of the suspects that never had a heartbeat.';
