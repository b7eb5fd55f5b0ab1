/* Planner settings: sql/README.md. */
create or replace function app.mart_refresh_analysis_daily(
  organization uuid, days date[], lows timestamptz[], highs timestamptz[]) returns void
language sql volatile security definer set search_path = ''
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off as $$
  with merged as materialized (
    select b.day, h.dimension, h.value, sum(h.analyses) as analyses, sum(h.scored) as scored,
           sum(h.sum_overall) / nullif(sum(h.overall_count), 0) as avg_overall, sum(h.sum_overall) as sum_overall,
           sum(h.sum_entropy) / nullif(sum(h.entropy_count), 0) as avg_entropy, sum(h.sum_entropy) as sum_entropy,
           sum(h.judged) as judged, sum(h.sum_judged) / nullif(sum(h.judged), 0) as avg_judged,
           sum(h.sum_judged) as sum_judged
      from unnest(days, lows, highs) as b (day, low, high),
           lateral (select h.* from mart.analysis_hourly h
                     where h.organization_id = (select organization) and h.ts_bucket >= b.low and h.ts_bucket < b.high
                    offset 0) h
     group by b.day, h.dimension, h.value
  ), gone as (
    delete from mart.analysis_daily m
     where m.organization_id = organization and m.day = any (days)
       and m.day not in (select c.day from merged c where c.dimension = 'all')
  ), gone_by as (
    delete from mart.analysis_daily_by
     where ctid = any (array(
             select m.ctid
               from unnest(days) as b (day),
                    lateral (select m.ctid, m.day, m.dimension, m.value from mart.analysis_daily_by m
                              where m.organization_id = (select organization) and m.day = b.day
                             offset 0) m
              where (m.day, m.dimension::text, m.value::text)
                    not in (select c.day, c.dimension::text, c.value::text from merged c)))
  ), total as (
    insert into mart.analysis_daily as m
      (organization_id, day, analyses, avg_overall, avg_entropy, scored, sum_overall, sum_entropy)
    select organization, c.day, c.analyses, c.avg_overall, c.avg_entropy, c.scored, c.sum_overall, c.sum_entropy
      from merged c
     where c.dimension = 'all'
    on conflict (organization_id, day) do update
      set analyses = excluded.analyses, avg_overall = excluded.avg_overall, avg_entropy = excluded.avg_entropy,
          scored = excluded.scored, sum_overall = excluded.sum_overall, sum_entropy = excluded.sum_entropy
    where (m.analyses, m.avg_overall, m.avg_entropy, m.scored, m.sum_overall, m.sum_entropy)
          is distinct from (excluded.analyses, excluded.avg_overall, excluded.avg_entropy, excluded.scored,
                            excluded.sum_overall, excluded.sum_entropy)
  )
  insert into mart.analysis_daily_by as m
    (organization_id, day, dimension, value, analyses, scored, avg_overall, sum_overall, avg_entropy, sum_entropy,
     judged, avg_judged, sum_judged)
  select organization, c.day, c.dimension, c.value, c.analyses, c.scored,
         c.avg_overall, c.sum_overall, c.avg_entropy, c.sum_entropy,
         c.judged, c.avg_judged, c.sum_judged
    from merged c
   where c.dimension <> 'all'
  on conflict (organization_id, day, dimension, value) do update
    set analyses = excluded.analyses, scored = excluded.scored,
        avg_overall = excluded.avg_overall, sum_overall = excluded.sum_overall,
        avg_entropy = excluded.avg_entropy, sum_entropy = excluded.sum_entropy, judged = excluded.judged,
        avg_judged = excluded.avg_judged, sum_judged = excluded.sum_judged
  where (m.analyses, m.scored, m.avg_overall, m.sum_overall, m.avg_entropy,
         m.sum_entropy, m.judged, m.avg_judged, m.sum_judged)
        is distinct from (excluded.analyses, excluded.scored, excluded.avg_overall, excluded.sum_overall,
                          excluded.avg_entropy,
                          excluded.sum_entropy, excluded.judged, excluded.avg_judged, excluded.sum_judged);
$$;
alter function app.mart_refresh_analysis_daily owner to curestry_definer;
revoke execute on function app.mart_refresh_analysis_daily from public;
comment on function app.mart_refresh_analysis_daily is
  'Brings these days of mart.analysis_daily and mart.analysis_daily_by up to date, from the hours of '
  'mart.analysis_hourly.';
