/* Rows that are right are not touched; see app.mart_refresh_metric_timeseries. Planner settings: sql/README.md. */
create or replace function app.mart_refresh_analysis_hourly(
  organization uuid, lows timestamptz[], highs timestamptz[]) returns void
language sql volatile security definer set search_path = ''
set enable_seqscan = off set enable_mergejoin = off set jit = off as $$
  with computed as materialized (
    select * from app.mart_compute_analysis_hourly(organization, lows, highs)
  ), present as materialized (
    select h.*
      from unnest(lows, highs) as b (low, high),
           lateral (select h.ctid as place, h.ts_bucket, h.dimension::text, h.value::text, h.analyses, h.scored,
                           h.overall_count, h.sum_overall, h.entropy_count, h.sum_entropy, h.judged, h.sum_judged
                      from mart.analysis_hourly h
                     where h.organization_id = (select organization)
                       and h.ts_bucket >= b.low and h.ts_bucket < b.high
                    offset 0) h
  ), gone as (
    delete from mart.analysis_hourly
     where ctid = any (array(
             select p.place from present p
              where (p.ts_bucket, p.dimension, p.value)
                    not in (select c.ts_bucket, c.dimension, c.value from computed c)))
  ), corrected as (
    update mart.analysis_hourly m
       set analyses = c.analyses, scored = c.scored, overall_count = c.overall_count, sum_overall = c.sum_overall,
           entropy_count = c.entropy_count, sum_entropy = c.sum_entropy, judged = c.judged, sum_judged = c.sum_judged
      from computed c
      join present p on p.ts_bucket = c.ts_bucket and p.dimension = c.dimension and p.value = c.value
     where m.ctid = p.place
       and (p.analyses, p.scored, p.overall_count, p.sum_overall, p.entropy_count, p.sum_entropy,
            p.judged, p.sum_judged)
           is distinct from (c.analyses, c.scored, c.overall_count, c.sum_overall, c.entropy_count, c.sum_entropy,
                             c.judged, c.sum_judged)
  )
  insert into mart.analysis_hourly
    (organization_id, ts_bucket, dimension, value, analyses, scored, overall_count, sum_overall,
     entropy_count, sum_entropy, judged, sum_judged)
  select organization, c.*
    from computed c
   where (c.ts_bucket, c.dimension, c.value) not in (select p.ts_bucket, p.dimension, p.value from present p);
$$;
alter function app.mart_refresh_analysis_hourly owner to curestry_definer;
revoke execute on function app.mart_refresh_analysis_hourly from public;
comment on function app.mart_refresh_analysis_hourly is
  'Brings these hours of mart.analysis_hourly up to date.';
