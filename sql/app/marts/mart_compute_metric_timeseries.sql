/*
 * The one definition of the mart: what a refresh writes, and what a check compares hours and days with. parts says
 * what is counted: "fact", what was recorded; "hour" or "day", the rows of smaller buckets, which are added up. NaN and
 * Infinity, which the old backends allowed, are left out.
 *
 * All buckets are one set from beginning to end: how often each slot of a sketch and each text occurs in a bucket,
 * then its place there, then one row for each bucket. A call of a function for each would cost more than all the rest.
 *
 * Of more than 100 distinct texts, those with the smallest hashes are kept and the others are counted together: a text
 * among the 100 of a day is among the 100 of each of its hours, so a day merged from hours equals a count of the day.
 * (The most frequent ones could not be merged: a text that is rare in every hour may be frequent in the day.)
 * "greatest" and "least" keep a quantile between the smallest and the largest number.
 *
 * "offset 0" has the planner search each bucket by itself, and "(select …)" hides which organization it is, so that
 * it expects one of usual size. Planner settings: sql/README.md.
 */
create or replace function app.mart_compute_metric_timeseries(
  organization uuid, source text, parts text, only_key text, lows timestamptz[], highs timestamptz[])
returns table (metric_key text, ts_bucket timestamptz, value_num numeric, value_json jsonb,
               sample_count bigint, numeric_count bigint, value_sum numeric, value_min numeric, value_max numeric)
