create or replace function app.compute_feature_daily(organization uuid, from_day date, to_day date)
returns table (day date, feature_key text, events bigint, unique_users bigint)
language sql stable security definer set search_path = '' as $$
  select (e.occurred_at at time zone 'UTC')::date as day, e.feature_key, sum(e.event_count), count(distinct e.user_id)
    from ops.feature_event e
   where e.organization_id = organization
     and e.occurred_at >= from_day::timestamp at time zone 'UTC' and e.occurred_at < to_day::timestamp at time zone 'UTC'
   group by 1, 2;
$$;
alter function app.compute_feature_daily(uuid, date, date) owner to curestry_definer;
revoke execute on function app.compute_feature_daily(uuid, date, date) from public;
comment on function app.compute_feature_daily(uuid, date, date) is
  'mart.feature_daily of an organization from one day to before another, computed from the feature events.';
