/*
 * The facts of runs that are in ops.analysis_run already: document, metrics, node results, judge scores. Set-based:
 * one statement a table for any number of runs. The arrays go together: items[n] belongs to run_ids[n], whose text is
 * contents[n], a version of its prompt if versions[n] says which, and whose time is times[n].
 */
create or replace function app.analysis_store_facts(
  organization uuid, run_ids uuid[], contents text[], versions uuid[], times timestamptz[], items ops.analysis_item[]
) returns void
language plpgsql volatile security definer set search_path = '' as $$
begin
  insert into core.analysis_results
    (organization_id, analysis_run_id, prompt_id, prompt_version_id, prompt_content, detected_language, translated,
     format_valid, overall_score, judge_score, semantic_entropy, complexity_score, length_chars, length_words,
     contradictions, patches, clarify_questions, analysis_extra_metadata, occurred_at)
  select organization, run_ids[i.ordinality], i.prompt_id, versions[i.ordinality], c.content,
         (i.result).detected_language, coalesce((i.result).translated, false), coalesce((i.result).format_valid, true),
         (i.result).overall_score, (i.result).judge_score, (i.result).semantic_entropy, (i.result).complexity_score,
         coalesce((i.result).length_chars, char_length(c.content)),
         coalesce((i.result).length_words, (select count(*) from regexp_matches(c.content, '\S+', 'g'))),
         coalesce((i.result).contradictions, '[]'), coalesce((i.result).patches, '[]'),
         coalesce((i.result).clarify_questions, '[]'), coalesce((i.result).extra_metadata, '{}'), times[i.ordinality]
    from unnest(items) with ordinality as i,
         lateral (select contents[i.ordinality] as content) as c
   where i.result is distinct from null;

  -- An insert of no rows would still fire the triggers of its table.
  if exists (select from unnest(items) as i where cardinality(i.metrics) > 0) then
    insert into ops.analysis_metric
      (organization_id, analysis_run_id, key, value_num, value_text, value_json, occurred_at)
    select organization, run_ids[i.ordinality], m.key, m.value_num, m.value_text, m.value_json, times[i.ordinality]
      from unnest(items) with ordinality as i, lateral unnest(i.metrics) as m
     where i.result is not distinct from null
        -- The document's numbers are mirrored by its trigger.
        or not exists (select from app.analysis_document_metrics(null, null, null, null, null, null) as d
                        where d.key = m.key);
  end if;

  if exists (select from unnest(items) as i where cardinality(i.node_results) > 0) then
    insert into ops.analysis_node_result (organization_id, analysis_run_id, node, status, score, details, occurred_at)
    select organization, run_ids[i.ordinality], r.node, r.status, r.score, coalesce(r.details, '{}'),
           times[i.ordinality]
      from unnest(items) with ordinality as i, lateral unnest(i.node_results) as r;
  end if;

  if exists (select from unnest(items) as i where cardinality(i.scores) > 0) then
    insert into ops.judge_score (organization_id, analysis_run_id, criterion_id, score, comment, evidence, occurred_at)
    select organization, run_ids[s.n], s.criterion_id, s.score, s.comment, coalesce(s.evidence, '{}'), times[s.n]
      from app.analysis_resolve_scores(organization, items) as s;
  end if;
end;
$$;
alter function app.analysis_store_facts owner to curestry_definer;
revoke execute on function app.analysis_store_facts from public;
comment on function app.analysis_store_facts is
  'Writes the document, metrics, node results and judge scores of runs.';
