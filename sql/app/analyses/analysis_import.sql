/*
 * lines: [{"line": 1, "record": {…}}, …]. A record without an idempotencyKey gets one from its own content, so that
 * a second import of a file changes nothing.
 */
create or replace function app.analysis_import(organization uuid, lines jsonb)
returns table (line integer, outcome text, analysis_run_id uuid, reason text)
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_line jsonb;
  v_item ops.analysis_item;
  v_items ops.analysis_item[] := '{}';
  v_lines integer[] := '{}';
  v_answer ops.record_outcome[] := '{}';
begin
  for v_line in select * from jsonb_array_elements(lines) loop
    begin
      v_item := app.analysis_item_from_json(v_line -> 'record');
      v_item.idempotency_key := coalesce(v_item.idempotency_key,
        'import:' || encode(sha256(convert_to((v_line -> 'record')::text, 'UTF8')), 'hex'));
      v_items := v_items || v_item;
      v_lines := v_lines || (v_line ->> 'line')::integer;
    exception when data_exception or sqlstate 'CU004' then
      line := (v_line ->> 'line')::integer;
      outcome := 'refused';
      analysis_run_id := null;
      reason := sqlerrm;
      return next;
    end;
  end loop;
  if cardinality(v_items) > 0 then
    v_answer := app.analysis_record(organization, null, v_items);
  end if;
  return query
    select v_lines[a.ordinality], case when a.outcome in ('invalid', 'conflict') then 'refused' else a.outcome end,
           a.analysis_run_id, a.message
      from unnest(v_answer) with ordinality as a;
end;
$$;
alter function app.analysis_import owner to curestry_definer;
revoke execute on function app.analysis_import from public;
grant execute on function app.analysis_import to curestry_owner;
comment on function app.analysis_import is
  'Imports analyses line by line and answers what became of each; a bad line does not stop the others. For operators.';
