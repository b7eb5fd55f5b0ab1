/*
 * A token bucket fills up evenly, a whole budget a minute. The rows are locked in the order of their names, so that
 * gateways do not wait for each other in a circle.
 */
create or replace function app.request_budget_exchange(
  gateway uuid, budgets text[], limits double precision[], spent double precision[])
  returns table (budget text, level double precision, is_shared boolean)
language sql volatile security definer set search_path = '' as $$
  insert into app.request_budget as b (budget, per_minute, level, gateway_id)
  select t.budget, t.per_minute, t.per_minute - t.spent, gateway
    from unnest(budgets, limits, spent) as t (budget, per_minute, spent)
   order by t.budget
  on conflict on constraint pk_request_budget do update
     set per_minute = excluded.per_minute,
         level = least(excluded.per_minute,
                       b.level + greatest(extract(epoch from clock_timestamp() - b.changed_at)::double precision, 0)
                                 * excluded.per_minute / 60)
                 - (excluded.per_minute - excluded.level),
         gateway_id = excluded.gateway_id,
         shared_at = case when b.gateway_id = excluded.gateway_id then b.shared_at else clock_timestamp() end,
         changed_at = clock_timestamp()
  returning b.budget, b.level, coalesce(b.shared_at > clock_timestamp() - interval '1 minute', false);
$$;
alter function app.request_budget_exchange owner to curestry_definer;
revoke execute on function app.request_budget_exchange from public;
grant execute on function app.request_budget_exchange to curestry_gateway;
comment on function app.request_budget_exchange is
  'Takes what a gateway has charged to budgets since its last call, and answers what is left of each with what all '
  'gateways have charged, and whether another gateway charged it within the last minute. Called beside requests, never '
  'for each.';
