--! Previous: sha1:37e06280f327c5f420301dc760d7be85478608ea
--! Hash: sha1:cafc0115e9c4b55bbab2e24458946b42babc90c8
--! Message: what organizations do not keep is removed once the marts have it

/*
 * What is older than an organization keeps it is removed once the marts have taken it up for good.
 */

-- Others wait behind a migration that waits
set local lock_timeout = '30s';

-- Only the generated triggers and the functions that keep the log write to it; for each statement that is audited, this
-- check was parsed and planned anew, a tenth of what the audit of one row costs.
alter table ops.audit_log drop constraint chk_audit_log_action;
-- The type name takes 64 bytes of each row. An erasure is rare, and who erases can look at the whole log.
drop function app.audit_entry_digest(ops.audit_log, bytea);
alter table ops.audit_log alter column actor_role type varchar(63);
drop index ops.idx_audit_log_erasure_id;

alter table app.mart_state add column closing_before timestamptz, add column closing_xid bigint;

--! Included app/functions/audit_entry_digest.sql
create or replace function app.audit_entry_digest(entry ops.audit_log, state_digest bytea) returns bytea
language sql stable
return sha256(convert_to(jsonb_build_array(
         entry.id, extract(epoch from entry.ts), entry.actor_user_id, entry.actor_api_key_id, entry.actor_role, entry.request_id,
         entry.organization_id, entry.action, entry.entity_type, entry.entity_id, entry.changed_columns, entry.xid, entry.seq)::text, 'UTF8')
       || state_digest);
revoke execute on function app.audit_entry_digest(ops.audit_log, bytea) from public;
grant execute on function app.audit_entry_digest(ops.audit_log, bytea) to curestry_definer;
comment on function app.audit_entry_digest(ops.audit_log, bytea) is 'SHA-256 of a row of the audit log, its states by their digest.';
--! EndIncluded app/functions/audit_entry_digest.sql
--! Included app/functions/audit_source.sql
/*
 * Writes the body of a table's audit trigger: with the table's columns spelled out, which costs a third less than to_jsonb
 * of whole rows does. The body is a function of the catalogue and of app.audited_table; app.security_findings compares the
 * one that is deployed with the one that would be made now, so a new column cannot be forgotten.
 */
