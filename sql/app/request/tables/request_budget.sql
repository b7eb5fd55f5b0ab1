/*
 * app.request_budget: generated from the database by `deno task generate`
 *
 *   budget      text              not null
 *   per_minute  double precision  not null
 *   level       double precision  not null
 *   gateway_id  uuid              not null
 *   shared_at   timestamptz
 *   changed_at  timestamptz       not null default clock_timestamp()
 *
 *   pk_request_budget  primary key (budget)
 */

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
