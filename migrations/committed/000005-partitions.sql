--! Previous: sha1:936f6742a26ed3739042d17a94a71bdbddef5b79
--! Hash: sha1:d6d029915c1f47108f83c491233efaaac13066d9
--! Message: the audit log and feature events by month, retention of the audit log, sealing after a restore

/*
 * The audit log and the feature events become partitioned by month, so that whole months can leave; the audit log can be
 * sealed on after a restore into another server; organizations say how long they keep what.
 */

-- Others wait behind a migration that waits
set local lock_timeout = '30s';

create table app.partitioned_table (
    table_name text not null,
    time_column text not null,
    months_ahead integer not null default 3,
    constraint pk_partitioned_table primary key (table_name),
    constraint chk_partitioned_table_months_ahead check (months_ahead between 1 and 24)
);

-- The rows are copied: once, while these tables are young.
drop function app.audit_entry_digest(ops.audit_log, bytea);
drop function app.audit_state_digest(ops.audit_log);
alter table ops.audit_log rename to audit_log_before;
alter table ops.audit_log_before rename constraint pk_audit_log to pk_audit_log_before;
alter index ops.idx_audit_log_entity rename to idx_audit_log_before_entity;
alter index ops.idx_audit_log_xid rename to idx_audit_log_before_xid;
alter index ops.idx_audit_log_actor_user_id rename to idx_audit_log_before_actor_user_id;
create sequence ops.audit_log_seq as bigint;
select setval('ops.audit_log_seq', (select coalesce(max(seq), 1) from ops.audit_log_before));
create table ops.audit_log (
    id uuid not null default gen_random_uuid(),
    ts timestamptz not null default now(),
    actor_user_id integer,
    actor_api_key_id uuid,
    actor_role name not null default session_user,
    request_id varchar(128),
    organization_id uuid not null,
    action varchar(100) not null,
    entity_type varchar(100) not null,
    entity_id varchar(255) not null,
    before_state jsonb,
    after_state jsonb,
    changed_columns text[],
    xid bigint not null default pg_current_xact_id()::text::bigint,
    seq bigint not null default nextval('ops.audit_log_seq'),
    constraint pk_audit_log primary key (organization_id, ts, id),
    constraint chk_audit_log_action check (action in ('baseline', 'insert', 'update', 'delete', 'truncate', 'detach'))
) partition by range (ts);
alter sequence ops.audit_log_seq owned by ops.audit_log.seq;
-- A hash of the id and nothing else: half the cost for writers of a B-tree with organization, type and time in it.
create index idx_audit_log_entity_id on ops.audit_log using hash (entity_id);
-- Rows come in about the order of their transactions, so a few pages tell where to look; a B-tree would cost every writer.
create index idx_audit_log_xid on ops.audit_log using brin (xid) with (pages_per_range = 16);
create index idx_audit_log_actor_user_id on ops.audit_log (organization_id, actor_user_id, ts) where actor_user_id is not null;

alter table ops.feature_event rename to feature_event_before;
alter table ops.feature_event_before rename constraint pk_feature_event to pk_feature_event_before;
alter index ops.idx_feature_event_occurred_at rename to idx_feature_event_before_occurred_at;
alter index ops.idx_feature_event_user_id rename to idx_feature_event_before_user_id;
create table ops.feature_event (
    id uuid not null default gen_random_uuid(),
    organization_id uuid not null,
    user_id integer,
    feature_key varchar(100) not null,
    occurred_at timestamptz not null default now(),
    event_count integer not null default 1,
    created_at timestamptz not null default now(),
    constraint pk_feature_event primary key (organization_id, occurred_at, id),
    constraint fk_feature_event_organization_id foreign key (organization_id) references ops.organization (id) on delete cascade,
    constraint fk_feature_event_user_id foreign key (user_id) references core.users (id) on delete set null,
    constraint chk_feature_event_feature_key check (feature_key ~ '\S'),
    constraint chk_feature_event_occurred_at check (occurred_at >= '2000-01-01Z' and occurred_at < '2100-01-01Z'),
    constraint chk_feature_event_event_count check (event_count between 1 and 1000000)
) partition by range (occurred_at);
create index idx_feature_event_user_id on ops.feature_event (user_id);

-- A partition for whatever has none
create table app.audit_log_default partition of ops.audit_log default;
create table app.feature_event_default partition of ops.feature_event default;

insert into ops.audit_log select * from ops.audit_log_before;
drop table ops.audit_log_before;
insert into ops.feature_event select * from ops.feature_event_before;
drop table ops.feature_event_before;

