/*
 * Read from what is written anyway: the audit log, and the marts' updates. A transaction that commits late is in the
 * next answer, whatever its place in the log, so nothing is missed and nothing waits for it. Changes are in the order
 * of their numbers, which is that of time: of two changes of one row, the first comes first.
 *
 * Rows are found by the id of their transaction: from the oldest one on that has ended in between. Of one that went on
 * for long, and of a reader who was away for long, the log is read from there on.
 */
create or replace function app.live_changes(
  since pg_snapshot, until pg_snapshot, organizations uuid[], after_seq bigint default 0, at_most integer default 1000)
returns table (
  seq bigint, organization_id uuid, topic text, action text, entity_id text, prompt_ids text[], statuses text[],
  source text, marts text[], from_ts timestamptz, to_ts timestamptz)
language plpgsql stable security definer set search_path = '' set enable_seqscan = off set jit = off as $$
declare
  v_offset constant bigint := (select s.xid_offset from app.audit_sealer s);
  v_low bigint;
begin
  select least(pg_snapshot_xmax(since)::text::bigint,
               min(x.id::text::bigint) filter (where pg_visible_in_snapshot(x.id, until)))
    into v_low
    from (select pg_snapshot_xip(since) as id union all select null) x;
  return query
  -- Without "offset 0" the planner might read all that the organizations ever wrote
  with logged as (
    select a.*
      from (select l.* from ops.audit_log l where l.xid >= v_low + v_offset offset 0) a
     where a.organization_id = any (organizations) and a.seq > after_seq
       and a.entity_type in ('ops.analysis_run', 'core.prompts') and a.action in ('insert', 'update', 'delete')
       and pg_visible_in_snapshot((a.xid - v_offset)::text::xid8, until)
       and not pg_visible_in_snapshot((a.xid - v_offset)::text::xid8, since)
     order by a.seq
     limit at_most
  ), updated as (
    select u.*
      from app.mart_update u
     where u.xid >= v_low and u.organization_id = any (organizations) and u.seq > after_seq
       and pg_visible_in_snapshot(u.xid::text::xid8, until) and not pg_visible_in_snapshot(u.xid::text::xid8, since)
     order by u.seq
     limit at_most
  )
  select l.seq, l.organization_id,
         case l.entity_type when 'core.prompts' then 'promptChanged' else 'analysisRunChanged' end,
         case l.action when 'insert' then 'INSERTED' when 'update' then 'UPDATED' else 'DELETED' end,
         l.entity_id::text,
         case l.entity_type
           when 'core.prompts' then array[l.entity_id::text]
           when 'ops.analysis_run' then
             array_remove(array[l.before_state->>'prompt_id', l.after_state->>'prompt_id'], null)
         end,
         array_remove(array[l.before_state->>'status', l.after_state->>'status'], null),
         null::text, null::text[], null::timestamptz, null::timestamptz
    from logged l
  union all
  select u.seq, u.organization_id, 'martsUpdated', 'UPDATED', null::text, null::text[], null::text[], u.source::text,
         case u.source
           when 'analysis' then array['analysis_hourly', 'analysis_daily', 'analysis_daily_by']
           when 'feature' then array['feature_daily']
           else array['metric_timeseries']
         end, u.from_ts, u.to_ts
    from updated u
   order by 1
   limit at_most;
end;
$$;
alter function app.live_changes owner to curestry_definer;
revoke execute on function app.live_changes from public;
grant execute on function app.live_changes to curestry_gateway;
comment on function app.live_changes is
  'The changes of runs, prompts and marts of these organizations that are seen with the second snapshot and were not '
  'with the first, in their order; those after a number, and at most so many.';
