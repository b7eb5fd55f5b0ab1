/*
 * What constraints cannot say, or not in words that name the field: an array as long as items, null where nothing is
 * wrong. The bounds of numbers, lengths and statuses are the constraints' own, and are reported with the constraint's
 * comment. Of several problems of an item, the first in the order of the alphabet is told ("least" and "min").
 */
create or replace function app.analysis_item_problems(organization uuid, items ops.analysis_item[])
returns text[]
language plpgsql stable security definer set search_path = '' as $$
begin
  return (
    with reserved as materialized (
      select array_agg(d.key) as keys from app.analysis_document_metrics(null, null, null, null, null, null) as d
    ), immutable as materialized (
      select max(s.facts_immutable_before) as before from app.mart_state s where s.organization_id = organization
    ), unknown_score as (
      select s.n,
             min(case
                   when s.rubric is null or s.criterion is null then 'scores: rubric and criterion are required'
                   when not exists (select from ops.judge_rubric r
                                     where r.organization_id = organization and r.name = s.rubric)
                     then format('scores: there is no rubric %L in this organization', s.rubric)
                   else format('scores: the rubric %L has no criterion %L', s.rubric, s.criterion)
                 end) as problem
        from app.analysis_resolve_scores(organization, items) as s
       where s.criterion_id is null
       group by s.n
    ), problem as (
      select i.ordinality, i.idempotency_key, least(
        case when i.prompt_id is null and i.prompt_content is null then 'promptId or promptContent is required' end,
        -- The gateway says so of an item with a text that no database could hold.
        case when i.prompt_content like U&'\FDD0%' then substr(i.prompt_content, 2) end,
        -- Of a text that is too long for its type, PostgreSQL does not say which it is.
        case when char_length(i.idempotency_key) > 255 then 'idempotencyKey must be at most 255 characters' end,
        case when char_length(i.status) > 20 then 'status must be at most 20 characters' end,
        case when char_length((i.result).detected_language) > 10
             then 'result.detectedLanguage must be at most 10 characters' end,
        case when i.prompt_id is not null
                  and not exists (select from core.prompts p
                                   where p.organization_id = organization and p.id = i.prompt_id)
             then format('promptId: there is no prompt %s in this organization', i.prompt_id) end,
        case when i.status not in ('queued', 'running', 'succeeded', 'failed', 'cancelled')
             then format('status must be queued, running, succeeded, failed or cancelled, and is %s',
                         left(i.status, 50)) end,
        case when coalesce(i.finished_at, case when i.status in ('queued', 'running') then i.started_at end)
                  < (select before from immutable)
             then app.retention_refusal('finishedAt', (select before from immutable)) end,
        case when i.status in ('queued', 'running') and i.result is distinct from null
             then format('result: an analysis that is %s has none yet', i.status) end,
        (select min(case
                      when char_length(m.key) > 100 then 'metrics: key must be at most 100 characters'
                      when m.key = any ((select keys from reserved)::text[]) then
                        (select format('metrics: %s must be %s, as result has it', m.key, d.value)
                           from app.analysis_document_metrics(
                                  (i.result).overall_score, (i.result).judge_score, (i.result).semantic_entropy,
                                  (i.result).complexity_score, (i.result).length_chars, (i.result).length_words) as d
                          where d.key = m.key and d.value is not null
                            and (m.value_num is distinct from d.value or m.value_text is not null
                                 or m.value_json is not null))
                    end)
           from unnest(i.metrics) as m),
        (select min(least(
                  case when char_length(r.node) > 50 then 'nodeResults: node must be at most 50 characters' end,
                  case when char_length(r.status) > 20 then 'nodeResults: status must be at most 20 characters' end))
           from unnest(i.node_results) as r),
        u.problem) as problem
        from unnest(items) with ordinality as i
        left join unknown_score u on u.n = i.ordinality
    )
    select array_agg(
             case when p.problem is not null
                       -- A known key is unchanged or in conflict, whatever has become of the prompt since.
                       and not exists (select from ops.analysis_run r
                                        where r.organization_id = organization
                                          and r.idempotency_key = p.idempotency_key)
                  then p.problem end order by p.ordinality)
      from problem p);
end;
$$;
alter function app.analysis_item_problems owner to curestry_definer;
revoke execute on function app.analysis_item_problems from public;
comment on function app.analysis_item_problems is
  'What is wrong with each item of recordAnalyses, in words that name the field; null where nothing is.';
