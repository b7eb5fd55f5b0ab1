/*
 * Statements are planned once in a session, also those of the triggers and of the foreign keys: a quarter of the time
 * of recording one analysis would be planning. Such a plan has to be right for tables that grow: the first one of a new
 * database would read all runs for each foreign key, until the tables are analyzed. Planner settings: sql/README.md.
 */
create or replace function app.analysis_record(organization uuid, user_id integer, items ops.analysis_item[])
returns ops.record_outcome[]
language plpgsql volatile security definer set search_path = '' set plan_cache_mode = force_generic_plan
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off as $$
declare
  v_problems constant text[] := app.analysis_item_problems(organization, items);
  v_answer ops.record_outcome[];
  v_state text; v_message text; v_schema text; v_table text; v_constraint text; v_column text;
begin
  -- The whole batch at once, if it looks good: no known problem, no key twice.
  if array_remove(v_problems, null) = '{}'
     and not exists (select from unnest(items) as i where i.idempotency_key is not null
                      group by i.idempotency_key having count(*) > 1) then
    begin
      return app.analysis_store(organization, analysis_record.user_id, items);
    exception
      when integrity_constraint_violation or data_exception or sqlstate 'CU004' then
        null; -- one of them is bad: find out which
    end;
  end if;

  for n in 1 .. cardinality(items) loop
    begin
      if v_problems[n] is not null then
        v_answer[n] := row('invalid', null, v_problems[n])::ops.record_outcome;
      else
        v_answer[n] := (app.analysis_store(organization, analysis_record.user_id, items[n:n]))[1];
      end if;
    exception when integrity_constraint_violation or data_exception or sqlstate 'CU004' then
      get stacked diagnostics v_state = returned_sqlstate, v_message = message_text, v_schema = schema_name,
        v_table = table_name, v_constraint = constraint_name, v_column = column_name;
      v_answer[n] := row('invalid', null, app.constraint_violation_message(
        v_state, v_message, v_schema, v_table, v_constraint, v_column))::ops.record_outcome;
    end;
  end loop;
  return v_answer;
end;
$$;
alter function app.analysis_record owner to curestry_definer;
revoke execute on function app.analysis_record from public;
comment on function app.analysis_record is
  'Records analyses of an organization; one bad item does not stop the others. Behind ops.record_analyses and the '
  'import.';