language sql stable security definer set search_path = ''
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off as $$
  with bucket as (
    select b.low, b.high from unnest(lows, highs) as b (low, high)
  ), sample as materialized (
    select m.key::text, b.low, m.value_num as num,
           case when m.value_num is null then left(coalesce(m.value_text, m.value_json::text), 200) end as word
      from bucket b,
           lateral (select m.key, m.value_num, m.value_text, m.value_json from ops.analysis_metric m
                     where m.organization_id = (select organization)
                       and m.occurred_at >= b.low and m.occurred_at < b.high
                    offset 0) m
     where source = 'metric' and parts = 'fact'
    union all
    select n.node, b.low, n.score, n.status
      from bucket b,
           lateral (select n.node, n.score, n.status from ops.analysis_node_result n
                     where n.organization_id = (select organization)
                       and n.occurred_at >= b.low and n.occurred_at < b.high
                    offset 0) n
     where source = 'node' and parts = 'fact'
    union all
    select app.bucket_metric_key(r.name || ' v' || r.version || '/' || c.key), b.low, s.score, null
      from bucket b
     cross join lateral (select s.* from ops.judge_score s
                          where s.organization_id = (select organization)
                            and s.occurred_at >= b.low and s.occurred_at < b.high
                         offset 0) s
      join ops.judge_criterion c on c.organization_id = s.organization_id and c.id = s.criterion_id
      join ops.judge_rubric r on r.organization_id = c.organization_id and r.id = c.rubric_id
     where source = 'judge' and parts = 'fact'
    union all
    select app.bucket_metric_key(coalesce(e.node_key || '/', '') || e.metric_name), b.low,
           app.exact_numeric(e.metric_value), null
      from bucket b,
           lateral (select e.node_key, e.metric_name, e.metric_value from core.evaluation_metrics e
                     where e.organization_id = (select organization)
                       and e.occurred_at >= b.low and e.occurred_at < b.high
                    offset 0) e
     where source = 'evaluation' and parts = 'fact'
  ), part as materialized (
    select p.*, count(*) over (partition by p.key, p.low) as siblings
      from (select m.metric_key::text as key, b.low, m.value_num, m.value_json, m.sample_count, m.numeric_count,
                   m.value_sum, m.value_min, m.value_max
              from bucket b,
                   lateral (select m.* from mart.metric_timeseries m
                             where m.organization_id = (select organization) and m.granularity = parts
                               and m.ts_bucket >= b.low and m.ts_bucket < b.high
                            offset 0) m
             where m.source = mart_compute_metric_timeseries.source and only_key is null and parts <> 'fact'
            union all
            select m.metric_key, b.low, m.value_num, m.value_json, m.sample_count, m.numeric_count,
                   m.value_sum, m.value_min, m.value_max
              from bucket b,
                   lateral (select m.* from mart.metric_timeseries m
                             where m.organization_id = (select organization) and m.granularity = parts
                               and m.ts_bucket >= b.low and m.ts_bucket < b.high
                               and m.source = mart_compute_metric_timeseries.source and m.metric_key = only_key
                            offset 0) m
             where only_key is not null and parts <> 'fact') p
  ), slot as (
    select s.key, s.low, app.sketch_slot(s.num) as slot, (s.num is not null)::integer::bigint as n,
           1::bigint as samples, (s.num is not null)::integer::bigint as numbers,
           s.num as sum, s.num as min, s.num as max, 0::bigint as other
      from sample s
    union all
    -- Equal numbers have one slot: no need to read it
    select p.key, p.low, case when p.value_min = p.value_max then app.sketch_slot(p.value_min) end, p.numeric_count,
           p.sample_count, p.numeric_count, p.value_sum, p.value_min, p.value_max,
           case when p.sample_count > p.numeric_count then (p.value_json ->> 'other')::bigint end
      from part p
     where p.siblings > 1
    union all
    select p.key, p.low, e.key::integer, e.value::bigint, 0, 0, null, null, null, 0
      from part p, lateral jsonb_each_text(p.value_json -> 'sketch') as e
     where p.siblings > 1 and p.value_min < p.value_max
  ), word as (
    select s.key, s.low, s.word, count(*) as n from sample s where s.word is not null group by s.key, s.low, s.word
    union all
    select p.key, p.low, e.key, sum(e.value::bigint)
      from part p, lateral jsonb_each_text(p.value_json -> 'counts') as e
     where p.siblings > 1
     group by p.key, p.low, e.key
  ), placed as (
    select s.key, s.low, s.slot, sum(s.n) as n, sum(s.samples) as samples, sum(s.numbers) as numbers,
           sum(s.sum) as sum, min(s.min) as min, max(s.max) as max, sum(s.other) as other, null as word, null as place,
           sum(sum(s.n) filter (where s.slot is not null)) over (partition by s.key, s.low order by s.slot) as below,
           sum(sum(s.n) filter (where s.slot is not null)) over (partition by s.key, s.low) as total
      from slot s
     group by s.key, s.low, s.slot
    union all
    select w.key, w.low, null, w.n, 0, 0, null, null, null, 0, w.word,
           row_number() over (partition by w.key, w.low order by md5(w.word), w.word collate "C"), null, null
      from word w
  ), counted as (
    select p.key, p.low, sum(p.samples)::bigint as samples, sum(p.numbers)::bigint as numbers,
           sum(p.sum) as sum, min(p.min) as min, max(p.max) as max,
           min(p.slot) filter (where p.below >= 0.50 * p.total) as p50,
           min(p.slot) filter (where p.below >= 0.90 * p.total) as p90,
           min(p.slot) filter (where p.below >= 0.95 * p.total) as p95,
           min(p.slot) filter (where p.below >= 0.99 * p.total) as p99,
           jsonb_object_agg(p.slot::text, p.n) filter (where p.slot is not null) as sketch,
           jsonb_object_agg(p.word, p.n) filter (where p.place <= 100) as counts,
           coalesce(sum(p.n) filter (where p.place > 100), 0) + coalesce(sum(p.other), 0) as other
      from placed p
     group by p.key, p.low
  )
  select c.key, c.low, c.sum / nullif(c.numbers, 0),
         case when c.counts is null then q.value_json
              else coalesce(q.value_json, '{}') || jsonb_build_object('counts', c.counts)
                   || case when c.other > 0 then jsonb_build_object('other', c.other) else '{}' end
         end,
         c.samples, c.numbers, c.sum, c.min, c.max
    from counted c,
         lateral (select case
                    when c.min = c.max then
                      jsonb_build_object('p50', c.min, 'p90', c.min, 'p95', c.min, 'p99', c.min, 'sketch', c.sketch)
                    when c.numbers > 0 then
                      jsonb_build_object(
                        'p50', least(greatest(app.sketch_value(c.p50), c.min), c.max),
                        'p90', least(greatest(app.sketch_value(c.p90), c.min), c.max),
                        'p95', least(greatest(app.sketch_value(c.p95), c.min), c.max),
                        'p99', least(greatest(app.sketch_value(c.p99), c.min), c.max), 'sketch', c.sketch)
                  end as value_json) q
  union all
  -- A single part is used as it is
  select p.key, p.low, p.value_num, p.value_json, p.sample_count, p.numeric_count, p.value_sum, p.value_min, p.value_max
    from part p
   where p.siblings = 1;
$$;
alter function app.mart_compute_metric_timeseries owner to curestry_definer;
revoke execute on function app.mart_compute_metric_timeseries from public;
comment on function app.mart_compute_metric_timeseries is
  'mart.metric_timeseries of an organization and a source, of one key or of all, for buckets with these starts and '
  'ends: computed from what was recorded ("fact"; of all keys), or merged from its hours or days ("hour", "day").';