alter table ops.organization add column audit_retention_months integer,
    add column raw_retention_days integer,
    add constraint chk_organization_audit_retention_months check (audit_retention_months between 1 and 1200),
    add constraint chk_organization_raw_retention_days check (raw_retention_days between 1 and 36600);

/* What left the audit log, and on whose word. */
create table app.audit_retention (
    id uuid not null default gen_random_uuid(),
    partition_name text not null,
    from_ts timestamptz not null,
    to_ts timestamptz not null,
    table_name text not null,
    detached_at timestamptz not null default now(),
    dropped_at timestamptz,
    constraint pk_audit_retention primary key (id)
);
create table app.audit_detachment (
    organization_id uuid not null,
    seq integer not null,
    retention_id uuid not null,
    entry_id uuid not null,
    positions int4multirange not null,
    constraint pk_audit_detachment primary key (organization_id, seq, retention_id),
    constraint fk_audit_detachment_retention_id foreign key (retention_id) references app.audit_retention (id)
);
create index idx_audit_detachment_retention_id on app.audit_detachment (retention_id);

alter table app.audit_sealer add column xid_offset bigint not null default 0;

--! Included app/functions/audit_state_digest.sql
create or replace function app.audit_state_digest(entry ops.audit_log) returns bytea
language sql stable
return sha256(convert_to(coalesce(entry.before_state::text, '') || E'\x1f' || coalesce(entry.after_state::text, ''), 'UTF8'));
revoke execute on function app.audit_state_digest(ops.audit_log) from public;
grant execute on function app.audit_state_digest(ops.audit_log) to curestry_definer;
comment on function app.audit_state_digest(ops.audit_log) is 'SHA-256 of what a row of the audit log says of the states before and after.';
--! EndIncluded app/functions/audit_state_digest.sql
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
--! Included app/functions/seal_audit.sql
/*
 * Seals what was recorded by transactions that have ended: all that are older than the oldest still running. So no writer
 * waits, nothing is sealed that may yet be rolled back, and nothing that commits late is passed over. One sealer at a time;
 * another finds nothing to do.
 */
create or replace function app.seal_audit() returns table (organization_id uuid, seq integer, hash text, sealed_rows integer)
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_from bigint;
  v_through bigint;
  v_next bigint;
  v_batch record;
  v_seal app.audit_seal;
begin
  if not pg_try_advisory_xact_lock(hashtextextended('curestry audit seal', 0)) then
    return;
  end if;
  select s.through_xid, pg_snapshot_xmin(pg_current_snapshot())::text::bigint + s.xid_offset,
         pg_snapshot_xmax(pg_current_snapshot())::text::bigint + s.xid_offset
    into v_from, v_through, v_next
    from app.audit_sealer s;
  if v_next < v_from then
    perform app.refuse('CU007', 'The ids of transactions have begun anew, as after a restore into another server: run "deno task migrate", which mends it');
  end if;
  if v_through <= v_from then
    return;
  end if;
  for v_batch in
    select b.organization_id,
           array_agg(b.id order by b.xid, b.seq) as ids,
           array_agg(b.state_digest order by b.xid, b.seq) as state_digests,
           array_agg(b.digest order by b.xid, b.seq) as entry_digests
      from (select a.organization_id, a.id, a.xid, a.seq, s.state_digest, app.audit_entry_digest(a, s.state_digest) as digest,
                   (row_number() over (partition by a.organization_id order by a.xid, a.seq) - 1) / 1000 as part
              from ops.audit_log a, lateral (select app.audit_state_digest(a) as state_digest) s
             where a.xid >= v_from and a.xid < v_through) b
     group by b.organization_id, b.part
     order by b.organization_id, b.part
  loop
    select * into v_seal
      from app.audit_seal s where s.organization_id = v_batch.organization_id
     order by s.seq desc limit 1;
    v_seal.previous_hash := coalesce(v_seal.hash, decode(repeat('00', 32), 'hex'));
    v_seal.seq := coalesce(v_seal.seq, 0) + 1;
    v_seal.organization_id := v_batch.organization_id;
    v_seal.from_xid := v_from;
    v_seal.through_xid := v_through;
    v_seal.entry_ids := v_batch.ids;
    v_seal.state_digests := v_batch.state_digests;
    v_seal.entry_digests := v_batch.entry_digests;
    v_seal.sealed_at := now();
    v_seal.hash := app.audit_seal_hash(v_seal);
    insert into app.audit_seal select v_seal.*;
    organization_id := v_seal.organization_id;
    seq := v_seal.seq;
    hash := encode(v_seal.hash, 'hex');
    sealed_rows := cardinality(v_batch.ids);
    return next;
  end loop;
  update app.audit_sealer s set through_xid = v_through;
