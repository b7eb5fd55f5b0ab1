/* Rows that are right are not touched; see app.mart_refresh_metric_timeseries. Planner settings: sql/README.md. */
create or replace function app.mart_refresh_analysis_daily(
  organization uuid, days date[], lows timestamptz[], highs timestamptz[]) returns void
language sql volatile security definer set search_path = ''
set enable_seqscan = off set enable_mergejoin = off set jit = off as $$
  with merged as materialized (
    select b.day, h.dimension::text, h.value::text,
           sum(h.analyses)::bigint as analyses, sum(h.scored)::bigint as scored,
           sum(h.sum_overall) / nullif(sum(h.overall_count), 0) as avg_overall, sum(h.sum_overall) as sum_overall,
           sum(h.sum_entropy) / nullif(sum(h.entropy_count), 0) as avg_entropy, sum(h.sum_entropy) as sum_entropy,
           sum(h.judged)::bigint as judged, sum(h.sum_judged) / nullif(sum(h.judged), 0) as avg_judged,
           sum(h.sum_judged) as sum_judged
      from unnest(days, lows, highs) as b (day, low, high),
           lateral (select h.* from mart.analysis_hourly h
                     where h.organization_id = (select organization) and h.ts_bucket >= b.low and h.ts_bucket < b.high
                    offset 0) h
     group by b.day, h.dimension, h.value
  ), present as materialized (
    select m.*
      from unnest(days) as b (day),
           lateral (select m.ctid as place, m.day, m.analyses, m.scored, m.avg_overall, m.sum_overall,
                           m.avg_entropy, m.sum_entropy
                      from mart.analysis_daily m
                     where m.organization_id = (select organization) and m.day = b.day
                    offset 0) m
  ), present_by as materialized (
    select m.*
      from unnest(days) as b (day),
           lateral (select m.ctid as place, m.day, m.dimension::text, m.value::text, m.analyses, m.scored,
                           m.avg_overall, m.sum_overall, m.avg_entropy, m.sum_entropy,
                           m.judged, m.avg_judged, m.sum_judged
                      from mart.analysis_daily_by m
                     where m.organization_id = (select organization) and m.day = b.day
                    offset 0) m
  ), gone as (
    delete from mart.analysis_daily
     where ctid = any (array(
             select p.place from present p
              where p.day not in (select c.day from merged c where c.dimension = 'all')))
  ), gone_by as (
    delete from mart.analysis_daily_by
     where ctid = any (array(
             select p.place from present_by p
              where (p.day, p.dimension, p.value) not in (select c.day, c.dimension, c.value from merged c)))
  ), corrected as (
    update mart.analysis_daily m
       set analyses = c.analyses, scored = c.scored, avg_overall = c.avg_overall, sum_overall = c.sum_overall,
           avg_entropy = c.avg_entropy, sum_entropy = c.sum_entropy
      from merged c
      join present p on p.day = c.day
     where m.ctid = p.place and c.dimension = 'all'
       and (p.analyses, p.scored, p.avg_overall, p.sum_overall, p.avg_entropy, p.sum_entropy)
           is distinct from (c.analyses, c.scored, c.avg_overall, c.sum_overall, c.avg_entropy, c.sum_entropy)
  ), corrected_by as (
    update mart.analysis_daily_by m
       set analyses = c.analyses, scored = c.scored, avg_overall = c.avg_overall, sum_overall = c.sum_overall,
           avg_entropy = c.avg_entropy, sum_entropy = c.sum_entropy, judged = c.judged, avg_judged = c.avg_judged,
           sum_judged = c.sum_judged
      from merged c
      join present_by p on p.day = c.day and p.dimension = c.dimension and p.value = c.value
     where m.ctid = p.place
       and (p.analyses, p.scored, p.avg_overall, p.sum_overall, p.avg_entropy, p.sum_entropy,
            p.judged, p.avg_judged, p.sum_judged)
           is distinct from (c.analyses, c.scored, c.avg_overall, c.sum_overall, c.avg_entropy, c.sum_entropy,
                             c.judged, c.avg_judged, c.sum_judged)
  ), added as (
    insert into mart.analysis_daily
      (organization_id, day, analyses, avg_overall, avg_entropy, scored, sum_overall, sum_entropy)
    select organization, c.day, c.analyses, c.avg_overall, c.avg_entropy, c.scored, c.sum_overall, c.sum_entropy
      from merged c
     where c.dimension = 'all' and c.day not in (select p.day from present p)
  )
  insert into mart.analysis_daily_by
    (organization_id, day, dimension, value, analyses, scored, avg_overall, sum_overall, avg_entropy, sum_entropy,
     judged, avg_judged, sum_judged)
  select organization, c.day, c.dimension, c.value, c.analyses, c.scored,
         c.avg_overall, c.sum_overall, c.avg_entropy, c.sum_entropy,
         c.judged, c.avg_judged, c.sum_judged
    from merged c
   where c.dimension <> 'all'
     and (c.day, c.dimension, c.value) not in (select p.day, p.dimension, p.value from present_by p);
$$;
alter function app.mart_refresh_analysis_daily owner to curestry_definer;
revoke execute on function app.mart_refresh_analysis_daily from public;
comment on function app.mart_refresh_analysis_daily is
  'Brings these days of mart.analysis_daily and mart.analysis_daily_by up to date, from the hours of '
  'mart.analysis_hourly.';
