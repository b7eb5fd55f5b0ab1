create or replace function app.audit_table(
  audited regclass, organization_column text default 'organization_id', id_column text default 'id',
  secrets text default '', summarize_inserts boolean default false
) returns void
language plpgsql set search_path = '' as $$
declare
  v_event text;
  v_name constant text := (select n.nspname || '.' || c.relname
                             from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
                            where c.oid = audited);
begin
  foreach v_event in array array['insert', 'update', 'delete', 'truncate'] loop
    execute format(
      'create or replace trigger %I after %s on %s %s for each statement execute function '
        || case when v_event = 'insert' and summarize_inserts then 'app.tg__audit_summary(%L)' else 'app.tg__audit(%L, %L, %L, %L)' end,
      '_900_audit_' || v_event, v_event, audited,
      case v_event when 'insert' then 'referencing new table as new_rows'
                   when 'update' then 'referencing old table as old_rows new table as new_rows'
                   when 'delete' then 'referencing old table as old_rows' else '' end,
      v_name, organization_column, id_column, secrets);
  end loop;
end;
$$;
revoke execute on function app.audit_table(regclass, text, text, text, boolean) from public;
comment on function app.audit_table(regclass, text, text, text, boolean) is
  'Puts the audit triggers on a table; called in the file of each table.';