end;
$$;
alter function app.seal_audit() owner to curestry_definer;
revoke execute on function app.seal_audit() from public;
grant execute on function app.seal_audit() to curestry_worker, curestry_owner;
comment on function app.seal_audit() is
  'Seals new rows of the audit log into the hash chain of their organization; answers the new seals, for checkpoints outside the database. A job of the worker.';
--! EndIncluded app/functions/seal_audit.sql
--! Included app/functions/verify_audit_chain.sql
create or replace function app.verify_audit_chain(organization uuid default null)
returns table (organization_id uuid, problem text, entry_id uuid, detail text)
language plpgsql stable security definer set search_path = '' as $$
declare
  v_seal app.audit_seal;
  v_expected_seq integer;
  v_previous bytea;
  v_entry record;
  v_sealed_through bigint;
begin
  for v_seal in
    select * from app.audit_seal s
     where verify_audit_chain.organization is null or s.organization_id = verify_audit_chain.organization
     order by s.organization_id, s.seq
  loop
    if organization_id is distinct from v_seal.organization_id then
      organization_id := v_seal.organization_id;
      v_expected_seq := 1;
      v_previous := decode(repeat('00', 32), 'hex');
    end if;
    entry_id := null;
    if v_seal.seq <> v_expected_seq then
      problem := 'seal removed';
      detail := format('seal %s follows %s', v_seal.seq, v_expected_seq - 1);
      return next;
    elsif v_seal.previous_hash <> v_previous then
      problem := 'seal changed';
      detail := format('seal %s does not go with the one before it', v_seal.seq);
      return next;
    end if;
    if v_seal.hash <> app.audit_seal_hash(v_seal) then
      problem := 'seal changed';
      detail := format('seal %s', v_seal.seq);
      return next;
    end if;

    for v_entry in
      select i.id, a.id is null as missing
        from unnest(v_seal.entry_ids) with ordinality as i (id, n)
        left join ops.audit_log a
          on a.organization_id = v_seal.organization_id and a.id = i.id and a.xid >= v_seal.from_xid and a.xid < v_seal.through_xid
       where case
               when a.id is null
               then not exists (select from app.audit_detachment d
                                 where d.organization_id = v_seal.organization_id and d.seq = v_seal.seq and d.positions @> i.n::integer)
               else app.audit_state_digest(a) <> v_seal.state_digests[i.n]
                    or app.audit_entry_digest(a, v_seal.state_digests[i.n]) <> v_seal.entry_digests[i.n]
             end
       order by i.n
    loop
      problem := case when v_entry.missing then 'row removed' else 'row changed' end;
      entry_id := v_entry.id;
      detail := format('sealed at %s, in seal %s', v_seal.sealed_at, v_seal.seq);
      return next;
    end loop;
    v_expected_seq := v_seal.seq + 1;
    v_previous := v_seal.hash;
  end loop;

  -- Rows left by retention only if the log says so, and as many as it says.
  for v_entry in
    select d.organization_id, d.entry_id as id, r.partition_name, d.rows, (a.after_state ->> 'rows')::bigint as said
      from (select d.organization_id, d.entry_id, d.retention_id, sum(upper(p) - lower(p)) as rows
              from app.audit_detachment d, unnest(d.positions) as p
             where verify_audit_chain.organization is null or d.organization_id = verify_audit_chain.organization
             group by d.organization_id, d.entry_id, d.retention_id) d
      join app.audit_retention r on r.id = d.retention_id
      left join ops.audit_log a on a.organization_id = d.organization_id and a.id = d.entry_id
                               and a.action = 'detach' and a.after_state ->> 'retention_id' = d.retention_id::text
     where case when a.id is null
                then not exists (select from app.audit_seal s where s.organization_id = d.organization_id and s.entry_ids @> array[d.entry_id])
                else d.rows <> (a.after_state ->> 'rows')::bigint end
  loop
    organization_id := v_entry.organization_id;
    problem := 'row removed';
    entry_id := v_entry.id;
    detail := format('%s rows of %s are missing; by retention, says the log, %s', v_entry.rows, v_entry.partition_name, coalesce(v_entry.said, 0));
    return next;
  end loop;

  -- A row that claims to be from before the last seal, but stands in none.
  select s.through_xid into v_sealed_through from app.audit_sealer s;
  for v_entry in
    select a.organization_id, a.id, a.ts
      from ops.audit_log a
     where a.xid < v_sealed_through
       and (verify_audit_chain.organization is null or a.organization_id = verify_audit_chain.organization)
       and not exists (select from app.audit_seal s
                        where s.organization_id = a.organization_id and s.from_xid <= a.xid and s.through_xid > a.xid
                          and s.entry_ids @> array[a.id])
  loop
    organization_id := v_entry.organization_id;
    problem := 'row added';
    entry_id := v_entry.id;
    detail := format('it says %s, but stands in no seal', v_entry.ts);
    return next;
  end loop;