create or replace function app.audit_source(audited app.audited_table) returns text
language plpgsql stable set search_path = '' as $$
declare
  v_state text;
  v_changed text;
  v_differs text;
  v_organization constant text := coalesce('%1$s.' || quote_ident(audited.organization_column), '''00000000-0000-0000-0000-000000000000''::uuid');
  -- Part of the query, and not variables: these would be parameters, for which it is planned again and again.
  v_who constant text := $who$(select nullif(current_setting('curestry.user_id', true), '')::integer,
              nullif(current_setting('curestry.api_key_id', true), '')::uuid,
              nullif(current_setting('curestry.request_id', true), '') offset 0) w (user_id, key_id, request_id)$who$;
begin
  -- jsonb_build_object takes at most 100 arguments: 50 columns at a time.
  select string_agg('jsonb_build_object(' || pairs || ')', ' || ' order by part)
    into v_state
    from (select (n - 1) / 50 as part, string_agg(format('%L, %%1$s.%I', attname, attname), ', ' order by n) as pairs
            from (select a.attname, row_number() over (order by a.attnum) as n
                    from pg_catalog.pg_attribute a
                   where a.attrelid = audited.table_name::regclass and a.attnum > 0 and not a.attisdropped
                     and a.attname <> all (audited.secret_columns)) c
           group by 1) p;
  select string_agg(format('case when n.%1$I is distinct from o.%1$I then %1$L end', a.attname), ', ' order by a.attname),
         string_agg(format('n.%1$I is distinct from o.%1$I', a.attname), ' or ' order by a.attnum)
           filter (where a.attname <> all (audited.note_columns))
    into v_changed, v_differs
    from pg_catalog.pg_attribute a
   where a.attrelid = audited.table_name::regclass and a.attnum > 0 and not a.attisdropped and a.attgenerated = '';

  return format($body$
begin
  if TG_OP = 'INSERT' then
    insert into ops.audit_log (actor_user_id, actor_api_key_id, request_id, organization_id, action, entity_type, entity_id, after_state)
    %1$s;
  elsif TG_OP = 'UPDATE' then
    insert into ops.audit_log (actor_user_id, actor_api_key_id, request_id, organization_id, action, entity_type, entity_id,
                               before_state, after_state, changed_columns)
    select w.user_id, w.key_id, w.request_id, %2$s, 'update', %3$L, n.%4$I, %5$s, %6$s,
           array_remove(array[%7$s]::text[], null)
      from %12$s,
           new_rows n
      join old_rows o on o.%4$I = n.%4$I%8$s
     where %9$s;
  elsif TG_OP = 'DELETE' and coalesce(current_setting('curestry.retention', true), '') = 'on' then -- removed by age: not to be kept here instead
    insert into ops.audit_log (actor_user_id, actor_api_key_id, request_id, organization_id, action, entity_type, entity_id, before_state)
    %11$s;
  elsif TG_OP = 'DELETE' then
    insert into ops.audit_log (actor_user_id, actor_api_key_id, request_id, organization_id, action, entity_type, entity_id, before_state)
    select w.user_id, w.key_id, w.request_id, %10$s, 'delete', %3$L, o.%4$I, %5$s
      from %12$s,
           old_rows o;
  else -- truncate: no rows are given; the statement itself is the event
    insert into ops.audit_log (actor_user_id, actor_api_key_id, request_id, organization_id, action, entity_type, entity_id)
    select w.user_id, w.key_id, w.request_id, '00000000-0000-0000-0000-000000000000', 'truncate', %3$L, '*'
      from %12$s;
  end if;
  return null;
end;
$body$,
    case
      when audited.summarize_inserts then format(
        'select w.user_id, w.key_id, w.request_id, n.organization_id, ''insert'', %L,'
        || E'\n           case when count(*) = 1 then min(n.%2$I::text) else count(*) || '' rows'' end, jsonb_build_object(''rows'', count(*))'
        || E'\n      from %3$s,\n           new_rows n\n     group by w.user_id, w.key_id, w.request_id, n.organization_id',
        audited.table_name, audited.id_column, v_who)
      else format(E'select w.user_id, w.key_id, w.request_id, %s, ''insert'', %L, n.%I, %s\n      from %s,\n           new_rows n',
                  format(v_organization, 'n'), audited.table_name, audited.id_column, format(v_state, 'n'), v_who)
    end,
    format(v_organization, 'n'), audited.table_name, audited.id_column, format(v_state, 'o'), format(v_state, 'n'), v_changed,
    case when audited.organization_column <> audited.id_column
         then format(' and o.%1$I = n.%1$I', audited.organization_column) else '' end,
    v_differs, format(v_organization, 'o'),
    case
      when audited.summarize_inserts then format(
        'select w.user_id, w.key_id, w.request_id, o.organization_id, ''delete'', %L, count(*) || '' rows'', jsonb_build_object(''rows'', count(*))'
        || E'\n      from %s,\n           old_rows o\n     group by w.user_id, w.key_id, w.request_id, o.organization_id', audited.table_name, v_who)
      else format(E'select w.user_id, w.key_id, w.request_id, %s, ''delete'', %L, o.%I, null::jsonb\n      from %s,\n           old_rows o',
                  format(v_organization, 'o'), audited.table_name, audited.id_column, v_who)
    end, v_who);
end;
$$;
revoke execute on function app.audit_source(app.audited_table) from public;
comment on function app.audit_source(app.audited_table) is 'The body of the audit trigger of a table, as it would be made now.';
--! EndIncluded app/functions/audit_source.sql
--! Included app/functions/verify_audit_entities.sql
/*
 * The tables against the log: the current row of every audited entity equals its last after_state, and what was deleted is
 * not there. So a change is found that was made while a trigger was disabled. Of facts whose inserts are summarized, the
 * number is compared.
 */
create or replace function app.verify_audit_entities()
returns table (organization_id uuid, problem text, entity_type text, entity_id text, detail text)
language plpgsql stable security definer set search_path = '' as $$
declare
  v_table app.audited_table;
  v_of regclass;
  v_left_out text[];
  v_blank jsonb;
  v_truncated bigint;
begin
  for v_table in select * from app.audited_table order by table_name loop
    v_of := v_table.table_name;
    v_left_out := v_table.secret_columns || v_table.note_columns;
    -- A column that came later is null in rows that were not changed since.
    select jsonb_object_agg(a.attname, null) into v_blank
      from pg_catalog.pg_attribute a
     where a.attrelid = v_of and a.attnum > 0 and not a.attisdropped and a.attname <> all (v_left_out);
    -- What was there before a truncate is gone, and the log says so
    select coalesce(max(a.seq), 0) into v_truncated
      from ops.audit_log a
     where a.organization_id = '00000000-0000-0000-0000-000000000000' and a.entity_type = v_table.table_name and a.action = 'truncate';
    return query execute format($query$
      with last as (
        select distinct on (a.organization_id, a.entity_id) a.organization_id, a.entity_id, a.action, a.seq, %8$L::jsonb || a.after_state as after_state
          from ops.audit_log a
         where a.entity_type = %1$L and a.action in ('baseline', 'insert', 'update', 'delete') and a.seq > %9$L
         -- Who changes a row holds it: the order of its changes is that of seq, also between transactions
         order by a.organization_id, a.entity_id, a.seq desc
      ), present as (
        select (case when %7$L then t.%2$I::text else '00000000-0000-0000-0000-000000000000' end)::uuid as organization_id,
               t.%3$I::text as entity_id, to_jsonb(t) - %4$L::text[] as state
          from %5$s t
      )
      select coalesce(p.organization_id, l.organization_id),
             case when p.entity_id is null then 'removed past the log'
                  when l.entity_id is null then 'added past the log'
                  when l.action = 'delete' then 'back although deleted'
                  else 'changed past the log' end,
             %1$L, coalesce(p.entity_id, l.entity_id),
             case when l.action <> 'delete' then
               (select string_agg(k, ', ' order by k) from jsonb_object_keys(p.state) as k where p.state -> k is distinct from l.after_state -> k) end
        from present p
        full join last l on l.organization_id = p.organization_id and l.entity_id = p.entity_id
       where case
               when p.entity_id is null
               then l.action <> 'delete' and not (%6$L and l.after_state ? 'rows')
                    -- Facts that were removed by age are counted, not named
                    and not (%6$L and exists (select from ops.audit_log a
                                               where a.organization_id = l.organization_id and a.entity_type = %1$L and a.action = 'delete'
                                                 and a.before_state ? 'rows' and a.seq > l.seq))
               when l.entity_id is null then not %6$L
               when l.action = 'delete' then true
               else p.state is distinct from l.after_state - %4$L::text[] and not (%6$L and l.after_state ? 'rows')
             end
    $query$, v_table.table_name, coalesce(v_table.organization_column, v_table.id_column), v_table.id_column, v_left_out, v_of,
      v_table.summarize_inserts, v_table.organization_column is not null, v_blank, v_truncated);
    if v_table.summarize_inserts then
      return query execute format($query$
        select coalesce(p.organization_id, l.organization_id), 'number differs from the log', %2$L, null::text,
               coalesce(p.n, 0) || ' rows, and by the log ' || coalesce(l.n, 0)
          from (select t.organization_id, count(*) as n from %1$s t group by 1) p
          full join (select a.organization_id,
                            sum(case a.action when 'insert' then (a.after_state ->> 'rows')::bigint when 'baseline' then coalesce((a.after_state ->> 'rows')::bigint, 1) when 'delete' then -coalesce((a.before_state ->> 'rows')::bigint, 1) else 0 end) as n
                       from ops.audit_log a where a.entity_type = %2$L and a.seq > %3$L group by 1) l
            on l.organization_id = p.organization_id
         where coalesce(p.n, 0) <> coalesce(l.n, 0)
      $query$, v_of, v_table.table_name, v_truncated);
    end if;
  end loop;
end;
$$;
alter function app.verify_audit_entities() owner to curestry_definer;
revoke execute on function app.verify_audit_entities() from public;
grant execute on function app.verify_audit_entities() to curestry_owner;
comment on function app.verify_audit_entities() is
  'Compares every audited row with what the audit log says of it last. For operators.';
--! EndIncluded app/functions/verify_audit_entities.sql
--! Included app/functions/carry_audit_forward.sql
/*
 * Before rows leave the log: what they say of things that are still there, and that nothing says later, is said again. Of
 * facts whose inserts are summarized, the number is carried on.
 */
create or replace function app.carry_audit_forward(partition_name name, organizations uuid[]) returns void
language plpgsql volatile set search_path = '' as $$
begin
  execute format($query$
    with leaving as (
      select a.*, t.summarize_inserts
        from app.%I a
        join app.audited_table t on t.table_name = a.entity_type
       where a.organization_id = any ($1) and a.action in ('baseline', 'insert', 'update', 'delete')
         -- What a truncate emptied is not there any more
         and a.seq > coalesce((select max(e.seq) from ops.audit_log e
                                where e.organization_id = '00000000-0000-0000-0000-000000000000' and e.entity_type = a.entity_type
                                  and e.entity_id = '*' and e.action = 'truncate'), 0)
    ), last as (
      select distinct on (l.organization_id, l.entity_type, l.entity_id) l.*
        from leaving l
       where not (l.summarize_inserts and coalesce(l.before_state, l.after_state) ? 'rows')
       order by l.organization_id, l.entity_type, l.entity_id, l.seq desc
    ), entity as (
      insert into ops.audit_log (request_id, organization_id, action, entity_type, entity_id, after_state)
      select 'retention', l.organization_id, 'baseline', l.entity_type, l.entity_id, l.after_state
        from last l
       where l.action <> 'delete'
         and not exists (select from ops.audit_log a
                          where a.organization_id = l.organization_id and a.entity_type = l.entity_type and a.entity_id = l.entity_id
                            and a.action in ('baseline', 'insert', 'update', 'delete') and a.seq > l.seq)
      returning organization_id, entity_type
    ), number as (
      select l.organization_id, l.entity_type,
             sum(case l.action when 'insert' then (l.after_state ->> 'rows')::bigint
                               when 'baseline' then coalesce((l.after_state ->> 'rows')::bigint, 1)
                               when 'delete' then -coalesce((l.before_state ->> 'rows')::bigint, 1) else 0 end)
             - (select count(*) from entity e where e.organization_id = l.organization_id and e.entity_type = l.entity_type) as n
        from leaving l
       where l.summarize_inserts
       group by l.organization_id, l.entity_type
    )
    insert into ops.audit_log (request_id, organization_id, action, entity_type, entity_id, after_state)
    select 'retention', n.organization_id, 'baseline', n.entity_type, n.n || ' rows', jsonb_build_object('rows', n.n)
      from number n where n.n <> 0
  $query$, partition_name) using organizations;

  -- The receipt of an erasure has to stand in the log as long as there are rows without their values
  execute format($query$
    insert into ops.audit_log (request_id, organization_id, action, entity_type, entity_id, after_state)
    select 'retention', l.organization_id, l.action, l.entity_type, l.entity_id, l.after_state
      from app.%I l
     where l.organization_id = any ($1) and l.action = 'erase'
       and not exists (select from ops.audit_log a
                        where a.organization_id = l.organization_id and a.action = 'erase' and a.seq > l.seq
                          and a.after_state ->> 'erasure' = l.after_state ->> 'erasure')
  $query$, partition_name) using organizations;
end;
$$;
revoke execute on function app.carry_audit_forward(name, uuid[]) from public;
comment on function app.carry_audit_forward(name, uuid[]) is
  'Says again, at the end of the audit log, what a partition of it says last of rows that are still there. Part of app.retain_audit.';
--! EndIncluded app/functions/carry_audit_forward.sql
--! Included app/functions/retain_audit.sql
/*
 * Retention of the audit log: what is older than an organization's audit_retention_months leaves it, month by month, once
 * the whole month is sealed. Where all rows of a month may go, its partition is detached; else those that may are moved out
 * of it. Either way they are in a table of their own in app afterwards, to be kept elsewhere, and app.drop_detached_audit
 * drops it later. Rows of no organization, or of one that is gone, go with the last organization's.
 *
 * What is under a legal hold stays. The chain stays whole: seals hold the digests of what left, app.audit_detachment says which rows those are, and the log
 * says that it happened. What the log said last of each row that is still there is said again (action baseline), so that
 * the tables can still be compared with it.
 */
create or replace function app.retain_audit(dry_run boolean default false)
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
  perform pg_advisory_xact_lock(hashtextextended('curestry audit retention', 0));
  select s.through_xid into v_through from app.audit_sealer s;
  select case when bool_and(o.audit_retention_months is not null) then max(o.audit_retention_months) end into v_for_all
    from ops.organization o;

  for v_partition in
    select c.relname as name, b.bounds[1]::timestamptz as from_ts, b.bounds[2]::timestamptz as to_ts
      from pg_catalog.pg_inherits i
      join pg_catalog.pg_class c on c.oid = i.inhrelid,
           lateral regexp_match(pg_catalog.pg_get_expr(c.relpartbound, c.oid), 'FROM \(''([^'']+)''\) TO \(''([^'']+)''\)') as b (bounds)
     where i.inhparent = 'ops.audit_log'::regclass and b.bounds is not null
     order by 2
  loop
    execute format($query$
      select array_agg(o.id)
        from (select o.id, o.audit_retention_months as months from ops.organization o
              union all
              select distinct a.organization_id, %2$L::integer
                from app.%1$I a
               where %2$L is not null and not exists (select from ops.organization o where o.id = a.organization_id)
                 -- A truncate ends what older rows say, also of those that stay
                 and not exists (select from app.%1$I e where e.organization_id = a.organization_id and e.action = 'truncate')) o
       where %3$L::timestamptz <= now() - make_interval(months => o.months)
         and not app.is_held(o.id)
         and exists (select from app.%1$I a where a.organization_id = o.id)
    $query$, v_partition.name, v_for_all, v_partition.to_ts) into v_organizations;
    continue when v_organizations is null;
    if not dry_run then
      execute format('lock table app.%I in share mode', v_partition.name);
    end if;
    execute format('select not exists (select from app.%I a where a.xid >= %s)', v_partition.name, v_through) into v_sealed;
    continue when not v_sealed;

    execute format('select not exists (select from app.%I a where a.organization_id <> all (%L))', v_partition.name, v_organizations) into v_whole;
    v_retention.id := gen_random_uuid();
    v_retention.partition_name := v_partition.name;
    v_retention.table_name := v_partition.name || '_detached_' || left(replace(v_retention.id::text, '-', ''), 8);
    for organization_id, partition_name, rows, detached_table in execute format(
      'select a.organization_id, %L, count(*), %L from app.%1$I a where a.organization_id = any (%3$L) group by 1 order by 1',
      v_partition.name, v_retention.table_name, v_organizations)
    loop
      return next;
    end loop;
    continue when dry_run;

    insert into app.audit_retention (id, partition_name, from_ts, to_ts, table_name)
    values (v_retention.id, v_partition.name, v_partition.from_ts, v_partition.to_ts, v_retention.table_name);
    perform app.carry_audit_forward(v_partition.name, v_organizations);
    execute format($query$
      with act as (
        insert into ops.audit_log (request_id, organization_id, action, entity_type, entity_id, after_state)
        select 'retention', a.organization_id, 'detach', 'ops.audit_log', %1$L,
               jsonb_build_object('retention_id', %2$L::uuid, 'from', %3$L::timestamptz, 'to', %4$L::timestamptz, 'rows', count(*),
                                  'table', %5$L::text)
          from app.%1$I a where a.organization_id = any (%6$L)
         group by a.organization_id
        returning organization_id, id
      )
      insert into app.audit_detachment (organization_id, seq, retention_id, entry_id, positions)
      select s.organization_id, s.seq, %2$L, act.id, range_agg(int4range(e.n::integer, e.n::integer, '[]'))
        from act
        join app.audit_seal s on s.organization_id = act.organization_id,
             unnest(s.entry_ids) with ordinality as e (id, n)
        join app.%1$I a on a.id = e.id
       where a.organization_id = s.organization_id and a.xid >= s.from_xid and a.xid < s.through_xid
       group by s.organization_id, s.seq, act.id
    $query$, v_partition.name, v_retention.id, v_partition.from_ts, v_partition.to_ts, v_retention.table_name, v_organizations);

    if v_whole then
      execute format('alter table ops.audit_log detach partition app.%I', v_partition.name);
      execute format('drop trigger _200_append_only on app.%I', v_partition.name);
      execute format('alter table app.%I rename to %I', v_partition.name, v_retention.table_name);
    else
      execute format('create table app.%I (like app.%I including defaults)', v_retention.table_name, v_partition.name);
      execute format('alter table app.%I enable row level security', v_retention.table_name);
      execute format('alter table app.%I force row level security', v_retention.table_name);
      execute format('create policy definer_all on app.%I for all to curestry_definer using (true) with check (true)', v_retention.table_name);
      execute format('alter table app.%I disable trigger _200_append_only', v_partition.name);
      execute format('with moved as (delete from app.%I a where a.organization_id = any (%L) returning *) insert into app.%I select * from moved',
        v_partition.name, v_organizations, v_retention.table_name);
      execute format('alter table app.%I enable trigger _200_append_only', v_partition.name);
    end if;
    -- Erasures reach it, too
    execute format('grant select, delete, update (before_state, after_state) on app.%I to curestry_definer', v_retention.table_name);
    execute format('comment on table app.%I is %L', v_retention.table_name,
      format('Rows of ops.audit_log from %s to %s, which left it by retention; to be kept elsewhere and dropped.', v_partition.from_ts, v_partition.to_ts));
  end loop;
end;
$$;
revoke execute on function app.retain_audit(boolean) from public;
grant execute on function app.retain_audit(boolean) to curestry_worker;
comment on function app.retain_audit(boolean) is
  'Takes out of the audit log what is older than its organization''s audit_retention_months; answers what left, or with dry_run what would. A job of the worker.';
--! EndIncluded app/functions/retain_audit.sql
--! Included app/functions/erase_rows.sql
/*
 * The tables are those of the catalogue, so that none is forgotten. Most rows go with the organization, by their foreign
 * keys; then what has none, or was written by triggers meanwhile. The log keeps who, when and what kind; of facts whose
 * inserts are summarized also how many they were, which is nothing about anybody.
 */
create or replace function app.erase_rows(organization uuid, erasure uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_counts jsonb := '{}';
  v_table regclass;
  v_rows bigint;
  v_left boolean;
  v_tables constant regclass[] := array(
    select c.oid
      from pg_catalog.pg_class c
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace and n.nspname in ('app', 'core', 'ops', 'mart')
      join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attname = 'organization_id' and not a.attisdropped
     where c.relkind in ('r', 'p') and not c.relispartition and c.oid not in ('ops.audit_log'::regclass, 'app.audit_seal'::regclass, 'app.audit_detachment'::regclass)
     order by n.nspname || '.' || c.relname);
begin
  foreach v_table in array v_tables loop
    execute format('select count(*) from %s t where t.organization_id = $1', v_table) into v_rows using organization;
    if v_rows > 0 then
      v_counts := v_counts || jsonb_build_object(v_table, v_rows);
    end if;
  end loop;
  -- What the nightly check found names organizations
  delete from app.mart_check c using ops.organization o
   where o.id = organization and c.details @> jsonb_build_array(jsonb_build_object('organization', o.slug));
  delete from ops.organization o where o.id = organization;
  v_counts := v_counts || jsonb_build_object('ops.organization', 1);
  foreach v_table in array v_tables loop
    execute format('select exists (select from %s t where t.organization_id = $1)', v_table) into v_left using organization;
    if v_left then
      execute format('delete from %s t where t.organization_id = $1', v_table) using organization;
    end if;
  end loop;
  update ops.audit_log a set before_state = null, after_state = null, erasure_id = erasure
   where a.organization_id = organization and (a.before_state is not null or a.after_state is not null)
     and a.action in ('baseline', 'insert', 'update', 'delete')
     and not (num_nonnulls(a.before_state, a.after_state) = 1 and coalesce(a.before_state, a.after_state) ? 'rows'
              and coalesce(a.before_state, a.after_state) - 'rows' = '{}');
  return v_counts;
end;
$$;
alter function app.erase_rows(uuid, uuid) owner to curestry_definer;
revoke execute on function app.erase_rows(uuid, uuid) from public;
comment on function app.erase_rows(uuid, uuid) is
  'Removes an organization with every row of it, and takes the states out of its audit log; answers how many rows of each table there were.';
--! EndIncluded app/functions/erase_rows.sql
--! Included app/functions/erase_user.sql
/*
 * What says who the person is goes: from the tables, by app.personal_data, and from the states in the log. What they did for
 * shared organizations belongs to these and stays, under the number of an account that nobody is behind any more.
 */
create or replace function app.erase_user(person integer) returns app.erasure
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_user core.users;
  v_personal uuid;
  v_slugs text;
  v_table app.personal_data;
  v_erasure app.erasure;
  v_counts jsonb := '{}';
  v_rows bigint;
  v_detached name;
  v_of regclass;
begin
  select u.* into v_user from core.users u where u.id = person and u.erased_at is null for update;
  if not found then
    perform app.refuse('CU003', format('There is no user %s', person), 'user');
  end if;
  -- As everything that changes members: the organizations first, in one order.
  perform from ops.organization o
    where o.personal_user_id = person
       or o.id in (select m.organization_id from ops.organization_user m where m.user_id = person and m.status <> 'removed')
    order by o.id for no key update;
  select o.id into v_personal from ops.organization o where o.personal_user_id = person;

  perform app.refuse_held((select h from app.legal_hold h where h.held_user_id = person and h.released_at is null order by h.placed_at limit 1),
                          coalesce(v_user.email, 'User ' || person));
  perform app.refuse_held(app.legal_hold_of(o.id), format('The organization %s, of which %s is a member,', o.slug, coalesce(v_user.email, 'user ' || person)))
     from ops.organization_user m
     join ops.organization o on o.id = m.organization_id
    where m.user_id = person and m.status <> 'removed';
  select string_agg(o.slug, ', ' order by o.slug) into v_slugs
    from ops.organization_user m
    join ops.organization o on o.id = m.organization_id and o.personal_user_id is distinct from person
   where m.user_id = person and m.role = 'owner' and m.status = 'active'
     and not exists (select from ops.organization_user x
                      where x.organization_id = m.organization_id and x.user_id <> person and x.role = 'owner' and x.status = 'active');
  if v_slugs is not null then
    perform app.refuse('CU005', format('%s is the last owner of %s: make somebody else an owner first, or erase the organization',
                                       coalesce(v_user.email, 'User ' || person), v_slugs), 'user', 'organization_owner');
  end if;
  if exists (select from ops.organization_user m where m.organization_id = v_personal and m.user_id <> person and m.status = 'active') then
    perform app.refuse('CU005', format('The personal organization of %s has other members: remove them first',
                                       coalesce(v_user.email, 'user ' || person)), 'user', 'personal_organization');
  end if;

  v_erasure := app.begin_erasure('user', person::text);
  if v_personal is not null then
    v_counts := app.erase_rows(v_personal, v_erasure.id);
  end if;
  delete from ops.invitation i using ops.organization_user m
   where m.user_id = person and i.organization_id = m.organization_id and i.organization_user_id = m.id;
  get diagnostics v_rows = row_count;
  v_counts := v_counts || jsonb_build_object('ops.invitation', v_rows + coalesce((v_counts ->> 'ops.invitation')::bigint, 0));
  update ops.organization_user m set status = 'removed' where m.user_id = person and m.status <> 'removed';
  get diagnostics v_rows = row_count;
  v_counts := v_counts || jsonb_build_object('ops.organization_user', v_rows + coalesce((v_counts ->> 'ops.organization_user')::bigint, 0));
  update ops.api_key k set is_revoked = true, revoked_at = now() where k.user_id = person and not k.is_revoked;
  get diagnostics v_rows = row_count;
  v_counts := v_counts || jsonb_build_object('ops.api_key', v_rows + coalesce((v_counts ->> 'ops.api_key')::bigint, 0));

  for v_table in select * from app.personal_data p order by p.table_name loop
    v_of := v_table.table_name;
    if v_table.treatment = 'delete' then
      execute format('delete from %s t where t.%I = $1', v_of, v_table.person_column) using person;
    else
      execute format('update %s t set %s where t.%I = $1', v_of,
        (select string_agg(format('%I = null', c), ', ') from unnest(v_table.personal_columns) as c), v_table.person_column) using person;
    end if;
    get diagnostics v_rows = row_count;
    v_counts := v_counts || jsonb_build_object(v_table.table_name, v_rows + coalesce((v_counts ->> v_table.table_name)::bigint, 0));
  end loop;
  delete from app.operator o where o.user_id = person;
  get diagnostics v_rows = row_count;
  v_counts := v_counts || jsonb_build_object('app.operator', v_rows);
  update core.users u set erased_at = now() where u.id = person;

  -- Last, so that what was recorded of all this is erased too
  update ops.audit_log a
     set before_state = e.before_state, after_state = e.after_state, erasure_id = v_erasure.id
    from (select l.organization_id, l.ts, l.id, l.before_state || b.before as before_state, l.after_state || b.after as after_state
            from app.personal_data p
            join app.audited_table t on t.table_name = p.table_name
            join ops.audit_log l
              on l.entity_type = p.table_name and l.action <> 'erase'
             and (t.organization_column is not null or l.organization_id = '00000000-0000-0000-0000-000000000000')
             and coalesce(l.after_state, l.before_state) ->> p.person_column = person::text,
                 lateral (select coalesce(jsonb_object_agg(c, null) filter (where l.before_state ? c), '{}') as before,
                                 coalesce(jsonb_object_agg(c, null) filter (where l.after_state ? c), '{}') as after
                            from unnest(p.personal_columns) as c) b
           where exists (select from unnest(p.personal_columns) as c where coalesce(l.before_state ->> c, l.after_state ->> c) is not null)) e
   where a.organization_id = e.organization_id and a.ts = e.ts and a.id = e.id;
  -- And of what left the log by retention, but is still there
  for v_detached in
    select c.relname from app.audit_retention r join pg_catalog.pg_class c on c.oid = to_regclass(format('app.%I', r.table_name))
     where r.dropped_at is null
  loop
    execute format($query$
      update app.%I l set before_state = null, after_state = null
        from app.personal_data p
       where l.entity_type = p.table_name and coalesce(l.after_state, l.before_state) ->> p.person_column = $1
    $query$, v_detached) using person::text;
  end loop;
  return app.end_erasure(v_erasure, (select jsonb_object_agg(key, value) from jsonb_each(v_counts) where value <> '0'));
end;
$$;
alter function app.erase_user(integer) owner to curestry_definer;
revoke execute on function app.erase_user(integer) from public;
grant execute on function app.erase_user(integer) to curestry_owner;
comment on function app.erase_user(integer) is
  'Erases a user: what says who they are, in all tables and in the states of the audit log, and their personal organization. Answers the receipt. For operators.';
--! EndIncluded app/functions/erase_user.sql
--! Included app/functions/make_partitions.sql
/*
 * Partitions by month, before they are needed. A row of a month that has none goes to the default partition, so nothing is
 * ever refused for the lack of one; when the partition is made, such rows move there. Months of the last five years in which
 * there turn out to be rows get one too. Only the owner of a table can attach a partition: this is one of the few functions
 * that act as curestry_owner.
 */
create or replace function app.make_partitions() returns setof text
language plpgsql volatile security definer set search_path = '' set timezone = 'UTC' set lock_timeout = '5s' as $$
declare
  v_table app.partitioned_table;
  v_parent name;
  v_name name;
  v_month timestamptz;
  v_of regclass;
begin
  perform pg_advisory_xact_lock(hashtextextended('curestry partitions', 0));
  for v_table in select * from app.partitioned_table order by table_name loop
    v_of := v_table.table_name;
    v_parent := split_part(v_table.table_name, '.', 2);
    for v_month in execute format($query$
      select month from generate_series(date_trunc('month', now()), date_trunc('month', now()) + %s * interval '1 month', interval '1 month') as month
      union
      select date_trunc('month', %I) from app.%I where %2$I < now() and %2$I >= now() - interval '5 years'
      order by 1
    $query$, v_table.months_ahead, v_table.time_column, v_parent || '_default') loop
      v_name := v_parent || to_char(v_month, '_YYYY_MM');
      continue when to_regclass(format('app.%I', v_name)) is not null;
      execute format('create table app.%I (like %s including defaults including constraints)', v_name, v_of);
      execute format('comment on table app.%I is %L', v_name, v_table.table_name || to_char(v_month, '" of "YYYY-MM'));
      execute format('alter table app.%I enable row level security', v_name);
      execute format('alter table app.%I force row level security', v_name);
      -- Whoever acts as curestry_definer may move the rows; nobody who logs in has any right here.
      execute format('create policy definer_all on app.%I for all to curestry_definer using (true) with check (true)', v_name);
      execute format('with moved as (delete from app.%I where %I >= %L and %2$I < %4$L returning *) insert into app.%5$I select * from moved',
        v_parent || '_default', v_table.time_column, v_month, v_month + interval '1 month', v_name);
      execute format('alter table %s attach partition app.%I for values from (%L) to (%L)',
        v_of, v_name, v_month, v_month + interval '1 month');
      if v_table.table_name = 'ops.audit_log' then
        execute format('create trigger _200_append_only before update or delete or truncate on app.%I'
          || ' for each statement execute function app.tg_audit_log__append_only()', v_name);
      end if;
      return next v_name;
    end loop;
  end loop;
end;
$$;
revoke execute on function app.make_partitions() from public;
grant execute on function app.make_partitions() to curestry_worker;
comment on function app.make_partitions() is
  'Makes the partitions of the coming months, and of months that have rows but no partition; answers which. A job of the worker.';
--! EndIncluded app/functions/make_partitions.sql
--! Included app/functions/security_findings.sql
/*
 * Looks at the live database for what would make it unsafe, or unlike the rest of it, and says how to cure it: one query a
 * rule. A breach that somebody made by hand is found as much as one that a migration brought.
 */
create or replace function app.security_findings() returns table (rule text, object text, cure text)
language sql stable set search_path = 'pg_catalog' as $$
  with ours_by_month (oid) as ( -- named and described by the table that they are parts of
    select c.oid from pg_class c
     where c.relnamespace = 'app'::regnamespace and (c.relispartition or c.relname ~ '^audit_log_\d{4}_\d\d_detached_')
  )
  select 'row level security is on and forced on every table', f.finding, 'alter table … enable row level security; alter table … force row level security; then write its policies'
    from (
      select c.oid::regclass::text as finding
                  from pg_class c join pg_namespace n on n.oid = c.relnamespace
                 where n.nspname in ('app', 'core', 'ops', 'mart', 'report') and c.relkind in ('r', 'p')
                   and not (c.relrowsecurity and c.relforcerowsecurity)
    ) f
  union all
  select 'every foreign key has an index that serves it', f.finding, 'create index idx_<table>_<columns> on … (<the columns of the foreign key>)'
    from (
      select c.conname::text as finding
                  from pg_constraint c join pg_namespace n on n.oid = c.connamespace
                 where c.contype = 'f' and n.nspname in ('app', 'core', 'ops', 'mart', 'report')
                   and not exists (
                     select from pg_index i
                      where i.indrelid = c.conrelid and i.indpred is null
                        and (i.indkey::int2[])[0:cardinality(c.conkey) - 1] @> c.conkey
                        and (i.indkey::int2[])[0:cardinality(c.conkey) - 1] <@ c.conkey)
    ) f
  union all
  select 'foreign keys between tenant tables are composite', f.finding, 'make it (organization_id, <column>) references … (organization_id, id): foreign keys are checked past row level security'
    from (
      select c.conname::text as finding
                  from pg_constraint c
                  join pg_attribute f on f.attrelid = c.conrelid and f.attname = 'organization_id'
                  join pg_attribute t on t.attrelid = c.confrelid and t.attname = 'organization_id'
                 where c.contype = 'f'
                   and not exists (select from generate_subscripts(c.conkey, 1) as s
                                    where c.conkey[s] = f.attnum and c.confkey[s] = t.attnum)
    ) f
  union all
  select 'organization_id is not null, and first in every primary and unique key', f.finding, 'make organization_id not null, and the first column of the key'
    from (
      select coalesce(i.indexrelid, a.attrelid)::regclass::text as finding
                  from pg_attribute a
                  join pg_class c on c.oid = a.attrelid and c.relkind in ('r', 'p')
                  join pg_namespace n on n.oid = c.relnamespace and n.nspname in ('app', 'core', 'ops', 'mart', 'report')
                  left join pg_index i on i.indrelid = c.oid and i.indisunique and i.indkey[0] <> a.attnum
                 where a.attname = 'organization_id' and (not a.attnotnull or i.indexrelid is not null)
                   -- A key is looked up before its organization is known
                   and i.indexrelid is distinct from 'ops.unq_api_key_key_hash'::regclass
    ) f
  union all
  select 'definer functions have an empty search path and belong to curestry_definer', f.finding, 'alter function … set search_path = ''''; alter function … owner to curestry_definer'
    from (
      select p.oid::regprocedure::text as finding
                  from pg_proc p join pg_namespace n on n.oid = p.pronamespace
                 where n.nspname in ('app', 'core', 'ops', 'mart', 'report') and p.prosecdef
                   and (not coalesce(p.proconfig @> array['search_path=""'], false) or p.proowner <> 'curestry_definer'::regrole)
                   -- Partitions are the owner's to make and to take off
                   and not (p.proowner = 'curestry_owner'::regrole and p.proconfig @> array['search_path=""']
                            and p.oid::regprocedure::text in ('app.make_partitions()', 'app.retain_audit(boolean)',
                                                              'app.drop_detached_audit(interval)', 'app.retain_facts(boolean,integer)'))
    ) f
  union all
  select 'nobody may execute a function of ours by default', f.finding, 'revoke execute on function … from public; grant it to the roles that need it'
    from (
      select p.oid::regprocedure::text as finding
                  from pg_proc p join pg_namespace n on n.oid = p.pronamespace
                 where n.nspname in ('app', 'core', 'ops', 'mart', 'report') and has_function_privilege('public', p.oid, 'execute')
    ) f
  union all
  select 'no policy reads a setting, and members'' policies are written to curestry_member', f.finding, 'write the policy to a role, and compare with app.organization_if(…) or app.analyst_organizations()'
    from (
      select p.polname::text as finding
                  from pg_policy p
                 where pg_get_expr(p.polqual, p.polrelid) like '%current_setting%'
                    or pg_get_expr(p.polwithcheck, p.polrelid) like '%current_setting%'
                    or p.polroles @> array[0::oid]
    ) f
  union all
  select 'no role of a request may truncate, reference or trigger, which look past row level security', f.finding, 'revoke truncate, references, trigger on … from <role>'
    from (
      select c.oid::regclass::text as finding
                  from pg_class c join pg_namespace n on n.oid = c.relnamespace,
                       unnest(array['curestry_anonymous', 'curestry_member', 'curestry_analyst', 'curestry_gateway', 'curestry_worker']) as r (role)
                 where n.nspname in ('app', 'core', 'ops', 'mart', 'report') and c.relkind in ('r', 'p')
                   and has_table_privilege(r.role, c.oid, 'truncate, references, trigger')
    ) f
  union all
  select 'every table of core and ops has its audit triggers, made for its columns', f.finding, 'select app.audit_table(''<table>'', …) in the file of the table, again whenever its columns change; alter table … enable trigger …'
    from (
      select c.oid::regclass::text as finding
        from pg_class c join pg_namespace n on n.oid = c.relnamespace
       where n.nspname in ('core', 'ops') and c.relkind in ('r', 'p') and c.oid <> 'ops.audit_log'::regclass
         and 4 <> (select count(*)
                     from pg_trigger t
                     join app.audited_table a on a.table_name = n.nspname || '.' || c.relname
                     join pg_proc p on p.oid = t.tgfoid and p.prosrc = app.audit_source(a)
                    where t.tgrelid = c.oid and t.tgname like '\_900\_audit\_%' and t.tgenabled = 'O')
    ) f
  union all
  select 'nobody but the functions that keep it may write to the audit log or its seals', f.finding, 'revoke insert, update, delete, truncate on … from <role>'
    from (
      select distinct c.oid::regclass || ': ' || coalesce(r.rolname, 'public') as finding
        from pg_class c
        join pg_namespace n on n.oid = c.relnamespace
        left join pg_attribute k on k.attrelid = c.oid and k.attacl is not null,
             lateral (select * from aclexplode(c.relacl) union all select * from aclexplode(k.attacl)) a
        left join pg_roles r on r.oid = a.grantee
       where (c.oid in ('ops.audit_log'::regclass, 'app.audit_seal'::regclass, 'app.audit_sealer'::regclass, 'app.audit_retention'::regclass,
                        'app.audit_detachment'::regclass, 'app.erasure'::regclass)
              or n.nspname = 'app' and c.relname ~ '^audit_log_')
         and a.privilege_type in ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE')
         and a.grantee not in (c.relowner, 'curestry_definer'::regrole)
    ) f
  union all
  select 'columns named like secrets are left out of the audit log', f.finding, 'name it in secret_columns of app.audit_table in the file of the table'
    from (
      select t.table_name || '.' || a.attname as finding
        from app.audited_table t
        join pg_attribute a on a.attrelid = to_regclass(t.table_name) and a.attnum > 0 and not a.attisdropped
       where a.attname ~* '(hash|token|secret|cipher|password|credential|private|jwt)' and a.attname <> all (t.secret_columns)
    ) f
  union all
  select 'columns named like personal data are known to the erasure', f.finding, 'name it in app.personal_table in the file of the table'
    from (
      select c.oid::regclass || '.' || a.attname as finding
        from pg_class c
        join pg_namespace n on n.oid = c.relnamespace and n.nspname in ('app', 'core', 'ops', 'mart')
        join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        left join app.personal_data p on p.table_name = n.nspname || '.' || c.relname
       where c.relkind in ('r', 'p') and not c.relispartition
         and (a.attname ~ '(e_?mail|phone|avatar|user_agent|first_name|last_name|full_name|display_name|nickname|birth|gender|profile|address|provider_account|(^|_)ip(_|$))'
              or a.attname in ('name', 'login') and p.person_column = 'id')
         and a.attname <> all (coalesce(p.personal_columns, '{}'))
    ) f
  union all
  select 'tables with updated_at keep it', f.finding, 'create trigger _100_updated_at before update on … for each row execute function app.tg__updated_at()'
    from (
      select c.oid::regclass::text as finding
                  from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'updated_at'
                  join pg_namespace n on n.oid = c.relnamespace and n.nspname in ('app', 'core', 'ops', 'mart', 'report')
                 where c.relkind in ('r', 'p')
                   and not exists (select from pg_trigger t where t.tgrelid = c.oid and t.tgname = '_100_updated_at')
    ) f
  union all
  select 'constraints and indexes are named by the conventions', f.finding, 'rename it: pk_, unq_, fk_, chk_ or idx_, then the table, then the columns'
    from (
      select c.conname::text as finding
                  from pg_constraint c join pg_namespace n on n.oid = c.connamespace
                 where n.nspname in ('app', 'core', 'ops', 'mart', 'report') and c.conrelid <> 0
                   and c.conrelid not in (select * from ours_by_month)
                   and not starts_with(c.conname, case c.contype when 'p' then 'pk' when 'u' then 'unq' when 'f' then 'fk' when 'c' then 'chk' end
                                         || '_' || (select relname from pg_class where oid = c.conrelid))
                   and c.contype in ('p', 'u', 'f', 'c')
                union all
                select i.indexrelid::regclass::text
                  from pg_index i join pg_class x on x.oid = i.indexrelid
                  join pg_class c on c.oid = i.indrelid join pg_namespace n on n.oid = c.relnamespace
                 where n.nspname in ('app', 'core', 'ops', 'mart', 'report') and c.relkind in ('r', 'p')
                   and c.oid not in (select * from ours_by_month)
                   and x.relname !~ ('^(pk|unq|idx)_' || c.relname)
    ) f
  union all
  select 'everything has a comment', f.finding, 'comment on … is ''…'', in words for its users'
    from (
      select c.oid::regclass::text as finding
                  from pg_class c join pg_namespace n on n.oid = c.relnamespace
                 where n.nspname in ('app', 'core', 'ops', 'mart', 'report') and c.relkind in ('r', 'p', 'v') and obj_description(c.oid, 'pg_class') is null
                union all
                select c.oid::regclass || '.' || a.attname
                  from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
                 where n.nspname in ('app', 'core', 'ops', 'mart', 'report') and c.relkind in ('r', 'p', 'v', 'c') and a.attnum > 0 and not a.attisdropped
                   and c.oid not in (select * from ours_by_month)
                   and col_description(c.oid, a.attnum) is null
                union all
                select t.oid::regtype::text
                  from pg_type t join pg_namespace n on n.oid = t.typnamespace left join pg_class c on c.oid = t.typrelid
                 where n.nspname in ('app', 'core', 'ops', 'mart', 'report') and (t.typtype = 'e' or c.relkind = 'c') and obj_description(t.oid, 'pg_type') is null
                union all
                select p.oid::regprocedure::text
                  from pg_proc p join pg_namespace n on n.oid = p.pronamespace
                 where n.nspname in ('app', 'core', 'ops', 'mart', 'report') and obj_description(p.oid, 'pg_proc') is null
                union all
                select c.conname::text
                  from pg_constraint c join pg_namespace n on n.oid = c.connamespace
                 where n.nspname in ('app', 'core', 'ops', 'mart', 'report') and c.contype in ('p', 'u', 'f', 'c') and c.conrelid <> 0
                   and c.conrelid not in (select * from ours_by_month)
                   and obj_description(c.oid, 'pg_constraint') is null and obj_description(c.conindid, 'pg_class') is null
                union all
                select p.polname::text from pg_policy p join pg_class c on c.oid = p.polrelid join pg_namespace n on n.oid = c.relnamespace
                 where n.nspname in ('app', 'core', 'ops', 'mart', 'report') and c.oid not in (select * from ours_by_month)
                   and obj_description(p.oid, 'pg_policy') is null
                union all
                select rolname::text from pg_roles where rolname like 'curestry\_%' and shobj_description(oid, 'pg_authid') is null
                union all
                select nspname::text from pg_namespace where nspname in ('app', 'core', 'ops', 'mart', 'report') and obj_description(oid, 'pg_namespace') is null
    ) f
  union all
  select 'every column that is a number with bounds, or a floating point number, has a check', f.finding, 'add constraint chk_<table>_<column>, which also refuses NaN'
    from (
      select a.attrelid::regclass || '.' || a.attname as finding
                  from pg_attribute a join pg_class c on c.oid = a.attrelid and c.relkind in ('r', 'p')
                  join pg_namespace n on n.oid = c.relnamespace and n.nspname in ('core', 'ops')
                 where a.atttypid in ('float8'::regtype, 'numeric'::regtype) and not a.attisdropped
                   and not exists (select from pg_constraint k where k.conrelid = c.oid and k.contype = 'c' and k.conkey @> array[a.attnum])
    ) f
  union all
  select 'views act with the rights of whoever reads them', f.finding, 'alter view … set (security_invoker = true); a materialized view becomes a table with row level security'
    from (
      select c.oid::regclass::text as finding
        from pg_class c join pg_namespace n on n.oid = c.relnamespace
       where n.nspname in ('app', 'core', 'ops', 'mart', 'report') and c.relkind in ('v', 'm')
         and (c.relkind = 'm' or not coalesce(c.reloptions @> array['security_invoker=true'], false))
    ) f
  union all
  select 'nothing is granted to PUBLIC', f.finding, 'revoke all on … from public'
    from (
      select c.oid::regclass::text as finding
        from pg_class c join pg_namespace n on n.oid = c.relnamespace, lateral aclexplode(c.relacl) a
       where n.nspname in ('app', 'core', 'ops', 'mart', 'report') and a.grantee = 0
      union all
      select n.nspname::text from pg_namespace n, lateral aclexplode(n.nspacl) a
       where n.nspname in ('app', 'core', 'ops', 'mart', 'report') and a.grantee = 0
    ) f
  union all
  select 'members'' policies are one indexed comparison', f.finding, 'write it as organization_id = app.organization_if(''<permission>'')'
    from (
      select p.polname || ' on ' || p.polrelid::regclass as finding
        from pg_policy p
       where p.polroles @> array['curestry_member'::regrole::oid]
         and exists (select from pg_attribute a where a.attrelid = p.polrelid and a.attname = 'organization_id')
         and coalesce(pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid))
             !~ '^\(organization_id = app\.organization_if\(''[a-z]+:[a-z]+''::text\)\)$'
    ) f
  union all
  select 'logins of ours are what they should be', f.finding, 'alter role … nologin nosuperuser nobypassrls …; run migrations/install.sql, which makes them right'
    from (
      select r.rolname::text as finding
        from pg_roles r
       where (r.rolname in ('curestry_owner', 'curestry_definer', 'curestry_anonymous', 'curestry_member', 'curestry_analyst')
              and (r.rolcanlogin or r.rolsuper or r.rolbypassrls or r.rolcreaterole or r.rolcreatedb))
          or (r.rolname in ('curestry_gateway', 'curestry_worker') and (r.rolsuper or r.rolbypassrls or r.rolcreaterole or r.rolcreatedb))
          or (r.rolname = 'curestry_gateway' and r.rolinherit)
          or (pg_has_role(r.oid, 'curestry_member', 'member') and not r.rolsuper
              and r.rolname not in ('curestry_gateway', 'curestry_member') and not pg_has_role(r.oid, 'curestry_owner', 'member'))
    ) f
  union all
  select 'temporary tables are nobody''s by default', f.finding, 'revoke temporary on database … from public (migrations/install.sql does): a temporary table can stand in for another'
    from (
      select current_database()::text as finding
       where has_database_privilege('public', current_database(), 'temporary')
    ) f
  order by 1, 2;
