create or replace function app.audit_baseline_facts(audited regclass) returns void
language plpgsql volatile security definer set search_path = '' as $$
begin
  execute format($query$
    insert into ops.audit_log (request_id, organization_id, action, entity_type, entity_id, after_state)
    select 'migration', p.organization_id, 'baseline', e.name, '0 rows',
           jsonb_build_object('rows', 0, 'digest', (p.digest - coalesce(l.digest, 0))::text)
      from (select n.nspname || '.' || c.relname as name
              from pg_catalog.pg_class c
              join pg_catalog.pg_namespace n on n.oid = c.relnamespace
             where c.oid = $1) e,
           lateral (select t.organization_id, sum(hashtextextended(hash_record_extended(t, 0)::text, 0)) as digest
                      from %s t
                     group by 1) p
      left join lateral (select * from app.audit_fact_sums(e.name)) l on l.organization_id = p.organization_id
     where p.digest is distinct from l.digest
  $query$, audited) using audited;
end;
$$;
alter function app.audit_baseline_facts owner to curestry_definer;
revoke execute on function app.audit_baseline_facts from public;
grant execute on function app.audit_baseline_facts to curestry_owner;
comment on function app.audit_baseline_facts is
  'Records the digests of all rows of a table of facts in the audit log: at the end of a migration that changes the '
  'columns of the table, or begins to audit it.';
