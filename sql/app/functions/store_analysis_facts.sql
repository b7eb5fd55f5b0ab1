/*
 * The facts of runs that stand in ops.analysis_run already: document, metrics, node results, judge scores. Set-based: one
 * statement a table for any number of runs. items[n] belongs to run_ids[n]; a null run id is passed over.
 */
create or replace function app.store_analysis_facts(organization uuid, run_ids uuid[], items ops.analysis_item[]) returns void
language plpgsql volatile security definer set search_path = '' as $$
begin
  insert into core.analysis_results
    (organization_id, analysis_run_id, prompt_id, prompt_content, detected_language, translated, format_valid,
     overall_score, judge_score, semantic_entropy, complexity_score, length_chars, length_words,
     contradictions, patches, clarify_questions, analysis_extra_metadata)
  select organization, run.id, run.prompt_id, coalesce(i.prompt_content, run.prompt_content, p.content),
         (i.result).detected_language, coalesce((i.result).translated, false), coalesce((i.result).format_valid, true),
         (i.result).overall_score, (i.result).judge_score, (i.result).semantic_entropy, (i.result).complexity_score,
         coalesce((i.result).length_chars, char_length(content.text)),
         coalesce((i.result).length_words, (select count(*) from regexp_matches(content.text, '\S+', 'g'))),
         coalesce((i.result).contradictions, '[]'), coalesce((i.result).patches, '[]'),
         coalesce((i.result).clarify_questions, '[]'), coalesce((i.result).extra_metadata, '{}')
    from unnest(run_ids) with ordinality as r (id, n)
    join unnest(items) with ordinality as i on i.ordinality = r.n
    join ops.analysis_run run on run.organization_id = organization and run.id = r.id
    left join core.prompts p on p.organization_id = organization and p.id = run.prompt_id,
         lateral (select coalesce(i.prompt_content, run.prompt_content, p.content)) as content (text)
   where i.result is distinct from null;

  insert into ops.analysis_metric (organization_id, analysis_run_id, key, value_num, value_text, value_json, occurred_at)
  select organization, run.id, m.key, m.value_num, m.value_text, m.value_json, run.occurred_at
    from unnest(run_ids) with ordinality as r (id, n)
    join unnest(items) with ordinality as i on i.ordinality = r.n
    join ops.analysis_run run on run.organization_id = organization and run.id = r.id,
         lateral unnest(i.metrics) as m
   where i.result is not distinct from null
      or m.key not in ('overall_score', 'judge_score', 'semantic_entropy', 'complexity_score', 'length_chars', 'length_words');

  insert into ops.analysis_node_result (organization_id, analysis_run_id, node, status, score, details, occurred_at)
  select organization, run.id, m.node, m.status, m.score, coalesce(m.details, '{}'), run.occurred_at
    from unnest(run_ids) with ordinality as r (id, n)
    join unnest(items) with ordinality as i on i.ordinality = r.n
    join ops.analysis_run run on run.organization_id = organization and run.id = r.id,
         lateral unnest(i.node_results) as m;

  insert into ops.judge_score (organization_id, analysis_run_id, criterion_id, score, comment, evidence, occurred_at)
  select organization, run.id, app.criterion_id(organization, m.rubric, m.criterion), m.score, m.comment, coalesce(m.evidence, '{}'), run.occurred_at
    from unnest(run_ids) with ordinality as r (id, n)
    join unnest(items) with ordinality as i on i.ordinality = r.n
    join ops.analysis_run run on run.organization_id = organization and run.id = r.id,
         lateral unnest(i.scores) as m;
end;
$$;
alter function app.store_analysis_facts(uuid, uuid[], ops.analysis_item[]) owner to curestry_definer;
revoke execute on function app.store_analysis_facts(uuid, uuid[], ops.analysis_item[]) from public;
comment on function app.store_analysis_facts(uuid, uuid[], ops.analysis_item[]) is
  'Writes the document, metrics, node results and judge scores of runs.';
