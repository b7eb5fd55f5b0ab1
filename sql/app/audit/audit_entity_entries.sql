/*
 * In the order in which the row was changed. A transaction that changes a row locks it, so the sequence of the log is
 * that order; the times and ids of transactions are not: one that began earlier may have changed the row later.
 */
create or replace function app.audit_entity_entries(organization uuid, type text, id text) returns setof ops.audit_log
language sql stable set search_path = '' as $$
  with own as (
    select * from ops.audit_log a
     where a.organization_id = organization and a.entity_type = type and a.entity_id = audit_entity_entries.id
       and a.action <> 'erase'
       -- One that restates what the log has already says nothing new
       and not (a.action = 'baseline'
                and exists (select from ops.audit_log e
                             where e.organization_id = organization and e.entity_type = type
                               and e.entity_id = audit_entity_entries.id and e.seq < a.seq and e.action <> 'erase'))
  )
  select * from own
  union all
  -- A truncate removed the rows before it
  select t.* from ops.audit_log t
   where t.organization_id = '00000000-0000-0000-0000-000000000000' and t.entity_type = type and t.entity_id = '*'
     and t.action = 'truncate'
     and (select o.action from own o where o.seq < t.seq order by o.seq desc limit 1) <> 'delete'
     and not exists (select from ops.audit_log e
                      where e.organization_id = t.organization_id and e.entity_type = type and e.entity_id = '*'
                        and e.seq < t.seq
                        and e.seq > (select max(o.seq) from own o where o.seq < t.seq))
   order by seq;
$$;
revoke execute on function app.audit_entity_entries from public;
grant execute on function app.audit_entity_entries to curestry_definer;
comment on function app.audit_entity_entries is
  'What the audit log says of one row of an organization, oldest first.';