$$;
revoke execute on function app.security_findings() from public;
comment on function app.security_findings() is
  'What is unsafe in this database, or unlike the rest of it, and how to cure it. Behind "curestry doctor --security".';
--! EndIncluded app/functions/security_findings.sql
--! Included app/functions/refuse_closed.sql
create or replace function app.refuse_closed(field text, closing timestamptz) returns void
language plpgsql stable set search_path = '' as $$
begin
  perform app.refuse('CU004', format('%s: lies before %s; this organization does not keep what is older (raw_retention_days)', field, closing), field, 'raw_retention');
end;
$$;
revoke execute on function app.refuse_closed(text, timestamptz) from public;
grant execute on function app.refuse_closed(text, timestamptz) to curestry_definer;
comment on function app.refuse_closed(text, timestamptz) is 'Refuses facts of a time that the organization does not keep any more.';
--! EndIncluded app/functions/refuse_closed.sql
--! Included app/functions/tg__mart_marks.sql
/* Marks are written by the statement that changes facts; nothing is queued or notified inside a writer's transaction. */
create or replace function app.tg__mart_marks() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  v_closing timestamptz;
begin
  if TG_OP <> 'INSERT' then
    insert into app.mart_mark (organization_id, source, hour)
    select distinct organization_id, TG_ARGV[0], date_trunc('hour', occurred_at, 'UTC') from old_rows;
  end if;
  if TG_OP <> 'DELETE' then
    insert into app.mart_mark (organization_id, source, hour)
    select distinct organization_id, TG_ARGV[0], date_trunc('hour', occurred_at, 'UTC') from new_rows;
  end if;
  -- What is older than the organization keeps could not be counted any more
  if TG_OP = 'INSERT' then
    select s.closing_before into v_closing
      from (select organization_id, min(occurred_at) as earliest from new_rows group by 1) n,
           lateral (select m.closing_before from app.mart_state m where m.organization_id = n.organization_id limit 1) s
     where n.earliest < s.closing_before;
  elsif TG_OP = 'UPDATE' then
    select s.closing_before into v_closing
      from (select n.organization_id, min(n.occurred_at) as earliest
              from new_rows n join old_rows o on o.organization_id = n.organization_id and o.id = n.id
             where n.occurred_at <> o.occurred_at group by 1) n,
           lateral (select m.closing_before from app.mart_state m where m.organization_id = n.organization_id limit 1) s
     where n.earliest < s.closing_before;
  end if;
  if v_closing is not null then
    perform app.refuse_closed('occurred_at', v_closing);
  end if;
  return null;