end;
$$;
alter function app.verify_audit_chain(uuid) owner to curestry_definer;
revoke execute on function app.verify_audit_chain(uuid) from public;
grant execute on function app.verify_audit_chain(uuid) to curestry_owner;
comment on function app.verify_audit_chain(uuid) is
  'Recomputes the hash chain of the audit log, of one or all organizations, and names every row and seal that is not as it was sealed.';
--! EndIncluded app/functions/verify_audit_chain.sql
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
begin
  for v_table in select * from app.audited_table order by table_name loop
    v_of := v_table.table_name;
    v_left_out := v_table.secret_columns || v_table.note_columns;
    return query execute format($query$
      with last as (
        select distinct on (a.organization_id, a.entity_id) a.organization_id, a.entity_id, a.action, a.after_state
          from ops.audit_log a
         where a.entity_type = %1$L and a.action in ('baseline', 'insert', 'update', 'delete')
         order by a.organization_id, a.entity_id, a.xid desc, a.seq desc
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
               when p.entity_id is null then l.action <> 'delete' and not (%6$L and l.after_state ? 'rows')
               when l.entity_id is null then not %6$L
               when l.action = 'delete' then true
               else p.state is distinct from l.after_state - %4$L::text[] and not (%6$L and l.after_state ? 'rows')
             end
    $query$, v_table.table_name, coalesce(v_table.organization_column, v_table.id_column), v_table.id_column, v_left_out, v_of,
      v_table.summarize_inserts, v_table.organization_column is not null);
    if v_table.summarize_inserts then
      return query execute format($query$
        select coalesce(p.organization_id, l.organization_id), 'number differs from the log', %2$L, null::text,
               coalesce(p.n, 0) || ' rows, and by the log ' || coalesce(l.n, 0)
          from (select t.organization_id, count(*) as n from %1$s t group by 1) p
          full join (select a.organization_id,
                            sum(case a.action when 'insert' then (a.after_state ->> 'rows')::bigint when 'baseline' then coalesce((a.after_state ->> 'rows')::bigint, 1) when 'delete' then -1 else 0 end) as n
                       from ops.audit_log a where a.entity_type = %2$L group by 1) l
            on l.organization_id = p.organization_id
         where coalesce(p.n, 0) <> coalesce(l.n, 0)
      $query$, v_of, v_table.table_name);
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
                                                              'app.drop_detached_audit(interval)'))
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
  select 'columns named like secrets are left out of the audit log', f.finding, 'name it in secret_columns of app.audit_table in the file of the table'
    from (
      select t.table_name || '.' || a.attname as finding
        from app.audited_table t
        join pg_attribute a on a.attrelid = to_regclass(t.table_name) and a.attnum > 0 and not a.attisdropped
       where a.attname ~* '(hash|token|secret|cipher|password|credential|private|jwt)' and a.attname <> all (t.secret_columns)
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
--! Included app/functions/begin_audit_era.sql
/*
 * Sealing follows the ids of transactions. In another cluster (a logical restore) these begin anew, below what the log
 * knows: from then on an offset is added to them, so that they go on rising. Runs with every migration, before anything is
 * written.
 */
create or replace function app.begin_audit_era() returns boolean
language plpgsql volatile set search_path = '' as $$
declare
  v_next constant bigint := pg_snapshot_xmax(pg_current_snapshot())::text::bigint;
  v_known bigint;
begin
  perform pg_advisory_xact_lock(hashtextextended('curestry audit seal', 0));
  select greatest(s.through_xid, (select max(a.xid) + 1 from ops.audit_log a where a.xid >= s.through_xid))
    into v_known
    from app.audit_sealer s;
  if v_next + (select s.xid_offset from app.audit_sealer s) >= v_known then
    return false;
  end if;
  lock table ops.audit_log in share row exclusive mode;
  update app.audit_sealer s set xid_offset = v_known - v_next;
  execute format('alter table ops.audit_log alter column xid set default pg_current_xact_id()::text::bigint + %s', v_known - v_next);
  return true;
end;
$$;
revoke execute on function app.begin_audit_era() from public;
comment on function app.begin_audit_era() is
  'If the ids of transactions have begun anew, as in another server: lets those of the audit log go on. Part of every migration.';
--! EndIncluded app/functions/begin_audit_era.sql
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
begin
  perform pg_advisory_xact_lock(hashtextextended('curestry partitions', 0));
  for v_table in select * from app.partitioned_table order by table_name loop
    v_parent := split_part(v_table.table_name, '.', 2);
    for v_month in execute format($query$
      select month from generate_series(date_trunc('month', now()), date_trunc('month', now()) + %s * interval '1 month', interval '1 month') as month
      union
      select date_trunc('month', %I) from app.%I where %2$I < now() and %2$I >= now() - interval '5 years'
      order by 1
    $query$, v_table.months_ahead, v_table.time_column, v_parent || '_default') loop
      v_name := v_parent || to_char(v_month, '_YYYY_MM');
      continue when to_regclass(format('app.%I', v_name)) is not null;
      execute format('create table app.%I (like %s including defaults including constraints)', v_name, v_table.table_name);
      execute format('comment on table app.%I is %L', v_name, v_table.table_name || to_char(v_month, '" of "YYYY-MM'));
      execute format('alter table app.%I enable row level security', v_name);
      execute format('alter table app.%I force row level security', v_name);
      -- Whoever acts as curestry_definer may move the rows; nobody who logs in has any right here.
      execute format('create policy definer_all on app.%I for all to curestry_definer using (true) with check (true)', v_name);
      execute format('with moved as (delete from app.%I where %I >= %L and %2$I < %4$L returning *) insert into app.%5$I select * from moved',
        v_parent || '_default', v_table.time_column, v_month, v_month + interval '1 month', v_name);
      execute format('alter table %s attach partition app.%I for values from (%L) to (%L)',
        v_table.table_name, v_name, v_month, v_month + interval '1 month');
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
    ), last as (
      select distinct on (l.organization_id, l.entity_type, l.entity_id) l.*
        from leaving l
       where not (l.summarize_inserts and l.action in ('baseline', 'insert') and l.after_state ? 'rows')
       order by l.organization_id, l.entity_type, l.entity_id, l.xid desc, l.seq desc
    ), entity as (
      insert into ops.audit_log (request_id, organization_id, action, entity_type, entity_id, after_state)
      select 'retention', l.organization_id, 'baseline', l.entity_type, l.entity_id, l.after_state
        from last l
       where l.action <> 'delete'
         and not exists (select from ops.audit_log a
                          where a.organization_id = l.organization_id and a.entity_type = l.entity_type and a.entity_id = l.entity_id
                            and a.action in ('baseline', 'insert', 'update', 'delete') and (a.xid, a.seq) > (l.xid, l.seq))
      returning organization_id, entity_type
    ), number as (
      select l.organization_id, l.entity_type,
             sum(case l.action when 'insert' then (l.after_state ->> 'rows')::bigint
                               when 'baseline' then coalesce((l.after_state ->> 'rows')::bigint, 1)
                               when 'delete' then -1 else 0 end)
             - (select count(*) from entity e where e.organization_id = l.organization_id and e.entity_type = l.entity_type) as n
        from leaving l
       where l.summarize_inserts
       group by l.organization_id, l.entity_type
    )
    insert into ops.audit_log (request_id, organization_id, action, entity_type, entity_id, after_state)
    select 'retention', n.organization_id, 'baseline', n.entity_type, n.n || ' rows', jsonb_build_object('rows', n.n)
      from number n where n.n <> 0
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
 * The chain stays whole: seals hold the digests of what left, app.audit_detachment says which rows those are, and the log
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
               where %2$L is not null and not exists (select from ops.organization o where o.id = a.organization_id)) o
       where %3$L::timestamptz <= now() - make_interval(months => o.months)
         and exists (select from app.%1$I a where a.organization_id = o.id)
    $query$, v_partition.name, v_for_all, v_partition.to_ts) into v_organizations;
    continue when v_organizations is null;
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
--! Included app/functions/drop_detached_audit.sql
create or replace function app.drop_detached_audit(older_than interval default interval '30 days') returns setof text
language plpgsql volatile security definer set search_path = '' set lock_timeout = '5s' as $$
declare
  v_retention app.audit_retention;
