/*
 * Distinct users of a day cannot be added up from its hours, so days are counted from the events. The specification
 * makes the count an integer, so it stops at 2147483647. Planner settings: sql/README.md.
 */
create or replace function app.mart_compute_feature_daily(
  organization uuid, days date[], lows timestamptz[], highs timestamptz[])
returns table (day date, feature_key text, events bigint, unique_users bigint)
language sql stable security definer set search_path = ''
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off as $$
  select b.day, e.feature_key, least(sum(e.event_count), 2147483647), count(distinct e.user_id)
    from unnest(days, lows, highs) as b (day, low, high),
         lateral (select e.feature_key, e.event_count, e.user_id from ops.feature_event e
                   where e.organization_id = (select organization) and e.occurred_at >= b.low and e.occurred_at < b.high
                  offset 0) e
   group by 1, 2;
$$;
alter function app.mart_compute_feature_daily owner to curestry_definer;
revoke execute on function app.mart_compute_feature_daily from public;
comment on function app.mart_compute_feature_daily is
  'mart.feature_daily of an organization for days with these starts and ends, computed from the feature events.';
