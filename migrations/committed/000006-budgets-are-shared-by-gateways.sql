--! Previous: sha1:972ea41bc21c3628219a740766468ac808997d08
--! Hash: sha1:df01abe21b80e77a5c1741bb31cee88b08c2ccff
--! Message: budgets are shared by gateways

-- The open migration: see CONTRIBUTING.md. Data and tables here; definitions by --!include from sql/.
set local lock_timeout = '3s';

-- What is lost in a crash of the server is that somebody had spent something.
create unlogged table if not exists app.request_budget (
    budget text not null,
    per_minute double precision not null,
    level double precision not null,
    gateway_id uuid not null,
    shared_at timestamptz,
    changed_at timestamptz not null default clock_timestamp(),
    constraint pk_request_budget primary key (budget)
);

--! Included app/request/request_budget_exchange.sql
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
--! EndIncluded app/request/request_budget_exchange.sql
--! Included app/request/request_budget_forget.sql
create or replace function app.request_budget_forget() returns bigint
language sql volatile security definer set search_path = '' as $$
  with gone as (
    delete from app.request_budget b where b.changed_at < clock_timestamp() - interval '2 minutes' returning 1
  )
  select count(*) from gone;
$$;
alter function app.request_budget_forget owner to curestry_definer;
revoke execute on function app.request_budget_forget from public;
grant execute on function app.request_budget_forget to curestry_gateway;
comment on function app.request_budget_forget is
  'Forgets budgets that nobody has charged for two minutes: they are full. Answers how many.';
--! EndIncluded app/request/request_budget_forget.sql
--! Included app/request/tables/request_budget.sql
comment on table app.request_budget is
  'What gateways have left of the budgets of API keys, sessions and organizations. Unlogged: after a crash of the '
  'server all budgets are full.';
comment on column app.request_budget.budget is 'A digest of whose budget it is, and for what.';
comment on column app.request_budget.per_minute is 'The whole budget, in cost; so much comes back in a minute.';
comment on column app.request_budget.level is
  'What was left at changed_at. Less than nothing if several gateways charged it at once.';
comment on column app.request_budget.gateway_id is 'The gateway that charged it last.';
comment on column app.request_budget.shared_at is 'When another gateway than the one before charged it.';
comment on column app.request_budget.changed_at is 'When it was charged last.';
comment on constraint pk_request_budget on app.request_budget is 'One row a budget.';

select app.table_protect('app.request_budget');

grant select, insert, update, delete on app.request_budget to curestry_definer;
--! EndIncluded app/request/tables/request_budget.sql