begin
  for v_retention in
    select * from app.audit_retention r where r.dropped_at is null and r.detached_at <= now() - older_than order by r.detached_at, r.from_ts
  loop
    execute format('drop table if exists app.%I', v_retention.table_name);
    update app.audit_retention r set dropped_at = now() where r.id = v_retention.id;
    return next v_retention.table_name;
  end loop;
end;
$$;
revoke execute on function app.drop_detached_audit(interval) from public;
grant execute on function app.drop_detached_audit(interval) to curestry_worker;
comment on function app.drop_detached_audit(interval) is
  'Drops the tables with rows that left the audit log so long ago; until then they can be kept elsewhere. A job of the worker.';
--! EndIncluded app/functions/drop_detached_audit.sql
--! Included app/tables/audit_sealer.sql
comment on table app.audit_sealer is 'How far the audit log is sealed; one row.';
comment on column app.audit_sealer.singleton is 'There is one row.';
comment on column app.audit_sealer.through_xid is 'Every row of a transaction before this one is sealed.';
comment on column app.audit_sealer.xid_offset is 'Added to the ids of transactions of this server, which may have begun anew after a restore.';
comment on constraint pk_audit_sealer on app.audit_sealer is 'There is one row.';
comment on constraint chk_audit_sealer_singleton on app.audit_sealer is 'there is one row';

