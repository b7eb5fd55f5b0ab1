/*
 * Retention of facts: runs with everything that belongs to them, and feature events, are removed when they are older
 * than an organization's raw_retention_days and the marts have processed them for good. Each call goes as far as it
 * can without waiting; call it again until all is done. An organization goes through
 *
 *   1. facts immutable: from the next transaction on, the triggers that record changes refuse facts of that age;
 *   2. waiting: once that is committed, it waits for the transactions that may not have seen it;
 *   3. marts immutable: app.mart_make_immutable processes the remaining changes, and the marts of those days stay as
 *      they are;
 *   4. removal: partitions of feature events that can be removed completely are dropped, other rows deleted in batches.
 *
 * Facts under a legal hold stay, and so do runs that have not ended.
 */
create or replace function app.retention_apply_facts(dry_run boolean default false, batch integer default 2000)
returns table (organization_id uuid, before timestamptz, runs bigint, feature_events bigint, is_done boolean)
language plpgsql volatile security definer set search_path = '' set timezone = 'UTC' set lock_timeout = '5s' as $$
declare
  v_organization record;
  v_partition record;
  v_may boolean;
  v_immutable_before timestamptz;
  v_dropped jsonb := '{}';
begin
  perform app.lock_take('facts retention'),
          set_config('curestry.retention', 'on', true);

  if not dry_run then
    for v_partition in
      select p.name, p.to_ts from app.partition_list('ops.feature_event') p
    loop
      for v_check in 1 .. 2 loop
        -- Checked again once the lock keeps others from writing to it
        execute format($query$
          select coalesce(bool_and(o.id is not null and not app.legal_hold_exists(o.id)
                                   and coalesce(s.marts_immutable_before, '-infinity') >= %2$L),
                          %2$L < now() - interval '1 month')
            from (select distinct e.organization_id from app.%1$I e) e
            left join ops.organization o on o.id = e.organization_id and o.raw_retention_days is not null
            left join app.mart_state s on s.organization_id = e.organization_id
        $query$, v_partition.name, v_partition.to_ts) into v_may;
        exit when not v_may;
        execute format('lock table app.%I in access exclusive mode', v_partition.name);
      end loop;
      continue when not v_may;
      -- No trigger fires when a partition is dropped
      execute format($query$
        with removed as (
          select e.organization_id, count(*) as n,
                 sum(hashtextextended(hash_record_extended(e, 0)::text, 0))::text as digest
            from app.%1$I e
           group by 1),
        logged as (
          insert into ops.audit_log (request_id, organization_id, action, entity_type, entity_id, before_state)
          select 'retention', g.organization_id, 'delete', 'ops.feature_event', g.n || ' rows',
                 jsonb_build_object('rows', g.n, 'digest', g.digest)
            from removed g
        )
        select $1 || coalesce(jsonb_object_agg(g.organization_id,
                                               g.n + coalesce(($1 ->> g.organization_id::text)::bigint, 0)), '{}')
          from removed g
      $query$, v_partition.name) into v_dropped using v_dropped;
      execute format('alter table ops.feature_event detach partition app.%I', v_partition.name);
      execute format('drop table app.%I', v_partition.name);
    end loop;
  end if;

  for v_organization in
    select o.id, d.low as before, s.facts_immutable_before, s.facts_immutable_xid, s.marts_immutable_before
      from ops.organization o
      left join app.mart_state s on s.organization_id = o.id,
           lateral app.bucket_days(coalesce(s.time_zone, 'UTC'),
                                   array[now() - make_interval(days => o.raw_retention_days)]) d
     where o.raw_retention_days is not null and not app.legal_hold_exists(o.id)
     order by o.id
  loop
    organization_id := v_organization.id;
    before := v_organization.before;
    runs := 0;
    feature_events := coalesce((v_dropped ->> v_organization.id::text)::bigint, 0);
    is_done := false;
    if dry_run then
      select count(*) into runs from ops.analysis_run r
       where r.organization_id = v_organization.id and r.occurred_at < v_organization.before
         and r.finished_at is not null;
      select count(*) into feature_events from ops.feature_event e
       where e.organization_id = v_organization.id and e.occurred_at < v_organization.before;
    elsif v_organization.facts_immutable_before is null
          or v_organization.facts_immutable_before < v_organization.before then
      insert into app.mart_state as s (organization_id, time_zone, facts_immutable_before)
      values (v_organization.id, 'UTC', v_organization.before)
      on conflict on constraint pk_mart_state do update
        set facts_immutable_before = excluded.facts_immutable_before, facts_immutable_xid = null;
    elsif v_organization.facts_immutable_xid is null then
      update app.mart_state s set facts_immutable_xid = pg_snapshot_xmax(pg_current_snapshot())::text::bigint
       where s.organization_id = v_organization.id;
    elsif v_organization.marts_immutable_before < v_organization.facts_immutable_before
          and pg_snapshot_xmin(pg_current_snapshot())::text::bigint < v_organization.facts_immutable_xid then
      null; -- a transaction that may not have seen it is still running
    elsif v_organization.marts_immutable_before < v_organization.facts_immutable_before then
      perform app.mart_make_immutable(v_organization.id, v_organization.facts_immutable_before);
    else
      v_immutable_before := v_organization.marts_immutable_before;
      with expired as (
        select r.id from ops.analysis_run r
         where r.organization_id = v_organization.id and r.occurred_at < v_immutable_before
           and r.finished_at is not null
         order by r.occurred_at limit batch
      )
      delete from ops.analysis_run r using expired d where r.organization_id = v_organization.id and r.id = d.id;
      get diagnostics runs = row_count;
      is_done := runs < batch;
      with expired as (
        select e.occurred_at, e.id from ops.feature_event e
         where e.organization_id = v_organization.id and e.occurred_at < v_immutable_before
         order by e.occurred_at limit batch
      ), removed as (
        delete from ops.feature_event e using expired d
         where e.organization_id = v_organization.id and e.occurred_at = d.occurred_at and e.id = d.id
        returning 1
      )
      select feature_events + count(*), is_done and count(*) < batch into feature_events, is_done from removed;
    end if;
    return next;
  end loop;
end;
$$;
revoke execute on function app.retention_apply_facts from public;
grant execute on function app.retention_apply_facts to curestry_worker;
comment on function app.retention_apply_facts is
  'Removes facts that are older than their organization''s raw_retention_days and processed by the marts, some of '
  'them in each call; returns what was removed, or with dry_run what would be. A job of the worker.';
