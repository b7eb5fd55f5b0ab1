create or replace function app.mark_table(
  marked regclass, source text, time_field text default 'occurred_at', trigger_function text default 'tg__mart_marks'
) returns void
language plpgsql set search_path = '' as $$
declare
  v_event text;
begin
  foreach v_event in array array['insert', 'update', 'delete', 'truncate'] loop
    execute format('create or replace trigger %I after %s on %s %s for each statement execute function app.%I(%L, %L)',
      case trigger_function when 'tg__mart_marks_of_runs' then '_810_run_marks_' else '_800_mart_marks_' end || v_event, v_event, marked,
      case v_event when 'insert' then 'referencing new table as new_rows'
                   when 'update' then 'referencing old table as old_rows new table as new_rows'
                   when 'delete' then 'referencing old table as old_rows' else '' end,
      case v_event when 'truncate' then 'tg__mart_marks_all' else trigger_function end, source, time_field);
  end loop;
end;
$$;
revoke execute on function app.mark_table(regclass, text, text, text) from public;
comment on function app.mark_table(regclass, text, text, text) is
  'Puts the triggers on a table that mark what the marts have to take up, as facts of this source; called in the file of each table with facts.';
