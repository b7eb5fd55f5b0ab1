/*
 * The one definition of the mart: what a refresh writes, and what a check compares hours and days with. parts says
 * what is counted: "fact", what was recorded; "hour" or "day", the rows of smaller buckets, which are added up. NaN and
 * Infinity, which the old backends allowed, are left out.
 *
 * All buckets are one set from beginning to end, with a number for each (g): how often each slot of a sketch and each
 * text occurs there, then its place, then one row for each bucket. A call of a function for each would cost more than
 * all the rest.
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
set enable_seqscan = off set enable_mergejoin = off set jit = off as $$
  with bucket as (
    select b.low, b.high from unnest(lows, highs) as b (low, high)
  ), sample as (
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
    select app.bucket_metric_key(c.name || ' v' || c.version || '/' || c.key), b.low, s.score, null
      from bucket b,
           lateral (select s.criterion_id, s.score from ops.judge_score s
                     where s.organization_id = (select organization)
                       and s.occurred_at >= b.low and s.occurred_at < b.high
                    offset 0) s,
           lateral (select r.name, r.version, c.key
                      from ops.judge_criterion c
                      join ops.judge_rubric r on r.organization_id = c.organization_id and r.id = c.rubric_id
                     where c.organization_id = (select organization) and c.id = s.criterion_id
                    offset 0) c
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
  ), counted as materialized (
    select row_number() over () as g, s.key, s.low, count(*) as samples, count(s.num) as numbers,
           sum(s.num) as sum, min(s.num) as min, max(s.num) as max,
           array_agg(app.sketch_slot(s.num)) filter (where s.num is not null) as slots,
           array_agg(s.word) filter (where s.word is not null) as words
      from sample s
     group by s.key, s.low
  ), part as materialized (
    select p.*, dense_rank() over (order by p.key, p.low) as g, count(*) over (partition by p.key, p.low) as siblings
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
  ), total as materialized (
    select c.g, c.key, c.low, c.samples, c.numbers, c.sum, c.min, c.max, 0::bigint as other from counted c
    union all
    select p.g, p.key, p.low, sum(p.sample_count)::bigint, sum(p.numeric_count)::bigint, sum(p.value_sum),
           min(p.value_min), max(p.value_max), sum((p.value_json ->> 'other')::bigint)::bigint
      from part p
     where p.siblings > 1
     group by p.g, p.key, p.low
  ), slot (g, slot, n) as (
    -- Equal numbers have one slot, and all quantiles are the number: nothing to search
    select c.g, u.slot, count(*) from counted c, unnest(c.slots) as u (slot) where c.min < c.max group by c.g, u.slot
    union all
    select e.g, e.slot, sum(e.n)::bigint
      from (select p.g, app.sketch_slot(p.value_min) as slot, p.numeric_count as n
              from part p
             where p.siblings > 1 and p.value_min = p.value_max
            union all
            select p.g, e.key::integer, e.value::bigint
              from part p, lateral jsonb_each_text(p.value_json -> 'sketch') as e
             where p.siblings > 1 and p.value_min < p.value_max) e
     group by e.g, e.slot
  ), sketch as materialized (
    select s.g, min(s.slot) filter (where s.below * 100 >= s.total * 50) as p50,
           min(s.slot) filter (where s.below * 100 >= s.total * 90) as p90,
           min(s.slot) filter (where s.below * 100 >= s.total * 95) as p95,
           min(s.slot) filter (where s.below * 100 >= s.total * 99) as p99,
           jsonb_object_agg(s.slot::text, s.n) as slots
      from (select s.g, s.slot, s.n, (sum(s.n) over (partition by s.g order by s.slot))::bigint as below,
                   (sum(s.n) over (partition by s.g))::bigint as total
              from slot s) s
     group by s.g
  ), word (g, word, n) as (
    select c.g, u.word, count(*) from counted c, unnest(c.words) as u (word) group by c.g, u.word
    union all
    select p.g, e.key, sum(e.value::bigint)::bigint
      from part p, lateral jsonb_each_text(p.value_json -> 'counts') as e
     where p.siblings > 1
     group by p.g, e.key
  ), vocabulary as materialized (
    select w.g, jsonb_object_agg(w.word, w.n) filter (where w.place <= 100) as counts,
           coalesce(sum(w.n) filter (where w.place > 100), 0) as other
      from (select w.g, w.word, w.n,
                   row_number() over (partition by w.g order by md5(w.word), w.word collate "C") as place
              from word w) w
     group by w.g
  )
  select t.key, t.low, t.sum / nullif(t.numbers, 0),
         case when v.counts is null then n.value_json
              else coalesce(n.value_json, '{}') || jsonb_build_object('counts', v.counts)
                   || case when v.other + coalesce(t.other, 0) > 0
                           then jsonb_build_object('other', v.other + coalesce(t.other, 0)) else '{}' end
         end,
         t.samples, t.numbers, t.sum, t.min, t.max
    from total t
    left join sketch s on s.g = t.g
    left join vocabulary v on v.g = t.g
   cross join lateral (
      select case
               when t.min = t.max then
                 jsonb_build_object('p50', t.min, 'p90', t.min, 'p95', t.min, 'p99', t.min,
                                    'sketch', jsonb_build_object(app.sketch_slot(t.min)::text, t.numbers))
               when t.numbers > 0 then
                 jsonb_build_object('p50', least(greatest(app.sketch_value(s.p50), t.min), t.max),
                                    'p90', least(greatest(app.sketch_value(s.p90), t.min), t.max),
                                    'p95', least(greatest(app.sketch_value(s.p95), t.min), t.max),
                                    'p99', least(greatest(app.sketch_value(s.p99), t.min), t.max), 'sketch', s.slots)
             end as value_json) n
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
