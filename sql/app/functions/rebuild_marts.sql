create or replace function app.rebuild_marts(from_ts timestamptz, to_ts timestamptz) returns table (organization_id uuid, hours integer)
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_hours timestamptz[];
begin
  if from_ts >= to_ts then
    perform app.refuse('CU004', 'to: must lie after from', 'to');
  end if;
  for organization_id in select o.id from ops.organization o order by 1 loop
    perform pg_advisory_xact_lock(hashtextextended('curestry marts ' || organization_id, 0));
    -- Hours with facts, and hours that the marts speak of.
    select array_agg(distinct h) into v_hours
      from (select date_trunc('hour', r.occurred_at, 'UTC') as h from ops.analysis_run r
             where r.organization_id = rebuild_marts.organization_id and r.occurred_at >= from_ts and r.occurred_at < to_ts
            union select date_trunc('hour', m.occurred_at, 'UTC') from ops.analysis_metric m
             where m.organization_id = rebuild_marts.organization_id and m.occurred_at >= from_ts and m.occurred_at < to_ts
            union select date_trunc('hour', e.occurred_at, 'UTC') from ops.feature_event e
             where e.organization_id = rebuild_marts.organization_id and e.occurred_at >= from_ts and e.occurred_at < to_ts
            union select t.ts_bucket from mart.metric_timeseries t
             where t.organization_id = rebuild_marts.organization_id and t.ts_bucket >= date_trunc('day', from_ts, 'UTC') and t.ts_bucket < to_ts
            union select d.day::timestamp at time zone 'UTC' from mart.analysis_daily d
             where d.organization_id = rebuild_marts.organization_id and d.day >= (from_ts at time zone 'UTC')::date and d.day < (to_ts at time zone 'UTC')
            union select d.day::timestamp at time zone 'UTC' from mart.feature_daily d
             where d.organization_id = rebuild_marts.organization_id and d.day >= (from_ts at time zone 'UTC')::date and d.day < (to_ts at time zone 'UTC')) s;
    hours := coalesce(cardinality(v_hours), 0);
    if hours > 0 then
      perform app.refresh_hours(organization_id, v_hours);
    end if;
    return next;
  end loop;
end;
$$;
alter function app.rebuild_marts(timestamptz, timestamptz) owner to curestry_definer;
revoke execute on function app.rebuild_marts(timestamptz, timestamptz) from public;
grant execute on function app.rebuild_marts(timestamptz, timestamptz) to curestry_owner;
comment on function app.rebuild_marts(timestamptz, timestamptz) is
  'Recomputes the marts of all organizations for a span of time, changed or not. For operators.';
