/*
 * A run counts on the day (UTC) on which it ended, whatever its end. Averages are over the runs with a document; a number
 * of the old backends that is none (NaN, Infinity) is left out.
 */
create or replace function app.compute_analysis_daily(organization uuid, from_day date, to_day date)
returns table (day date, analyses bigint, avg_overall numeric, avg_entropy numeric, scored bigint, sum_overall numeric, sum_entropy numeric)
language sql stable security definer set search_path = '' as $$
  select (r.occurred_at at time zone 'UTC')::date as day, count(*),
         avg(d.overall_score::numeric) filter (where d.overall_score < 'Infinity'),
         avg(d.semantic_entropy::numeric) filter (where d.semantic_entropy < 'Infinity'),
         count(d.id),
         sum(d.overall_score::numeric) filter (where d.overall_score < 'Infinity'),
         sum(d.semantic_entropy::numeric) filter (where d.semantic_entropy < 'Infinity')
    from ops.analysis_run r
    left join core.analysis_results d on d.organization_id = r.organization_id and d.analysis_run_id = r.id
   where r.organization_id = organization and r.finished_at is not null
     and r.occurred_at >= from_day::timestamp at time zone 'UTC' and r.occurred_at < to_day::timestamp at time zone 'UTC'
   group by 1;
$$;
alter function app.compute_analysis_daily(uuid, date, date) owner to curestry_definer;
revoke execute on function app.compute_analysis_daily(uuid, date, date) from public;
comment on function app.compute_analysis_daily(uuid, date, date) is
  'mart.analysis_daily of an organization from one day to before another, computed from the runs and their documents.';
