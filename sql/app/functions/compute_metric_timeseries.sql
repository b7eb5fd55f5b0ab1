/*
 * The one definition of the mart: what a refresh writes as hours, and what a check compares hours and days with. A number of
 * the old backends that is none (NaN, Infinity) is left out. Counted first by slot and text, so that a number is looked at once.
 */
create or replace function app.compute_metric_timeseries(organization uuid, source text, lows timestamptz[], highs timestamptz[])
returns table (metric_key text, ts_bucket timestamptz, value_num numeric, value_json jsonb, sample_count bigint, numeric_count bigint,
               value_sum numeric, value_min numeric, value_max numeric)
language sql stable security definer set search_path = '' as $$
  with bucket as (
    select b.low, b.high from unnest(lows, highs) as b (low, high)
  ), sample as (
    select m.key::text, b.low, m.value_num as num,
           case when m.value_num is null then left(coalesce(m.value_text, m.value_json::text), 200) end as word
      from bucket b
      join ops.analysis_metric m on m.organization_id = organization and m.occurred_at >= b.low and m.occurred_at < b.high
     where source = 'metric'
    union all
    select n.node, b.low, n.score, n.status
      from bucket b
      join ops.analysis_node_result n on n.organization_id = organization and n.occurred_at >= b.low and n.occurred_at < b.high
     where source = 'node'
    union all
    select app.mart_key(r.name || ' v' || r.version || '/' || c.key), b.low, s.score, null
      from bucket b
      join ops.judge_score s on s.organization_id = organization and s.occurred_at >= b.low and s.occurred_at < b.high
      join ops.judge_criterion c on c.organization_id = s.organization_id and c.id = s.criterion_id
      join ops.judge_rubric r on r.organization_id = c.organization_id and r.id = c.rubric_id
     where source = 'judge'
    union all
    select app.mart_key(coalesce(e.node_key || '/', '') || e.metric_name), b.low,
           case when e.metric_value > '-Infinity' and e.metric_value < 'Infinity' then e.metric_value::numeric end, null
      from bucket b
      join core.evaluation_metrics e on e.organization_id = organization and e.created_at >= b.low and e.created_at < b.high
     where source = 'evaluation'
  ), cell as materialized (
    select s.key, s.low, app.sketch_slot(s.num) as slot, s.word, count(*) as n, count(s.num) as numbers, sum(s.num) as sum, min(s.num) as min, max(s.num) as max
      from sample s
     group by 1, 2, 3, 4
  ), slot as (
    select c.key, c.low, array_agg(c.slot) as slots, array_agg(c.n) as counts
      from (select key, low, slot, sum(n)::bigint as n from cell where slot is not null group by key, low, slot) c
     group by c.key, c.low
  ), word as (
    select c.key, c.low, array_agg(c.word) as words, array_agg(c.n) as counts
      from (select key, low, word, sum(n)::bigint as n from cell where word is not null group by key, low, word) c
     group by c.key, c.low
  )
  select t.key, t.low, t.sum / nullif(t.numbers, 0), app.mart_value_json(s.slots, s.counts, t.min, t.max, w.words, w.counts, 0),
         t.n, t.numbers, t.sum, t.min, t.max
    from (select c.key, c.low, sum(c.n)::bigint as n, sum(c.numbers)::bigint as numbers, sum(c.sum) as sum, min(c.min) as min, max(c.max) as max
            from cell c group by c.key, c.low) t
    left join slot s on s.key = t.key and s.low = t.low
    left join word w on w.key = t.key and w.low = t.low;
$$;
alter function app.compute_metric_timeseries(uuid, text, timestamptz[], timestamptz[]) owner to curestry_definer;
revoke execute on function app.compute_metric_timeseries(uuid, text, timestamptz[], timestamptz[]) from public;
comment on function app.compute_metric_timeseries(uuid, text, timestamptz[], timestamptz[]) is
  'The rows of mart.metric_timeseries of an organization and a source for buckets with these begins and ends, computed from what was recorded.';
