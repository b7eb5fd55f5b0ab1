/* Reads only the first and the last entry of an index for each table. Planner settings: sql/README.md. */
create or replace function app.mart_extent(organization uuid, zone text, from_ts timestamptz, to_ts timestamptz)
returns table (first timestamptz, last timestamptz)
language sql stable security definer set search_path = '' set enable_seqscan = off set jit = off as $$
  select min(t.first), max(t.last)
    from (select min(r.occurred_at) as first, max(r.occurred_at) as last from ops.analysis_run r
           where r.organization_id = organization and r.occurred_at >= from_ts and r.occurred_at < to_ts
          union all
          select min(m.occurred_at), max(m.occurred_at) from ops.analysis_metric m
           where m.organization_id = organization and m.occurred_at >= from_ts and m.occurred_at < to_ts
          union all
          select min(n.occurred_at), max(n.occurred_at) from ops.analysis_node_result n
           where n.organization_id = organization and n.occurred_at >= from_ts and n.occurred_at < to_ts
          union all
          select min(s.occurred_at), max(s.occurred_at) from ops.judge_score s
           where s.organization_id = organization and s.occurred_at >= from_ts and s.occurred_at < to_ts
          union all
          select min(v.occurred_at), max(v.occurred_at) from core.evaluation_metrics v
           where v.organization_id = organization and v.occurred_at >= from_ts and v.occurred_at < to_ts
          union all
          select min(f.occurred_at), max(f.occurred_at) from ops.feature_event f
           where f.organization_id = organization and f.occurred_at >= from_ts and f.occurred_at < to_ts
          union all
          select min(t.ts_bucket), max(t.ts_bucket) from mart.metric_timeseries t
           where t.organization_id = organization and t.granularity = 'hour'
             and t.ts_bucket >= from_ts and t.ts_bucket < to_ts
          union all
          select min(t.ts_bucket), max(t.ts_bucket) from mart.metric_timeseries t
           where t.organization_id = organization and t.granularity = 'day'
             and t.ts_bucket >= from_ts and t.ts_bucket < to_ts
          union all
          select min(h.ts_bucket), max(h.ts_bucket) from mart.analysis_hourly h
           where h.organization_id = organization and h.ts_bucket >= from_ts and h.ts_bucket < to_ts
          union all
          select greatest(app.bucket_day_start(zone, d.first), from_ts),
                 greatest(app.bucket_day_start(zone, d.last), from_ts)
            from (select min(a.day) as first, max(a.day) as last from mart.analysis_daily a
                   where a.organization_id = organization
                     and a.day between (from_ts at time zone zone)::date
                                   and ((to_ts - interval '1 microsecond') at time zone zone)::date
                  union all
                  select min(a.day), max(a.day) from mart.analysis_daily_by a
                   where a.organization_id = organization
                     and a.day between (from_ts at time zone zone)::date
                                   and ((to_ts - interval '1 microsecond') at time zone zone)::date
                  union all
                  select min(f.day), max(f.day) from mart.feature_daily f
                   where f.organization_id = organization
                     and f.day between (from_ts at time zone zone)::date
                                   and ((to_ts - interval '1 microsecond') at time zone zone)::date) d
           where d.first is not null) t;
$$;
alter function app.mart_extent owner to curestry_definer;
revoke execute on function app.mart_extent from public;
comment on function app.mart_extent is
  'The first and the last moment within a span of time of which an organization has facts or rows in the marts.';
