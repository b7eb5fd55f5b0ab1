/*
 * The one definition of the mart: what a refresh writes as hours, and what a check compares hours and days with. NaN
 * and Infinity, which the old backends allowed, are left out.
 *
 * "offset 0" has the planner search each bucket by itself, and "(select …)" hides which organization it is, so that
 * it expects one of usual size. Planner settings: sql/README.md.
 */
create or replace function app.mart_compute_metric_timeseries(
  organization uuid, source text, lows timestamptz[], highs timestamptz[])
returns table (metric_key text, ts_bucket timestamptz, value_num numeric, value_json jsonb,
               sample_count bigint, numeric_count bigint, value_sum numeric, value_min numeric, value_max numeric)
language sql stable security definer set search_path = ''
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off as $$
  with bucket as (
    select b.low, b.high from unnest(lows, highs) as b (low, high)
  ), sample as (
    select m.key::text, b.low, m.value_num as num,
           case when m.value_num is null then left(coalesce(m.value_text, m.value_json::text), 200) end as word
      from bucket b,
           lateral (select m.* from ops.analysis_metric m
                     where m.organization_id = (select organization)
                       and m.occurred_at >= b.low and m.occurred_at < b.high
                    offset 0) m
     where source = 'metric'
    union all
    select n.node, b.low, n.score, n.status
      from bucket b,
           lateral (select n.* from ops.analysis_node_result n
                     where n.organization_id = (select organization)
                       and n.occurred_at >= b.low and n.occurred_at < b.high
                    offset 0) n
     where source = 'node'
    union all
    select app.bucket_metric_key(r.name || ' v' || r.version || '/' || c.key), b.low, s.score, null
      from bucket b
     cross join lateral (select s.* from ops.judge_score s
                          where s.organization_id = (select organization)
                            and s.occurred_at >= b.low and s.occurred_at < b.high
                         offset 0) s
      join ops.judge_criterion c on c.organization_id = s.organization_id and c.id = s.criterion_id
      join ops.judge_rubric r on r.organization_id = c.organization_id and r.id = c.rubric_id
     where source = 'judge'
    union all
    select app.bucket_metric_key(coalesce(e.node_key || '/', '') || e.metric_name), b.low,
           app.exact_numeric(e.metric_value), null
      from bucket b,
           lateral (select e.* from core.evaluation_metrics e
                     where e.organization_id = (select organization)
                       and e.occurred_at >= b.low and e.occurred_at < b.high
                    offset 0) e
     where source = 'evaluation'
  )
  select t.key, t.low, t.sum / nullif(t.numbers, 0),
         case when t.min = t.max and t.words is null then app.bucket_value_json_of_equals(t.min, t.numbers)
              else app.bucket_value_json(s.slots, s.counts, t.min, t.max, w.words, w.counts, 0) end,
         t.n, t.numbers, t.sum, t.min, t.max
    from (select a.key, a.low, count(*) as n, count(a.num) as numbers,
                 sum(a.num) as sum, min(a.num) as min, max(a.num) as max,
                 array_agg(app.sketch_slot(a.num)) filter (where a.num is not null) as slots,
                 array_agg(a.word) filter (where a.word is not null) as words
            from sample a
           group by a.key, a.low) t,
         lateral (select array_agg(c.slot) as slots, array_agg(c.n) as counts
                    from (select u.slot, count(*) as n from unnest(t.slots) as u (slot)
                           where t.min < t.max or t.words is not null
                           group by u.slot) c) s,
         lateral (select array_agg(c.word) as words, array_agg(c.n) as counts
                    from (select u.word, count(*) as n from unnest(t.words) as u (word) group by u.word) c) w;
$$;
alter function app.mart_compute_metric_timeseries owner to curestry_definer;
revoke execute on function app.mart_compute_metric_timeseries from public;
comment on function app.mart_compute_metric_timeseries is
  'The rows of mart.metric_timeseries of an organization and a source for buckets with these starts and ends, '
  'computed from what was recorded.';