end;
$$;
alter function app.tg__mart_marks() owner to curestry_definer;
revoke execute on function app.tg__mart_marks() from public;
comment on function app.tg__mart_marks() is 'Trigger: marks the hours whose facts changed, for the worker to bring the marts up to date.';
--! EndIncluded app/functions/tg__mart_marks.sql
--! Included app/functions/tg_evaluation_metrics__mart_marks.sql
create or replace function app.tg_evaluation_metrics__mart_marks() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  v_closing timestamptz;
begin
  if TG_OP <> 'INSERT' then
    insert into app.mart_mark (organization_id, source, hour)
    select distinct organization_id, TG_ARGV[0], date_trunc('hour', created_at, 'UTC') from old_rows;
  end if;
  if TG_OP <> 'DELETE' then
    insert into app.mart_mark (organization_id, source, hour)
    select distinct organization_id, TG_ARGV[0], date_trunc('hour', created_at, 'UTC') from new_rows;
  end if;
  -- What is older than the organization keeps could not be counted any more
  if TG_OP = 'INSERT' then
    select s.closing_before into v_closing
      from (select organization_id, min(created_at) as earliest from new_rows group by 1) n,
           lateral (select m.closing_before from app.mart_state m where m.organization_id = n.organization_id limit 1) s
     where n.earliest < s.closing_before;
  elsif TG_OP = 'UPDATE' then
    select s.closing_before into v_closing
      from (select n.organization_id, min(n.created_at) as earliest
              from new_rows n join old_rows o on o.organization_id = n.organization_id and o.id = n.id
             where n.created_at <> o.created_at group by 1) n,
           lateral (select m.closing_before from app.mart_state m where m.organization_id = n.organization_id limit 1) s
     where n.earliest < s.closing_before;
  end if;
  if v_closing is not null then
    perform app.refuse_closed('created_at', v_closing);
  end if;
  return null;
