/*
 * lines: [{"line": 1, "record": {…}}, …]. A record without an idempotencyKey gets one from its own content, so that
 * a second import of a file changes nothing.
 *
 * A record with an analysisRunId was exported. If that analysis is here, the record is unchanged, or in conflict if it
 * says something else. If it comes from elsewhere, its promptId means nothing here: its prompt is the one of the same
 * name, of several first the one that had the text; or none.
 */
create or replace function app.analysis_import(organization uuid, lines jsonb)
returns table (line integer, outcome text, analysis_run_id uuid, reason text)
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_line jsonb;
  v_record jsonb;
  v_known jsonb;
  v_item ops.analysis_item;
  v_items ops.analysis_item[] := '{}';
  v_lines integer[] := '{}';
  v_answer ops.record_outcome[] := '{}';
begin
  for v_line in select * from jsonb_array_elements(lines) loop
    v_record := v_line -> 'record';
    line := (v_line ->> 'line')::integer;
    analysis_run_id := null;
    reason := null;
    begin
      v_item := app.analysis_item_from_json(v_record);
      v_item.idempotency_key := coalesce(v_item.idempotency_key,
        'import:' || encode(sha256(convert_to(v_record::text, 'UTF8')), 'hex'));
      if v_record ->> 'analysisRunId' is not null then
        analysis_run_id := (v_record ->> 'analysisRunId')::uuid;
        select app.analysis_item_to_json(r)::jsonb into v_known
          from ops.analysis_run r
         where r.organization_id = organization and r.id = analysis_import.analysis_run_id;
        if found then
          outcome := case when v_known - 'promptName' = v_record - 'promptName' then 'unchanged' else 'refused' end;
          if outcome = 'refused' then
            reason := format('analysisRunId: %s is an analysis of this organization, with another content',
                             analysis_run_id);
          end if;
          return next;
          continue;
        end if;
        analysis_run_id := null;
        v_item.prompt_id := app.analysis_prompt_of(organization, v_item.prompt_id, v_record ->> 'promptName',
                                                   v_item.prompt_content);
      end if;
      v_items := v_items || v_item;
      v_lines := v_lines || line;
    exception when data_exception or sqlstate 'CU004' then
      analysis_run_id := null;
      outcome := 'refused';
      reason := sqlerrm;
      return next;
    end;
  end loop;
  if cardinality(v_items) > 0 then
    v_answer := app.analysis_record(organization, app.user_id(), v_items);
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
