/* Of analyses that are here already. What a line says again is unchanged. */
create or replace function app.metric_import_as_member(lines jsonb)
returns table (line integer, outcome text, id text, reason text)
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_organization constant uuid := app.require('analyses:write');
  v_line jsonb;
  v_record jsonb;
  v_run ops.analysis_run;
  v_new ops.analysis_metric;
  v_known ops.analysis_metric;
  v_state text; v_message text; v_schema text; v_table text; v_constraint text; v_column text;
begin
  for v_line in select * from jsonb_array_elements(lines) loop
    line := (v_line ->> 'line')::integer;
    v_record := v_line -> 'record';
    outcome := 'refused';
    id := null;
    reason := null;
    begin
      v_run := app.analysis_run_of_record(v_organization, v_record, '{key,valueNum,valueText,valueJson}');
      v_new.value_num := trim_scale((nullif(v_record ->> 'valueNum', ''))::numeric);
      v_new.value_text := v_record ->> 'valueText';
      v_new.value_json := case jsonb_typeof(v_record -> 'valueJson')
        when 'null' then null
        when 'string' then (nullif(v_record ->> 'valueJson', ''))::jsonb
        else v_record -> 'valueJson' end;
      insert into ops.analysis_metric (organization_id, analysis_run_id, key, value_num, value_text, value_json,
                                       occurred_at)
      values (v_organization, v_run.id, v_record ->> 'key', v_new.value_num, v_new.value_text, v_new.value_json,
              v_run.occurred_at)
      on conflict on constraint unq_analysis_metric_key do nothing
      returning 'inserted', analysis_metric.id::text into outcome, id;
      if not found then
        select m.* into v_known from ops.analysis_metric m
         where m.organization_id = v_organization and m.analysis_run_id = v_run.id and m.key = v_record ->> 'key';
        outcome := case when (v_known.value_num, v_known.value_text, v_known.value_json)
                          is not distinct from (v_new.value_num, v_new.value_text, v_new.value_json)
                        then 'unchanged' else 'refused' end;
        id := v_known.id::text;
        if outcome = 'refused' then
          reason := 'key: the analysis has another value under this key';
        end if;
      end if;
    exception
      when integrity_constraint_violation or data_exception or sqlstate 'CU004' then
        get stacked diagnostics v_state = returned_sqlstate, v_message = message_text, v_schema = schema_name,
          v_table = table_name, v_constraint = constraint_name, v_column = column_name;
        outcome := 'refused';
        id := null;
        reason := case when v_state = 'CU004' then v_message else
          app.constraint_violation_message(v_state, v_message, v_schema, v_table, v_constraint, v_column) end;
    end;
    return next;
  end loop;
end;
$$;
alter function app.metric_import_as_member owner to curestry_definer;
revoke execute on function app.metric_import_as_member from public;
grant execute on function app.metric_import_as_member to curestry_member;
comment on function app.metric_import_as_member is
  'Imports measured values of analyses of the organization of the request, line by line. Needs analyses:write.';
