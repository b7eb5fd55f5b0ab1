create or replace function ops.finish_analysis_run(
  id uuid, result ops.analysis_result_item default null, metrics ops.analysis_metric_item[] default null,
  node_results ops.analysis_node_result_item[] default null, scores ops.judge_score_item[] default null
) returns ops.analysis_run
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_run ops.analysis_run := app.analysis_run_end(id, 'succeeded', null);
  v_content constant text := coalesce(v_run.prompt_content,
    (select p.content from core.prompts p where p.organization_id = v_run.organization_id and p.id = v_run.prompt_id));
  v_item constant ops.analysis_item := row(
    null, v_run.prompt_id, v_content, null, null, null, null, result, metrics, node_results, scores);
  v_problem constant text := (app.analysis_item_problems(v_run.organization_id, array[v_item]))[1];
begin
  if v_problem is not null then
    perform app.refuse('CU004', v_problem, split_part(v_problem, ':', 1));
  end if;
  perform app.analysis_store_facts(
    v_run.organization_id, array[v_run.id], array[v_content], array[v_run.prompt_version_id],
    array[v_run.occurred_at], array[v_item]);
  return v_run;
end;
$$;
alter function ops.finish_analysis_run owner to curestry_definer;
revoke execute on function ops.finish_analysis_run from public;
grant execute on function ops.finish_analysis_run to curestry_member;
comment on function ops.finish_analysis_run is
  E'@notNull\n'
  '@arg id The run.\n'
  '@arg result The document of the analysis.\n'
  '@arg metrics Measured values, each under a key of its own.\n'
  '@arg node_results What the nodes of the pipeline found.\n'
  '@arg scores What judges gave.\n'
  'Ends a running analysis as succeeded, with its document, metrics, node results and judge scores. Needs '
  'analyses:write.';
