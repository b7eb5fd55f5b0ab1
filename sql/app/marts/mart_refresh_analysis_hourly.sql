/* Planner settings: sql/README.md. */
create or replace function app.mart_refresh_analysis_hourly(
  organization uuid, lows timestamptz[], highs timestamptz[]) returns void
language sql volatile security definer set search_path = ''
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off as $$
  with computed as materialized (
    select * from app.mart_compute_analysis_hourly(organization, lows, highs)
  ), gone as (
    delete from mart.analysis_hourly
     where ctid = any (array(
             select h.ctid
               from unnest(lows, highs) as b (low, high),
                    lateral (select h.ctid, h.ts_bucket, h.dimension::text, h.value::text from mart.analysis_hourly h
                              where h.organization_id = (select organization)
                                and h.ts_bucket >= b.low and h.ts_bucket < b.high
                             offset 0) h
              where (h.ts_bucket, h.dimension, h.value)
                    not in (select c.ts_bucket, c.dimension, c.value from computed c)))
  )
  insert into mart.analysis_hourly as m
    (organization_id, ts_bucket, dimension, value, analyses, scored, overall_count, sum_overall,
     entropy_count, sum_entropy, judged, sum_judged)
  select organization, c.* from computed c
  on conflict (organization_id, ts_bucket, dimension, value) do update
    set analyses = excluded.analyses, scored = excluded.scored,
        overall_count = excluded.overall_count, sum_overall = excluded.sum_overall,
        entropy_count = excluded.entropy_count, sum_entropy = excluded.sum_entropy,
        judged = excluded.judged, sum_judged = excluded.sum_judged
  where (m.analyses, m.scored, m.overall_count, m.sum_overall, m.entropy_count, m.sum_entropy, m.judged, m.sum_judged)
        is distinct from (excluded.analyses, excluded.scored, excluded.overall_count,
                          excluded.sum_overall, excluded.entropy_count,
                          excluded.sum_entropy, excluded.judged, excluded.sum_judged);
$$;
alter function app.mart_refresh_analysis_hourly owner to curestry_definer;
revoke execute on function app.mart_refresh_analysis_hourly from public;
comment on function app.mart_refresh_analysis_hourly is
  'Brings these hours of mart.analysis_hourly up to date.';
