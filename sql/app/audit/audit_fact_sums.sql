/* Rows before a truncate no longer exist. The digest is null where the log has none yet. */
create or replace function app.audit_fact_sums(audited text)
returns table (organization_id uuid, rows bigint, digest numeric, has_digest boolean)
language sql stable set search_path = '' as $$
  select a.organization_id,
         sum(case a.action when 'insert' then (a.after_state ->> 'rows')::bigint
                           when 'baseline' then coalesce((a.after_state ->> 'rows')::bigint, 1)
                           when 'delete' then -coalesce((a.before_state ->> 'rows')::bigint, 1)
                           else 0 end)::bigint,
         sum(coalesce((a.after_state ->> 'digest')::numeric, 0) - coalesce((a.before_state ->> 'digest')::numeric, 0)),
         bool_or(coalesce(a.after_state ? 'digest', false))
    from ops.audit_log a
   where a.entity_type = audited and a.action in ('baseline', 'insert', 'update', 'delete')
     and a.seq > coalesce((select max(e.seq)
                             from ops.audit_log e
                            where e.organization_id = '00000000-0000-0000-0000-000000000000'
                              and e.entity_type = audited and e.entity_id = '*' and e.action = 'truncate'), 0)
   group by a.organization_id;
$$;
revoke execute on function app.audit_fact_sums from public;
grant execute on function app.audit_fact_sums to curestry_definer;
comment on function app.audit_fact_sums is
  'How many rows of a table of facts each organization has by the audit log, and the sum of their digests.';
