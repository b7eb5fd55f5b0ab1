/*
 * A run counts in the hour in which it ended, whatever its status; its document and its judgements count with it. A
 * judgement counts once every criterion of the rubric has a score: without one of them, its weighted mean would not
 * be comparable. NaN and Infinity, which the old backends allowed, are left out. Planner settings: sql/README.md.
 */
create or replace function app.mart_compute_analysis_hourly(organization uuid, lows timestamptz[], highs timestamptz[])
returns table (ts_bucket timestamptz, dimension text, value text,
               analyses bigint, scored bigint, overall_count bigint, sum_overall numeric,
               entropy_count bigint, sum_entropy numeric, judged bigint, sum_judged numeric)
language sql stable security definer set search_path = ''
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off as $$
  with run as materialized (
    select b.low, r.id, r.status, d.id as document, d.detected_language as language,
           app.exact_numeric(d.overall_score) as overall,
           app.exact_numeric(d.semantic_entropy) as entropy
      from unnest(lows, highs) as b (low, high)
     cross join lateral (select r.id, r.status from ops.analysis_run r
                          where r.organization_id = (select organization)
                            and r.occurred_at >= b.low and r.occurred_at < b.high
                            and r.finished_at is not null
                         offset 0) r
      left join lateral (select d.* from core.analysis_results d
                          where d.organization_id = (select organization) and d.analysis_run_id = r.id
                         offset 0) d on true
  ), verdict as (
    select r.low, r.document, r.overall, r.entropy, b.name || ' v' || b.version as rubric,
           case when sum(c.weight) > 0 and count(*) = (select count(*) from ops.judge_criterion k
                                                        where k.organization_id = organization and k.rubric_id = b.id)
                then sum(c.weight * s.score) / sum(c.weight) end as score
      from run r
     cross join lateral (select s.criterion_id, s.score from ops.judge_score s
                          where s.organization_id = (select organization) and s.analysis_run_id = r.id
                         offset 0) s
      join ops.judge_criterion c on c.organization_id = organization and c.id = s.criterion_id
      join ops.judge_rubric b on b.organization_id = c.organization_id and b.id = c.rubric_id
     group by r.id, r.low, r.document, r.overall, r.entropy, b.id, b.name, b.version
  )
  select r.low, k.dimension, k.value, count(*), count(r.document), count(r.overall), sum(r.overall),
         count(r.entropy), sum(r.entropy), 0::bigint, null::numeric
    from run r, lateral (values ('all', ''), ('status', r.status), ('language', r.language)) as k (dimension, value)
   where k.value is not null
   group by r.low, k.dimension, k.value
  union all
  select v.low, 'rubric', v.rubric, count(*), count(v.document), count(v.overall), sum(v.overall),
         count(v.entropy), sum(v.entropy), count(v.score), sum(v.score)
    from verdict v
   group by v.low, v.rubric;
$$;
alter function app.mart_compute_analysis_hourly owner to curestry_definer;
revoke execute on function app.mart_compute_analysis_hourly from public;
comment on function app.mart_compute_analysis_hourly is
  'The rows of mart.analysis_hourly for buckets with these starts and ends, computed from runs, documents and judge '
  'scores; for whole days, to check the daily marts.';
