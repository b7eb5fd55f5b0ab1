create or replace function app.mart_source_table(
  facts regclass, source text, time_field text default 'occurred_at', trigger_function text default 'tg__mart_changes'
) returns void
language plpgsql volatile set search_path = '' as $$
declare
  v_event text;
  v_name text;
  v_rows text;
  v_function text;
begin
  foreach v_event in array array['insert', 'update', 'delete', 'truncate'] loop
    v_name := case trigger_function when 'tg__mart_changes_of_runs' then '_810_run_changes_'
                                    else '_800_mart_changes_' end || v_event;
    v_rows := case v_event when 'insert' then 'referencing new table as new_rows'
                           when 'update' then 'referencing old table as old_rows new table as new_rows'
                           when 'delete' then 'referencing old table as old_rows' else '' end;
    v_function := case v_event when 'truncate' then 'tg__mart_changes_truncate' else trigger_function end;
    execute format('create or replace trigger %I after %s on %s ', v_name, v_event, facts)
            || v_rows || format(' for each statement execute function app.%I(%L, %L)', v_function, source, time_field);
  end loop;
end;
$$;
revoke execute on function app.mart_source_table from public;
comment on function app.mart_source_table is
  'Puts the triggers on a table of facts that record which hours of this source changed, for the marts; called in '
  'the file of each such table.';