alter table app.audit_sealer enable row level security;
alter table app.audit_sealer force row level security;

drop policy if exists definer_all on app.audit_sealer;
create policy definer_all on app.audit_sealer for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on app.audit_sealer is 'The functions that look past row level security; the grants say what they may.';
grant select, update on app.audit_sealer to curestry_definer;
--! EndIncluded app/tables/audit_sealer.sql
--! Included app/tables/audit_retention.sql
comment on table app.audit_retention is 'What left the audit log by the retention policies of organizations: one row for each month and time.';
comment on column app.audit_retention.id is 'Identifies the row; stands in the log''s row about it.';
comment on column app.audit_retention.partition_name is 'The partition of the log that it was in.';
comment on column app.audit_retention.from_ts is 'The month that left: from here';
comment on column app.audit_retention.to_ts is 'to before here.';
comment on column app.audit_retention.table_name is 'The table in app that holds the rows since then, until it is dropped.';
comment on column app.audit_retention.detached_at is 'When they left.';
comment on column app.audit_retention.dropped_at is 'When that table was dropped; null: it is still there.';
comment on constraint pk_audit_retention on app.audit_retention is 'One row per act.';

alter table app.audit_retention enable row level security;
alter table app.audit_retention force row level security;

drop policy if exists definer_all on app.audit_retention;
create policy definer_all on app.audit_retention for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on app.audit_retention is 'The functions that look past row level security; the grants say what they may.';
grant select on app.audit_retention to curestry_definer;
--! EndIncluded app/tables/audit_retention.sql
--! Included app/tables/audit_detachment.sql
comment on table app.audit_detachment is 'Which rows of a seal left the audit log by retention: whatever else is missing was removed.';
comment on column app.audit_detachment.organization_id is 'Whose rows they were.';
comment on column app.audit_detachment.seq is 'The seal in which they stand.';
comment on column app.audit_detachment.retention_id is 'The act by which they left.';
comment on column app.audit_detachment.entry_id is 'The row of the log about that act.';
comment on column app.audit_detachment.positions is 'Their places in the seal, from 1.';
comment on constraint pk_audit_detachment on app.audit_detachment is 'One row per seal and act.';
comment on constraint fk_audit_detachment_retention_id on app.audit_detachment is 'The act must exist.';

alter table app.audit_detachment enable row level security;
alter table app.audit_detachment force row level security;

drop policy if exists definer_all on app.audit_detachment;
create policy definer_all on app.audit_detachment for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on app.audit_detachment is 'The functions that look past row level security; the grants say what they may.';
grant select on app.audit_detachment to curestry_definer;

create or replace trigger _200_append_only before update or delete or truncate on app.audit_detachment
  for each statement execute function app.tg_audit_log__append_only();
--! EndIncluded app/tables/audit_detachment.sql
--! Included app/tables/partitioned_table.sql
comment on table app.partitioned_table is 'Which tables are partitioned by month, for app.make_partitions.';
comment on column app.partitioned_table.table_name is 'The table, with its schema. Its partitions are in app.';
comment on column app.partitioned_table.time_column is 'The column that decides in which month a row is, UTC.';
comment on column app.partitioned_table.months_ahead is 'For how many months after this one partitions are kept ready.';
comment on constraint pk_partitioned_table on app.partitioned_table is 'One row per table.';
comment on constraint chk_partitioned_table_months_ahead on app.partitioned_table is 'months_ahead must be from 1 to 24';

alter table app.partitioned_table enable row level security;
alter table app.partitioned_table force row level security;

drop policy if exists owner_all on app.partitioned_table;
create policy owner_all on app.partitioned_table for all to curestry_owner
  using (true)
  with check (true);
comment on policy owner_all on app.partitioned_table is 'Migrations say which tables are partitioned.';

