/* Planner settings: sql/README.md. */
create or replace function mart.analysis_series(
  "from" timestamptz, "to" timestamptz, bucket mart.series_bucket default 'DAY', fill mart.series_fill default 'NONE',
  dimension text default 'all', value text default ''
) returns mart.analysis_point[]
language plpgsql stable security definer set search_path = '' set enable_seqscan = off set jit = off as $$
declare
  v_organization constant uuid := app.require('marts:read');
  v_zone constant text := coalesce(
    (select s.time_zone from app.mart_state s where s.organization_id = v_organization), 'UTC');
begin
  if dimension not in ('all', 'status', 'language', 'rubric') then
    perform app.refuse('CU004',
      format('dimension: must be all, status, language or rubric, not %s', to_json(dimension)),
      'dimension', 'analysis_series_dimension');
  end if;
  return (
    with bucket as materialized (
      select b.* from app.bucket_series(v_zone, analysis_series.bucket, "from", "to") as b
    ), counted as (
      select b.n, b.points, b.low, b.high, a.*,
             -- The bucket of the last mean before, or here
             max(b.n) filter (where a.analyses > 0) over (order by b.n) as last
        from bucket b,
             lateral (select sum(h.analyses)::bigint as analyses, sum(h.scored)::bigint as scored,
                             sum(h.sum_overall) / nullif(sum(h.overall_count), 0) as avg_overall,
                             sum(h.sum_entropy) / nullif(sum(h.entropy_count), 0) as avg_entropy,
                             sum(h.judged)::bigint as judged, sum(h.sum_judged) / nullif(sum(h.judged), 0) as avg_judged
                        from mart.analysis_hourly h
                       where h.organization_id = v_organization
                         and h.dimension = analysis_series.dimension and h.value = analysis_series.value
                         and h.ts_bucket >= b.low and h.ts_bucket < b.high) a
    ), point as (
      select b.n, b.points, b.low, b.high,
             case
               when b.analyses is not null then
                 row(b.analyses, b.scored, b.avg_overall, b.avg_entropy, b.judged, b.avg_judged)::mart.analysis_values
               when analysis_series.fill = 'ZERO' then row(0, 0, 0, 0, 0, 0)::mart.analysis_values
               when analysis_series.fill = 'PREVIOUS' then
                 row(0, 0, l.avg_overall, l.avg_entropy, 0, l.avg_judged)::mart.analysis_values
               when analysis_series.fill = 'NULL' then row(0, 0, null, null, 0, null)::mart.analysis_values
             end as counted
        from counted b
        left join counted l on l.n = b.last
    )
    select coalesce(array_agg(row(c.low, c.high, (c.counted).*, p.low, p.counted)::mart.analysis_point
                              order by c.n), '{}')
      from point c
      join point p on p.n = c.n - c.points
     where c.n > c.points and c.counted is distinct from null);
end;
$$;
alter function mart.analysis_series owner to curestry_definer;
revoke execute on function mart.analysis_series from public;
grant execute on function mart.analysis_series to curestry_member;
comment on function mart.analysis_series is
  E'@words dimension AnalysisDimension\n'
  '@arg from Start of the period.\n'
  '@arg to End of the period, exclusive.\n'
  '@arg bucket How long a point is; DAY if absent.\n'
  '@arg fill What an empty bucket becomes; NONE if absent.\n'
  '@arg dimension By what to choose analyses; all if absent.\n'
  '@arg value The status, language or rubric id to choose.\n'
  'The analyses over time, in buckets of the organization''s time zone that the period from "from" to before '
  '"to" touches, at most 10000, each beside that of the previous period. dimension: all, or status, language or '
  'rubric with a value. Needs marts:read.';
