/*
 * What constraints cannot say, or not in words that name the field. The bounds of numbers, lengths and statuses are the
 * constraints' own; app.record_one_analysis reports them with the comment of the constraint.
 */
create or replace function app.analysis_item_problem(organization uuid, item ops.analysis_item) returns text
language plpgsql stable security definer set search_path = '' as $$
declare
  v_problem text;
begin
  if item.prompt_id is not null and not exists (
       select from core.prompts p where p.organization_id = organization and p.id = item.prompt_id) then
    return format('promptId: there is no prompt %s in this organization', item.prompt_id);
  end if;
  if item.prompt_id is null and item.prompt_content is null then
    return 'promptId or promptContent is required';
  end if;

  select format('metrics: %s must be %s, as result has it', m.key, r.value)
    into v_problem
    from unnest(item.metrics) m
    join (values
      ('overall_score', (item.result).overall_score::numeric), ('judge_score', (item.result).judge_score::numeric),
      ('semantic_entropy', (item.result).semantic_entropy::numeric), ('complexity_score', (item.result).complexity_score::numeric),
      ('length_chars', (item.result).length_chars::numeric), ('length_words', (item.result).length_words::numeric)
    ) as r (key, value) on r.key = m.key
   where item.result is distinct from null and r.value is not null
     and (m.value_num is distinct from r.value or m.value_text is not null or m.value_json is not null)
   limit 1;
  if v_problem is not null then
    return v_problem;
  end if;

  select case
           when s.rubric is null or s.criterion is null then 'scores: rubric and criterion are required'
           when not exists (select from ops.judge_rubric r where r.organization_id = organization and r.name = s.rubric)
             then format('scores: there is no rubric %L in this organization', s.rubric)
           else format('scores: the rubric %L has no criterion %L', s.rubric, s.criterion)
         end
    into v_problem
    from unnest(item.scores) s
   where app.criterion_id(organization, s.rubric, s.criterion) is null
   limit 1;
  return v_problem;
end;
$$;
alter function app.analysis_item_problem(uuid, ops.analysis_item) owner to curestry_definer;
revoke execute on function app.analysis_item_problem(uuid, ops.analysis_item) from public;
comment on function app.analysis_item_problem(uuid, ops.analysis_item) is
  'What is wrong with an item of recordAnalyses, in words that name the field; null if nothing is.';