insert into app.partitioned_table (table_name, time_column)
values ('ops.audit_log', 'ts'), ('ops.feature_event', 'occurred_at')
on conflict on constraint pk_partitioned_table do update set time_column = excluded.time_column;
--! EndIncluded app/tables/partitioned_table.sql
--! Included ops/tables/audit_log.sql
comment on table ops.audit_log is E'@unique id\nWho changed what, when: one row for each change of a row of core and ops, written by triggers. Append-only, partitioned by month.';
comment on column ops.audit_log.id is 'Identifies the row; unique across organizations.';
comment on column ops.audit_log.ts is 'When.';
comment on column ops.audit_log.actor_user_id is E'@behavior +filterBy\nWhich user, if a request to the API changed it.';
comment on column ops.audit_log.actor_api_key_id is 'With which API key.';
comment on column ops.audit_log.actor_role is 'Which login of the database.';
comment on column ops.audit_log.request_id is 'The X-Request-Id of the request, as in the log.';
comment on column ops.audit_log.organization_id is 'The organization of the changed row; the nil UUID for rows that belong to none.';
comment on column ops.audit_log.action is 'insert, update, delete or truncate; baseline: the row as it was when its audit began, or when older rows left the log; detach: rows left by retention.';
comment on column ops.audit_log.entity_type is E'@behavior +filterBy\nThe table, such as core.prompts.';
comment on column ops.audit_log.entity_id is 'The id of the row; for facts that are recorded many at a time, how many rows.';
comment on column ops.audit_log.before_state is 'The row as it was, without secrets.';
comment on column ops.audit_log.after_state is 'The row as it became, without secrets.';
comment on column ops.audit_log.changed_columns is 'Which columns an update changed.';
comment on column ops.audit_log.xid is E'@behavior -*\nThe transaction that made the change; the order of sealing.';
comment on column ops.audit_log.seq is E'@behavior -*\nThe order of the rows within a transaction.';
comment on constraint pk_audit_log on ops.audit_log is 'One row per organization, time and id; in the order of time, which random ids alone would not be.';
comment on constraint chk_audit_log_action on ops.audit_log is 'action must be baseline, insert, update, delete, truncate or detach';

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
grant select, insert on ops.audit_log to curestry_definer;
grant usage on sequence ops.audit_log_seq to curestry_definer;

create or replace trigger _200_append_only before update or delete or truncate on ops.audit_log
  for each statement execute function app.tg_audit_log__append_only();

comment on table app.audit_log_default is 'ops.audit_log of months without a partition.';
alter table app.audit_log_default enable row level security;
alter table app.audit_log_default force row level security;
drop policy if exists definer_all on app.audit_log_default;
create policy definer_all on app.audit_log_default for all to curestry_definer
  using (true)
  with check (true);
--! EndIncluded ops/tables/audit_log.sql
--! Included ops/tables/feature_event.sql
comment on table ops.feature_event is E'@unique id\nThat a feature was used. Partitioned by month.';
comment on column ops.feature_event.id is 'Identifies the row; unique across organizations.';
comment on column ops.feature_event.organization_id is 'The organization that the row belongs to; given by the request, never by the caller.';
comment on column ops.feature_event.user_id is 'Who used it.';
comment on column ops.feature_event.feature_key is 'Which feature.';
comment on column ops.feature_event.occurred_at is 'When.';
comment on column ops.feature_event.event_count is 'How many times.';
comment on column ops.feature_event.created_at is 'When the row was written.';
comment on constraint pk_feature_event on ops.feature_event is 'One row per organization, time and id.';
comment on constraint fk_feature_event_organization_id on ops.feature_event is 'The organization must exist.';
comment on constraint fk_feature_event_user_id on ops.feature_event is 'The user must exist.';
comment on constraint chk_feature_event_feature_key on ops.feature_event is 'feature_key must not be blank';
comment on constraint chk_feature_event_event_count on ops.feature_event is 'count must be from 1 to 1000000';
comment on constraint chk_feature_event_occurred_at on ops.feature_event is 'occurred_at must be a time from 2000 to 2099';

alter table ops.feature_event alter column organization_id set default app.organization_id();

alter table ops.feature_event enable row level security;
alter table ops.feature_event force row level security;
revoke all on ops.feature_event from curestry_anonymous, curestry_member, curestry_analyst, curestry_definer;

drop policy if exists select_own on ops.feature_event;
create policy select_own on ops.feature_event for select to curestry_member
  using (organization_id = app.organization_if('marts:read'));
comment on policy select_own on ops.feature_event is 'Members read the rows of their request''s organization, with marts:read.';
grant select on ops.feature_event to curestry_member;

