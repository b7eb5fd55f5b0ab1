/*
 * Before rows leave the log, the last state of each row that still exists is restated, unless a later entry has it.
 * For facts whose inserts are summarized, their number and the sum of their digests are restated.
 */
create or replace function app.retention_rebaseline(partition_name name, organizations uuid[]) returns void
language plpgsql volatile set search_path = '' as $$
begin
  execute format($query$
    with leaving as (
      select a.*, t.summarize_inserts
        from app.%I a
        join app.audited_table t on t.table_name = a.entity_type
       where a.organization_id = any ($1) and a.action in ('baseline', 'insert', 'update', 'delete')
         -- Rows before a truncate no longer exist
         and a.seq > coalesce((select max(e.seq) from ops.audit_log e
                                where e.organization_id = '00000000-0000-0000-0000-000000000000'
                                  and e.entity_type = a.entity_type
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
                          where a.organization_id = l.organization_id
                            and a.entity_type = l.entity_type and a.entity_id = l.entity_id
                            and a.action in ('baseline', 'insert', 'update', 'delete') and a.seq > l.seq)
      returning organization_id, entity_type, after_state
    ), number as (
      select l.organization_id, l.entity_type,
             sum(case l.action when 'insert' then (l.after_state ->> 'rows')::bigint
                               when 'baseline' then coalesce((l.after_state ->> 'rows')::bigint, 1)
                               when 'delete' then -coalesce((l.before_state ->> 'rows')::bigint, 1) else 0 end)
             - coalesce(min(e.rows), 0) as n,
             sum(coalesce((l.after_state ->> 'digest')::numeric, 0)
                 - coalesce((l.before_state ->> 'digest')::numeric, 0)) - coalesce(min(e.digest), 0) as digest,
             bool_or(coalesce(l.before_state, l.after_state) ? 'digest') as has_digest
        from leaving l
        left join (select e.organization_id, e.entity_type, count(*) as rows,
                          sum((e.after_state ->> 'digest')::numeric) as digest
                     from entity e
                    group by 1, 2) e on e.organization_id = l.organization_id and e.entity_type = l.entity_type
       where l.summarize_inserts
       group by l.organization_id, l.entity_type
    )
    insert into ops.audit_log (request_id, organization_id, action, entity_type, entity_id, after_state)
    select 'retention', n.organization_id, 'baseline', n.entity_type, n.n || ' rows',
           jsonb_build_object('rows', n.n)
           || case when n.has_digest then jsonb_build_object('digest', n.digest::text) else '{}' end
      from number n where n.n <> 0 or n.digest <> 0
  $query$, partition_name) using organizations;

  -- The log has to keep the entry of an erasure as long as it has rows without their values
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
revoke execute on function app.retention_rebaseline from public;
comment on function app.retention_rebaseline is
  'Restates, at the end of the audit log, the last state that a partition has of rows that still exist. Part of '
  'app.retention_apply_audit.';
