/* All lines at once; if that fails, each half by itself, so that the lines that are to blame are found. */
create or replace function app.prompt_import(organization uuid, lines jsonb)
returns table (line integer, outcome text, prompt_id text, reason text)
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_half constant integer := jsonb_array_length(lines) / 2;
  v_state text; v_message text; v_schema text; v_table text; v_constraint text; v_column text;
begin
  -- Two imports of the same file at the same time must not duplicate it.
  perform app.organization_lock_take(organization, 'import prompts');
  begin
    return query select s.* from app.prompt_store(organization, lines) s;
    return;
  exception
    when integrity_constraint_violation or data_exception then
      get stacked diagnostics v_state = returned_sqlstate, v_message = message_text, v_schema = schema_name,
        v_table = table_name, v_constraint = constraint_name, v_column = column_name;
  end;
  if v_half = 0 then
    line := (lines -> 0 ->> 'line')::integer;
    outcome := 'refused';
    reason := app.constraint_violation_message(v_state, v_message, v_schema, v_table, v_constraint, v_column);
    return next;
    return;
  end if;
  return query
    select i.*
      from (select jsonb_agg(l.line order by l.n) as lines
              from jsonb_array_elements(lines) with ordinality as l (line, n)
             group by l.n > v_half
             order by l.n > v_half) h,
           lateral app.prompt_import(organization, h.lines) i;
end;
$$;
alter function app.prompt_import owner to curestry_definer;
revoke execute on function app.prompt_import from public;
grant execute on function app.prompt_import to curestry_owner;
comment on function app.prompt_import is
  'Imports prompts line by line and returns the outcome of each; an invalid line does not stop the others. For '
  'operators.';
