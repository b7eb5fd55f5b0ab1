/*
 * Retention of the audit log: entries older than an organization's audit_retention_months leave it, month by month,
 * once the whole month is sealed. If all rows of a month may leave, its partition is detached; else those that may
 * are moved out of it. Either way they are then in a table of their own in app, to be archived, which
 * app.retention_drop_detached drops later. Rows of no organization, or of a deleted one, leave with the last
 * organization's.
 *
 * Rows under a legal hold stay. The chain stays intact: seals hold the digests of the rows that left,
 * app.audit_detachment says which rows those are, and the log says that it happened. The last state of each row that
 * still exists is restated (action baseline), so that the tables can still be compared with the log.
 */
create or replace function app.retention_apply_audit(dry_run boolean default false)
returns table (organization_id uuid, partition_name text, rows bigint, detached_table text)
language plpgsql volatile security definer set search_path = '' set timezone = 'UTC' set lock_timeout = '5s' as $$
declare
  v_partition record;
  v_organizations uuid[];
  v_through bigint;
  v_for_all integer;
  v_whole boolean;
  v_sealed boolean;
  v_retention app.audit_retention;
begin
  perform app.lock_take('audit retention');
  select s.through_xid into v_through from app.audit_sealer s;
  select case when bool_and(o.audit_retention_months is not null) then max(o.audit_retention_months) end into v_for_all
    from ops.organization o;

  for v_partition in
    select p.name, p.from_ts, p.to_ts from app.partition_list('ops.audit_log') p
  loop
    execute format($query$
      select array_agg(o.id)
        from (select o.id, o.audit_retention_months as months from ops.organization o
              union all
              select distinct a.organization_id, %2$L::integer
                from app.%1$I a
               where %2$L is not null and not exists (select from ops.organization o where o.id = a.organization_id)
                 -- A truncate invalidates older entries, also those that stay
                 and not exists (select from app.%1$I e
                                  where e.organization_id = a.organization_id and e.action = 'truncate')) o
       where %3$L::timestamptz <= now() - make_interval(months => o.months)
         and not app.legal_hold_exists(o.id)
         and exists (select from app.%1$I a where a.organization_id = o.id)
    $query$, v_partition.name, v_for_all, v_partition.to_ts) into v_organizations;
    continue when v_organizations is null;
    if not dry_run then
      execute format('lock table app.%I in share mode', v_partition.name);
    end if;
    execute format('select not exists (select from app.%I a where a.xid >= $1)', v_partition.name)
       into v_sealed using v_through;
    continue when not v_sealed;

    execute format('select not exists (select from app.%I a where a.organization_id <> all ($1))', v_partition.name)
       into v_whole using v_organizations;
    v_retention.id := gen_random_uuid();
    v_retention.partition_name := v_partition.name;
    v_retention.from_ts := v_partition.from_ts;
    v_retention.to_ts := v_partition.to_ts;
    v_retention.table_name := v_partition.name || '_detached_' || left(replace(v_retention.id::text, '-', ''), 8);
    for organization_id, partition_name, rows, detached_table in
      execute format($query$
        select a.organization_id, $1, count(*), $2
          from app.%I a where a.organization_id = any ($3)
         group by 1 order by 1
      $query$, v_partition.name) using v_retention.partition_name, v_retention.table_name, v_organizations
    loop
      return next;
    end loop;
    continue when dry_run;

    insert into app.audit_retention (id, partition_name, from_ts, to_ts, table_name)
    values (v_retention.id, v_retention.partition_name, v_retention.from_ts, v_retention.to_ts, v_retention.table_name);
    perform app.retention_rebaseline(v_partition.name, v_organizations);
    execute format($query$
      with act as (
        insert into ops.audit_log (request_id, organization_id, action, entity_type, entity_id, after_state)
        select 'retention', a.organization_id, 'detach', 'ops.audit_log', $2.partition_name,
               app.retention_statement($2, count(*))
          from app.%1$I a where a.organization_id = any ($1)
         group by a.organization_id
        returning organization_id, id
      )
      insert into app.audit_detachment (organization_id, seq, retention_id, entry_id, positions)
      select s.organization_id, s.seq, $2.id, act.id, range_agg(int4range(e.n::integer, e.n::integer, '[]'))
        from act
        join app.audit_seal s on s.organization_id = act.organization_id,
             unnest(s.entry_ids) with ordinality as e (id, n)
        join app.%1$I a on a.id = e.id
       where a.organization_id = s.organization_id and a.xid >= s.from_xid and a.xid < s.through_xid
       group by s.organization_id, s.seq, act.id
    $query$, v_partition.name) using v_organizations, v_retention;

    if v_whole then
      execute format('alter table ops.audit_log detach partition app.%I', v_partition.name);
      execute format('drop trigger _200_append_only on app.%I', v_partition.name);
      execute format('alter table app.%I rename to %I', v_partition.name, v_retention.table_name);
    else
      execute format('create table app.%I (like app.%I including defaults)', v_retention.table_name, v_partition.name);
      perform app.table_protect(format('app.%I', v_retention.table_name)::regclass);
      execute format('alter table app.%I disable trigger _200_append_only', v_partition.name);
      execute format($query$
        with moved as (delete from app.%I a where a.organization_id = any ($1) returning *)
        insert into app.%I select * from moved
      $query$, v_partition.name, v_retention.table_name) using v_organizations;
      execute format('alter table app.%I enable trigger _200_append_only', v_partition.name);
    end if;
    -- Erasures apply to it, too
    execute format('grant select, delete, update (before_state, after_state) on app.%I to curestry_definer',
      v_retention.table_name);
    execute format('comment on table app.%I is %L', v_retention.table_name,
      format('Rows of ops.audit_log from %s to %s, which left it by retention; to be archived and dropped.',
             v_partition.from_ts, v_partition.to_ts));
  end loop;
end;
$$;
revoke execute on function app.retention_apply_audit from public;
grant execute on function app.retention_apply_audit to curestry_worker;
comment on function app.retention_apply_audit is
  'Removes from the audit log what is older than its organization''s audit_retention_months; returns what left, or '
  'with dry_run what would. A job of the worker.';
