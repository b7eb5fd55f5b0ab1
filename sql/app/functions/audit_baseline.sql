/* Once, when the audit begins: what was there before it. Rows that the log knows are passed over. */
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
      select 'migration', o.id, 'baseline', %1$L, t.%3$I, to_jsonb(t) - %4$L::text[]
        from %5$s t,
             lateral (select (case when %7$L then t.%2$I::text else '00000000-0000-0000-0000-000000000000' end)::uuid as id) as o
       where not exists (select from ops.audit_log a
                          where a.organization_id = o.id and a.entity_type = %1$L and a.entity_id = t.%3$I::text)
         and not (%6$L and exists (select from ops.audit_log a where a.organization_id = o.id and a.entity_type = %1$L))
    $query$, v_table.table_name,
      coalesce(v_table.organization_column, v_table.id_column), v_table.id_column, v_table.secret_columns, v_of,
      v_table.summarize_inserts, v_table.organization_column is not null);
  end loop;
end;
$$;
alter function app.audit_baseline() owner to curestry_definer;
revoke execute on function app.audit_baseline() from public;
grant execute on function app.audit_baseline() to curestry_owner;
comment on function app.audit_baseline() is 'Records, as the beginning of the audit, the rows that the audit log does not know yet. For migrations.';
