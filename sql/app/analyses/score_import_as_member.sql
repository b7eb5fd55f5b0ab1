/* Of analyses that are here already: judges may come later. What a line says again is unchanged. */
create or replace function app.score_import_as_member(lines jsonb)
returns table (line integer, outcome text, id text, reason text)
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_organization constant uuid := app.require('analyses:write');
  v_line jsonb;
  v_record jsonb;
  v_run ops.analysis_run;
  v_criterion uuid;
  v_new ops.judge_score;
  v_known ops.judge_score;
  v_state text; v_message text; v_schema text; v_table text; v_constraint text; v_column text;
begin
  for v_line in select * from jsonb_array_elements(lines) loop
    line := (v_line ->> 'line')::integer;
    v_record := v_line -> 'record';
    outcome := 'refused';
    id := null;
    reason := null;
    begin
      v_run := app.analysis_run_of_record(
        v_organization, v_record, '{rubric,rubricVersion,criterion,score,comment,evidence}');
      select c.id into v_criterion
        from ops.judge_rubric r
        join ops.judge_criterion c on c.organization_id = r.organization_id and c.rubric_id = r.id
       where r.organization_id = v_organization and r.name = v_record ->> 'rubric' and c.key = v_record ->> 'criterion'
         and r.version = coalesce((v_record ->> 'rubricVersion')::integer, r.version)
       order by r.version desc limit 1;
      if not found then
        perform app.refuse('CU004', format('criterion: there is no criterion %s of a rubric %s',
          quote_nullable(v_record ->> 'criterion'), quote_nullable(v_record ->> 'rubric')), 'criterion');
      end if;
      v_new.score := trim_scale((v_record ->> 'score')::numeric);
      v_new.comment := v_record ->> 'comment';
      v_new.evidence := case jsonb_typeof(v_record -> 'evidence')
        when 'object' then v_record -> 'evidence'
        when 'string' then (v_record ->> 'evidence')::jsonb
        else '{}' end;
      insert into ops.judge_score (organization_id, analysis_run_id, criterion_id, score, comment, evidence,
                                   occurred_at)
      values (v_organization, v_run.id, v_criterion, v_new.score, v_new.comment, v_new.evidence, v_run.occurred_at)
      on conflict on constraint unq_judge_score_criterion_id do nothing
      returning 'inserted', judge_score.id::text into outcome, id;
      if not found then
        select s.* into v_known from ops.judge_score s
         where s.organization_id = v_organization and s.analysis_run_id = v_run.id and s.criterion_id = v_criterion;
        outcome := case when (v_known.score, v_known.comment, v_known.evidence)
                          is not distinct from (v_new.score, v_new.comment, v_new.evidence)
                        then 'unchanged' else 'refused' end;
        id := v_known.id::text;
        if outcome = 'refused' then
          reason := 'score: the analysis has another score by this criterion';
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
alter function app.score_import_as_member owner to curestry_definer;
revoke execute on function app.score_import_as_member from public;
grant execute on function app.score_import_as_member to curestry_member;
comment on function app.score_import_as_member is
  'Imports scores of judges for analyses of the organization of the request, line by line. Needs analyses:write.';
