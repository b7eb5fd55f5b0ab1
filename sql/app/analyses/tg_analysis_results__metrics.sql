/*
 * Written in the same transaction as the document, so that the two cannot disagree. app.analysis_item_problems refuses
 * a metric under one of these keys that says otherwise. An upsert is the exception: it fires the triggers of updates
 * too, for each statement.
 */
create or replace function app.tg_analysis_results__metrics() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  v_conflicts bigint := 1;
begin
  if TG_OP = 'INSERT' then
    with metric as materialized (
      select d.organization_id, d.analysis_run_id, m.key, m.value, d.occurred_at
        from new_rows d,
             lateral app.analysis_document_metrics(d.overall_score, d.judge_score, d.semantic_entropy,
                                                   d.complexity_score, d.length_chars, d.length_words) as m
       where m.value is not null
    ), written as (
      insert into ops.analysis_metric (organization_id, analysis_run_id, key, value_num, occurred_at)
      select m.organization_id, m.analysis_run_id, m.key, m.value, m.occurred_at from metric m
      on conflict (organization_id, analysis_run_id, key) do nothing
      returning 1
    )
    select (select count(*) from metric) - (select count(*) from written) into v_conflicts;
  end if;
  if v_conflicts > 0 then
    insert into ops.analysis_metric as a (organization_id, analysis_run_id, key, value_num, occurred_at)
    select d.organization_id, d.analysis_run_id, m.key, m.value, d.occurred_at
      from new_rows d,
           lateral app.analysis_document_metrics(d.overall_score, d.judge_score, d.semantic_entropy,
                                                 d.complexity_score, d.length_chars, d.length_words) as m
     where m.value is not null
    on conflict (organization_id, analysis_run_id, key) do update
      set value_num = excluded.value_num, value_text = null, value_json = null
    where (a.value_num, a.value_text, a.value_json) is distinct from (excluded.value_num, null, null);
  end if;
  return null;
end;
$$;
alter function app.tg_analysis_results__metrics owner to curestry_definer;
revoke execute on function app.tg_analysis_results__metrics from public;
comment on function app.tg_analysis_results__metrics is
  'Trigger: mirrors the numbers of an analysis document into the metrics of its run.';