end;
$$;
alter function app.tg_evaluation_metrics__mart_marks() owner to curestry_definer;
revoke execute on function app.tg_evaluation_metrics__mart_marks() from public;
comment on function app.tg_evaluation_metrics__mart_marks() is 'Trigger: marks the hours whose evaluation metrics changed; their time is created_at.';
--! EndIncluded app/functions/tg_evaluation_metrics__mart_marks.sql
--! Included app/functions/analysis_item_problems.sql
/*
 * What constraints cannot say, or not in words that name the field: an array as long as items, null where nothing is wrong.
 * The bounds of numbers, lengths and statuses are the constraints' own, and are reported with the constraint's comment.
 */
create or replace function app.analysis_item_problems(organization uuid, items ops.analysis_item[]) returns text[]
language sql stable security definer set search_path = '' as $$
  with item as materialized (
    select * from unnest(items) with ordinality as i
  ), problem (n, problem) as (
    select i.ordinality, 'promptId or promptContent is required'
      from item i
     where i.prompt_id is null and i.prompt_content is null
    union all
    -- Of a text that is too long for its type, PostgreSQL does not say which it is.
    select i.ordinality, format('%s must be at most %s characters', t.field, t.longest)
      from item i, lateral (
        values ('idempotencyKey', i.idempotency_key, 255), ('status', i.status, 20), ('result.detectedLanguage', (i.result).detected_language, 10)
        union all select 'metrics: key', m.key, 100 from unnest(i.metrics) as m
        union all select 'nodeResults: node', r.node, 50 from unnest(i.node_results) as r
        union all select 'nodeResults: status', r.status, 20 from unnest(i.node_results) as r) as t (field, text, longest)
     where char_length(t.text) > t.longest
    union all
    select i.ordinality, format('promptId: there is no prompt %s in this organization', i.prompt_id)
      from item i
     where i.prompt_id is not null
       and not exists (select from core.prompts p where p.organization_id = organization and p.id = i.prompt_id)
    union all
    select i.ordinality, format('status must be queued, running, succeeded, failed or cancelled, and is %s', left(i.status, 50))
      from item i
     where i.status not in ('queued', 'running', 'succeeded', 'failed', 'cancelled')
    union all
    select i.ordinality, format('finishedAt: lies before %s; this organization does not keep what is older (raw_retention_days)', s.closing_before)
      from item i
      join app.mart_state s on s.organization_id = organization
     where coalesce(i.finished_at, case when i.status in ('queued', 'running') then i.started_at end) < s.closing_before
    union all
    select i.ordinality, format('result: an analysis that is %s has none yet', i.status)
      from item i
     where i.status in ('queued', 'running') and i.result is distinct from null
    union all
    select i.ordinality, format('metrics: %s must be %s, as result has it', m.key, r.value)
      from item i, lateral unnest(i.metrics) as m,
           lateral (select case m.key when 'overall_score' then (i.result).overall_score when 'judge_score' then (i.result).judge_score
                      when 'semantic_entropy' then (i.result).semantic_entropy when 'complexity_score' then (i.result).complexity_score
                      when 'length_chars' then (i.result).length_chars when 'length_words' then (i.result).length_words end::numeric) as r (value)
     where m.key in ('overall_score', 'judge_score', 'semantic_entropy', 'complexity_score', 'length_chars', 'length_words')
       and r.value is not null
       and (m.value_num is distinct from r.value or m.value_text is not null or m.value_json is not null)
    union all
    select s.n,
           case
             when s.rubric is null or s.criterion is null then 'scores: rubric and criterion are required'
             when not exists (select from ops.judge_rubric r where r.organization_id = organization and r.name = s.rubric)
               then format('scores: there is no rubric %L in this organization', s.rubric)
             else format('scores: the rubric %L has no criterion %L', s.rubric, s.criterion)
           end
      from app.resolve_scores(organization, items) as s
     where s.criterion_id is null
  )
  select array_agg(p.problem order by i.ordinality)
    from item i
    left join lateral (select min(p.problem) as problem from problem p where p.n = i.ordinality) p
      -- A known key is unchanged or in conflict, whatever has become of the prompt since.
      on not exists (select from ops.analysis_run r where r.organization_id = organization and r.idempotency_key = i.idempotency_key);
