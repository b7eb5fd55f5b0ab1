/*
 * What app.analysis_item_from_json reads: recording it elsewhere makes the same facts. The numbers of the document are
 * in its result, and not among the metrics that mirror them. One expression, which the planner inlines: an export calls
 * it for each row.
 */
create or replace function app.analysis_item_to_json(run ops.analysis_run) returns json
language sql stable
return (
  select json_build_object(
           'analysisRunId', run.id, 'idempotencyKey', run.idempotency_key, 'promptId', run.prompt_id,
           'promptName', (select p.name from core.prompts p
                           where p.organization_id = run.organization_id and p.id = run.prompt_id),
           'promptContent', coalesce(run.prompt_content, d.prompt_content), 'status', run.status,
           'startedAt', app.file_time(run.started_at), 'finishedAt', app.file_time(run.finished_at), 'meta', run.meta,
           'result', case when d.id is not null then json_build_object(
             'detectedLanguage', d.detected_language, 'translated', d.translated, 'formatValid', d.format_valid,
             'overallScore', d.overall_score, 'judgeScore', d.judge_score, 'semanticEntropy', d.semantic_entropy,
             'complexityScore', d.complexity_score, 'lengthChars', d.length_chars, 'lengthWords', d.length_words,
             'contradictions', d.contradictions, 'patches', d.patches, 'clarifyQuestions', d.clarify_questions,
             'extraMetadata', d.analysis_extra_metadata) end,
           'metrics', coalesce((
             select json_agg(json_build_object('key', m.key, 'valueNum', m.value_num, 'valueText', m.value_text,
                                               'valueJson', m.value_json) order by m.key)
               from ops.analysis_metric m
              where m.organization_id = run.organization_id and m.analysis_run_id = run.id
                and (d.id is null
                     or not exists (
                          select from app.analysis_document_metrics(null, null, null, null, null, null) as k
                           where k.key = m.key))), '[]'),
           'nodeResults', coalesce((
             select json_agg(json_build_object('node', n.node, 'status', n.status, 'score', n.score,
                                               'details', n.details) order by n.node)
               from ops.analysis_node_result n
              where n.organization_id = run.organization_id and n.analysis_run_id = run.id), '[]'),
           'scores', coalesce((
             select json_agg(json_build_object('rubric', b.name, 'criterion', c.key, 'score', s.score,
                                               'comment', s.comment, 'evidence', s.evidence) order by b.name, c.key)
               from ops.judge_score s
               join ops.judge_criterion c on c.organization_id = s.organization_id and c.id = s.criterion_id
               join ops.judge_rubric b on b.organization_id = c.organization_id and b.id = c.rubric_id
              where s.organization_id = run.organization_id and s.analysis_run_id = run.id), '[]'))
    from (select) one
    left join core.analysis_results d on d.organization_id = run.organization_id and d.analysis_run_id = run.id);
revoke execute on function app.analysis_item_to_json from public;
grant execute on function app.analysis_item_to_json to curestry_member, curestry_definer;
comment on function app.analysis_item_to_json is
  'An analysis as an item of recordAnalyses, with its id and the name of its prompt, as far as the request may read.';