drop policy if exists select_granted on ops.feature_event;
create policy select_granted on ops.feature_event for select to curestry_analyst
  using (organization_id = any (app.analyst_organizations()));
comment on policy select_granted on ops.feature_event is 'Analysts read the organizations granted to them.';
grant select on ops.feature_event to curestry_analyst;

drop policy if exists definer_all on ops.feature_event;
create policy definer_all on ops.feature_event for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on ops.feature_event is 'The functions that look past row level security; the grants say what they may.';
grant select, insert on ops.feature_event to curestry_definer;

select app.mark_table('ops.feature_event');
select app.audit_table('ops.feature_event', summarize_inserts => true);

comment on table app.feature_event_default is 'ops.feature_event of months without a partition.';
alter table app.feature_event_default enable row level security;
alter table app.feature_event_default force row level security;
drop policy if exists definer_all on app.feature_event_default;
create policy definer_all on app.feature_event_default for all to curestry_definer
  using (true)
  with check (true);
--! EndIncluded ops/tables/feature_event.sql
--! Included ops/tables/organization.sql
comment on table ops.organization is 'A tenant: a team or company, or the personal organization of a user.';
comment on column ops.organization.id is 'Identifies the organization.';
comment on column ops.organization.name is 'Display name.';
comment on column ops.organization.slug is 'Short name for addresses and headers: lower-case letters, digits and hyphens; unique.';
comment on column ops.organization.personal_user_id is 'The user whose personal organization this is; null for teams.';
comment on column ops.organization.audit_retention_months is 'For how many months the audit log is kept; older months leave it once sealed. Null: for ever.';
comment on column ops.organization.raw_retention_days is 'For how many days analysis runs with all that belongs to them, and feature events, are kept; the numbers in the marts stay. Null: for ever.';
comment on column ops.organization.created_at is 'When the row was written.';
comment on column ops.organization.updated_at is 'When the row was last changed.';
comment on constraint pk_organization on ops.organization is 'One row per organization.';
comment on constraint unq_organization_slug on ops.organization is 'there is an organization with this slug already';
comment on constraint unq_organization_personal_user_id on ops.organization is 'A user has one personal organization.';
comment on constraint chk_organization_name on ops.organization is 'name must not be blank';
comment on constraint chk_organization_slug on ops.organization is 'slug must be lower-case letters, digits and hyphens, and begin and end with a letter or digit';
comment on constraint chk_organization_audit_retention_months on ops.organization is 'audit_retention_months must be from 1 to 1200';
comment on constraint chk_organization_raw_retention_days on ops.organization is 'raw_retention_days must be from 1 to 36600';
comment on constraint fk_organization_personal_user_id on ops.organization is 'The user must exist.';

alter table ops.organization enable row level security;
alter table ops.organization force row level security;
revoke all on ops.organization from curestry_anonymous, curestry_member, curestry_analyst, curestry_definer;

drop policy if exists select_own on ops.organization;
create policy select_own on ops.organization for select to curestry_member
  using (id = app.organization_id());
comment on policy select_own on ops.organization is 'Members see their request''s organization.';
grant select on ops.organization to curestry_member;

drop policy if exists update_own on ops.organization;
create policy update_own on ops.organization for update to curestry_member
  using (id = app.organization_if('organization:write'));
comment on policy update_own on ops.organization is 'The organization is renamed, and its settings changed, with organization:write.';
grant update (name, slug, audit_retention_months, raw_retention_days) on ops.organization to curestry_member;

drop policy if exists delete_own on ops.organization;
create policy delete_own on ops.organization for delete to curestry_member
  using (id = app.organization_if('organization:write') and personal_user_id is null);
comment on policy delete_own on ops.organization is 'The organization is deleted with organization:write, with all that is its own; a personal one stays.';
grant delete on ops.organization to curestry_member;

drop policy if exists select_granted on ops.organization;
create policy select_granted on ops.organization for select to curestry_analyst
  using (id = any (app.analyst_organizations()));
comment on policy select_granted on ops.organization is 'Analysts read the organizations granted to them.';
grant select on ops.organization to curestry_analyst;

drop policy if exists definer_all on ops.organization;
create policy definer_all on ops.organization for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on ops.organization is 'The functions that look past row level security; the grants say what they may.';
grant select, insert, update (name) on ops.organization to curestry_definer;

create or replace trigger _100_updated_at before update on ops.organization
  for each row execute function app.tg__updated_at();
select app.audit_table('ops.organization', organization_column => 'id');
--! EndIncluded ops/tables/organization.sql