$$;
alter function app.analysis_item_problems(uuid, ops.analysis_item[]) owner to curestry_definer;
revoke execute on function app.analysis_item_problems(uuid, ops.analysis_item[]) from public;
comment on function app.analysis_item_problems(uuid, ops.analysis_item[]) is
  'What is wrong with each item of recordAnalyses, in words that name the field; null where nothing is.';
--! EndIncluded app/functions/analysis_item_problems.sql
--! Included app/functions/retain_facts.sql
/*
 * Retention of what was recorded: runs with all that belongs to them, and feature events, older than an organization's
 * raw_retention_days are removed once the marts have taken them up for good. Each call goes as far as it can without
 * waiting; call it again until all is done. An organization goes through
 *
 *   1. closing: from the next transaction on, facts of that age are refused (the triggers that mark for the marts);
 *   2. when that is committed, the transactions that may not have seen it are remembered, and their end is waited for;
 *   3. freezing: app.freeze_marts takes up what is there of them, and what the marts say of those days stays as it is;
 *   4. removal: partitions of feature events of which nothing has to stay are dropped, the rest goes in batches.
 *
 * What is under a legal hold stays, and so do runs that have not ended.
 */
create or replace function app.retain_facts(dry_run boolean default false, batch integer default 2000)
returns table (organization_id uuid, before timestamptz, runs bigint, feature_events bigint, is_done boolean)
language plpgsql volatile security definer set search_path = '' set timezone = 'UTC' set lock_timeout = '5s' as $$
declare
  v_organization record;
  v_partition record;
  v_may boolean;
  v_frozen timestamptz;
  v_dropped jsonb := '{}';
