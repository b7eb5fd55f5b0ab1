/*
 * What constraints cannot say, or not in words that name the field: an array as long as items, null where nothing is
 * wrong. The bounds of numbers, lengths and statuses are the constraints' own, and are reported with the constraint's
 * comment.
 */
create or replace function app.analysis_item_problems(organization uuid, items ops.analysis_item[])
returns text[]
language sql stable security definer set search_path = '' as $$
  with item as materialized (
    select * from unnest(items) with ordinality as i
  ), problem (n, problem) as (
    select i.ordinality, 'promptId or promptContent is required'
      from item i
     where i.prompt_id is null and i.prompt_content is null
    union all
    -- The gateway says so of an item with a text that no database could hold.
    select i.ordinality, substr(i.prompt_content, 2)
      from item i
     where i.prompt_content like U&'\FDD0%'
    union all
    -- Of a text that is too long for its type, PostgreSQL does not say which it is.
    select i.ordinality, format('%s must be at most %s characters', t.field, t.longest)
      from item i, lateral (
        values ('idempotencyKey', i.idempotency_key, 255), ('status', i.status, 20),
               ('result.detectedLanguage', (i.result).detected_language, 10)
        union all select 'metrics: key', m.key, 100 from unnest(i.metrics) as m
        union all select 'nodeResults: node', r.node, 50 from unnest(i.node_results) as r
        union all select 'nodeResults: status', r.status, 20 from unnest(i.node_results) as r
      ) as t (field, text, longest)
     where char_length(t.text) > t.longest
    union all
    select i.ordinality, format('promptId: there is no prompt %s in this organization', i.prompt_id)
      from item i
     where i.prompt_id is not null
       and not exists (select from core.prompts p where p.organization_id = organization and p.id = i.prompt_id)
    union all
    select i.ordinality,
           format('status must be queued, running, succeeded, failed or cancelled, and is %s', left(i.status, 50))
      from item i
     where i.status not in ('queued', 'running', 'succeeded', 'failed', 'cancelled')
    union all
    select i.ordinality, app.retention_refusal('finishedAt', s.facts_immutable_before)
      from item i
      join app.mart_state s on s.organization_id = organization
     where coalesce(i.finished_at, case when i.status in ('queued', 'running') then i.started_at end)
           < s.facts_immutable_before
    union all
    select i.ordinality, format('result: an analysis that is %s has none yet', i.status)
      from item i
     where i.status in ('queued', 'running') and i.result is distinct from null
    union all
    select i.ordinality, format('metrics: %s must be %s, as result has it', m.key, d.value)
      from item i, lateral unnest(i.metrics) as m,
           lateral app.analysis_document_metrics(
             (i.result).overall_score, (i.result).judge_score, (i.result).semantic_entropy, (i.result).complexity_score,
             (i.result).length_chars, (i.result).length_words) as d
     where d.key = m.key and d.value is not null
       and (m.value_num is distinct from d.value or m.value_text is not null or m.value_json is not null)
    union all
    select s.n,
           case
             when s.rubric is null or s.criterion is null then 'scores: rubric and criterion are required'
             when not exists (select from ops.judge_rubric r
                               where r.organization_id = organization and r.name = s.rubric)
               then format('scores: there is no rubric %L in this organization', s.rubric)
             else format('scores: the rubric %L has no criterion %L', s.rubric, s.criterion)
           end
      from app.analysis_resolve_scores(organization, items) as s
     where s.criterion_id is null
  )
  select array_agg(p.problem order by i.ordinality)
    from item i
    left join lateral (select min(p.problem) as problem from problem p where p.n = i.ordinality) p
      -- A known key is unchanged or in conflict, whatever has become of the prompt since.
      on not exists (select from ops.analysis_run r
                      where r.organization_id = organization and r.idempotency_key = i.idempotency_key);
$$;
alter function app.analysis_item_problems owner to curestry_definer;
revoke execute on function app.analysis_item_problems from public;
comment on function app.analysis_item_problems is
  'What is wrong with each item of recordAnalyses, in words that name the field; null where nothing is.';
