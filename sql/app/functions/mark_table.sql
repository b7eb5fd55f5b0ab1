create or replace function app.mark_table(marked regclass) returns void
language plpgsql set search_path = '' as $$
declare
  v_event text;
begin
  foreach v_event in array array['insert', 'update', 'delete'] loop
    execute format('create or replace trigger %I after %s on %s %s for each statement execute function app.tg__mart_marks()',
      '_800_mart_marks_' || v_event, v_event, marked,
      case v_event when 'insert' then 'referencing new table as new_rows'
                   when 'update' then 'referencing old table as old_rows new table as new_rows'
                   else 'referencing old table as old_rows' end);
  end loop;
end;
$$;
revoke execute on function app.mark_table(regclass) from public;
comment on function app.mark_table(regclass) is
  'Puts the triggers on a table that mark what the marts have to take up; called in the file of each table with facts.';