begin
  perform pg_advisory_xact_lock(hashtextextended('curestry facts retention', 0)),
          set_config('curestry.retention', 'on', true);

  if not dry_run then
    for v_partition in
      select c.relname as name, b.bounds[1]::timestamptz as to_ts
        from pg_catalog.pg_inherits i
        join pg_catalog.pg_class c on c.oid = i.inhrelid,
             lateral regexp_match(pg_catalog.pg_get_expr(c.relpartbound, c.oid), 'TO \(''([^'']+)''\)') as b (bounds)
       where i.inhparent = 'ops.feature_event'::regclass and b.bounds is not null
       order by 2
    loop
      for v_looks in 1 .. 2 loop
        -- A second time when nobody can write to it any more
        execute format($query$
          select coalesce(bool_and(o.id is not null and not app.is_held(o.id) and coalesce(s.frozen_before, '-infinity') >= %2$L), %2$L < now() - interval '1 month')
            from (select distinct e.organization_id from app.%1$I e) e
            left join ops.organization o on o.id = e.organization_id and o.raw_retention_days is not null
            left join app.mart_state s on s.organization_id = e.organization_id
        $query$, v_partition.name, v_partition.to_ts) into v_may;
        exit when not v_may;
        execute format('lock table app.%I in access exclusive mode', v_partition.name);
      end loop;
      continue when not v_may;
      -- Nobody's trigger sees rows go with their partition
      execute format($query$
        with gone as (select e.organization_id, count(*) as n from app.%1$I e group by 1),
        said as (
          insert into ops.audit_log (request_id, organization_id, action, entity_type, entity_id, before_state)
          select 'retention', g.organization_id, 'delete', 'ops.feature_event', g.n || ' rows', jsonb_build_object('rows', g.n) from gone g
        )
        select $1 || coalesce(jsonb_object_agg(g.organization_id, g.n + coalesce(($1 ->> g.organization_id::text)::bigint, 0)), '{}') from gone g
      $query$, v_partition.name) into v_dropped using v_dropped;
      execute format('alter table ops.feature_event detach partition app.%I', v_partition.name);
      execute format('drop table app.%I', v_partition.name);
    end loop;
  end if;

  for v_organization in
    select o.id, d.low as before, s.closing_before, s.closing_xid, s.frozen_before
      from ops.organization o
      left join app.mart_state s on s.organization_id = o.id,
           lateral app.mart_days(coalesce(s.time_zone, 'UTC'), array[now() - make_interval(days => o.raw_retention_days)]) d
     where o.raw_retention_days is not null and not app.is_held(o.id)
     order by o.id
  loop
    organization_id := v_organization.id;
    before := v_organization.before;
    runs := 0;
    feature_events := coalesce((v_dropped ->> v_organization.id::text)::bigint, 0);
    is_done := false;
    if dry_run then
      select count(*) into runs from ops.analysis_run r
       where r.organization_id = v_organization.id and r.occurred_at < v_organization.before and r.finished_at is not null;
      select count(*) into feature_events from ops.feature_event e
       where e.organization_id = v_organization.id and e.occurred_at < v_organization.before;
    elsif v_organization.closing_before is null or v_organization.closing_before < v_organization.before then
      insert into app.mart_state as s (organization_id, time_zone, closing_before)
      values (v_organization.id, 'UTC', v_organization.before)
      on conflict on constraint pk_mart_state do update set closing_before = excluded.closing_before, closing_xid = null;
    elsif v_organization.closing_xid is null then
      update app.mart_state s set closing_xid = pg_snapshot_xmax(pg_current_snapshot())::text::bigint where s.organization_id = v_organization.id;
    elsif v_organization.frozen_before < v_organization.closing_before
          and pg_snapshot_xmin(pg_current_snapshot())::text::bigint < v_organization.closing_xid then
      null; -- somebody who may not know it is still at it
    elsif v_organization.frozen_before < v_organization.closing_before then
      perform app.freeze_marts(v_organization.id, v_organization.closing_before);
    else
      v_frozen := v_organization.frozen_before;
      with doomed as (
        select r.id from ops.analysis_run r
         where r.organization_id = v_organization.id and r.occurred_at < v_frozen and r.finished_at is not null
         order by r.occurred_at limit batch
      )
      delete from ops.analysis_run r using doomed d where r.organization_id = v_organization.id and r.id = d.id;
      get diagnostics runs = row_count;
      is_done := runs < batch;
      with doomed as (
        select e.occurred_at, e.id from ops.feature_event e
         where e.organization_id = v_organization.id and e.occurred_at < v_frozen
         order by e.occurred_at limit batch
      ), gone as (
        delete from ops.feature_event e using doomed d
         where e.organization_id = v_organization.id and e.occurred_at = d.occurred_at and e.id = d.id
        returning 1
      )
      select feature_events + count(*), is_done and count(*) < batch into feature_events, is_done from gone;
    end if;
    return next;
  end loop;
end;
$$;
revoke execute on function app.retain_facts(boolean, integer) from public;
grant execute on function app.retain_facts(boolean, integer) to curestry_worker;
comment on function app.retain_facts(boolean, integer) is
  'Removes what is older than its organization''s raw_retention_days and taken up by the marts, some of it in each call; answers what was removed, or with dry_run what would be. A job of the worker.';
--! EndIncluded app/functions/retain_facts.sql
--! Included app/functions/mart_value_json.sql
/*
 * What mart.metric_timeseries.value_json holds, from slots and texts with their counts. Of more than 100 distinct texts those
 * with the smallest hashes are kept, and the others are counted together: what is among the 100 of a day is among the 100 of
 * each of its hours, so days merged from hours say exactly what a count of the day says. (The most frequent ones could not be
 * merged: what is rare in every hour may be frequent in the day.) "greatest" and "least" hold a quantile between the smallest
 * and the largest number.
 */
