/*
 * Runs when the audit begins, and when it begins to cover more: records the rows that exist and that the log does not
 * have yet, or not with the digest of their secrets; and of facts, the digests that the log does not have yet.
 */
create or replace function app.audit_baseline() returns void
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_table app.audited_table;
  v_of regclass;
begin
  for v_table in select * from app.audited_table order by table_name loop
    v_of := v_table.table_name;
    execute format($query$
      insert into ops.audit_log (request_id, organization_id, action, entity_type, entity_id, after_state)
      select 'migration', o.id, 'baseline', $1, o.entity_id, to_jsonb(t) - $2 || %s
        from %s t,
             lateral (select (case when $4 then t.%I::text
                                   else '00000000-0000-0000-0000-000000000000' end)::uuid as id,
                             t.%I::text as entity_id) as o
       where not exists (select from ops.audit_log a
                          where a.organization_id = o.id and a.entity_type = $1 and a.entity_id = o.entity_id
                            and ($2 = '{}' or a.after_state ? 'secrets'))
         and not ($3 and exists (select from ops.audit_log a where a.organization_id = o.id and a.entity_type = $1))
    $query$, app.audit_digest_source(v_table, 't'), v_of,
             coalesce(v_table.organization_column, v_table.id_column), v_table.id_column)
      using v_table.table_name, v_table.secret_columns, v_table.summarize_inserts,
            v_table.organization_column is not null;
    if v_table.summarize_inserts then
      perform app.audit_baseline_facts(v_of);
    end if;
  end loop;
end;
$$;
alter function app.audit_baseline owner to curestry_definer;
revoke execute on function app.audit_baseline from public;
grant execute on function app.audit_baseline to curestry_owner;
comment on function app.audit_baseline is
  'Records the rows that the audit log does not have yet, as its beginning, and digests that it does not have yet. For '
  'migrations.';
