/*
 * The item of a line of JSON, with the field names of the API; refuses a field that it does not know. What
 * app.analysis_item_to_json writes beside the item is passed over.
 */
create or replace function app.analysis_item_from_json(record jsonb) returns ops.analysis_item
language plpgsql stable set search_path = '' as $$
declare
  v_field text;
  v_result constant jsonb := record -> 'result';
begin
  if jsonb_typeof(record) <> 'object' then
    perform app.refuse('CU004', 'is not an object');
  end if;
  select f into v_field from jsonb_object_keys(record) as f
   where f not in ('analysisRunId', 'idempotencyKey', 'promptId', 'promptName', 'promptContent', 'status',
                   'startedAt', 'finishedAt', 'meta', 'result', 'metrics', 'nodeResults', 'scores')
   limit 1;
  if found then
    perform app.refuse('CU004', format('%s: is not a field of an analysis', v_field), v_field);
  end if;
  select f into v_field from unnest(array['metrics', 'nodeResults', 'scores']) as f
   where record ? f and jsonb_typeof(record -> f) not in ('array', 'null') limit 1;
  if found then
    perform app.refuse('CU004', format('%s: must be an array', v_field), v_field);
  end if;
  select f into v_field from unnest(array['result', 'meta']) as f
   where record ? f and jsonb_typeof(record -> f) not in ('object', 'null') limit 1;
  if found then
    perform app.refuse('CU004', format('%s: must be an object', v_field), v_field);
  end if;
  if jsonb_typeof(v_result) = 'object' then
    select f into v_field from jsonb_object_keys(v_result) as f
     where f not in ('detectedLanguage', 'translated', 'formatValid', 'overallScore', 'judgeScore', 'semanticEntropy',
                     'complexityScore', 'lengthChars', 'lengthWords', 'contradictions', 'patches', 'clarifyQuestions',
                     'extraMetadata')
     limit 1;
    if found then
      perform app.refuse('CU004', format('result.%s: is not a field of a result', v_field), v_field);
    end if;
  end if;
  return row(
    record ->> 'idempotencyKey', record ->> 'promptId', record ->> 'promptContent', record ->> 'status',
    (record ->> 'startedAt')::timestamptz, (record ->> 'finishedAt')::timestamptz, nullif(record -> 'meta', 'null'),
    case when jsonb_typeof(v_result) = 'object' then row(
      v_result ->> 'detectedLanguage', (v_result ->> 'translated')::boolean, (v_result ->> 'formatValid')::boolean,
      (v_result ->> 'overallScore')::float8, (v_result ->> 'judgeScore')::float8,
      (v_result ->> 'semanticEntropy')::float8, (v_result ->> 'complexityScore')::float8,
      (v_result ->> 'lengthChars')::integer, (v_result ->> 'lengthWords')::integer,
      v_result -> 'contradictions', v_result -> 'patches', v_result -> 'clarifyQuestions',
      v_result -> 'extraMetadata')::ops.analysis_result_item end,
    (select array_agg(row(m ->> 'key', trim_scale((m ->> 'valueNum')::numeric), m ->> 'valueText',
                          nullif(m -> 'valueJson', 'null'))::ops.analysis_metric_item order by n)
       from jsonb_array_elements(nullif(record -> 'metrics', 'null')) with ordinality as e (m, n)),
    (select array_agg(row(m ->> 'node', m ->> 'status', trim_scale((m ->> 'score')::numeric),
                          nullif(m -> 'details', 'null'))::ops.analysis_node_result_item order by n)
       from jsonb_array_elements(nullif(record -> 'nodeResults', 'null')) with ordinality as e (m, n)),
    (select array_agg(row(m ->> 'rubric', m ->> 'criterion', trim_scale((m ->> 'score')::numeric), m ->> 'comment',
                          nullif(m -> 'evidence', 'null'))::ops.judge_score_item order by n)
       from jsonb_array_elements(nullif(record -> 'scores', 'null')) with ordinality as e (m, n))
  )::ops.analysis_item;
end;
$$;
revoke execute on function app.analysis_item_from_json from public;
grant execute on function app.analysis_item_from_json to curestry_definer;
comment on function app.analysis_item_from_json is 'Reads an item of recordAnalyses from JSON.';