create or replace function app.mart_value_json(
  slots integer[], slot_counts bigint[], value_min numeric, value_max numeric, words text[], word_counts bigint[], other_count bigint
) returns jsonb
language sql immutable set search_path = '' as $$
  select nullif(
    coalesce((
      select jsonb_build_object(
               'p50', least(greatest(app.sketch_value(min(c.slot) filter (where c.below >= 0.50 * c.total)), value_min), value_max),
               'p90', least(greatest(app.sketch_value(min(c.slot) filter (where c.below >= 0.90 * c.total)), value_min), value_max),
               'p95', least(greatest(app.sketch_value(min(c.slot) filter (where c.below >= 0.95 * c.total)), value_min), value_max),
               'p99', least(greatest(app.sketch_value(min(c.slot) filter (where c.below >= 0.99 * c.total)), value_min), value_max),
               'sketch', jsonb_object_agg(c.slot::text, c.n))
        from (select u.slot, u.n, sum(u.n) over (order by u.slot) as below, sum(u.n) over () as total
                from unnest(slots, slot_counts) as u (slot, n)) c
      having count(*) > 0), '{}')
    || coalesce((
      select jsonb_build_object('counts', jsonb_object_agg(w.word, w.n) filter (where w.place <= 100))
             || case when coalesce(sum(w.n) filter (where w.place > 100), 0) + coalesce(other_count, 0) > 0
                     then jsonb_build_object('other', coalesce(sum(w.n) filter (where w.place > 100), 0) + coalesce(other_count, 0))
                     else '{}' end
        from (select u.word, u.n, row_number() over (order by md5(u.word), u.word collate "C") as place
                from unnest(words, word_counts) as u (word, n)) w
      having count(*) > 0), '{}'),
    '{}');
$$;
revoke execute on function app.mart_value_json(integer[], bigint[], numeric, numeric, text[], bigint[], bigint) from public;
grant execute on function app.mart_value_json(integer[], bigint[], numeric, numeric, text[], bigint[], bigint) to curestry_definer;
comment on function app.mart_value_json(integer[], bigint[], numeric, numeric, text[], bigint[], bigint) is
  'Quantiles and their sketch, and counts of texts, as mart.metric_timeseries.value_json holds them.';
--! EndIncluded app/functions/mart_value_json.sql
--! Included app/functions/tg_organization__time_zone.sql
create or replace function app.tg_organization__time_zone() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  -- What is left of older days are their numbers, and these cannot be counted anew
  if TG_OP = 'UPDATE' and NEW.time_zone is distinct from OLD.time_zone
     and exists (select from app.mart_state s
                  where s.organization_id = NEW.id and (s.closing_before is not null or s.frozen_before > '-infinity')) then
    perform app.refuse('CU005', 'timeZone: stays as it is once something was removed by age (raw_retention_days): the marts of before could not be rebuilt for another',
      'timeZone', 'organization_time_zone');
  end if;
  if NEW.time_zone !~ '^(posix|right)/' and exists (select from pg_catalog.pg_timezone_names z where z.name = NEW.time_zone) then
    return NEW;
  end if;
  perform app.refuse('CU004', format('timeZone: %s is no time zone; give a name of the IANA database, such as Europe/Berlin or UTC', to_json(NEW.time_zone)),
    'timeZone', 'organization_time_zone');
  return null;
end;
$$;
alter function app.tg_organization__time_zone() owner to curestry_definer;
revoke execute on function app.tg_organization__time_zone() from public;
comment on function app.tg_organization__time_zone() is 'Trigger: the time zone of an organization is one that the server knows, by its whole name, and stays once facts were removed by age.';
--! EndIncluded app/functions/tg_organization__time_zone.sql
--! Included mart/functions/quantile.sql
create or replace function mart.quantile(sketch jsonb, q numeric) returns numeric
language sql immutable parallel safe set search_path = '' as $$
  select app.sketch_value(min(c.slot))
    from (select u.slot, sum(u.n) over (order by u.slot) as below, sum(u.n) over () as total
            from (select e.key::integer as slot, e.value::bigint as n from jsonb_each_text(sketch) as e) u) c
   where q between 0 and 1 and c.below >= q * c.total;
$$;
revoke execute on function mart.quantile(jsonb, numeric) from public;
grant execute on function mart.quantile(jsonb, numeric) to curestry_analyst;
comment on function mart.quantile(jsonb, numeric) is
  'The smallest number that this share of all (0.5: half of them, the median) is at most, as percentile_disc has it, of a sketch, value_json -> ''sketch'' of mart.metric_timeseries; within 1 %. Null outside of 0 to 1, and of an empty sketch.';
--! EndIncluded mart/functions/quantile.sql
--! Included app/tables/mart_state.sql
comment on table app.mart_state is 'What the marts of an organization are made by. No row: UTC, and nothing is frozen.';
comment on column app.mart_state.organization_id is 'Whose marts.';
comment on column app.mart_state.time_zone is 'The zone of their hours and days: that of the organization, once they have been rebuilt for it.';
comment on column app.mart_state.frozen_before is 'Facts before this time may have been removed: what the marts say of it stays as it is.';
comment on column app.mart_state.closing_before is 'Facts before this time are not accepted any more: what is there of them is about to be taken up for good and removed.';
comment on column app.mart_state.closing_xid is 'When all transactions before this one have ended, nothing before closing_before can come any more; null: that is not decided yet.';
comment on constraint pk_mart_state on app.mart_state is 'One row per organization.';
comment on constraint fk_mart_state_organization_id on app.mart_state is 'The organization must exist.';

alter table app.mart_state enable row level security;
alter table app.mart_state force row level security;
revoke all on app.mart_state from curestry_definer;

drop policy if exists definer_all on app.mart_state;
create policy definer_all on app.mart_state for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on app.mart_state is 'The functions that look past row level security; the grants say what they may.';
grant select, insert, update on app.mart_state to curestry_definer;
--! EndIncluded app/tables/mart_state.sql
--! Included ops/tables/audit_log.sql
comment on table ops.audit_log is E'@unique id\nWho changed what, when: one row for each change of a row of core and ops, written by triggers. Append-only, partitioned by month.';
comment on column ops.audit_log.id is 'Identifies the row; unique across organizations.';
comment on column ops.audit_log.ts is 'When.';
comment on column ops.audit_log.actor_user_id is E'@behavior +filterBy\nWhich user, if a request to the API changed it.';
comment on column ops.audit_log.actor_api_key_id is E'@behavior +filterBy\nWith which API key.';
comment on column ops.audit_log.actor_role is 'Which login of the database.';
comment on column ops.audit_log.request_id is E'@behavior +filterBy\nThe X-Request-Id of the request, as in the log.';
comment on column ops.audit_log.organization_id is 'The organization of the changed row; the nil UUID for rows that belong to none.';
comment on column ops.audit_log.action is E'@behavior +filterBy\ninsert, update, delete or truncate; baseline: the row as it was when its audit began, or when older rows left the log; detach: rows left by retention; erase: that states were taken out of the log.';
comment on column ops.audit_log.entity_type is E'@behavior +filterBy\nThe table, such as core.prompts.';
comment on column ops.audit_log.entity_id is 'The id of the row; for facts that are recorded many at a time, how many rows.';
comment on column ops.audit_log.before_state is 'The row as it was, without secrets.';
comment on column ops.audit_log.after_state is 'The row as it became, without secrets.';
comment on column ops.audit_log.changed_columns is 'Which columns an update changed.';
comment on column ops.audit_log.erasure_id is 'By which erasure its states lost what they had of a person or organization; null: they are whole.';
comment on column ops.audit_log.xid is E'@behavior -*\nThe transaction that made the change; the order of sealing.';
comment on column ops.audit_log.seq is E'@behavior -*\nThe order of the rows within a transaction.';
comment on constraint pk_audit_log on ops.audit_log is 'One row per organization, time and id; in the order of time, which random ids alone would not be.';

alter table ops.audit_log enable row level security;
alter table ops.audit_log force row level security;
revoke all on ops.audit_log from curestry_anonymous, curestry_member, curestry_analyst, curestry_definer;

drop policy if exists select_own on ops.audit_log;
create policy select_own on ops.audit_log for select to curestry_member
  using (organization_id = app.organization_if('audit:read'));
comment on policy select_own on ops.audit_log is 'Members read the rows of their request''s organization, with audit:read.';
grant select on ops.audit_log to curestry_member;

drop policy if exists definer_all on ops.audit_log;
create policy definer_all on ops.audit_log for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on ops.audit_log is 'The functions that look past row level security; the grants say what they may.';
grant select, insert, update (before_state, after_state, erasure_id) on ops.audit_log to curestry_definer;
grant usage on sequence ops.audit_log_seq to curestry_definer;

create or replace trigger _200_append_only before update or delete or truncate on ops.audit_log
  for each statement execute function app.tg_audit_log__append_only('erasable');
create or replace trigger _200_erase before update on ops.audit_log
  for each row execute function app.tg_audit_log__erase();

comment on table app.audit_log_default is 'ops.audit_log of months without a partition.';
alter table app.audit_log_default enable row level security;
alter table app.audit_log_default force row level security;
drop policy if exists definer_all on app.audit_log_default;
create policy definer_all on app.audit_log_default for all to curestry_definer
  using (true)
  with check (true);
--! EndIncluded ops/tables/audit_log.sql

-- The audit triggers are made anew
select app.audit_table(t.table_name::regclass, t.organization_column, t.id_column, t.secret_columns, t.note_columns, t.summarize_inserts)
  from app.audited_table t;

-- Quantiles count ranks as percentile_disc does
insert into app.mart_mark (organization_id, source, hour) select o.id, 'metric', '-infinity' from ops.organization o;
