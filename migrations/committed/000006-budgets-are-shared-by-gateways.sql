--! Previous: sha1:972ea41bc21c3628219a740766468ac808997d08
--! Hash: sha1:a515b1dd66f0fc56fcbc0daefd6cd3d83ac7449d
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

--! Included app/audit/audit_change_in_words.sql
create or replace function app.audit_change_in_words(column_name text, before jsonb, after jsonb) returns text
language sql stable set search_path = '' as $$
  select column_name
         || case
              -- a secret, or erased; without its name, an argument would be the column of v
              when audit_change_in_words.before is null and audit_change_in_words.after is null then ''
              when jsonb_typeof(v.before) in ('object', 'array') or jsonb_typeof(v.after) in ('object', 'array')
                or greatest(char_length(v.before #>> '{}'), char_length(v.after #>> '{}')) > 60 then ''
              when v.before = 'null' then ' to ' || v.after::text
              when v.after = 'null' then ' from ' || v.before::text || ' to nothing'
              else ' from ' || v.before::text || ' to ' || v.after::text
            end
    from (select coalesce(before, 'null') as before, coalesce(after, 'null') as after) v;
$$;
revoke execute on function app.audit_change_in_words from public;
grant execute on function app.audit_change_in_words to curestry_definer;
comment on function app.audit_change_in_words is
  'The change of a column for a sentence: its name, and its values where they are short.';
--! EndIncluded app/audit/audit_change_in_words.sql
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
--! Included app/members/tg_organization__time_zone.sql
create or replace function app.tg_organization__time_zone() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  -- Older days exist only in the marts, which cannot be recomputed for another zone
  if TG_OP = 'UPDATE' and NEW.time_zone is distinct from OLD.time_zone
     and exists (select from app.mart_state s
                  where s.organization_id = NEW.id
                    and (s.facts_immutable_before is not null or s.marts_immutable_before > '-infinity')) then
    perform app.refuse('CU005',
      'timeZone: stays as it is once something was removed by age (raw_retention_days): '
      'the older marts could not be rebuilt for another zone',
      'timeZone', 'organization_time_zone');
  end if;
  -- The view reads the files of all zones, which takes longer than all else of a new organization
  if NEW.time_zone = 'UTC'
     or NEW.time_zone !~ '^(posix/|right/|Factory$|localtime$|posixrules$)'
        and exists (select from pg_catalog.pg_timezone_names z where z.name = NEW.time_zone) then
    return NEW;
  end if;
  perform app.refuse('CU004',
    format('timeZone: %s is no time zone; give a name of the IANA database, such as Europe/Berlin or UTC',
           coalesce(to_json(NEW.time_zone)::text, 'null')),
    'timeZone', 'organization_time_zone');
  return null;
end;
$$;
alter function app.tg_organization__time_zone owner to curestry_definer;
revoke execute on function app.tg_organization__time_zone from public;
comment on function app.tg_organization__time_zone is
  'Trigger: the time zone of an organization is one that the server knows, by its full name, and cannot change once '
  'facts were removed by age.';
--! EndIncluded app/members/tg_organization__time_zone.sql
--! Included app/buckets/bucket_value_json_of_equals.sql
/*
 * What app.bucket_value_json gives for equal numbers alone, without its searches: most hours of a long history hold one
 * number of a metric.
 */
create or replace function app.bucket_value_json_of_equals(value numeric, n bigint) returns jsonb
language sql immutable parallel safe
return jsonb_build_object('p50', value, 'p90', value, 'p95', value, 'p99', value,
                          'sketch', jsonb_build_object(app.sketch_slot(value)::text, n));
revoke execute on function app.bucket_value_json_of_equals from public;
grant execute on function app.bucket_value_json_of_equals to curestry_definer;
comment on function app.bucket_value_json_of_equals is
  'Quantiles and their sketch of n equal numbers, as mart.metric_timeseries.value_json holds them.';
--! EndIncluded app/buckets/bucket_value_json_of_equals.sql
--! Included app/marts/mart_compute_metric_timeseries.sql
/*
 * The one definition of the mart: what a refresh writes as hours, and what a check compares hours and days with. NaN
 * and Infinity, which the old backends allowed, are left out.
 *
 * "offset 0" has the planner search each bucket by itself, and "(select …)" hides which organization it is, so that
 * it expects one of usual size. Planner settings: sql/README.md.
 */
create or replace function app.mart_compute_metric_timeseries(
  organization uuid, source text, lows timestamptz[], highs timestamptz[])
returns table (metric_key text, ts_bucket timestamptz, value_num numeric, value_json jsonb,
               sample_count bigint, numeric_count bigint, value_sum numeric, value_min numeric, value_max numeric)
language sql stable security definer set search_path = ''
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off as $$
  with bucket as (
    select b.low, b.high from unnest(lows, highs) as b (low, high)
  ), sample as (
    select m.key::text, b.low, m.value_num as num,
           case when m.value_num is null then left(coalesce(m.value_text, m.value_json::text), 200) end as word
      from bucket b,
           lateral (select m.* from ops.analysis_metric m
                     where m.organization_id = (select organization)
                       and m.occurred_at >= b.low and m.occurred_at < b.high
                    offset 0) m
     where source = 'metric'
    union all
    select n.node, b.low, n.score, n.status
      from bucket b,
           lateral (select n.* from ops.analysis_node_result n
                     where n.organization_id = (select organization)
                       and n.occurred_at >= b.low and n.occurred_at < b.high
                    offset 0) n
     where source = 'node'
    union all
    select app.bucket_metric_key(r.name || ' v' || r.version || '/' || c.key), b.low, s.score, null
      from bucket b
     cross join lateral (select s.* from ops.judge_score s
                          where s.organization_id = (select organization)
                            and s.occurred_at >= b.low and s.occurred_at < b.high
                         offset 0) s
      join ops.judge_criterion c on c.organization_id = s.organization_id and c.id = s.criterion_id
      join ops.judge_rubric r on r.organization_id = c.organization_id and r.id = c.rubric_id
     where source = 'judge'
    union all
    select app.bucket_metric_key(coalesce(e.node_key || '/', '') || e.metric_name), b.low,
           app.exact_numeric(e.metric_value), null
      from bucket b,
           lateral (select e.* from core.evaluation_metrics e
                     where e.organization_id = (select organization)
                       and e.occurred_at >= b.low and e.occurred_at < b.high
                    offset 0) e
     where source = 'evaluation'
  )
  select t.key, t.low, t.sum / nullif(t.numbers, 0),
         case when t.min = t.max and t.words is null then app.bucket_value_json_of_equals(t.min, t.numbers)
              else app.bucket_value_json(s.slots, s.counts, t.min, t.max, w.words, w.counts, 0) end,
         t.n, t.numbers, t.sum, t.min, t.max
    from (select a.key, a.low, count(*) as n, count(a.num) as numbers,
                 sum(a.num) as sum, min(a.num) as min, max(a.num) as max,
                 array_agg(app.sketch_slot(a.num)) filter (where a.num is not null) as slots,
                 array_agg(a.word) filter (where a.word is not null) as words
            from sample a
           group by a.key, a.low) t,
         lateral (select array_agg(c.slot) as slots, array_agg(c.n) as counts
                    from (select u.slot, count(*) as n from unnest(t.slots) as u (slot)
                           where t.min < t.max or t.words is not null
                           group by u.slot) c) s,
         lateral (select array_agg(c.word) as words, array_agg(c.n) as counts
                    from (select u.word, count(*) as n from unnest(t.words) as u (word) group by u.word) c) w;
$$;
alter function app.mart_compute_metric_timeseries owner to curestry_definer;
revoke execute on function app.mart_compute_metric_timeseries from public;
comment on function app.mart_compute_metric_timeseries is
  'The rows of mart.metric_timeseries of an organization and a source for buckets with these starts and ends, '
  'computed from what was recorded.';
--! EndIncluded app/marts/mart_compute_metric_timeseries.sql
--! Included app/request/tables/request_budget.sql
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
--! EndIncluded app/request/tables/request_budget.sql
