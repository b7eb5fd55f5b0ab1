--! Previous: sha1:544bd09cdac32ca1c9bc8434afaf7905979747b5
--! Hash: sha1:37e06280f327c5f420301dc760d7be85478608ea
--! Message: marts with quantiles, more sources, breakdowns, time zones and series

/*
 * The marts say more (quantiles, node results, judge scores, metrics of workflows, analyses by status, language and rubric),
 * count by the time zone of the organization, and recompute only what changed: hours from what was recorded, days from hours.
 */

-- Others wait behind a migration that waits
set local lock_timeout = '30s';

alter table ops.organization add column time_zone text not null default 'UTC',
    add constraint chk_organization_time_zone check (time_zone ~ '^[A-Za-z0-9_+/-]{1,64}$');

create index idx_analysis_node_result_occurred_at on ops.analysis_node_result (organization_id, occurred_at);
create index idx_judge_score_occurred_at on ops.judge_score (organization_id, occurred_at);
create index idx_evaluation_metrics_created_at on core.evaluation_metrics (organization_id, created_at);

alter table mart.metric_timeseries add column source varchar(20) not null default 'metric',
    drop constraint unq_metric_timeseries_bucket,
    add constraint unq_metric_timeseries_bucket unique (organization_id, source, metric_key, granularity, ts_bucket),
    add constraint chk_metric_timeseries_source check (source in ('metric', 'node', 'judge', 'evaluation'));
alter table mart.metric_timeseries alter column source drop default;

create table mart.analysis_hourly (
    id uuid not null default gen_random_uuid(),
    organization_id uuid not null,
    ts_bucket timestamptz not null,
    dimension varchar(20) not null,
    value varchar(300) not null,
    analyses bigint not null,
    scored bigint not null,
    overall_count bigint not null,
    sum_overall numeric,
    entropy_count bigint not null,
    sum_entropy numeric,
    judged bigint not null,
    sum_judged numeric,
    constraint pk_analysis_hourly primary key (organization_id, id),
    constraint unq_analysis_hourly_bucket unique (organization_id, dimension, value, ts_bucket),
    constraint fk_analysis_hourly_organization_id foreign key (organization_id) references ops.organization (id) on delete cascade,
    constraint chk_analysis_hourly_dimension check (dimension in ('all', 'status', 'language', 'rubric')),
    constraint chk_analysis_hourly_analyses check (analyses > 0),
    constraint chk_analysis_hourly_scored check (
        scored between 0 and analyses and overall_count between 0 and analyses and entropy_count between 0 and analyses
        and judged between 0 and analyses)
);
create index idx_analysis_hourly_ts_bucket on mart.analysis_hourly (organization_id, ts_bucket);

create table mart.analysis_daily_by (
    id uuid not null default gen_random_uuid(),
    organization_id uuid not null,
    day date not null,
    dimension varchar(20) not null,
    value varchar(300) not null,
    analyses bigint not null,
    scored bigint not null,
    avg_overall numeric,
    sum_overall numeric,
    avg_entropy numeric,
    sum_entropy numeric,
    judged bigint not null,
    avg_judged numeric,
    sum_judged numeric,
    constraint pk_analysis_daily_by primary key (organization_id, id),
    constraint unq_analysis_daily_by_value unique (organization_id, day, dimension, value),
    constraint fk_analysis_daily_by_organization_id foreign key (organization_id) references ops.organization (id) on delete cascade,
    constraint chk_analysis_daily_by_dimension check (dimension in ('status', 'language', 'rubric')),
    constraint chk_analysis_daily_by_analyses check (analyses > 0),
    constraint chk_analysis_daily_by_scored check (scored between 0 and analyses and judged between 0 and analyses)
);
create index idx_analysis_daily_by_dimension on mart.analysis_daily_by (organization_id, dimension, value, day);

create table app.mart_state (
    organization_id uuid not null,
    time_zone text not null,
    frozen_before timestamptz not null default '-infinity',
    constraint pk_mart_state primary key (organization_id),
    constraint fk_mart_state_organization_id foreign key (organization_id) references ops.organization (id) on delete cascade
);

create table app.mart_rebuild (
    organization_id uuid not null,
    from_ts timestamptz not null,
    to_ts timestamptz not null,
    next_ts timestamptz not null,
    last_ts timestamptz not null,
    created_at timestamptz not null default now(),
    constraint pk_mart_rebuild primary key (organization_id, from_ts, to_ts),
    constraint fk_mart_rebuild_organization_id foreign key (organization_id) references ops.organization (id) on delete cascade
);

create table app.mart_check (
    id bigint generated always as identity,
    checked_at timestamptz not null default now(),
    buckets integer not null,
    differences integer not null,
    details jsonb not null,
    constraint pk_mart_check primary key (id),
    constraint chk_mart_check_buckets check (buckets >= 0),
    constraint chk_mart_check_differences check (differences >= 0),
    constraint chk_mart_check_details check (jsonb_typeof(details) = 'array')
);

-- Everything is computed anew once: the marks of before name no source.
delete from app.mart_mark;
alter table app.mart_mark add column source varchar(20) not null,
    add constraint chk_mart_mark_source check (source in ('metric', 'node', 'judge', 'evaluation', 'analysis', 'feature', 'zone'));
insert into app.mart_mark (organization_id, source, hour)
select o.id, s.source, '-infinity'
  from ops.organization o, unnest(array['metric', 'analysis', 'feature']) as s (source);

create type mart.series_bucket as enum ('HOUR', 'DAY', 'WEEK', 'MONTH');
create type mart.series_fill as enum ('NONE', 'ZERO', 'NULL', 'PREVIOUS');
create type mart.series_values as (
    count bigint, numeric_count bigint, sum numeric, mean numeric, min numeric, max numeric,
    p50 numeric, p90 numeric, p95 numeric, p99 numeric, counts jsonb, other bigint
);
create type mart.series_point as (
    bucket_start timestamptz, bucket_end timestamptz,
    count bigint, numeric_count bigint, sum numeric, mean numeric, min numeric, max numeric,
    p50 numeric, p90 numeric, p95 numeric, p99 numeric, counts jsonb, other bigint,
    previous_start timestamptz, previous mart.series_values
);
create type mart.analysis_values as (
    analyses bigint, scored bigint, avg_overall numeric, avg_entropy numeric, judged bigint, avg_judged numeric
);
create type mart.analysis_point as (
    bucket_start timestamptz, bucket_end timestamptz,
    analyses bigint, scored bigint, avg_overall numeric, avg_entropy numeric, judged bigint, avg_judged numeric,
    previous_start timestamptz, previous mart.analysis_values
);
create type mart.freshness as (mart text, oldest_change_seconds double precision, waiting bigint);

drop trigger _800_mart_marks_insert on core.analysis_results;
drop trigger _800_mart_marks_update on core.analysis_results;
drop trigger _800_mart_marks_delete on core.analysis_results;
drop function app.mark_table(regclass);
drop function app.compute_metric_timeseries(uuid, text, timestamptz, timestamptz);
drop function app.compute_analysis_daily(uuid, date, date);
drop function app.compute_feature_daily(uuid, date, date);
drop function app.refresh_metric_timeseries(uuid, text, timestamptz[]);
drop function app.refresh_days(uuid, date[]);
drop function app.refresh_hours(uuid, timestamptz[]);
drop function app.rebuild_marts(timestamptz, timestamptz);
drop function app.check_marts(timestamptz, timestamptz);

--! Included app/schemas.sql
comment on schema app is 'Private helpers of Curestry: context and permissions of a request, trigger functions, jobs, functions for operators. Not in the API.';
comment on schema core is 'Prompts, their analyses, users and workflows: the tables of the specification''s current backends.';
comment on schema ops is 'Organizations, keys and credentials, analysis runs with their metrics, rubrics and judge scores, the audit log.';
comment on schema mart is 'Numbers rolled up by hour and by day, for dashboards; written by the worker only.';
comment on schema report is 'A stable face of the tables for analysts and BI tools: names joined, one row a thing. Its columns change only with a note in docs/report.md.';

grant usage on schema app to curestry_gateway, curestry_anonymous, curestry_member, curestry_analyst, curestry_worker;
grant usage on schema report to curestry_analyst;
grant usage on schema core, ops, mart to curestry_anonymous, curestry_member, curestry_analyst;
-- The definer owns functions, so it has to be allowed to have them here.
grant usage, create on schema app, core, ops, mart to curestry_definer;
--! EndIncluded app/schemas.sql
--! Included mart/types/series.sql
comment on type mart.series_bucket is 'How long a point is, in the organization''s time zone; a week begins on Monday.';
comment on type mart.series_fill is 'What stands where nothing was measured. NONE: no point. ZERO: zeros. NULL: a point with count 0 and nothing else. PREVIOUS: count and sum 0, and the mean, bounds and quantiles of the last point that has any, back to the begin of the previous period.';
comment on type mart.series_values is 'What was measured in a bucket.';
comment on column mart.series_values.count is 'How many values.';
comment on column mart.series_values.numeric_count is 'How many of them are numbers.';
comment on column mart.series_values.sum is 'Sum of the numbers.';
comment on column mart.series_values.mean is 'Mean of the numbers.';
comment on column mart.series_values.min is 'Smallest number.';
comment on column mart.series_values.max is 'Largest number.';
comment on column mart.series_values.p50 is 'Median, within 1 %.';
comment on column mart.series_values.p90 is 'Nine of ten numbers are at most this, within 1 %.';
comment on column mart.series_values.p95 is '95 of 100 numbers are at most this, within 1 %.';
comment on column mart.series_values.p99 is '99 of 100 numbers are at most this, within 1 %.';
comment on column mart.series_values.counts is 'Of texts and JSON: how often each value occurred, of at most 100.';
comment on column mart.series_values.other is 'How often other texts occurred.';
comment on type mart.series_point is 'A point of a metric''s series.';
comment on column mart.series_point.bucket_start is 'Begin.';
comment on column mart.series_point.bucket_end is 'End; the begin of the next one.';
comment on column mart.series_point.count is 'How many values.';
comment on column mart.series_point.numeric_count is 'How many of them are numbers.';
comment on column mart.series_point.sum is 'Sum of the numbers.';
comment on column mart.series_point.mean is 'Mean of the numbers.';
comment on column mart.series_point.min is 'Smallest number.';
comment on column mart.series_point.max is 'Largest number.';
comment on column mart.series_point.p50 is 'Median, within 1 %.';
comment on column mart.series_point.p90 is 'Nine of ten numbers are at most this, within 1 %.';
comment on column mart.series_point.p95 is '95 of 100 numbers are at most this, within 1 %.';
comment on column mart.series_point.p99 is '99 of 100 numbers are at most this, within 1 %.';
comment on column mart.series_point.counts is 'Of texts and JSON: how often each value occurred, of at most 100.';
comment on column mart.series_point.other is 'How often other texts occurred.';
comment on column mart.series_point.previous_start is 'Begin of the bucket at the same place of the previous period, which is as many buckets long and ends where the first point begins.';
comment on column mart.series_point.previous is 'What was measured in that; null if nothing was, unless it is filled.';
comment on type mart.analysis_values is 'The analyses that ended in a bucket.';
comment on column mart.analysis_values.analyses is 'How many runs ended; by rubric: how many of them were judged by it.';
comment on column mart.analysis_values.scored is 'How many of them have a document.';
comment on column mart.analysis_values.avg_overall is 'Mean overall score of those with a document.';
comment on column mart.analysis_values.avg_entropy is 'Mean semantic entropy of those with a document.';
comment on column mart.analysis_values.judged is 'By rubric: how many judgements are complete.';
comment on column mart.analysis_values.avg_judged is 'By rubric: mean of the weighted means of the complete judgements.';
comment on type mart.analysis_point is 'A point of the series of analyses.';
comment on column mart.analysis_point.bucket_start is 'Begin.';
comment on column mart.analysis_point.bucket_end is 'End; the begin of the next one.';
comment on column mart.analysis_point.analyses is 'How many runs ended; by rubric: how many of them were judged by it.';
comment on column mart.analysis_point.scored is 'How many of them have a document.';
comment on column mart.analysis_point.avg_overall is 'Mean overall score of those with a document.';
comment on column mart.analysis_point.avg_entropy is 'Mean semantic entropy of those with a document.';
comment on column mart.analysis_point.judged is 'By rubric: how many judgements are complete.';
comment on column mart.analysis_point.avg_judged is 'By rubric: mean of the weighted means of the complete judgements.';
comment on column mart.analysis_point.previous_start is 'Begin of the bucket at the same place of the previous period, which is as many buckets long and ends where the first point begins.';
comment on column mart.analysis_point.previous is 'The analyses of that; null if there were none, unless it is filled.';
comment on type mart.freshness is 'How far a mart is behind.';
comment on column mart.freshness.mart is 'Which mart.';
comment on column mart.freshness.oldest_change_seconds is 'Age of the oldest change that it has not taken up yet; null: none.';
comment on column mart.freshness.waiting is 'How many changes it has not taken up yet.';
grant usage on type mart.series_bucket, mart.series_fill, mart.series_values, mart.series_point, mart.analysis_values, mart.analysis_point, mart.freshness
  to curestry_member, curestry_definer;
--! EndIncluded mart/types/series.sql
--! Included app/functions/tg__mart_marks.sql
/* Marks are written by the statement that changes facts; nothing is queued or notified inside a writer's transaction. */
create or replace function app.tg__mart_marks() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if TG_OP <> 'INSERT' then
    insert into app.mart_mark (organization_id, source, hour)
    select distinct organization_id, TG_ARGV[0], date_trunc('hour', occurred_at, 'UTC') from old_rows;
  end if;
  if TG_OP <> 'DELETE' then
    insert into app.mart_mark (organization_id, source, hour)
    select distinct organization_id, TG_ARGV[0], date_trunc('hour', occurred_at, 'UTC') from new_rows;
  end if;
  return null;
end;
$$;
alter function app.tg__mart_marks() owner to curestry_definer;
revoke execute on function app.tg__mart_marks() from public;
comment on function app.tg__mart_marks() is 'Trigger: marks the hours whose facts changed, for the worker to bring the marts up to date.';
--! EndIncluded app/functions/tg__mart_marks.sql
--! Included app/functions/tg__mart_marks_all.sql
create or replace function app.tg__mart_marks_all() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  insert into app.mart_mark (organization_id, source, hour) select o.id, TG_ARGV[0], '-infinity' from ops.organization o;
  return null;
end;
$$;
alter function app.tg__mart_marks_all() owner to curestry_definer;
revoke execute on function app.tg__mart_marks_all() from public;
comment on function app.tg__mart_marks_all() is 'Trigger: marks all hours of all organizations when a table with facts is truncated.';
--! EndIncluded app/functions/tg__mart_marks_all.sql
--! Included app/functions/tg__mart_marks_of_runs.sql
/*
 * A document and a judgement count when their run ended, whatever their own time is. While a run goes on, whoever changes what
 * belongs to it and whoever ends it wait for each other, so that the hour that is marked is the one in which it will count.
 */
create or replace function app.tg__mart_marks_of_runs() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if TG_OP <> 'INSERT' then
    perform from ops.analysis_run r
      where (r.organization_id, r.id) in (select organization_id, analysis_run_id from old_rows) and r.finished_at is null
        for share;
    insert into app.mart_mark (organization_id, source, hour)
    select distinct r.organization_id, TG_ARGV[0], date_trunc('hour', r.occurred_at, 'UTC')
      from old_rows o join ops.analysis_run r on r.organization_id = o.organization_id and r.id = o.analysis_run_id;
  end if;
  if TG_OP <> 'DELETE' then
    perform from ops.analysis_run r
      where (r.organization_id, r.id) in (select organization_id, analysis_run_id from new_rows) and r.finished_at is null
        for share;
    insert into app.mart_mark (organization_id, source, hour)
    select distinct r.organization_id, TG_ARGV[0], date_trunc('hour', r.occurred_at, 'UTC')
      from new_rows n join ops.analysis_run r on r.organization_id = n.organization_id and r.id = n.analysis_run_id;
  end if;
  return null;
end;
$$;
alter function app.tg__mart_marks_of_runs() owner to curestry_definer;
revoke execute on function app.tg__mart_marks_of_runs() from public;
comment on function app.tg__mart_marks_of_runs() is 'Trigger: marks the hours of the runs whose document or judgements changed.';
--! EndIncluded app/functions/tg__mart_marks_of_runs.sql
--! Included app/functions/tg_evaluation_metrics__mart_marks.sql
create or replace function app.tg_evaluation_metrics__mart_marks() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if TG_OP <> 'INSERT' then
    insert into app.mart_mark (organization_id, source, hour)
    select distinct organization_id, TG_ARGV[0], date_trunc('hour', created_at, 'UTC') from old_rows;
  end if;
  if TG_OP <> 'DELETE' then
    insert into app.mart_mark (organization_id, source, hour)
    select distinct organization_id, TG_ARGV[0], date_trunc('hour', created_at, 'UTC') from new_rows;
  end if;
  return null;
end;
$$;
alter function app.tg_evaluation_metrics__mart_marks() owner to curestry_definer;
revoke execute on function app.tg_evaluation_metrics__mart_marks() from public;
comment on function app.tg_evaluation_metrics__mart_marks() is 'Trigger: marks the hours whose evaluation metrics changed; their time is created_at.';
--! EndIncluded app/functions/tg_evaluation_metrics__mart_marks.sql
--! Included app/functions/mark_table.sql
create or replace function app.mark_table(marked regclass, source text, trigger_function text default 'tg__mart_marks') returns void
language plpgsql set search_path = '' as $$
declare
  v_event text;
begin
  foreach v_event in array array['insert', 'update', 'delete', 'truncate'] loop
    execute format('create or replace trigger %I after %s on %s %s for each statement execute function app.%I(%L)',
      case trigger_function when 'tg__mart_marks_of_runs' then '_810_run_marks_' else '_800_mart_marks_' end || v_event, v_event, marked,
      case v_event when 'insert' then 'referencing new table as new_rows'
                   when 'update' then 'referencing old table as old_rows new table as new_rows'
                   when 'delete' then 'referencing old table as old_rows' else '' end,
      case v_event when 'truncate' then 'tg__mart_marks_all' else trigger_function end, source);
  end loop;
end;
$$;
revoke execute on function app.mark_table(regclass, text, text) from public;
comment on function app.mark_table(regclass, text, text) is
  'Puts the triggers on a table that mark what the marts have to take up, as facts of this source; called in the file of each table with facts.';
--! EndIncluded app/functions/mark_table.sql
--! Included app/functions/tg_organization__time_zone.sql
create or replace function app.tg_organization__time_zone() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if NEW.time_zone !~ '^(posix|right)/' and exists (select from pg_catalog.pg_timezone_names z where z.name = NEW.time_zone) then
    return NEW;
  end if;
  perform app.refuse('CU004', format('timeZone: %s is no time zone; give a name of the IANA database, such as Europe/Berlin or UTC', to_json(NEW.time_zone)),
    'timeZone', 'organization_time_zone');
  return null;
end;
$$;
alter function app.tg_organization__time_zone() owner to curestry_definer;
revoke execute on function app.tg_organization__time_zone() from public;
comment on function app.tg_organization__time_zone() is 'Trigger: the time zone of an organization is one that the server knows, by its whole name.';
--! EndIncluded app/functions/tg_organization__time_zone.sql
--! Included app/functions/tg_organization__mart_marks.sql
create or replace function app.tg_organization__mart_marks() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  insert into app.mart_mark (organization_id, source, hour) values (NEW.id, 'zone', '-infinity');
  return null;
end;
$$;
alter function app.tg_organization__mart_marks() owner to curestry_definer;
revoke execute on function app.tg_organization__mart_marks() from public;
comment on function app.tg_organization__mart_marks() is 'Trigger: the marts of an organization are rebuilt when its time zone changes.';
--! EndIncluded app/functions/tg_organization__mart_marks.sql
--! Included app/functions/sketch_slot.sql
/*
 * Slots of a DDSketch (Masson, Rim, Lee: "DDSketch: a fast and fully-mergeable quantile sketch with relative-error guarantees",
 * PVLDB 12(12), 2019): the positive numbers are cut where ln(x) / ln(101/99) is whole, so that every number of a slot is within
 * 1 % of sketch_value of it. Which slot a number falls into depends on nothing else, so sketches are merged by adding, and the
 * result is what a sketch of all numbers would have been. 40000 lies in the middle: slots order as their numbers do, negative
 * ones mirrored, 0 is 0. Magnitudes beyond 1e-300 and 1e300 count as these.
 */
create or replace function app.sketch_slot(x numeric) returns integer
language sql immutable parallel safe
return case
  when x >= 1e-300 and x <= 1e300 then 40000 + ceil(ln(x::double precision) / 0.020000666706669524)::integer
  when x <= -1e-300 and x >= -1e300 then -40000 - ceil(ln((-x)::double precision) / 0.020000666706669524)::integer
  when x = 0 then 0
  else sign(x)::integer * (40000 + case when abs(x) > 1 then 34538 else -34538 end)
end;
revoke execute on function app.sketch_slot(numeric) from public;
grant execute on function app.sketch_slot(numeric) to curestry_definer;
comment on function app.sketch_slot(numeric) is 'The slot of a quantile sketch that a number falls into.';
--! EndIncluded app/functions/sketch_slot.sql
--! Included app/functions/sketch_value.sql
create or replace function app.sketch_value(slot integer) returns numeric
language sql immutable parallel safe
return case
  when slot = 0 then 0
  else sign(slot)::numeric * (0.99 * exp((abs(slot) - 40000) * 0.020000666706669524::double precision))::numeric
end;
revoke execute on function app.sketch_value(integer) from public;
grant execute on function app.sketch_value(integer) to curestry_definer, curestry_analyst;
comment on function app.sketch_value(integer) is 'The number that stands for a slot of a quantile sketch: within 1 % of every number in it.';
--! EndIncluded app/functions/sketch_value.sql
--! Included app/functions/mart_key.sql
/* Names that are too long are cut, and told apart by a hash of the whole. */
create or replace function app.mart_key(name text) returns text
language sql immutable parallel safe
return case when char_length(name) <= 100 then name else left(name, 91) || '~' || left(md5(name), 8) end;
revoke execute on function app.mart_key(text) from public;
grant execute on function app.mart_key(text) to curestry_definer;
comment on function app.mart_key(text) is 'A name as a key of mart.metric_timeseries, of at most 100 characters.';
--! EndIncluded app/functions/mart_key.sql
--! Included app/functions/mart_value_json.sql
/*
 * What mart.metric_timeseries.value_json holds, from slots and texts with their counts. Of more than 100 distinct texts those
 * with the smallest hashes are kept, and the others are counted together: what is among the 100 of a day is among the 100 of
 * each of its hours, so days merged from hours say exactly what a count of the day says. (The most frequent ones could not be
 * merged: what is rare in every hour may be frequent in the day.) "greatest" and "least" hold a quantile between the smallest
 * and the largest number.
 */
create or replace function app.mart_value_json(
  slots integer[], slot_counts bigint[], value_min numeric, value_max numeric, words text[], word_counts bigint[], other_count bigint
) returns jsonb
language sql immutable set search_path = '' as $$
  select nullif(
    coalesce((
      select jsonb_build_object(
               'p50', least(greatest(app.sketch_value(min(c.slot) filter (where c.below > 0.50 * (c.total - 1))), value_min), value_max),
               'p90', least(greatest(app.sketch_value(min(c.slot) filter (where c.below > 0.90 * (c.total - 1))), value_min), value_max),
               'p95', least(greatest(app.sketch_value(min(c.slot) filter (where c.below > 0.95 * (c.total - 1))), value_min), value_max),
               'p99', least(greatest(app.sketch_value(min(c.slot) filter (where c.below > 0.99 * (c.total - 1))), value_min), value_max),
               'sketch', jsonb_object_agg(c.slot::text, c.n))
        from (select u.slot, u.n, sum(u.n) over (order by u.slot) as below, sum(u.n) over () as total
                from unnest(slots, slot_counts) as u (slot, n)) c
      having count(*) > 0), '{}')
    || coalesce((
      select jsonb_build_object('counts', jsonb_object_agg(w.word, w.n) filter (where w.place <= 100))
             || case when coalesce(sum(w.n) filter (where w.place > 100), 0) + coalesce(other_count, 0) > 0
                     then jsonb_build_object('other', coalesce(sum(w.n) filter (where w.place > 100), 0) + coalesce(other_count, 0))
                     else '{}' end
        from (select u.word, u.n, row_number() over (order by md5(u.word), u.word collate "C") as place
                from unnest(words, word_counts) as u (word, n)) w
      having count(*) > 0), '{}'),
    '{}');
$$;
revoke execute on function app.mart_value_json(integer[], bigint[], numeric, numeric, text[], bigint[], bigint) from public;
grant execute on function app.mart_value_json(integer[], bigint[], numeric, numeric, text[], bigint[], bigint) to curestry_definer;
comment on function app.mart_value_json(integer[], bigint[], numeric, numeric, text[], bigint[], bigint) is
  'Quantiles and their sketch, and counts of texts, as mart.metric_timeseries.value_json holds them.';
--! EndIncluded app/functions/mart_value_json.sql
--! Included app/functions/mart_day_start.sql
/*
 * Midnight, or the first moment after it where clocks skip it, or the first of two where they show it twice: the first quarter
 * of an hour with this date or a later one. Since 2000 every zone has been whole quarters of an hour from UTC.
 */
create or replace function app.mart_day_start(zone text, day date) returns timestamptz
language sql stable set search_path = '' as $$
  select coalesce(min(m.midnight - k.n * interval '15 minutes')
                    filter (where ((m.midnight - k.n * interval '15 minutes') at time zone zone)::date >= day),
                  min(m.midnight))
    from (select day::timestamp at time zone zone as midnight) m, generate_series(0, 8) as k (n);
$$;
revoke execute on function app.mart_day_start(text, date) from public;
grant execute on function app.mart_day_start(text, date) to curestry_definer;
comment on function app.mart_day_start(text, date) is 'When a day begins in a time zone.';
--! EndIncluded app/functions/mart_day_start.sql
--! Included app/functions/mart_hours.sql
/*
 * An hour of a zone is what one position of the hour hand covers: where the clocks are put by half an hour, half of one. Hours
 * of UTC are hours of most zones; where they are not, we go by quarters.
 */
create or replace function app.mart_hours(zone text, hours timestamptz[]) returns table (low timestamptz, high timestamptz)
language sql stable set search_path = '' as $$
  with hour as (
    select distinct h.hour,
           date_trunc('hour', h.hour, zone) = h.hour and date_trunc('hour', h.hour + interval '45 minutes', zone) = h.hour as is_whole
      from unnest(hours) as h (hour)
  ), part as (
    select distinct (select min(p.quarter - k.n * interval '15 minutes')
                       from generate_series(0, 3) as k (n)
                      where date_trunc('hour', p.quarter - k.n * interval '15 minutes', zone) = date_trunc('hour', p.quarter, zone)) as low
      from (select h.hour + k.n * interval '15 minutes' as quarter
              from hour h, generate_series(0, 3) as k (n)
             where not h.is_whole) p
  )
  select h.hour, h.hour + interval '1 hour' from hour h where h.is_whole
  union
  select p.low, (select max(p.low + k.n * interval '15 minutes') + interval '15 minutes'
                   from generate_series(0, 3) as k (n)
                  where date_trunc('hour', p.low + k.n * interval '15 minutes', zone) = date_trunc('hour', p.low, zone))
    from part p;
$$;
revoke execute on function app.mart_hours(text, timestamptz[]) from public;
grant execute on function app.mart_hours(text, timestamptz[]) to curestry_definer;
comment on function app.mart_hours(text, timestamptz[]) is 'The hours of a time zone that lie in these hours of UTC, or partly: begin and end.';
--! EndIncluded app/functions/mart_hours.sql
--! Included app/functions/mart_days.sql
create or replace function app.mart_days(zone text, moments timestamptz[]) returns table (day date, low timestamptz, high timestamptz)
language sql stable set search_path = '' as $$
  select d.day, d.low, d.high
    from (select c.day, app.mart_day_start(zone, c.day) as low, app.mart_day_start(zone, c.day + 1) as high, c.first, c.last
            from (select (m.moment at time zone zone)::date + k.n as day, min(m.moment) as first, max(m.moment) as last
                    -- The days beside it, for where a clock is put at midnight
                    from unnest(moments) as m (moment), generate_series(-1, 1) as k (n)
                   group by 1) c) d
   where d.last >= d.low and d.first < d.high and d.low < d.high
     and exists (select from unnest(moments) as m (moment) where m.moment >= d.low and m.moment < d.high);
$$;
revoke execute on function app.mart_days(text, timestamptz[]) from public;
grant execute on function app.mart_days(text, timestamptz[]) to curestry_definer;
comment on function app.mart_days(text, timestamptz[]) is 'The days of a time zone that these moments lie in: date, begin and end.';
--! EndIncluded app/functions/mart_days.sql
--! Included app/functions/compute_metric_timeseries.sql
/*
 * The one definition of the mart: what a refresh writes as hours, and what a check compares hours and days with. A number of
 * the old backends that is none (NaN, Infinity) is left out.
 *
 * The planner takes a span with unknown ends for a ninth of the table, and would read all of it. The settings have it look up
 * every bucket by the index, here and in the other functions that read or write by bucket: the cost follows what changed.
 */
create or replace function app.compute_metric_timeseries(organization uuid, source text, lows timestamptz[], highs timestamptz[])
returns table (metric_key text, ts_bucket timestamptz, value_num numeric, value_json jsonb, sample_count bigint, numeric_count bigint,
               value_sum numeric, value_min numeric, value_max numeric)
language sql stable security definer set search_path = '' set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off as $$
  with bucket as (
    select b.low, b.high from unnest(lows, highs) as b (low, high)
  ), sample as (
    select m.key::text, b.low, m.value_num as num,
           case when m.value_num is null then left(coalesce(m.value_text, m.value_json::text), 200) end as word
      from bucket b
      join ops.analysis_metric m on m.organization_id = organization and m.occurred_at >= b.low and m.occurred_at < b.high
     where source = 'metric'
    union all
    select n.node, b.low, n.score, n.status
      from bucket b
      join ops.analysis_node_result n on n.organization_id = organization and n.occurred_at >= b.low and n.occurred_at < b.high
     where source = 'node'
    union all
    select app.mart_key(r.name || ' v' || r.version || '/' || c.key), b.low, s.score, null
      from bucket b
      join ops.judge_score s on s.organization_id = organization and s.occurred_at >= b.low and s.occurred_at < b.high
      join ops.judge_criterion c on c.organization_id = s.organization_id and c.id = s.criterion_id
      join ops.judge_rubric r on r.organization_id = c.organization_id and r.id = c.rubric_id
     where source = 'judge'
    union all
    select app.mart_key(coalesce(e.node_key || '/', '') || e.metric_name), b.low,
           case when e.metric_value > '-Infinity' and e.metric_value < 'Infinity' then e.metric_value::numeric end, null
      from bucket b
      join core.evaluation_metrics e on e.organization_id = organization and e.created_at >= b.low and e.created_at < b.high
     where source = 'evaluation'
  )
  select t.key, t.low, t.sum / nullif(t.numbers, 0), app.mart_value_json(s.slots, s.counts, t.min, t.max, w.words, w.counts, 0),
         t.n, t.numbers, t.sum, t.min, t.max
    from (select a.key, a.low, count(*) as n, count(a.num) as numbers, sum(a.num) as sum, min(a.num) as min, max(a.num) as max,
                 array_agg(app.sketch_slot(a.num)) filter (where a.num is not null) as slots,
                 array_agg(a.word) filter (where a.word is not null) as words
            from sample a
           group by a.key, a.low) t,
         lateral (select array_agg(c.slot) as slots, array_agg(c.n) as counts
                    from (select u.slot, count(*) as n from unnest(t.slots) as u (slot) group by u.slot) c) s,
         lateral (select array_agg(c.word) as words, array_agg(c.n) as counts
                    from (select u.word, count(*) as n from unnest(t.words) as u (word) group by u.word) c) w;
$$;
alter function app.compute_metric_timeseries(uuid, text, timestamptz[], timestamptz[]) owner to curestry_definer;
revoke execute on function app.compute_metric_timeseries(uuid, text, timestamptz[], timestamptz[]) from public;
comment on function app.compute_metric_timeseries(uuid, text, timestamptz[], timestamptz[]) is
  'The rows of mart.metric_timeseries of an organization and a source for buckets with these begins and ends, computed from what was recorded.';
--! EndIncluded app/functions/compute_metric_timeseries.sql
--! Included app/functions/merge_metric_timeseries.sql
/* Adds up the rows of smaller buckets, hours or days; a bucket with one row takes it as it is. */
create or replace function app.merge_metric_timeseries(
  organization uuid, source text, part_size text, only_key text, lows timestamptz[], highs timestamptz[]
)
returns table (metric_key text, ts_bucket timestamptz, value_num numeric, value_json jsonb, sample_count bigint, numeric_count bigint,
               value_sum numeric, value_min numeric, value_max numeric)
language sql stable security definer set search_path = '' set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off as $$
  with part as (
    select m.metric_key::text as key, b.low, m.value_json, m.sample_count, m.numeric_count, m.value_sum, m.value_min, m.value_max
      from unnest(lows, highs) as b (low, high)
      join mart.metric_timeseries m
        on m.organization_id = organization and m.granularity = part_size and m.ts_bucket >= b.low and m.ts_bucket < b.high
     where only_key is null and m.source = merge_metric_timeseries.source
    union all
    select m.metric_key, b.low, m.value_json, m.sample_count, m.numeric_count, m.value_sum, m.value_min, m.value_max
      from unnest(lows, highs) as b (low, high)
      join mart.metric_timeseries m
        on m.organization_id = organization and m.granularity = part_size and m.ts_bucket >= b.low and m.ts_bucket < b.high
       and m.source = merge_metric_timeseries.source and m.metric_key = only_key
     where only_key is not null
  )
  select t.key, t.low, t.sum / nullif(t.numbers, 0),
         case when t.parts = 1 then t.states[1] else app.mart_value_json(s.slots, s.counts, t.min, t.max, w.words, w.counts, t.other) end,
         t.n, t.numbers, t.sum, t.min, t.max
    from (select p.key, p.low, count(*) as parts, array_agg(p.value_json) as states,
                 sum(p.sample_count)::bigint as n, sum(p.numeric_count)::bigint as numbers,
                 sum(p.value_sum) as sum, min(p.value_min) as min, max(p.value_max) as max, sum((p.value_json ->> 'other')::bigint)::bigint as other
            from part p group by p.key, p.low) t,
         lateral (select array_agg(c.slot) as slots, array_agg(c.n) as counts
                    from (select e.key::integer as slot, sum(e.value::bigint)::bigint as n
                            from unnest(t.states) as u (state), lateral jsonb_each_text(u.state -> 'sketch') as e
                           where t.parts > 1
                           group by 1) c) s,
         lateral (select array_agg(c.word) as words, array_agg(c.n) as counts
                    from (select e.key as word, sum(e.value::bigint)::bigint as n
                            from unnest(t.states) as u (state), lateral jsonb_each_text(u.state -> 'counts') as e
                           where t.parts > 1
                           group by 1) c) w;
$$;
alter function app.merge_metric_timeseries(uuid, text, text, text, timestamptz[], timestamptz[]) owner to curestry_definer;
revoke execute on function app.merge_metric_timeseries(uuid, text, text, text, timestamptz[], timestamptz[]) from public;
comment on function app.merge_metric_timeseries(uuid, text, text, text, timestamptz[], timestamptz[]) is
  'mart.metric_timeseries of an organization and a source, of one key or of all, for buckets with these begins and ends, merged from its hours or days.';
--! EndIncluded app/functions/merge_metric_timeseries.sql
--! Included app/functions/compute_analysis_hourly.sql
/*
 * A run counts in the hour in which it ended, whatever its end; its document and its judgements count with it. A judgement
 * counts once every criterion of the rubric has a score: with one missing, the weighted mean would be of something else. A
 * number of the old backends that is none (NaN, Infinity) is left out.
 */
create or replace function app.compute_analysis_hourly(organization uuid, lows timestamptz[], highs timestamptz[])
returns table (ts_bucket timestamptz, dimension text, value text, analyses bigint, scored bigint, overall_count bigint, sum_overall numeric,
               entropy_count bigint, sum_entropy numeric, judged bigint, sum_judged numeric)
language sql stable security definer set search_path = '' set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off as $$
  with run as materialized (
    select b.low, r.id, r.status, d.id as document, d.detected_language as language,
           case when d.overall_score > '-Infinity' and d.overall_score < 'Infinity' then d.overall_score::numeric end as overall,
           case when d.semantic_entropy > '-Infinity' and d.semantic_entropy < 'Infinity' then d.semantic_entropy::numeric end as entropy
      from unnest(lows, highs) as b (low, high)
      join ops.analysis_run r on r.organization_id = organization and r.occurred_at >= b.low and r.occurred_at < b.high
      left join core.analysis_results d on d.organization_id = r.organization_id and d.analysis_run_id = r.id
     where r.finished_at is not null
  ), verdict as (
    select r.low, r.document, r.overall, r.entropy, b.name || ' v' || b.version as rubric,
           case when sum(c.weight) > 0 and count(*) = (select count(*) from ops.judge_criterion k
                                                        where k.organization_id = organization and k.rubric_id = b.id)
                then sum(c.weight * s.score) / sum(c.weight) end as score
      from run r
      join ops.judge_score s on s.organization_id = organization and s.analysis_run_id = r.id
      join ops.judge_criterion c on c.organization_id = s.organization_id and c.id = s.criterion_id
      join ops.judge_rubric b on b.organization_id = c.organization_id and b.id = c.rubric_id
     group by r.id, r.low, r.document, r.overall, r.entropy, b.id, b.name, b.version
  )
  select r.low, k.dimension, k.value, count(*), count(r.document), count(r.overall), sum(r.overall), count(r.entropy), sum(r.entropy), 0::bigint, null::numeric
    from run r, lateral (values ('all', ''), ('status', r.status), ('language', r.language)) as k (dimension, value)
   where k.value is not null
   group by r.low, k.dimension, k.value
  union all
  select v.low, 'rubric', v.rubric, count(*), count(v.document), count(v.overall), sum(v.overall), count(v.entropy), sum(v.entropy), count(v.score), sum(v.score)
    from verdict v
   group by v.low, v.rubric;
$$;
alter function app.compute_analysis_hourly(uuid, timestamptz[], timestamptz[]) owner to curestry_definer;
revoke execute on function app.compute_analysis_hourly(uuid, timestamptz[], timestamptz[]) from public;
comment on function app.compute_analysis_hourly(uuid, timestamptz[], timestamptz[]) is
  'The rows of mart.analysis_hourly for buckets with these begins and ends, computed from runs, documents and judge scores; of whole days for a check of the daily marts.';
--! EndIncluded app/functions/compute_analysis_hourly.sql
--! Included app/functions/compute_feature_daily.sql
/* Users of a day cannot be added up from those of its hours, so days are counted from the events. An integer, as the specification has it, ends at 2147483647. */
create or replace function app.compute_feature_daily(organization uuid, days date[], lows timestamptz[], highs timestamptz[])
returns table (day date, feature_key text, events bigint, unique_users bigint)
language sql stable security definer set search_path = '' set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off as $$
  select b.day, e.feature_key, least(sum(e.event_count), 2147483647), count(distinct e.user_id)
    from unnest(days, lows, highs) as b (day, low, high)
    join ops.feature_event e on e.organization_id = organization and e.occurred_at >= b.low and e.occurred_at < b.high
   group by 1, 2;
$$;
alter function app.compute_feature_daily(uuid, date[], timestamptz[], timestamptz[]) owner to curestry_definer;
revoke execute on function app.compute_feature_daily(uuid, date[], timestamptz[], timestamptz[]) from public;
comment on function app.compute_feature_daily(uuid, date[], timestamptz[], timestamptz[]) is
  'mart.feature_daily of an organization for days with these begins and ends, computed from the feature events.';
--! EndIncluded app/functions/compute_feature_daily.sql
--! Included app/functions/refresh_metric_timeseries.sql
create or replace function app.refresh_metric_timeseries(organization uuid, source text, bucket_size text, lows timestamptz[], highs timestamptz[]) returns void
language sql volatile security definer set search_path = '' set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off as $$
  with computed as materialized (
    select * from app.compute_metric_timeseries(organization, refresh_metric_timeseries.source, lows, highs) where bucket_size = 'hour'
    union all
    select * from app.merge_metric_timeseries(organization, refresh_metric_timeseries.source, 'hour', null, lows, highs) where bucket_size = 'day'
  ), gone as (
    delete from mart.metric_timeseries m
     using unnest(lows, highs) as b (low, high)
     where m.organization_id = organization and m.granularity = bucket_size and m.ts_bucket >= b.low and m.ts_bucket < b.high
       and m.source = refresh_metric_timeseries.source
       and (m.metric_key::text, m.ts_bucket) not in (select c.metric_key, c.ts_bucket from computed c)
  )
  insert into mart.metric_timeseries as m
    (organization_id, source, metric_key, granularity, ts_bucket, value_num, value_json, sample_count, numeric_count, value_sum, value_min, value_max)
  select organization, refresh_metric_timeseries.source, c.metric_key, bucket_size, c.ts_bucket, c.value_num, c.value_json, c.sample_count, c.numeric_count,
         c.value_sum, c.value_min, c.value_max
    from computed c
  on conflict (organization_id, source, metric_key, granularity, ts_bucket) do update
    set value_num = excluded.value_num, value_json = excluded.value_json, sample_count = excluded.sample_count,
        numeric_count = excluded.numeric_count, value_sum = excluded.value_sum, value_min = excluded.value_min, value_max = excluded.value_max
  where (m.value_num, m.value_json, m.sample_count, m.numeric_count, m.value_sum, m.value_min, m.value_max)
        is distinct from (excluded.value_num, excluded.value_json, excluded.sample_count, excluded.numeric_count, excluded.value_sum, excluded.value_min, excluded.value_max);
$$;
alter function app.refresh_metric_timeseries(uuid, text, text, timestamptz[], timestamptz[]) owner to curestry_definer;
revoke execute on function app.refresh_metric_timeseries(uuid, text, text, timestamptz[], timestamptz[]) from public;
comment on function app.refresh_metric_timeseries(uuid, text, text, timestamptz[], timestamptz[]) is
  'Makes these buckets of mart.metric_timeseries right: hours from what was recorded, days from the hours.';
--! EndIncluded app/functions/refresh_metric_timeseries.sql
--! Included app/functions/refresh_analysis_hourly.sql
create or replace function app.refresh_analysis_hourly(organization uuid, lows timestamptz[], highs timestamptz[]) returns void
language sql volatile security definer set search_path = '' set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off as $$
  with computed as materialized (
    select * from app.compute_analysis_hourly(organization, lows, highs)
  ), gone as (
    delete from mart.analysis_hourly m
     using unnest(lows, highs) as b (low, high)
     where m.organization_id = organization and m.ts_bucket >= b.low and m.ts_bucket < b.high
       and (m.ts_bucket, m.dimension::text, m.value::text) not in (select c.ts_bucket, c.dimension, c.value from computed c)
  )
  insert into mart.analysis_hourly as m
    (organization_id, ts_bucket, dimension, value, analyses, scored, overall_count, sum_overall, entropy_count, sum_entropy, judged, sum_judged)
  select organization, c.* from computed c
  on conflict (organization_id, ts_bucket, dimension, value) do update
    set analyses = excluded.analyses, scored = excluded.scored, overall_count = excluded.overall_count, sum_overall = excluded.sum_overall,
        entropy_count = excluded.entropy_count, sum_entropy = excluded.sum_entropy, judged = excluded.judged, sum_judged = excluded.sum_judged
  where (m.analyses, m.scored, m.overall_count, m.sum_overall, m.entropy_count, m.sum_entropy, m.judged, m.sum_judged)
        is distinct from (excluded.analyses, excluded.scored, excluded.overall_count, excluded.sum_overall, excluded.entropy_count,
                          excluded.sum_entropy, excluded.judged, excluded.sum_judged);
$$;
alter function app.refresh_analysis_hourly(uuid, timestamptz[], timestamptz[]) owner to curestry_definer;
revoke execute on function app.refresh_analysis_hourly(uuid, timestamptz[], timestamptz[]) from public;
comment on function app.refresh_analysis_hourly(uuid, timestamptz[], timestamptz[]) is 'Makes these hours of mart.analysis_hourly right.';
--! EndIncluded app/functions/refresh_analysis_hourly.sql
--! Included app/functions/refresh_analysis_daily.sql
create or replace function app.refresh_analysis_daily(organization uuid, days date[], lows timestamptz[], highs timestamptz[]) returns void
language sql volatile security definer set search_path = '' set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off as $$
  with merged as materialized (
    select b.day, h.dimension, h.value, sum(h.analyses) as analyses, sum(h.scored) as scored,
           sum(h.sum_overall) / nullif(sum(h.overall_count), 0) as avg_overall, sum(h.sum_overall) as sum_overall,
           sum(h.sum_entropy) / nullif(sum(h.entropy_count), 0) as avg_entropy, sum(h.sum_entropy) as sum_entropy,
           sum(h.judged) as judged, sum(h.sum_judged) / nullif(sum(h.judged), 0) as avg_judged, sum(h.sum_judged) as sum_judged
      from unnest(days, lows, highs) as b (day, low, high)
      join mart.analysis_hourly h on h.organization_id = organization and h.ts_bucket >= b.low and h.ts_bucket < b.high
     group by b.day, h.dimension, h.value
  ), gone as (
    delete from mart.analysis_daily m
     where m.organization_id = organization and m.day = any (days)
       and m.day not in (select c.day from merged c where c.dimension = 'all')
  ), gone_by as (
    delete from mart.analysis_daily_by m
     where m.organization_id = organization and m.day = any (days)
       and (m.day, m.dimension::text, m.value::text) not in (select c.day, c.dimension::text, c.value::text from merged c)
  ), total as (
    insert into mart.analysis_daily as m (organization_id, day, analyses, avg_overall, avg_entropy, scored, sum_overall, sum_entropy)
    select organization, c.day, c.analyses, c.avg_overall, c.avg_entropy, c.scored, c.sum_overall, c.sum_entropy
      from merged c
     where c.dimension = 'all'
    on conflict (organization_id, day) do update
      set analyses = excluded.analyses, avg_overall = excluded.avg_overall, avg_entropy = excluded.avg_entropy,
          scored = excluded.scored, sum_overall = excluded.sum_overall, sum_entropy = excluded.sum_entropy
    where (m.analyses, m.avg_overall, m.avg_entropy, m.scored, m.sum_overall, m.sum_entropy)
          is distinct from (excluded.analyses, excluded.avg_overall, excluded.avg_entropy, excluded.scored, excluded.sum_overall, excluded.sum_entropy)
  )
  insert into mart.analysis_daily_by as m
    (organization_id, day, dimension, value, analyses, scored, avg_overall, sum_overall, avg_entropy, sum_entropy, judged, avg_judged, sum_judged)
  select organization, c.day, c.dimension, c.value, c.analyses, c.scored, c.avg_overall, c.sum_overall, c.avg_entropy, c.sum_entropy,
         c.judged, c.avg_judged, c.sum_judged
    from merged c
   where c.dimension <> 'all'
  on conflict (organization_id, day, dimension, value) do update
    set analyses = excluded.analyses, scored = excluded.scored, avg_overall = excluded.avg_overall, sum_overall = excluded.sum_overall,
        avg_entropy = excluded.avg_entropy, sum_entropy = excluded.sum_entropy, judged = excluded.judged,
        avg_judged = excluded.avg_judged, sum_judged = excluded.sum_judged
  where (m.analyses, m.scored, m.avg_overall, m.sum_overall, m.avg_entropy, m.sum_entropy, m.judged, m.avg_judged, m.sum_judged)
        is distinct from (excluded.analyses, excluded.scored, excluded.avg_overall, excluded.sum_overall, excluded.avg_entropy,
                          excluded.sum_entropy, excluded.judged, excluded.avg_judged, excluded.sum_judged);
$$;
alter function app.refresh_analysis_daily(uuid, date[], timestamptz[], timestamptz[]) owner to curestry_definer;
revoke execute on function app.refresh_analysis_daily(uuid, date[], timestamptz[], timestamptz[]) from public;
comment on function app.refresh_analysis_daily(uuid, date[], timestamptz[], timestamptz[]) is
  'Makes these days of mart.analysis_daily and mart.analysis_daily_by right, from the hours of mart.analysis_hourly.';
--! EndIncluded app/functions/refresh_analysis_daily.sql
--! Included app/functions/refresh_feature_daily.sql
create or replace function app.refresh_feature_daily(organization uuid, days date[], lows timestamptz[], highs timestamptz[]) returns void
language sql volatile security definer set search_path = '' set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off as $$
  with computed as materialized (
    select * from app.compute_feature_daily(organization, days, lows, highs)
  ), gone as (
    delete from mart.feature_daily m
     where m.organization_id = organization and m.day = any (days)
       and (m.day, m.feature_key::text) not in (select c.day, c.feature_key from computed c)
  )
  insert into mart.feature_daily as m (organization_id, day, feature_key, events, unique_users)
  select organization, c.* from computed c
  on conflict (organization_id, day, feature_key) do update
    set events = excluded.events, unique_users = excluded.unique_users
  where (m.events, m.unique_users) is distinct from (excluded.events, excluded.unique_users);
$$;
alter function app.refresh_feature_daily(uuid, date[], timestamptz[], timestamptz[]) owner to curestry_definer;
revoke execute on function app.refresh_feature_daily(uuid, date[], timestamptz[], timestamptz[]) from public;
comment on function app.refresh_feature_daily(uuid, date[], timestamptz[], timestamptz[]) is
  'Makes these days of mart.feature_daily right.';
--! EndIncluded app/functions/refresh_feature_daily.sql
--! Included app/functions/refresh_buckets.sql
create or replace function app.refresh_buckets(organization uuid, zone text, source text, lows timestamptz[], highs timestamptz[]) returns void
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_days date[];
  v_lows timestamptz[];
  v_highs timestamptz[];
begin
  if coalesce(cardinality(lows), 0) = 0 then
    return;
  end if;
  select array_agg(d.day order by d.day), array_agg(d.low order by d.day), array_agg(d.high order by d.day)
    into v_days, v_lows, v_highs
    from app.mart_days(zone, lows) as d;
  case source
    when 'analysis' then
      perform app.refresh_analysis_hourly(organization, lows, highs);
      perform app.refresh_analysis_daily(organization, v_days, v_lows, v_highs);
    when 'feature' then
      perform app.refresh_feature_daily(organization, v_days, v_lows, v_highs);
    else
      perform app.refresh_metric_timeseries(organization, source, 'hour', lows, highs);
      perform app.refresh_metric_timeseries(organization, source, 'day', v_lows, v_highs);
  end case;
end;
$$;
alter function app.refresh_buckets(uuid, text, text, timestamptz[], timestamptz[]) owner to curestry_definer;
revoke execute on function app.refresh_buckets(uuid, text, text, timestamptz[], timestamptz[]) from public;
comment on function app.refresh_buckets(uuid, text, text, timestamptz[], timestamptz[]) is
  'Makes the hours with these begins and ends right in the marts of a source, and the days that they lie in.';
--! EndIncluded app/functions/refresh_buckets.sql
--! Included app/functions/refresh_mart_day.sql
create or replace function app.refresh_mart_day(organization uuid, zone text, day_low timestamptz, day_high timestamptz) returns void
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_source text;
  v_lows timestamptz[];
  v_highs timestamptz[];
begin
  select array_agg(h.low), array_agg(h.high) into v_lows, v_highs
    from app.mart_hours(zone, array(select generate_series(date_trunc('hour', day_low, 'UTC'), day_high - interval '1 microsecond', interval '1 hour'))) as h
   where h.low >= day_low and h.low < day_high;
  foreach v_source in array array['metric', 'node', 'judge', 'evaluation', 'analysis', 'feature'] loop
    perform app.refresh_buckets(organization, zone, v_source, v_lows, v_highs);
  end loop;
end;
$$;
alter function app.refresh_mart_day(uuid, text, timestamptz, timestamptz) owner to curestry_definer;
revoke execute on function app.refresh_mart_day(uuid, text, timestamptz, timestamptz) from public;
comment on function app.refresh_mart_day(uuid, text, timestamptz, timestamptz) is
  'Makes the day with this begin and end right in all marts of an organization, with all its hours.';
--! EndIncluded app/functions/refresh_mart_day.sql
--! Included app/functions/mart_extent.sql
/* By index: one look a table and end. */
create or replace function app.mart_extent(organization uuid, zone text, from_ts timestamptz, to_ts timestamptz) returns table (first timestamptz, last timestamptz)
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
          select min(v.created_at), max(v.created_at) from core.evaluation_metrics v
           where v.organization_id = organization and v.created_at >= from_ts and v.created_at < to_ts
          union all
          select min(f.occurred_at), max(f.occurred_at) from ops.feature_event f
           where f.organization_id = organization and f.occurred_at >= from_ts and f.occurred_at < to_ts
          union all
          select min(t.ts_bucket), max(t.ts_bucket) from mart.metric_timeseries t
           where t.organization_id = organization and t.granularity = 'hour' and t.ts_bucket >= from_ts and t.ts_bucket < to_ts
          union all
          select min(t.ts_bucket), max(t.ts_bucket) from mart.metric_timeseries t
           where t.organization_id = organization and t.granularity = 'day' and t.ts_bucket >= from_ts and t.ts_bucket < to_ts
          union all
          select min(h.ts_bucket), max(h.ts_bucket) from mart.analysis_hourly h
           where h.organization_id = organization and h.ts_bucket >= from_ts and h.ts_bucket < to_ts
          union all
          select greatest(app.mart_day_start(zone, d.first), from_ts), greatest(app.mart_day_start(zone, d.last), from_ts)
            from (select min(a.day) as first, max(a.day) as last from mart.analysis_daily a
                   where a.organization_id = organization
                     and a.day between (from_ts at time zone zone)::date and ((to_ts - interval '1 microsecond') at time zone zone)::date
                  union all
                  select min(a.day), max(a.day) from mart.analysis_daily_by a
                   where a.organization_id = organization
                     and a.day between (from_ts at time zone zone)::date and ((to_ts - interval '1 microsecond') at time zone zone)::date
                  union all
                  select min(f.day), max(f.day) from mart.feature_daily f
                   where f.organization_id = organization
                     and f.day between (from_ts at time zone zone)::date and ((to_ts - interval '1 microsecond') at time zone zone)::date) d
           where d.first is not null) t;
$$;
alter function app.mart_extent(uuid, text, timestamptz, timestamptz) owner to curestry_definer;
revoke execute on function app.mart_extent(uuid, text, timestamptz, timestamptz) from public;
comment on function app.mart_extent(uuid, text, timestamptz, timestamptz) is
  'The first and the last moment from one time to before another of which an organization has facts or the marts speak.';
--! EndIncluded app/functions/mart_extent.sql
--! Included app/functions/next_mart_day.sql
create or replace function app.next_mart_day(organization uuid, zone text, from_ts timestamptz, to_ts timestamptz)
returns table (day date, low timestamptz, high timestamptz)
language sql stable security definer set search_path = '' as $$
  select d.day, d.low, d.high
    from app.mart_extent(organization, zone, from_ts, to_ts) as e, lateral app.mart_days(zone, array[e.first]) as d
   where e.first is not null;
$$;
alter function app.next_mart_day(uuid, text, timestamptz, timestamptz) owner to curestry_definer;
revoke execute on function app.next_mart_day(uuid, text, timestamptz, timestamptz) from public;
comment on function app.next_mart_day(uuid, text, timestamptz, timestamptz) is
  'The first day from one time to before another of which an organization has facts or the marts speak: date, begin and end. No row: none.';
--! EndIncluded app/functions/next_mart_day.sql
--! Included app/functions/rebuild_organization.sql
/* In one transaction, so that readers see the old marts or the new ones. The caller holds the lock of the organization's marts. */
create or replace function app.rebuild_organization(organization uuid) returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_zone text;
  v_before text;
  v_from timestamptz;
  v_day record;
  v_hours integer := 0;
begin
  select o.time_zone, coalesce(s.time_zone, 'UTC'), coalesce(s.frozen_before, '-infinity') into v_zone, v_before, v_from
    from ops.organization o
    left join app.mart_state s on s.organization_id = o.id
   where o.id = organization;
  if not found then
    return 0;
  end if;
  if v_zone <> v_before then
    -- What is frozen keeps the days that it had: the new ones begin with the next midnight.
    if isfinite(v_from) then
      v_from := (select case d.low when v_from then d.low else d.high end from app.mart_days(v_zone, array[v_from]) as d);
    end if;
    delete from mart.metric_timeseries m where m.organization_id = organization and m.ts_bucket >= v_from;
    delete from mart.analysis_hourly m where m.organization_id = organization and m.ts_bucket >= v_from;
    delete from mart.analysis_daily m where m.organization_id = organization and m.day >= (v_from at time zone v_zone)::date;
    delete from mart.analysis_daily_by m where m.organization_id = organization and m.day >= (v_from at time zone v_zone)::date;
    delete from mart.feature_daily m where m.organization_id = organization and m.day >= (v_from at time zone v_zone)::date;
    insert into app.mart_state as s (organization_id, time_zone, frozen_before) values (organization, v_zone, v_from)
    on conflict (organization_id) do update set time_zone = excluded.time_zone, frozen_before = excluded.frozen_before;
  end if;
  loop
    select * into v_day from app.next_mart_day(organization, v_zone, v_from, 'infinity');
    exit when not found;
    perform app.refresh_mart_day(organization, v_zone, v_day.low, v_day.high);
    v_hours := v_hours + extract(epoch from v_day.high - v_day.low)::integer / 3600;
    v_from := v_day.high;
  end loop;
  return v_hours;
end;
$$;
alter function app.rebuild_organization(uuid) owner to curestry_definer;
revoke execute on function app.rebuild_organization(uuid) from public;
comment on function app.rebuild_organization(uuid) is
  'Recomputes all marts of an organization, in its time zone; answers how many hours.';
--! EndIncluded app/functions/rebuild_organization.sql
--! Included app/functions/refresh_organization.sql
/*
 * Takes the marks of one organization and recomputes exactly their hours and days, in one transaction: a crash leaves the
 * marks in place. The lock comes before the statement that takes the marks, whose snapshot then sees all that an earlier
 * worker has written. The time zone is read in that same statement: whoever sees it changed sees the mark of that as well.
 */
create or replace function app.refresh_organization(organization uuid) returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_sources text[];
  v_hours timestamptz[];
  v_zone text;
  v_is_new boolean;
  v_frozen timestamptz;
  v_source text;
  v_lows timestamptz[];
  v_highs timestamptz[];
begin
  perform pg_advisory_xact_lock(hashtextextended('curestry marts ' || organization, 0));
  with taken as (
    delete from app.mart_mark m where m.organization_id = organization returning m.source, m.hour
  ), mark as (
    select distinct source, hour from taken
  )
  select (select array_agg(m.source) from mark m), (select array_agg(m.hour) from mark m),
         coalesce(s.time_zone, 'UTC'), coalesce(s.time_zone, 'UTC') <> o.time_zone, coalesce(s.frozen_before, '-infinity')
    into v_sources, v_hours, v_zone, v_is_new, v_frozen
    from (values (organization)) as i (id)
    left join ops.organization o on o.id = i.id
    left join app.mart_state s on s.organization_id = i.id;
  if v_hours is null then
    return 0;
  end if;
  if v_is_new or '-infinity' = any (v_hours) then
    return app.rebuild_organization(organization);
  end if;
  foreach v_source in array array(select distinct s.source from unnest(v_sources) as s (source) order by 1) loop
    select array_agg(h.low order by h.low), array_agg(h.high order by h.low) into v_lows, v_highs
      from app.mart_hours(v_zone, array(select m.hour from unnest(v_sources, v_hours) as m (source, hour) where m.source = v_source)) as h
     where h.low >= v_frozen;
    perform app.refresh_buckets(organization, v_zone, v_source, v_lows, v_highs);
  end loop;
  return (select count(distinct h.hour) from unnest(v_hours) as h (hour));
end;
$$;
alter function app.refresh_organization(uuid) owner to curestry_definer;
revoke execute on function app.refresh_organization(uuid) from public;
grant execute on function app.refresh_organization(uuid) to curestry_worker, curestry_owner;
comment on function app.refresh_organization(uuid) is
  'Brings the marts of one organization up to date; answers how many hours had changed.';
--! EndIncluded app/functions/refresh_organization.sql
--! Included app/functions/freeze_marts.sql
/*
 * For retention: what is about to be deleted is taken up first, and then stays as it is in the marts. Call it in the
 * transaction that deletes; marks of what is deleted, and of what comes too late, change nothing any more.
 */
create or replace function app.freeze_marts(organization uuid, before timestamptz) returns timestamptz
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_zone text;
  v_frozen timestamptz;
begin
  perform app.refresh_organization(organization);
  select coalesce(s.time_zone, 'UTC'), coalesce(s.frozen_before, '-infinity') into v_zone, v_frozen
    from ops.organization o
    left join app.mart_state s on s.organization_id = o.id
   where o.id = organization;
  if v_zone is null then
    return null;
  end if;
  v_frozen := greatest(v_frozen, (select d.low from app.mart_days(v_zone, array[before]) as d));
  insert into app.mart_state as s (organization_id, time_zone, frozen_before) values (organization, v_zone, v_frozen)
  on conflict (organization_id) do update set frozen_before = excluded.frozen_before;
  return v_frozen;
end;
$$;
alter function app.freeze_marts(uuid, timestamptz) owner to curestry_definer;
revoke execute on function app.freeze_marts(uuid, timestamptz) from public;
grant execute on function app.freeze_marts(uuid, timestamptz) to curestry_worker, curestry_owner;
comment on function app.freeze_marts(uuid, timestamptz) is
  'Takes up what is waiting, and keeps what the marts say of the days before this time, whatever becomes of the facts; answers the midnight before which it is so: facts from then on must stay. For retention.';
--! EndIncluded app/functions/freeze_marts.sql
--! Included app/functions/start_rebuild.sql
/* A rebuild of the same span that was not finished goes on: what it has done is not done again. */
create or replace function app.start_rebuild(from_ts timestamptz, to_ts timestamptz, only_organization uuid default null)
returns table (organizations integer, resumed boolean, seconds double precision)
language plpgsql volatile security definer set search_path = '' as $$
begin
  if from_ts >= to_ts then
    perform app.refuse('CU004', 'to: must lie after from', 'to');
  end if;
  resumed := exists (select from app.mart_rebuild r
                      where r.from_ts = start_rebuild.from_ts and r.to_ts = start_rebuild.to_ts
                        and (only_organization is null or r.organization_id = only_organization));
  if not resumed then
    insert into app.mart_rebuild (organization_id, from_ts, to_ts, next_ts, last_ts)
    select o.id, start_rebuild.from_ts, start_rebuild.to_ts, e.first, e.last
      from ops.organization o
      left join app.mart_state s on s.organization_id = o.id,
           lateral app.mart_extent(o.id, coalesce(s.time_zone, 'UTC'), greatest(start_rebuild.from_ts, coalesce(s.frozen_before, '-infinity')), start_rebuild.to_ts) as e
     where e.first is not null and (only_organization is null or o.id = only_organization);
  end if;
  select count(*), coalesce(sum(extract(epoch from r.last_ts - r.next_ts)), 0) into organizations, seconds
    from app.mart_rebuild r
   where r.from_ts = start_rebuild.from_ts and r.to_ts = start_rebuild.to_ts
     and (only_organization is null or r.organization_id = only_organization);
  return next;
end;
$$;
alter function app.start_rebuild(timestamptz, timestamptz, uuid) owner to curestry_definer;
revoke execute on function app.start_rebuild(timestamptz, timestamptz, uuid) from public;
grant execute on function app.start_rebuild(timestamptz, timestamptz, uuid) to curestry_owner;
comment on function app.start_rebuild(timestamptz, timestamptz, uuid) is
  'Plans a rebuild of the marts of a span of time, of one organization or of all; answers how many organizations and how much time are ahead. app.continue_rebuild does it. For operators.';
--! EndIncluded app/functions/start_rebuild.sql
--! Included app/functions/continue_rebuild.sql
/* One day of one organization, so that a transaction is short, and what was done before a crash stays done. */
create or replace function app.continue_rebuild(from_ts timestamptz, to_ts timestamptz, only_organization uuid default null)
returns table (organization_id uuid, hours integer, seconds double precision)
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_rebuild app.mart_rebuild;
  v_zone text;
  v_frozen timestamptz;
  v_day record;
begin
  select r.* into v_rebuild
    from app.mart_rebuild r
   where r.from_ts = continue_rebuild.from_ts and r.to_ts = continue_rebuild.to_ts
     and (only_organization is null or r.organization_id = only_organization)
   order by r.organization_id
   limit 1
     for update skip locked;
  if not found then
    return;
  end if;
  perform pg_advisory_xact_lock(hashtextextended('curestry marts ' || v_rebuild.organization_id, 0));
  select coalesce(s.time_zone, 'UTC'), coalesce(s.frozen_before, '-infinity') into v_zone, v_frozen
    from (values (1)) as one (row)
    left join app.mart_state s on s.organization_id = v_rebuild.organization_id;
  select * into v_day
    from app.next_mart_day(v_rebuild.organization_id, v_zone, greatest(v_rebuild.next_ts, v_frozen), to_ts);
  hours := 0;
  if found and v_day.low <= v_rebuild.last_ts then
    perform app.refresh_mart_day(v_rebuild.organization_id, v_zone, v_day.low, v_day.high);
    hours := extract(epoch from v_day.high - v_day.low)::integer / 3600;
    update app.mart_rebuild r set next_ts = v_day.high
     where r.organization_id = v_rebuild.organization_id and r.from_ts = v_rebuild.from_ts and r.to_ts = v_rebuild.to_ts;
  else
    delete from app.mart_rebuild r
     where r.organization_id = v_rebuild.organization_id and r.from_ts = v_rebuild.from_ts and r.to_ts = v_rebuild.to_ts;
  end if;
  organization_id := v_rebuild.organization_id;
  select coalesce(sum(greatest(extract(epoch from r.last_ts - r.next_ts), 0)), 0) into seconds
    from app.mart_rebuild r
   where r.from_ts = continue_rebuild.from_ts and r.to_ts = continue_rebuild.to_ts
     and (only_organization is null or r.organization_id = only_organization);
  return next;
end;
$$;
alter function app.continue_rebuild(timestamptz, timestamptz, uuid) owner to curestry_definer;
revoke execute on function app.continue_rebuild(timestamptz, timestamptz, uuid) from public;
grant execute on function app.continue_rebuild(timestamptz, timestamptz, uuid) to curestry_owner;
comment on function app.continue_rebuild(timestamptz, timestamptz, uuid) is
  'Rebuilds one more day of the marts of one organization; answers which, how many hours, and how much time is still ahead. No row: the rebuild is finished. For operators.';
--! EndIncluded app/functions/continue_rebuild.sql
--! Included app/functions/compare_mart_day.sql
/*
 * Everything from what was recorded, also what a refresh merges from hours. One statement with one snapshot: facts, marts and
 * marks that a writer or a refresh committed together are seen together, so a difference that is not waiting is one.
 */
create or replace function app.compare_mart_day(organization uuid, zone text, day date, low timestamptz, high timestamptz)
returns table (mart text, bucket text, key text, expected jsonb, actual jsonb, waiting boolean)
language sql stable security definer set search_path = '' set enable_seqscan = off set jit = off as $$
  with hour as materialized (
    select array_agg(h.low) as lows, array_agg(h.high) as highs
      from app.mart_hours(zone, array(select generate_series(date_trunc('hour', compare_mart_day.low, 'UTC'),
                                                             compare_mart_day.high - interval '1 microsecond', interval '1 hour'))) as h
     where h.low >= compare_mart_day.low and h.low < compare_mart_day.high
  ), analysis as materialized (
    select a.dimension, a.value,
           jsonb_build_object('analyses', a.analyses, 'scored', a.scored,
                              'avg_overall', a.sum_overall / nullif(a.overall_count, 0), 'sum_overall', a.sum_overall,
                              'avg_entropy', a.sum_entropy / nullif(a.entropy_count, 0), 'sum_entropy', a.sum_entropy) as state,
           jsonb_build_object('judged', a.judged, 'avg_judged', a.sum_judged / nullif(a.judged, 0), 'sum_judged', a.sum_judged) as judgement
      from app.compute_analysis_hourly(organization, array[compare_mart_day.low], array[compare_mart_day.high]) as a
  ), expected as (
    select 'metric_timeseries' as mart, g.size || ' ' || to_char(c.ts_bucket at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI"Z"') as bucket,
           s.source, case s.source when 'metric' then '' else s.source || ' ' end || c.metric_key as key,
           jsonb_build_object('value_num', c.value_num, 'value_json', c.value_json, 'sample_count', c.sample_count, 'numeric_count', c.numeric_count,
                              'value_sum', c.value_sum, 'value_min', c.value_min, 'value_max', c.value_max) as state
      from hour h, unnest(array['metric', 'node', 'judge', 'evaluation']) as s (source), unnest(array['hour', 'day']) as g (size),
           lateral app.compute_metric_timeseries(
             organization, s.source,
             case g.size when 'hour' then h.lows else array[compare_mart_day.low] end,
             case g.size when 'hour' then h.highs else array[compare_mart_day.high] end) as c
    union all
    select 'analysis_hourly', to_char(a.ts_bucket at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI"Z"'), 'analysis', btrim(a.dimension || ' ' || a.value),
           to_jsonb(a) - '{ts_bucket,dimension,value}'::text[]
      from hour h, lateral app.compute_analysis_hourly(organization, h.lows, h.highs) as a
    union all
    select 'analysis_daily', compare_mart_day.day::text, 'analysis', '', a.state from analysis a where a.dimension = 'all'
    union all
    select 'analysis_daily_by', compare_mart_day.day::text, 'analysis', a.dimension || ' ' || a.value, a.state || a.judgement
      from analysis a where a.dimension <> 'all'
    union all
    select 'feature_daily', compare_mart_day.day::text, 'feature', c.feature_key, to_jsonb(c) - 'day' - 'feature_key'
      from app.compute_feature_daily(organization, array[compare_mart_day.day], array[compare_mart_day.low], array[compare_mart_day.high]) as c
  ), actual as (
    select 'metric_timeseries' as mart, m.granularity || ' ' || to_char(m.ts_bucket at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI"Z"') as bucket,
           m.source::text, case m.source when 'metric' then '' else m.source || ' ' end || m.metric_key as key,
           to_jsonb(m) - '{id,organization_id,source,metric_key,granularity,ts_bucket}'::text[] as state
      from mart.metric_timeseries m
     where m.organization_id = organization and m.granularity in ('hour', 'day') and m.ts_bucket >= compare_mart_day.low and m.ts_bucket < compare_mart_day.high
    union all
    select 'analysis_hourly', to_char(m.ts_bucket at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI"Z"'), 'analysis', btrim(m.dimension || ' ' || m.value),
           to_jsonb(m) - '{id,organization_id,ts_bucket,dimension,value}'::text[]
      from mart.analysis_hourly m
     where m.organization_id = organization and m.ts_bucket >= compare_mart_day.low and m.ts_bucket < compare_mart_day.high
    union all
    select 'analysis_daily', m.day::text, 'analysis', '', to_jsonb(m) - '{id,organization_id,day}'::text[]
      from mart.analysis_daily m
     where m.organization_id = organization and m.day = compare_mart_day.day
    union all
    select 'analysis_daily_by', m.day::text, 'analysis', m.dimension || ' ' || m.value, to_jsonb(m) - '{id,organization_id,day,dimension,value}'::text[]
      from mart.analysis_daily_by m
     where m.organization_id = organization and m.day = compare_mart_day.day
    union all
    select 'feature_daily', m.day::text, 'feature', m.feature_key, to_jsonb(m) - '{id,organization_id,day,feature_key}'::text[]
      from mart.feature_daily m
     where m.organization_id = organization and m.day = compare_mart_day.day
  )
  select mart, bucket, key, e.state, a.state,
         exists (select from app.mart_mark m
                  where m.organization_id = organization and m.source in (coalesce(e.source, a.source), 'zone')
                    and (m.hour = '-infinity' or (m.hour > compare_mart_day.low - interval '1 hour' and m.hour < compare_mart_day.high)))
    from expected e
    full join actual a using (mart, bucket, source, key)
   where e.state is distinct from a.state
   order by 1, 2, 3;
$$;
alter function app.compare_mart_day(uuid, text, date, timestamptz, timestamptz) owner to curestry_definer;
revoke execute on function app.compare_mart_day(uuid, text, date, timestamptz, timestamptz) from public;
comment on function app.compare_mart_day(uuid, text, date, timestamptz, timestamptz) is
  'Recomputes a day of an organization and its hours from what was recorded, and lists what is otherwise in the marts; waiting: a refresh is due that may mend it.';
--! EndIncluded app/functions/compare_mart_day.sql
--! Included app/functions/check_marts.sql
create or replace function app.check_marts(from_ts timestamptz default '-infinity', to_ts timestamptz default 'infinity', only_organization uuid default null)
returns table (organization text, mart text, bucket text, key text, expected jsonb, actual jsonb, waiting boolean)
language plpgsql stable security definer set search_path = '' as $$
declare
  v_organization record;
  v_day record;
  v_from timestamptz;
begin
  for v_organization in
    select o.id, o.slug, coalesce(s.time_zone, 'UTC') as zone, coalesce(s.frozen_before, '-infinity') as frozen
      from ops.organization o
      left join app.mart_state s on s.organization_id = o.id
     where only_organization is null or o.id = only_organization
     order by o.slug
  loop
    v_from := greatest(from_ts, v_organization.frozen);
    loop
      select * into v_day from app.next_mart_day(v_organization.id, v_organization.zone, v_from, to_ts);
      exit when not found;
      return query
        select v_organization.slug::text, c.mart, c.bucket, c.key, c.expected, c.actual, c.waiting
          from app.compare_mart_day(v_organization.id, v_organization.zone, v_day.day, v_day.low, v_day.high) as c;
      v_from := v_day.high;
    end loop;
  end loop;
end;
$$;
alter function app.check_marts(timestamptz, timestamptz, uuid) owner to curestry_definer;
revoke execute on function app.check_marts(timestamptz, timestamptz, uuid) from public;
grant execute on function app.check_marts(timestamptz, timestamptz, uuid) to curestry_owner;
comment on function app.check_marts(timestamptz, timestamptz, uuid) is
  'Recomputes the marts of a span of days from their source, of one organization or of all, and lists every difference; none is what it should say. For operators.';
--! EndIncluded app/functions/check_marts.sql
--! Included app/functions/check_marts_sample.sql
create or replace function app.check_marts_sample(buckets integer default 25) returns app.mart_check
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_checked integer := 0;
  v_found jsonb[] := '{}';
  v_pick record;
  v_row app.mart_check;
begin
  for v_pick in
    select o.id, o.slug, o.zone, o.first + random() * (o.last - o.first) as moment
      from (select i.id, i.slug, coalesce(s.time_zone, 'UTC') as zone, e.first, e.last
              from ops.organization i
              left join app.mart_state s on s.organization_id = i.id,
                   lateral app.mart_extent(i.id, coalesce(s.time_zone, 'UTC'), coalesce(s.frozen_before, '-infinity'), 'infinity') as e
             where e.first is not null) o,
           generate_series(1, buckets)
     order by random()
     limit buckets
  loop
    -- One statement: the day is left out if a refresh of it is due.
    with day as (
      select d.* from app.next_mart_day(v_pick.id, v_pick.zone, v_pick.moment, 'infinity') as d
    ), whole as (
      select d.* from day d
       where not exists (select from app.mart_mark m
                          where m.organization_id = v_pick.id
                            and (m.hour = '-infinity' or (m.hour > d.low - interval '1 hour' and m.hour < d.high)))
    )
    select v_checked + (select count(*) from whole),
           v_found || array(select to_jsonb(c) - 'waiting' || jsonb_build_object('organization', v_pick.slug)
                              from whole w, lateral app.compare_mart_day(v_pick.id, v_pick.zone, w.day, w.low, w.high) as c)
      into v_checked, v_found;
  end loop;
  insert into app.mart_check (buckets, differences, details)
  values (v_checked, cardinality(v_found), to_jsonb(v_found[:20]))
  returning * into v_row;
  delete from app.mart_check c where c.checked_at < now() - interval '1 year';
  return v_row;
end;
$$;
alter function app.check_marts_sample(integer) owner to curestry_definer;
revoke execute on function app.check_marts_sample(integer) from public;
grant execute on function app.check_marts_sample(integer) to curestry_worker, curestry_owner;
comment on function app.check_marts_sample(integer) is
  'Compares random days of random organizations with their source and writes down what it found. The job of the worker, every night.';
--! EndIncluded app/functions/check_marts_sample.sql
--! Included app/functions/organization_mart_freshness.sql
create or replace function app.organization_mart_freshness(organization uuid) returns table (mart text, oldest_change_seconds double precision, waiting bigint)
language sql stable security definer set search_path = '' as $$
  select f.mart, extract(epoch from clock_timestamp() - min(m.created_at))::double precision, count(m.id)
    from (values ('metric_timeseries', '{metric,node,judge,evaluation,zone}'::text[]), ('analysis_daily', '{analysis,zone}'), ('feature_daily', '{feature,zone}')) as f (mart, sources)
    left join app.mart_mark m on m.source = any (f.sources) and (organization is null or m.organization_id = organization)
   group by f.mart
   order by f.mart;
$$;
alter function app.organization_mart_freshness(uuid) owner to curestry_definer;
revoke execute on function app.organization_mart_freshness(uuid) from public;
comment on function app.organization_mart_freshness(uuid) is
  'How far each mart is behind: the age of the oldest change that it has not taken up yet (null: none), and how many are waiting. Of one organization; null: of all.';
--! EndIncluded app/functions/organization_mart_freshness.sql
--! Included app/functions/mart_freshness.sql
create or replace function app.mart_freshness() returns table (mart text, oldest_change_seconds double precision, waiting bigint)
language sql stable security definer set search_path = '' as $$
  select * from app.organization_mart_freshness(null);
$$;
alter function app.mart_freshness() owner to curestry_definer;
revoke execute on function app.mart_freshness() from public;
grant execute on function app.mart_freshness() to curestry_gateway, curestry_worker, curestry_owner;
comment on function app.mart_freshness() is
  'How far each mart is behind, over all organizations: the age of the oldest change that it has not taken up yet (null: none), and how many are waiting.';
--! EndIncluded app/functions/mart_freshness.sql
--! Included app/functions/health.sql
/*
 * Degraded is what works, but needs somebody to look at it. Each part gives its own figures and, in v_problems, what is
 * wrong.
 */
create or replace function app.health() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  v_report jsonb;
  v_problems text[] := '{}';
begin
  v_report := jsonb_build_object(
    'recent_analyses_24h',
      (select coalesce(sum(r.n), 0)
         from ops.organization o,
              lateral (select count(*) as n from core.analysis_results r
                        where r.organization_id = o.id and r.created_at > now() - interval '24 hours') r),
    'timestamp', to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
    'database', jsonb_build_object('version', current_setting('server_version'), 'migrated', true),
    'marts', (
      select jsonb_build_object(
               'oldest_change_seconds', round(max(f.oldest_change_seconds)::numeric, 1),
               'waiting', max(f.waiting),
               'freshness', jsonb_object_agg(f.mart, round(f.oldest_change_seconds::numeric, 1)))
        from app.mart_freshness() f),
    'workers', (select jsonb_build_object('alive', count(*)) from app.worker_heartbeat h where h.beat_at > clock_timestamp() - interval '40 seconds'),
    'jobs', (select jsonb_build_object('waiting', c.waiting, 'running', c.running, 'failed', c.failed) from app.job_counts() c));

  with runs as (select * from app.task_runs())
  select v_report || jsonb_build_object('tasks', coalesce(jsonb_agg(jsonb_build_object(
           'task', r.task, 'kind', r.kind, 'late', r.is_late, 'expected_seconds', r.expected_seconds,
           'seconds_since_success', round(extract(epoch from clock_timestamp() - r.succeeded_at), 1)) order by r.task, r.kind), '[]')),
         v_problems || coalesce(array_agg(format('task %s (%s) is late', r.task, r.kind) order by r.task, r.kind) filter (where r.is_late), '{}')
    into v_report, v_problems
    from runs r;

  select v_report || jsonb_build_object('mart_check', (
           select jsonb_build_object('checked_at', c.checked_at, 'buckets', c.buckets, 'differences', c.differences)
             from app.mart_check c order by c.id desc limit 1)),
         v_problems || array(select format('the nightly check found %s differences in the marts', c.differences)
                               from (select * from app.mart_check c order by c.id desc limit 1) c
                              where c.differences > 0)
    into v_report, v_problems;


  return jsonb_build_object(
    'status', case when v_problems = '{}' then 'healthy' else 'degraded' end,
    'problems', to_jsonb(v_problems)) || v_report;
end;
$$;
alter function app.health() owner to curestry_definer;
revoke execute on function app.health() from public;
grant execute on function app.health() to curestry_gateway, curestry_owner;
comment on function app.health() is
  'The health report of the specification: status, analyses of the last 24 hours, the time; and how far the marts are behind, which tasks are late, how many workers are alive, how many jobs wait and have failed.';
--! EndIncluded app/functions/health.sql
--! Included app/functions/series_buckets.sql
/* The previous period first: as many buckets as the period itself has, ending where that begins. */
create or replace function app.series_buckets(zone text, size mart.series_bucket, from_ts timestamptz, to_ts timestamptz)
returns table (n bigint, points bigint, low timestamptz, high timestamptz)
language plpgsql stable set search_path = '' as $$
declare
  v_unit constant text := lower(size::text);
  v_step constant interval := ('1 ' || v_unit)::interval;
  v_first timestamp;
  v_points bigint;
begin
  if from_ts >= to_ts then
    perform app.refuse('CU004', 'to: must lie after from', 'to', 'series_to');
  end if;
  if not (isfinite(from_ts) and isfinite(to_ts)) or from_ts < '1970-01-01Z' or to_ts > '2200-01-01Z' then
    perform app.refuse('CU004', 'from, to: must be times from 1970 to 2199', 'from', 'series_times');
  end if;
  if extract(epoch from to_ts - from_ts) / extract(epoch from v_step) > 10000 then
    perform app.refuse('CU006', format('from, to: at most 10000 points, and these are about %s; take larger buckets or a shorter period',
      ceil(extract(epoch from to_ts - from_ts) / extract(epoch from v_step))), 'to', 'series_points');
  end if;
  if v_unit = 'hour' then
    return query
      with hour as (
        select h.low, h.high
          from app.mart_hours(zone, array(select generate_series(date_trunc('hour', from_ts - (to_ts - from_ts), 'UTC') - interval '4 hours',
                                                                 to_ts - interval '1 microsecond', interval '1 hour'))) as h
      ), span as (
        select count(*) as points, min(h.low) as first from hour h where h.high > from_ts and h.low < to_ts
      )
      select row_number() over (order by l.low), l.points, l.low, l.high
        from (select h.low, h.high, s.points
                from hour h, span s
               where h.low < to_ts
               order by h.low desc
               limit (select 2 * s.points from span s)) l;
  else
    v_first := date_trunc(v_unit, from_ts at time zone zone);
    v_points := (select count(*) from generate_series(v_first, (to_ts - interval '1 microsecond') at time zone zone, v_step));
    return query
      select row_number() over (order by b.n), v_points, b.low, b.high
        from (select k.n, app.mart_day_start(zone, (v_first + k.n * v_step)::date) as low,
                     app.mart_day_start(zone, (v_first + (k.n + 1) * v_step)::date) as high
                from generate_series(-v_points, v_points - 1) as k (n)) b;
  end if;
end;
$$;
revoke execute on function app.series_buckets(text, mart.series_bucket, timestamptz, timestamptz) from public;
grant execute on function app.series_buckets(text, mart.series_bucket, timestamptz, timestamptz) to curestry_definer;
comment on function app.series_buckets(text, mart.series_bucket, timestamptz, timestamptz) is
  'The buckets of a time zone that a period touches, and before them as many of the previous period; refuses (CU006) more than 10000.';
--! EndIncluded app/functions/series_buckets.sql
--! Included app/tables/mart_check.sql
comment on table app.mart_check is 'What the nightly check of a random sample of days found.';
comment on column app.mart_check.id is 'Tells checks apart.';
comment on column app.mart_check.checked_at is 'When.';
comment on column app.mart_check.buckets is 'How many days of organizations were compared with their source.';
comment on column app.mart_check.differences is 'How many rows of the marts were not what they should be.';
comment on column app.mart_check.details is 'The first 20 of them: organization, mart, bucket, key, expected, actual.';
comment on constraint pk_mart_check on app.mart_check is 'One row per check.';
comment on constraint chk_mart_check_buckets on app.mart_check is 'buckets must be at least 0';
comment on constraint chk_mart_check_differences on app.mart_check is 'differences must be at least 0';
comment on constraint chk_mart_check_details on app.mart_check is 'details must be an array';

alter table app.mart_check enable row level security;
alter table app.mart_check force row level security;
revoke all on app.mart_check from curestry_definer;

drop policy if exists definer_all on app.mart_check;
create policy definer_all on app.mart_check for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on app.mart_check is 'The functions that look past row level security; the grants say what they may.';
grant select, insert, delete on app.mart_check to curestry_definer;
--! EndIncluded app/tables/mart_check.sql
--! Included app/tables/mart_mark.sql
comment on table app.mart_mark is 'What the worker has to bring up to date: an hour of an organization whose facts changed. Append-only and without a unique key, so that no writer waits for another and no mark of a writer that has not committed yet is lost.';
comment on column app.mart_mark.id is 'Tells marks apart.';
comment on column app.mart_mark.organization_id is 'Whose facts changed.';
comment on column app.mart_mark.source is 'Which facts: metric, node, judge, evaluation, analysis (runs, documents and their judgements), feature; zone: the time zone of the organization.';
comment on column app.mart_mark.hour is 'Start of the hour that the facts count for, UTC; -infinity: all hours.';
comment on column app.mart_mark.created_at is 'When the facts changed; the age of the oldest mark is how far the marts are behind.';
comment on constraint chk_mart_mark_source on app.mart_mark is 'source must be metric, node, judge, evaluation, analysis, feature or zone';
comment on constraint pk_mart_mark on app.mart_mark is 'One row per organization and id.';

alter table app.mart_mark enable row level security;
alter table app.mart_mark force row level security;
revoke all on app.mart_mark from curestry_definer;

drop policy if exists definer_all on app.mart_mark;
create policy definer_all on app.mart_mark for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on app.mart_mark is 'The functions that look past row level security; the grants say what they may.';
grant select, insert, delete on app.mart_mark to curestry_definer;
--! EndIncluded app/tables/mart_mark.sql
--! Included app/tables/mart_rebuild.sql
comment on table app.mart_rebuild is 'A rebuild of marts that is not finished: one row an organization, forgotten when it is done.';
comment on column app.mart_rebuild.organization_id is 'Whose marts.';
comment on column app.mart_rebuild.from_ts is 'The span that was asked for: its begin.';
comment on column app.mart_rebuild.to_ts is 'The span that was asked for: its end.';
comment on column app.mart_rebuild.next_ts is 'It goes on from here.';
comment on column app.mart_rebuild.last_ts is 'It ends with the day of this time.';
comment on column app.mart_rebuild.created_at is 'When it began.';
comment on constraint pk_mart_rebuild on app.mart_rebuild is 'One row per organization and span.';
comment on constraint fk_mart_rebuild_organization_id on app.mart_rebuild is 'The organization must exist.';

alter table app.mart_rebuild enable row level security;
alter table app.mart_rebuild force row level security;
revoke all on app.mart_rebuild from curestry_definer;

drop policy if exists definer_all on app.mart_rebuild;
create policy definer_all on app.mart_rebuild for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on app.mart_rebuild is 'The functions that look past row level security; the grants say what they may.';
grant select, insert, update, delete on app.mart_rebuild to curestry_definer;
--! EndIncluded app/tables/mart_rebuild.sql
--! Included app/tables/mart_state.sql
comment on table app.mart_state is 'What the marts of an organization are made by. No row: UTC, and nothing is frozen.';
comment on column app.mart_state.organization_id is 'Whose marts.';
comment on column app.mart_state.time_zone is 'The zone of their hours and days: that of the organization, once they have been rebuilt for it.';
comment on column app.mart_state.frozen_before is 'Facts before this time may have been removed: what the marts say of it stays as it is.';
comment on constraint pk_mart_state on app.mart_state is 'One row per organization.';
comment on constraint fk_mart_state_organization_id on app.mart_state is 'The organization must exist.';

alter table app.mart_state enable row level security;
alter table app.mart_state force row level security;
revoke all on app.mart_state from curestry_definer;

drop policy if exists definer_all on app.mart_state;
create policy definer_all on app.mart_state for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on app.mart_state is 'The functions that look past row level security; the grants say what they may.';
grant select, insert, update on app.mart_state to curestry_definer;
--! EndIncluded app/tables/mart_state.sql
--! Included core/tables/analysis_results.sql
comment on table core.analysis_results is E'@unique id\nThe document of a finished analysis: what was found out about one prompt text.';
comment on column core.analysis_results.id is 'Identifies the document, a UUID as text; unique across organizations.';
comment on column core.analysis_results.prompt_id is 'The prompt that was analysed; null if the text was not a saved prompt.';
comment on column core.analysis_results.prompt_content is 'The text as it was when it was analysed.';
comment on column core.analysis_results.detected_language is 'Code of the language that was found.';
comment on column core.analysis_results.translated is 'Whether the text was translated before it was analysed.';
comment on column core.analysis_results.format_valid is 'Whether the text is well formed in its format.';
comment on column core.analysis_results.overall_score is 'Overall quality, 0 to 10.';
comment on column core.analysis_results.judge_score is 'What the LLM judges gave, 0 to 10.';
comment on column core.analysis_results.semantic_entropy is 'Semantic entropy of the answers to the prompt, at least 0; higher is less certain.';
comment on column core.analysis_results.complexity_score is 'Complexity, 0 to 10.';
comment on column core.analysis_results.length_chars is 'Length in characters.';
comment on column core.analysis_results.length_words is 'Length in words.';
comment on column core.analysis_results.contradictions is 'Contradictions found, a JSON array.';
comment on column core.analysis_results.patches is 'Proposed changes, a JSON array.';
comment on column core.analysis_results.clarify_questions is 'Questions that would make the prompt clearer, a JSON array.';
comment on column core.analysis_results.analysis_extra_metadata is 'Anything else, a JSON object.';
comment on column core.analysis_results.created_at is 'When the row was written.';
comment on column core.analysis_results.organization_id is 'The organization that the row belongs to; given by the request, never by the caller.';
comment on column core.analysis_results.analysis_run_id is 'The run that this is the document of.';
comment on column core.analysis_results.occurred_at is 'The time that it counts for: the end of its run.';
comment on column core.analysis_results.prompt_version_id is 'The version of the prompt that was analysed; null if the text is none of its versions.';
comment on constraint pk_analysis_results on core.analysis_results is 'One row per organization and id.';
comment on constraint unq_analysis_results_analysis_run_id on core.analysis_results is 'A run has one document.';
comment on constraint fk_analysis_results_analysis_run_id on core.analysis_results is 'analysis_run_id must name an analysis run of the same organization.';
comment on constraint fk_analysis_results_prompt_id on core.analysis_results is 'prompt_id must name a prompt of the same organization.';
comment on constraint fk_analysis_results_prompt_version_id on core.analysis_results is 'prompt_version_id must name a version of the same organization.';
comment on constraint chk_analysis_results_prompt_content on core.analysis_results is 'prompt_content must be at most 1 MiB';
comment on constraint chk_analysis_results_overall_score on core.analysis_results is 'overall_score must be from 0 to 10';
comment on constraint chk_analysis_results_judge_score on core.analysis_results is 'judge_score must be from 0 to 10';
comment on constraint chk_analysis_results_semantic_entropy on core.analysis_results is 'semantic_entropy must be a number of at least 0';
comment on constraint chk_analysis_results_complexity_score on core.analysis_results is 'complexity_score must be from 0 to 10';
comment on constraint chk_analysis_results_length_chars on core.analysis_results is 'length_chars must be at least 0';
comment on constraint chk_analysis_results_length_words on core.analysis_results is 'length_words must be at least 0';
comment on constraint chk_analysis_results_contradictions on core.analysis_results is 'contradictions must be a JSON array of at most 1 MiB, nested at most 32 deep';
comment on constraint chk_analysis_results_patches on core.analysis_results is 'patches must be a JSON array of at most 1 MiB, nested at most 32 deep';
comment on constraint chk_analysis_results_clarify_questions on core.analysis_results is 'clarify_questions must be a JSON array of at most 1 MiB, nested at most 32 deep';
comment on constraint chk_analysis_results_analysis_extra_metadata on core.analysis_results is 'extra_metadata must be a JSON object of at most 1 MiB, nested at most 32 deep';

alter table core.analysis_results alter column organization_id set default app.organization_id();

alter table core.analysis_results enable row level security;
alter table core.analysis_results force row level security;
revoke all on core.analysis_results from curestry_anonymous, curestry_member, curestry_analyst, curestry_definer;

drop policy if exists select_own on core.analysis_results;
create policy select_own on core.analysis_results for select to curestry_member
  using (organization_id = app.organization_if('analyses:read'));
comment on policy select_own on core.analysis_results is 'Members read the rows of their request''s organization, with analyses:read.';
grant select on core.analysis_results to curestry_member;

drop policy if exists select_granted on core.analysis_results;
create policy select_granted on core.analysis_results for select to curestry_analyst
  using (organization_id = any (app.analyst_organizations()));
comment on policy select_granted on core.analysis_results is 'Analysts read the organizations granted to them.';
grant select on core.analysis_results to curestry_analyst;

drop policy if exists definer_all on core.analysis_results;
create policy definer_all on core.analysis_results for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on core.analysis_results is 'The functions that look past row level security; the grants say what they may.';
grant select, insert on core.analysis_results to curestry_definer;

create or replace trigger _500_metrics_insert after insert on core.analysis_results
  referencing new table as new_rows for each statement execute function app.tg_analysis_results__metrics();
create or replace trigger _500_metrics_update after update on core.analysis_results
  referencing new table as new_rows for each statement execute function app.tg_analysis_results__metrics();
select app.mark_table('core.analysis_results', 'analysis', 'tg__mart_marks_of_runs');
select app.audit_table('core.analysis_results');
--! EndIncluded core/tables/analysis_results.sql
--! Included core/tables/evaluation_metrics.sql
comment on table core.evaluation_metrics is E'@unique id\nA number that a workflow run, or one of its steps, produced.';
comment on column core.evaluation_metrics.id is 'Identifies the number; unique across organizations.';
comment on column core.evaluation_metrics.run_id is 'The run that produced it.';
comment on column core.evaluation_metrics.node_key is 'The step that produced it; null: the run as a whole.';
comment on column core.evaluation_metrics.metric_name is 'What was measured.';
comment on column core.evaluation_metrics.metric_value is 'The number.';
comment on column core.evaluation_metrics.metric_meta is 'More about it, as JSON.';
comment on column core.evaluation_metrics.created_at is 'When it was measured.';
comment on column core.evaluation_metrics.organization_id is 'The organization that the row belongs to; given by the request, never by the caller.';
comment on constraint pk_evaluation_metrics on core.evaluation_metrics is 'One row per organization and id.';
comment on constraint fk_evaluation_metrics_run_id on core.evaluation_metrics is 'run_id must name a workflow run of the same organization.';
comment on constraint chk_evaluation_metrics_metric_name on core.evaluation_metrics is 'metric_name must not be blank';
comment on constraint chk_evaluation_metrics_metric_value on core.evaluation_metrics is 'metric_value must be a finite number';
comment on constraint chk_evaluation_metrics_metric_meta on core.evaluation_metrics is 'metric_meta must be JSON of at most 256 KiB, nested at most 32 deep';
comment on constraint chk_evaluation_metrics_created_at on core.evaluation_metrics is 'created_at must be a time from 2000 to 2099';
comment on index core.unq_evaluation_metrics_run_node_metric is 'this metric of the run and node was recorded for this time already';

alter table core.evaluation_metrics alter column organization_id set default app.organization_id();

alter table core.evaluation_metrics enable row level security;
alter table core.evaluation_metrics force row level security;
revoke all on core.evaluation_metrics from curestry_anonymous, curestry_member, curestry_analyst, curestry_definer;

drop policy if exists select_own on core.evaluation_metrics;
create policy select_own on core.evaluation_metrics for select to curestry_member
  using (organization_id = app.organization_if('workflows:read'));
comment on policy select_own on core.evaluation_metrics is 'Members read the rows of their request''s organization, with workflows:read.';
grant select on core.evaluation_metrics to curestry_member;

drop policy if exists insert_own on core.evaluation_metrics;
create policy insert_own on core.evaluation_metrics for insert to curestry_member
  with check (organization_id = app.organization_if('workflows:write'));
comment on policy insert_own on core.evaluation_metrics is 'Members write to their request''s organization, with workflows:write.';
grant insert (run_id, node_key, metric_name, metric_value, metric_meta, created_at) on core.evaluation_metrics to curestry_member;

drop policy if exists delete_own on core.evaluation_metrics;
create policy delete_own on core.evaluation_metrics for delete to curestry_member
  using (organization_id = app.organization_if('workflows:write'));
comment on policy delete_own on core.evaluation_metrics is 'Members delete the rows of their request''s organization, with workflows:write.';
grant delete on core.evaluation_metrics to curestry_member;
grant usage on sequence core.evaluation_metrics_id_seq to curestry_member;

drop policy if exists select_granted on core.evaluation_metrics;
create policy select_granted on core.evaluation_metrics for select to curestry_analyst
  using (organization_id = any (app.analyst_organizations()));
comment on policy select_granted on core.evaluation_metrics is 'Analysts read the organizations granted to them.';
grant select on core.evaluation_metrics to curestry_analyst;

drop policy if exists definer_all on core.evaluation_metrics;
create policy definer_all on core.evaluation_metrics for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on core.evaluation_metrics is 'The functions that look past row level security; the grants say what they may.';
grant select on core.evaluation_metrics to curestry_definer;

select app.mark_table('core.evaluation_metrics', 'evaluation', 'tg_evaluation_metrics__mart_marks');
select app.audit_table('core.evaluation_metrics', summarize_inserts => true);
--! EndIncluded core/tables/evaluation_metrics.sql
--! Included ops/tables/analysis_metric.sql
comment on table ops.analysis_metric is E'@unique id\nA measured value of an analysis run: a number, a text or JSON, under a key.';
comment on column ops.analysis_metric.id is 'Identifies the row; unique across organizations.';
comment on column ops.analysis_metric.organization_id is 'The organization that the row belongs to; given by the request, never by the caller.';
comment on column ops.analysis_metric.analysis_run_id is 'The run that it is of.';
comment on column ops.analysis_metric.key is 'What was measured; once per run. The numbers of the document stand under their own names.';
comment on column ops.analysis_metric.value_num is 'The value, if it is a number.';
comment on column ops.analysis_metric.value_text is 'The value, if it is a text.';
comment on column ops.analysis_metric.value_json is 'The value, if it is JSON.';
comment on column ops.analysis_metric.occurred_at is 'The time that it counts for.';
comment on column ops.analysis_metric.created_at is 'When the row was written.';
comment on constraint pk_analysis_metric on ops.analysis_metric is 'One row per organization and id.';
comment on constraint unq_analysis_metric_key on ops.analysis_metric is 'metrics: a run has one value per key';
comment on constraint fk_analysis_metric_analysis_run_id on ops.analysis_metric is 'analysis_run_id must name an analysis run of the same organization.';
comment on constraint chk_analysis_metric_key on ops.analysis_metric is 'metrics: key must not be blank';
comment on constraint chk_analysis_metric_has_value on ops.analysis_metric is 'metrics: one of value_num, value_text and value_json is required';
comment on constraint chk_analysis_metric_value_num on ops.analysis_metric is 'metrics: value_num must be a finite number';
comment on constraint chk_analysis_metric_value_text on ops.analysis_metric is 'metrics: value_text must be at most 1 MiB';
comment on constraint chk_analysis_metric_value_json on ops.analysis_metric is 'metrics: value_json must be at most 1 MiB, nested at most 32 deep';

alter table ops.analysis_metric alter column organization_id set default app.organization_id();

alter table ops.analysis_metric enable row level security;
alter table ops.analysis_metric force row level security;
revoke all on ops.analysis_metric from curestry_anonymous, curestry_member, curestry_analyst, curestry_definer;

drop policy if exists select_own on ops.analysis_metric;
create policy select_own on ops.analysis_metric for select to curestry_member
  using (organization_id = app.organization_if('analyses:read'));
comment on policy select_own on ops.analysis_metric is 'Members read the rows of their request''s organization, with analyses:read.';
grant select on ops.analysis_metric to curestry_member;

drop policy if exists select_granted on ops.analysis_metric;
create policy select_granted on ops.analysis_metric for select to curestry_analyst
  using (organization_id = any (app.analyst_organizations()));
comment on policy select_granted on ops.analysis_metric is 'Analysts read the organizations granted to them.';
grant select on ops.analysis_metric to curestry_analyst;

drop policy if exists definer_all on ops.analysis_metric;
create policy definer_all on ops.analysis_metric for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on ops.analysis_metric is 'The functions that look past row level security; the grants say what they may.';
grant select, insert, update (value_num, value_text, value_json) on ops.analysis_metric to curestry_definer;

select app.mark_table('ops.analysis_metric', 'metric');
select app.audit_table('ops.analysis_metric', summarize_inserts => true);
--! EndIncluded ops/tables/analysis_metric.sql
--! Included ops/tables/analysis_node_result.sql
comment on table ops.analysis_node_result is E'@unique id\nWhat one node of the analysis pipeline found.';
comment on column ops.analysis_node_result.id is 'Identifies the row; unique across organizations.';
comment on column ops.analysis_node_result.organization_id is 'The organization that the row belongs to; given by the request, never by the caller.';
comment on column ops.analysis_node_result.analysis_run_id is 'The run that it is of.';
comment on column ops.analysis_node_result.node is 'entropy, llm_judge, rag_oracle, regex_checks or another; once per run.';
comment on column ops.analysis_node_result.status is 'ok, warn, fail or error.';
comment on column ops.analysis_node_result.score is '0 to 10.';
comment on column ops.analysis_node_result.details is 'What was found, a JSON object.';
comment on column ops.analysis_node_result.occurred_at is 'The time that it counts for.';
comment on column ops.analysis_node_result.created_at is 'When the row was written.';
comment on constraint pk_analysis_node_result on ops.analysis_node_result is 'One row per organization and id.';
comment on constraint unq_analysis_node_result_node on ops.analysis_node_result is 'nodeResults: a run has one result per node';
comment on constraint fk_analysis_node_result_analysis_run_id on ops.analysis_node_result is 'analysis_run_id must name an analysis run of the same organization.';
comment on constraint chk_analysis_node_result_node on ops.analysis_node_result is 'nodeResults: node must not be blank';
comment on constraint chk_analysis_node_result_status on ops.analysis_node_result is 'nodeResults: status must be ok, warn, fail or error';
comment on constraint chk_analysis_node_result_score on ops.analysis_node_result is 'nodeResults: score must be from 0 to 10';
comment on constraint chk_analysis_node_result_details on ops.analysis_node_result is 'nodeResults: details must be a JSON object of at most 1 MiB, nested at most 32 deep';

alter table ops.analysis_node_result alter column organization_id set default app.organization_id();

alter table ops.analysis_node_result enable row level security;
alter table ops.analysis_node_result force row level security;
revoke all on ops.analysis_node_result from curestry_anonymous, curestry_member, curestry_analyst, curestry_definer;

drop policy if exists select_own on ops.analysis_node_result;
create policy select_own on ops.analysis_node_result for select to curestry_member
  using (organization_id = app.organization_if('analyses:read'));
comment on policy select_own on ops.analysis_node_result is 'Members read the rows of their request''s organization, with analyses:read.';
grant select on ops.analysis_node_result to curestry_member;

drop policy if exists select_granted on ops.analysis_node_result;
create policy select_granted on ops.analysis_node_result for select to curestry_analyst
  using (organization_id = any (app.analyst_organizations()));
comment on policy select_granted on ops.analysis_node_result is 'Analysts read the organizations granted to them.';
grant select on ops.analysis_node_result to curestry_analyst;

drop policy if exists definer_all on ops.analysis_node_result;
create policy definer_all on ops.analysis_node_result for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on ops.analysis_node_result is 'The functions that look past row level security; the grants say what they may.';
grant select, insert on ops.analysis_node_result to curestry_definer;

select app.mark_table('ops.analysis_node_result', 'node');
select app.audit_table('ops.analysis_node_result', summarize_inserts => true);
--! EndIncluded ops/tables/analysis_node_result.sql
--! Included ops/tables/analysis_run.sql
comment on table ops.analysis_run is E'@unique id\nThe life of an analysis: queued, running, and how it ended. Recorded by recordAnalyses, or step by step by startAnalysisRun and the like.';
comment on column ops.analysis_run.id is 'Identifies the row; unique across organizations.';
comment on column ops.analysis_run.organization_id is 'The organization that the row belongs to; given by the request, never by the caller.';
comment on column ops.analysis_run.user_id is 'Who started it.';
comment on column ops.analysis_run.prompt_id is 'The prompt that is analysed; null if the text is not a saved prompt.';
comment on column ops.analysis_run.prompt_content is 'The text that is analysed, if no document holds it.';
comment on column ops.analysis_run.prompt_version_id is 'The version of the prompt that is analysed; null if the text is none of its versions.';
comment on column ops.analysis_run.status is 'queued, running, succeeded, failed or cancelled.';
comment on column ops.analysis_run.started_at is 'When work on it started.';
comment on column ops.analysis_run.finished_at is 'When it ended.';
comment on column ops.analysis_run.meta is 'Anything else, a JSON object.';
comment on column ops.analysis_run.idempotency_key is 'Chosen by the client: the same key again does not record again.';
comment on column ops.analysis_run.request_digest is E'@behavior -*\nWhat was sent under the key, to tell a repetition from a conflict; not in the API.';
comment on column ops.analysis_run.created_at is 'When the row was written.';
comment on column ops.analysis_run.updated_at is 'When the row was last changed.';
comment on column ops.analysis_run.occurred_at is 'The time that it counts for: its end, else its start, else when it was written.';
comment on constraint pk_analysis_run on ops.analysis_run is 'One row per organization and id.';
comment on constraint unq_analysis_run_idempotency_key on ops.analysis_run is 'this idempotency_key was used before';
comment on constraint fk_analysis_run_organization_id on ops.analysis_run is 'The organization must exist.';
comment on constraint fk_analysis_run_user_id on ops.analysis_run is 'The user must exist.';
comment on constraint fk_analysis_run_prompt_id on ops.analysis_run is 'prompt_id must name a prompt of the same organization.';
comment on constraint fk_analysis_run_prompt_version_id on ops.analysis_run is 'prompt_version_id must name a version of the same organization.';
comment on constraint chk_analysis_run_status on ops.analysis_run is 'status must be queued, running, succeeded, failed or cancelled';
comment on constraint chk_analysis_run_started_at on ops.analysis_run is 'started_at must be given once the run has started, and not while it is queued';
comment on constraint chk_analysis_run_finished_at on ops.analysis_run is 'finished_at must be given when the run has ended, and not before';
comment on constraint chk_analysis_run_times on ops.analysis_run is 'finished_at must not lie before started_at';
comment on constraint chk_analysis_run_prompt_content on ops.analysis_run is 'prompt_content must be at most 1 MiB';
comment on constraint chk_analysis_run_meta on ops.analysis_run is 'meta must be a JSON object of at most 256 KiB, nested at most 32 deep';
comment on constraint chk_analysis_run_idempotency_key on ops.analysis_run is 'idempotency_key must not be empty';
comment on constraint chk_analysis_run_plausible_times on ops.analysis_run is 'started_at and finished_at must be times from 2000 to 2099';

alter table ops.analysis_run alter column organization_id set default app.organization_id();

alter table ops.analysis_run enable row level security;
alter table ops.analysis_run force row level security;
revoke all on ops.analysis_run from curestry_anonymous, curestry_member, curestry_analyst, curestry_definer;

drop policy if exists select_own on ops.analysis_run;
create policy select_own on ops.analysis_run for select to curestry_member
  using (organization_id = app.organization_if('analyses:read'));
comment on policy select_own on ops.analysis_run is 'Members read the rows of their request''s organization, with analyses:read.';
grant select on ops.analysis_run to curestry_member;

drop policy if exists select_granted on ops.analysis_run;
create policy select_granted on ops.analysis_run for select to curestry_analyst
  using (organization_id = any (app.analyst_organizations()));
comment on policy select_granted on ops.analysis_run is 'Analysts read the organizations granted to them.';
grant select on ops.analysis_run to curestry_analyst;

drop policy if exists definer_all on ops.analysis_run;
create policy definer_all on ops.analysis_run for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on ops.analysis_run is 'The functions that look past row level security; the grants say what they may.';
grant select, insert, update (status, started_at, finished_at, meta, updated_at) on ops.analysis_run to curestry_definer;

create or replace trigger _100_updated_at before update on ops.analysis_run
  for each row execute function app.tg__updated_at();
create or replace trigger _200_life before update of status, started_at, finished_at on ops.analysis_run
  for each row execute function app.tg_analysis_run__life();
select app.mark_table('ops.analysis_run', 'analysis');
select app.audit_table('ops.analysis_run', secret_columns => '{request_digest}');
--! EndIncluded ops/tables/analysis_run.sql
--! Included ops/tables/feature_event.sql
comment on table ops.feature_event is E'@unique id\nThat a feature was used. Partitioned by month.';
comment on column ops.feature_event.id is 'Identifies the row; unique across organizations.';
comment on column ops.feature_event.organization_id is 'The organization that the row belongs to; given by the request, never by the caller.';
comment on column ops.feature_event.user_id is 'Who used it.';
comment on column ops.feature_event.feature_key is 'Which feature.';
comment on column ops.feature_event.occurred_at is 'When.';
comment on column ops.feature_event.event_count is 'How many times.';
comment on column ops.feature_event.created_at is 'When the row was written.';
comment on constraint pk_feature_event on ops.feature_event is 'One row per organization, time and id.';
comment on constraint fk_feature_event_organization_id on ops.feature_event is 'The organization must exist.';
comment on constraint fk_feature_event_user_id on ops.feature_event is 'The user must exist.';
comment on constraint chk_feature_event_feature_key on ops.feature_event is 'feature_key must not be blank';
comment on constraint chk_feature_event_event_count on ops.feature_event is 'count must be from 1 to 1000000';
comment on constraint chk_feature_event_occurred_at on ops.feature_event is 'occurred_at must be a time from 2000 to 2099';

alter table ops.feature_event alter column organization_id set default app.organization_id();

alter table ops.feature_event enable row level security;
alter table ops.feature_event force row level security;
revoke all on ops.feature_event from curestry_anonymous, curestry_member, curestry_analyst, curestry_definer;

drop policy if exists select_own on ops.feature_event;
create policy select_own on ops.feature_event for select to curestry_member
  using (organization_id = app.organization_if('marts:read'));
comment on policy select_own on ops.feature_event is 'Members read the rows of their request''s organization, with marts:read.';
grant select on ops.feature_event to curestry_member;

drop policy if exists select_granted on ops.feature_event;
create policy select_granted on ops.feature_event for select to curestry_analyst
  using (organization_id = any (app.analyst_organizations()));
comment on policy select_granted on ops.feature_event is 'Analysts read the organizations granted to them.';
grant select on ops.feature_event to curestry_analyst;

drop policy if exists definer_all on ops.feature_event;
create policy definer_all on ops.feature_event for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on ops.feature_event is 'The functions that look past row level security; the grants say what they may.';
grant select, insert on ops.feature_event to curestry_definer;

select app.mark_table('ops.feature_event', 'feature');
select app.audit_table('ops.feature_event', summarize_inserts => true);

comment on table app.feature_event_default is 'ops.feature_event of months without a partition.';
alter table app.feature_event_default enable row level security;
alter table app.feature_event_default force row level security;
drop policy if exists definer_all on app.feature_event_default;
create policy definer_all on app.feature_event_default for all to curestry_definer
  using (true)
  with check (true);
--! EndIncluded ops/tables/feature_event.sql
--! Included ops/tables/judge_score.sql
comment on table ops.judge_score is E'@unique id\nWhat a judge gave an analysis run by one criterion.';
comment on column ops.judge_score.id is 'Identifies the row; unique across organizations.';
comment on column ops.judge_score.organization_id is 'The organization that the row belongs to; given by the request, never by the caller.';
comment on column ops.judge_score.analysis_run_id is 'The run that was judged.';
comment on column ops.judge_score.criterion_id is 'By which criterion.';
comment on column ops.judge_score.score is '0 to 10.';
comment on column ops.judge_score.comment is 'Why, in the words of the judge.';
comment on column ops.judge_score.evidence is 'What the judge goes by, a JSON object.';
comment on column ops.judge_score.occurred_at is 'The time that it counts for.';
comment on column ops.judge_score.created_at is 'When the row was written.';
comment on constraint pk_judge_score on ops.judge_score is 'One row per organization and id.';
comment on constraint unq_judge_score_criterion_id on ops.judge_score is 'scores: a run has one score per criterion';
comment on constraint fk_judge_score_analysis_run_id on ops.judge_score is 'analysis_run_id must name an analysis run of the same organization.';
comment on constraint fk_judge_score_criterion_id on ops.judge_score is 'criterion_id must name a criterion of the same organization.';
comment on constraint chk_judge_score_score on ops.judge_score is 'scores: score must be from 0 to 10';
comment on constraint chk_judge_score_comment on ops.judge_score is 'scores: comment must be at most 1 MiB';
comment on constraint chk_judge_score_evidence on ops.judge_score is 'scores: evidence must be a JSON object of at most 1 MiB, nested at most 32 deep';

alter table ops.judge_score alter column organization_id set default app.organization_id();

alter table ops.judge_score enable row level security;
alter table ops.judge_score force row level security;
revoke all on ops.judge_score from curestry_anonymous, curestry_member, curestry_analyst, curestry_definer;

drop policy if exists select_own on ops.judge_score;
create policy select_own on ops.judge_score for select to curestry_member
  using (organization_id = app.organization_if('analyses:read'));
comment on policy select_own on ops.judge_score is 'Members read the rows of their request''s organization, with analyses:read.';
grant select on ops.judge_score to curestry_member;

drop policy if exists select_granted on ops.judge_score;
create policy select_granted on ops.judge_score for select to curestry_analyst
  using (organization_id = any (app.analyst_organizations()));
comment on policy select_granted on ops.judge_score is 'Analysts read the organizations granted to them.';
grant select on ops.judge_score to curestry_analyst;

drop policy if exists definer_all on ops.judge_score;
create policy definer_all on ops.judge_score for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on ops.judge_score is 'The functions that look past row level security; the grants say what they may.';
grant select, insert on ops.judge_score to curestry_definer;

create or replace trigger _200_rubric after insert on ops.judge_score
  referencing new table as new_rows for each statement execute function app.tg_judge_score__rubric();
select app.mark_table('ops.judge_score', 'judge');
select app.mark_table('ops.judge_score', 'analysis', 'tg__mart_marks_of_runs');
select app.audit_table('ops.judge_score');
--! EndIncluded ops/tables/judge_score.sql
--! Included ops/tables/organization.sql
comment on table ops.organization is 'A tenant: a team or company, or the personal organization of a user.';
comment on column ops.organization.id is 'Identifies the organization.';
comment on column ops.organization.name is 'Display name.';
comment on column ops.organization.slug is 'Short name for addresses and headers: lower-case letters, digits and hyphens; unique.';
comment on column ops.organization.time_zone is 'Whose hours and days the marts count by: a name of the IANA database, such as Europe/Berlin. Changing it has them rebuilt.';
comment on column ops.organization.personal_user_id is 'The user whose personal organization this is; null for teams.';
comment on column ops.organization.audit_retention_months is 'For how many months the audit log is kept; older months leave it once sealed. Null: for ever.';
comment on column ops.organization.raw_retention_days is 'For how many days analysis runs with all that belongs to them, and feature events, are kept; the numbers in the marts stay. Null: for ever.';
comment on column ops.organization.created_at is 'When the row was written.';
comment on column ops.organization.updated_at is 'When the row was last changed.';
comment on constraint pk_organization on ops.organization is 'One row per organization.';
comment on constraint unq_organization_slug on ops.organization is 'there is an organization with this slug already';
comment on constraint unq_organization_personal_user_id on ops.organization is 'A user has one personal organization.';
comment on constraint chk_organization_name on ops.organization is 'name must not be blank';
comment on constraint chk_organization_slug on ops.organization is 'slug must be lower-case letters, digits and hyphens, and begin and end with a letter or digit';
comment on constraint chk_organization_audit_retention_months on ops.organization is 'audit_retention_months must be from 1 to 1200';
comment on constraint chk_organization_raw_retention_days on ops.organization is 'raw_retention_days must be from 1 to 36600';
comment on constraint chk_organization_time_zone on ops.organization is 'timeZone: must be the name of a time zone, of at most 64 characters';
comment on constraint fk_organization_personal_user_id on ops.organization is 'The user must exist.';

alter table ops.organization enable row level security;
alter table ops.organization force row level security;
revoke all on ops.organization from curestry_anonymous, curestry_member, curestry_analyst, curestry_definer;

drop policy if exists select_own on ops.organization;
create policy select_own on ops.organization for select to curestry_member
  using (id = app.organization_id());
comment on policy select_own on ops.organization is 'Members see their request''s organization.';
grant select on ops.organization to curestry_member;

drop policy if exists update_own on ops.organization;
create policy update_own on ops.organization for update to curestry_member
  using (id = app.organization_if('organization:write'));
comment on policy update_own on ops.organization is 'The organization is renamed, and its settings changed, with organization:write.';
grant update (name, slug, time_zone, audit_retention_months, raw_retention_days) on ops.organization to curestry_member;

drop policy if exists delete_own on ops.organization;
create policy delete_own on ops.organization for delete to curestry_member
  using (id = app.organization_if('organization:write') and personal_user_id is null);
comment on policy delete_own on ops.organization is 'The organization is deleted with organization:write, with all that is its own; a personal one stays.';
grant delete on ops.organization to curestry_member;

drop policy if exists select_granted on ops.organization;
create policy select_granted on ops.organization for select to curestry_analyst
  using (id = any (app.analyst_organizations()));
comment on policy select_granted on ops.organization is 'Analysts read the organizations granted to them.';
grant select on ops.organization to curestry_analyst;

drop policy if exists definer_all on ops.organization;
create policy definer_all on ops.organization for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on ops.organization is 'The functions that look past row level security; the grants say what they may.';
grant select, insert, update (name), delete on ops.organization to curestry_definer;

create or replace trigger _100_updated_at before update on ops.organization
  for each row execute function app.tg__updated_at();
create or replace trigger _200_held before delete on ops.organization
  for each row execute function app.tg_organization__held();
create or replace trigger _200_time_zone before insert or update of time_zone on ops.organization
  for each row execute function app.tg_organization__time_zone();
create or replace trigger _800_mart_marks after update of time_zone on ops.organization
  for each row when (OLD.time_zone is distinct from NEW.time_zone) execute function app.tg_organization__mart_marks();
select app.audit_table('ops.organization', organization_column => 'id');
--! EndIncluded ops/tables/organization.sql
--! Included mart/tables/analysis_daily.sql
comment on table mart.analysis_daily is E'@unique id\nThe analyses of each day (of the organization''s time zone) on which they ended, and their quality.';
comment on column mart.analysis_daily.id is 'Identifies the row; unique across organizations.';
comment on column mart.analysis_daily.organization_id is 'The organization that the row belongs to; given by the request, never by the caller.';
comment on column mart.analysis_daily.day is 'The day.';
comment on column mart.analysis_daily.analyses is 'How many runs ended, whatever their end.';
comment on column mart.analysis_daily.avg_overall is 'Mean overall score of those with a document.';
comment on column mart.analysis_daily.avg_entropy is 'Mean semantic entropy of those with a document.';
comment on column mart.analysis_daily.scored is 'How many have a document.';
comment on column mart.analysis_daily.sum_overall is 'Sum of the overall scores, to merge days.';
comment on column mart.analysis_daily.sum_entropy is 'Sum of the semantic entropies, to merge days.';
comment on constraint pk_analysis_daily on mart.analysis_daily is 'One row per organization and id.';
comment on constraint unq_analysis_daily_day on mart.analysis_daily is 'One row per day.';
comment on constraint fk_analysis_daily_organization_id on mart.analysis_daily is 'The organization must exist.';
comment on constraint chk_analysis_daily_analyses on mart.analysis_daily is 'analyses must be at least 0';
comment on constraint chk_analysis_daily_scored on mart.analysis_daily is 'scored must be from 0 to analyses';

alter table mart.analysis_daily enable row level security;
alter table mart.analysis_daily force row level security;
revoke all on mart.analysis_daily from curestry_anonymous, curestry_member, curestry_analyst, curestry_definer;

drop policy if exists select_own on mart.analysis_daily;
create policy select_own on mart.analysis_daily for select to curestry_member
  using (organization_id = app.organization_if('marts:read'));
comment on policy select_own on mart.analysis_daily is 'Members read the rows of their request''s organization, with marts:read.';
grant select on mart.analysis_daily to curestry_member;

drop policy if exists select_granted on mart.analysis_daily;
create policy select_granted on mart.analysis_daily for select to curestry_analyst
  using (organization_id = any (app.analyst_organizations()));
comment on policy select_granted on mart.analysis_daily is 'Analysts read the organizations granted to them.';
grant select on mart.analysis_daily to curestry_analyst;

drop policy if exists definer_all on mart.analysis_daily;
create policy definer_all on mart.analysis_daily for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on mart.analysis_daily is 'The functions that look past row level security; the grants say what they may.';
grant select, insert, delete, update on mart.analysis_daily to curestry_definer;
--! EndIncluded mart/tables/analysis_daily.sql
--! Included mart/tables/analysis_daily_by.sql
comment on table mart.analysis_daily_by is E'@unique id\nThe analyses of each day (of the organization''s time zone) on which they ended, by status, by detected language and by judge rubric.';
comment on column mart.analysis_daily_by.id is 'Identifies the row; unique across organizations.';
comment on column mart.analysis_daily_by.organization_id is 'The organization that the row belongs to; given by the request, never by the caller.';
comment on column mart.analysis_daily_by.day is 'The day.';
comment on column mart.analysis_daily_by.dimension is 'status, language or rubric.';
comment on column mart.analysis_daily_by.value is 'The status, language or rubric (name and version).';
comment on column mart.analysis_daily_by.analyses is 'How many runs ended; by rubric: how many of them were judged by it.';
comment on column mart.analysis_daily_by.scored is 'How many of them have a document.';
comment on column mart.analysis_daily_by.avg_overall is 'Mean overall score of those with a document.';
comment on column mart.analysis_daily_by.sum_overall is 'Sum of the overall scores, to merge days.';
comment on column mart.analysis_daily_by.avg_entropy is 'Mean semantic entropy of those with a document.';
comment on column mart.analysis_daily_by.sum_entropy is 'Sum of the semantic entropies, to merge days.';
comment on column mart.analysis_daily_by.judged is 'By rubric: how many judgements are complete, with a score for every criterion.';
comment on column mart.analysis_daily_by.avg_judged is 'By rubric: mean of the weighted means of the complete judgements, 0 to 10.';
comment on column mart.analysis_daily_by.sum_judged is 'By rubric: their sum, to merge days.';
comment on constraint pk_analysis_daily_by on mart.analysis_daily_by is 'One row per organization and id.';
comment on constraint unq_analysis_daily_by_value on mart.analysis_daily_by is 'One row per day, dimension and value.';
comment on constraint fk_analysis_daily_by_organization_id on mart.analysis_daily_by is 'The organization must exist.';
comment on constraint chk_analysis_daily_by_dimension on mart.analysis_daily_by is 'dimension must be status, language or rubric';
comment on constraint chk_analysis_daily_by_analyses on mart.analysis_daily_by is 'analyses must be more than 0';
comment on constraint chk_analysis_daily_by_scored on mart.analysis_daily_by is 'scored and judged must be from 0 to analyses';

alter table mart.analysis_daily_by enable row level security;
alter table mart.analysis_daily_by force row level security;
revoke all on mart.analysis_daily_by from curestry_anonymous, curestry_member, curestry_analyst, curestry_definer;

drop policy if exists select_own on mart.analysis_daily_by;
create policy select_own on mart.analysis_daily_by for select to curestry_member
  using (organization_id = app.organization_if('marts:read'));
comment on policy select_own on mart.analysis_daily_by is 'Members read the rows of their request''s organization, with marts:read.';
grant select on mart.analysis_daily_by to curestry_member;

drop policy if exists select_granted on mart.analysis_daily_by;
create policy select_granted on mart.analysis_daily_by for select to curestry_analyst
  using (organization_id = any (app.analyst_organizations()));
comment on policy select_granted on mart.analysis_daily_by is 'Analysts read the organizations granted to them.';
grant select on mart.analysis_daily_by to curestry_analyst;

drop policy if exists definer_all on mart.analysis_daily_by;
create policy definer_all on mart.analysis_daily_by for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on mart.analysis_daily_by is 'The functions that look past row level security; the grants say what they may.';
grant select, insert, delete, update on mart.analysis_daily_by to curestry_definer;
--! EndIncluded mart/tables/analysis_daily_by.sql
--! Included mart/tables/analysis_hourly.sql
comment on table mart.analysis_hourly is E'@unique id\nThe analyses by the hour of the organization''s time zone in which they ended: all, and by status, language and rubric. The days are merged from it.';
comment on column mart.analysis_hourly.id is 'Identifies the row; unique across organizations.';
comment on column mart.analysis_hourly.organization_id is 'The organization that the row belongs to; given by the request, never by the caller.';
comment on column mart.analysis_hourly.ts_bucket is 'Start of the hour.';
comment on column mart.analysis_hourly.dimension is 'all, status, language or rubric.';
comment on column mart.analysis_hourly.value is 'The status, language or rubric (name and version); empty for all.';
comment on column mart.analysis_hourly.analyses is 'How many runs ended; by rubric: how many of them were judged by it.';
comment on column mart.analysis_hourly.scored is 'How many of them have a document.';
comment on column mart.analysis_hourly.overall_count is 'How many have an overall score that is a number.';
comment on column mart.analysis_hourly.sum_overall is 'Sum of the overall scores.';
comment on column mart.analysis_hourly.entropy_count is 'How many have a semantic entropy that is a number.';
comment on column mart.analysis_hourly.sum_entropy is 'Sum of the semantic entropies.';
comment on column mart.analysis_hourly.judged is 'By rubric: how many judgements are complete, with a score for every criterion.';
comment on column mart.analysis_hourly.sum_judged is 'By rubric: sum of the weighted means of the complete judgements.';
comment on constraint pk_analysis_hourly on mart.analysis_hourly is 'One row per organization and id.';
comment on constraint unq_analysis_hourly_bucket on mart.analysis_hourly is 'One row per hour, dimension and value.';
comment on constraint fk_analysis_hourly_organization_id on mart.analysis_hourly is 'The organization must exist.';
comment on constraint chk_analysis_hourly_dimension on mart.analysis_hourly is 'dimension must be all, status, language or rubric';
comment on constraint chk_analysis_hourly_analyses on mart.analysis_hourly is 'analyses must be more than 0';
comment on constraint chk_analysis_hourly_scored on mart.analysis_hourly is 'scored, overall_count, entropy_count and judged must be from 0 to analyses';

alter table mart.analysis_hourly enable row level security;
alter table mart.analysis_hourly force row level security;
revoke all on mart.analysis_hourly from curestry_anonymous, curestry_member, curestry_analyst, curestry_definer;

drop policy if exists select_own on mart.analysis_hourly;
create policy select_own on mart.analysis_hourly for select to curestry_member
  using (organization_id = app.organization_if('marts:read'));
comment on policy select_own on mart.analysis_hourly is 'Members read the rows of their request''s organization, with marts:read.';
grant select on mart.analysis_hourly to curestry_member;

drop policy if exists select_granted on mart.analysis_hourly;
create policy select_granted on mart.analysis_hourly for select to curestry_analyst
  using (organization_id = any (app.analyst_organizations()));
comment on policy select_granted on mart.analysis_hourly is 'Analysts read the organizations granted to them.';
grant select on mart.analysis_hourly to curestry_analyst;

drop policy if exists definer_all on mart.analysis_hourly;
create policy definer_all on mart.analysis_hourly for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on mart.analysis_hourly is 'The functions that look past row level security; the grants say what they may.';
grant select, insert, delete, update on mart.analysis_hourly to curestry_definer;
--! EndIncluded mart/tables/analysis_hourly.sql
--! Included mart/tables/feature_daily.sql
comment on table mart.feature_daily is E'@unique id\nThe use of features by day of the organization''s time zone.';
comment on column mart.feature_daily.id is 'Identifies the row; unique across organizations.';
comment on column mart.feature_daily.organization_id is 'The organization that the row belongs to; given by the request, never by the caller.';
comment on column mart.feature_daily.day is 'The day.';
comment on column mart.feature_daily.feature_key is 'The feature.';
comment on column mart.feature_daily.events is 'How many times it was used; at most 2147483647.';
comment on column mart.feature_daily.unique_users is 'By how many users.';
comment on constraint pk_feature_daily on mart.feature_daily is 'One row per organization and id.';
comment on constraint unq_feature_daily_day_feature_key on mart.feature_daily is 'One row per day and feature.';
comment on constraint fk_feature_daily_organization_id on mart.feature_daily is 'The organization must exist.';
comment on constraint chk_feature_daily_events on mart.feature_daily is 'events must be at least 0';
comment on constraint chk_feature_daily_unique_users on mart.feature_daily is 'unique_users must be from 0 to events';

alter table mart.feature_daily enable row level security;
alter table mart.feature_daily force row level security;
revoke all on mart.feature_daily from curestry_anonymous, curestry_member, curestry_analyst, curestry_definer;

drop policy if exists select_own on mart.feature_daily;
create policy select_own on mart.feature_daily for select to curestry_member
  using (organization_id = app.organization_if('marts:read'));
comment on policy select_own on mart.feature_daily is 'Members read the rows of their request''s organization, with marts:read.';
grant select on mart.feature_daily to curestry_member;

drop policy if exists select_granted on mart.feature_daily;
create policy select_granted on mart.feature_daily for select to curestry_analyst
  using (organization_id = any (app.analyst_organizations()));
comment on policy select_granted on mart.feature_daily is 'Analysts read the organizations granted to them.';
grant select on mart.feature_daily to curestry_analyst;

drop policy if exists definer_all on mart.feature_daily;
create policy definer_all on mart.feature_daily for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on mart.feature_daily is 'The functions that look past row level security; the grants say what they may.';
grant select, insert, delete, update on mart.feature_daily to curestry_definer;
--! EndIncluded mart/tables/feature_daily.sql
--! Included mart/tables/metric_timeseries.sql
comment on table mart.metric_timeseries is E'@unique id\nWhat was measured, by hour and by day of the organization''s time zone: metrics of analyses, node results, judge scores, metrics of workflows.';
comment on column mart.metric_timeseries.id is 'Identifies the row; unique across organizations.';
comment on column mart.metric_timeseries.organization_id is 'The organization that the row belongs to; given by the request, never by the caller.';
comment on column mart.metric_timeseries.source is 'metric: of analyses; node: results of their nodes (scores, and statuses as texts); judge: scores by rubric and criterion; evaluation: of workflow runs.';
comment on column mart.metric_timeseries.metric_key is 'metric: its key; node: the node; judge: rubric, version and criterion, as "quality v1/clarity"; evaluation: the name, after the step''s key and "/" if it is of a step. Longer than 100 characters: 91, "~" and 8 of its MD5.';
comment on column mart.metric_timeseries.granularity is 'hour or day.';
comment on column mart.metric_timeseries.ts_bucket is 'Start of the hour or day.';
comment on column mart.metric_timeseries.value_num is 'Mean of the numbers.';
comment on column mart.metric_timeseries.value_json is 'For numbers: "p50", "p90", "p95", "p99", each within 1 % of the number at that rank, and "sketch", which mart.merge_sketches adds up and mart.quantile reads. For texts and JSON: "counts", how often each value (its first 200 characters) occurred; of more than 100 distinct ones 100 that a hash chose, the others together under "other".';
comment on column mart.metric_timeseries.sample_count is 'How many values.';
comment on column mart.metric_timeseries.numeric_count is 'How many of them are numbers.';
comment on column mart.metric_timeseries.value_sum is 'Sum of the numbers.';
comment on column mart.metric_timeseries.value_min is 'Smallest number.';
comment on column mart.metric_timeseries.value_max is 'Largest number.';
comment on constraint pk_metric_timeseries on mart.metric_timeseries is 'One row per organization and id.';
comment on constraint unq_metric_timeseries_bucket on mart.metric_timeseries is 'One row per source, metric, granularity and bucket.';
comment on constraint fk_metric_timeseries_organization_id on mart.metric_timeseries is 'The organization must exist.';
comment on constraint chk_metric_timeseries_source on mart.metric_timeseries is 'source must be metric, node, judge or evaluation';
comment on constraint chk_metric_timeseries_granularity on mart.metric_timeseries is 'granularity must be hour or day';
comment on constraint chk_metric_timeseries_sample_count on mart.metric_timeseries is 'sample_count must be more than 0';
comment on constraint chk_metric_timeseries_numeric_count on mart.metric_timeseries is 'numeric_count must be from 0 to sample_count';

alter table mart.metric_timeseries enable row level security;
alter table mart.metric_timeseries force row level security;
revoke all on mart.metric_timeseries from curestry_anonymous, curestry_member, curestry_analyst, curestry_definer;

drop policy if exists select_own on mart.metric_timeseries;
create policy select_own on mart.metric_timeseries for select to curestry_member
  using (organization_id = app.organization_if('marts:read'));
comment on policy select_own on mart.metric_timeseries is 'Members read the rows of their request''s organization, with marts:read.';
grant select on mart.metric_timeseries to curestry_member;

drop policy if exists select_granted on mart.metric_timeseries;
create policy select_granted on mart.metric_timeseries for select to curestry_analyst
  using (organization_id = any (app.analyst_organizations()));
comment on policy select_granted on mart.metric_timeseries is 'Analysts read the organizations granted to them.';
grant select on mart.metric_timeseries to curestry_analyst;

drop policy if exists definer_all on mart.metric_timeseries;
create policy definer_all on mart.metric_timeseries for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on mart.metric_timeseries is 'The functions that look past row level security; the grants say what they may.';
grant select, insert, delete, update on mart.metric_timeseries to curestry_definer;
--! EndIncluded mart/tables/metric_timeseries.sql
--! Included mart/functions/analysis_series.sql
create or replace function mart.analysis_series(
  "from" timestamptz, "to" timestamptz, bucket mart.series_bucket default 'DAY', fill mart.series_fill default 'NONE',
  dimension text default 'all', value text default ''
) returns mart.analysis_point[]
language plpgsql stable security definer set search_path = '' set enable_seqscan = off set jit = off as $$
declare
  v_organization constant uuid := app.require('marts:read');
  v_zone constant text := coalesce((select s.time_zone from app.mart_state s where s.organization_id = v_organization), 'UTC');
begin
  if dimension not in ('all', 'status', 'language', 'rubric') then
    perform app.refuse('CU004', format('dimension: must be all, status, language or rubric, not %s', to_json(dimension)), 'dimension', 'analysis_series_dimension');
  end if;
  return (
    with bucket as materialized (
      select b.* from app.series_buckets(v_zone, analysis_series.bucket, "from", "to") as b
    ), counted as (
      select b.n, b.points, b.low, b.high, a.*,
             -- The place of the last mean before, or here
             max(b.n) filter (where a.analyses > 0) over (order by b.n) as last
        from bucket b,
             lateral (select sum(h.analyses)::bigint as analyses, sum(h.scored)::bigint as scored,
                             sum(h.sum_overall) / nullif(sum(h.overall_count), 0) as avg_overall,
                             sum(h.sum_entropy) / nullif(sum(h.entropy_count), 0) as avg_entropy,
                             sum(h.judged)::bigint as judged, sum(h.sum_judged) / nullif(sum(h.judged), 0) as avg_judged
                        from mart.analysis_hourly h
                       where h.organization_id = v_organization and h.dimension = analysis_series.dimension and h.value = analysis_series.value
                         and h.ts_bucket >= b.low and h.ts_bucket < b.high) a
    ), point as (
      select b.n, b.points, b.low, b.high,
             case
               when b.analyses is not null then row(b.analyses, b.scored, b.avg_overall, b.avg_entropy, b.judged, b.avg_judged)::mart.analysis_values
               when analysis_series.fill = 'ZERO' then row(0, 0, 0, 0, 0, 0)::mart.analysis_values
               when analysis_series.fill = 'PREVIOUS' then row(0, 0, l.avg_overall, l.avg_entropy, 0, l.avg_judged)::mart.analysis_values
               when analysis_series.fill = 'NULL' then row(0, 0, null, null, 0, null)::mart.analysis_values
             end as counted
        from counted b
        left join counted l on l.n = b.last
    )
    select coalesce(array_agg(row(c.low, c.high, (c.counted).*, p.low, p.counted)::mart.analysis_point order by c.n), '{}')
      from point c
      join point p on p.n = c.n - c.points
     where c.n > c.points and c.counted is distinct from null);
end;
$$;
alter function mart.analysis_series(timestamptz, timestamptz, mart.series_bucket, mart.series_fill, text, text) owner to curestry_definer;
revoke execute on function mart.analysis_series(timestamptz, timestamptz, mart.series_bucket, mart.series_fill, text, text) from public;
grant execute on function mart.analysis_series(timestamptz, timestamptz, mart.series_bucket, mart.series_fill, text, text) to curestry_member;
comment on function mart.analysis_series(timestamptz, timestamptz, mart.series_bucket, mart.series_fill, text, text) is
  'The analyses over time, in buckets of the organization''s time zone that the period from "from" to before "to" touches, at most 10000, each beside that of the previous period. dimension: all, or status, language or rubric with a value. Needs marts:read.';
--! EndIncluded mart/functions/analysis_series.sql
--! Included mart/functions/mart_freshness.sql
create or replace function mart.mart_freshness() returns mart.freshness[]
language sql stable security definer set search_path = '' as $$
  select array_agg(row(f.*)::mart.freshness order by f.mart) from app.organization_mart_freshness(app.require('marts:read')) as f;
$$;
alter function mart.mart_freshness() owner to curestry_definer;
revoke execute on function mart.mart_freshness() from public;
grant execute on function mart.mart_freshness() to curestry_member;
comment on function mart.mart_freshness() is
  'How far the marts of the request''s organization are behind what was recorded. Needs marts:read.';
--! EndIncluded mart/functions/mart_freshness.sql
--! Included mart/functions/merge_sketches.sql
create or replace function mart.merge_sketches(sketches jsonb[]) returns jsonb
language sql immutable parallel safe set search_path = '' as $$
  select coalesce(jsonb_object_agg(m.slot, m.n), '{}')
    from (select e.key as slot, sum(e.value::bigint) as n
            from unnest(sketches) as s (sketch), lateral jsonb_each_text(s.sketch) as e
           group by e.key) m;
$$;
revoke execute on function mart.merge_sketches(jsonb[]) from public;
grant execute on function mart.merge_sketches(jsonb[]) to curestry_analyst;
comment on function mart.merge_sketches(jsonb[]) is
  'The sketch of all numbers of these sketches, exactly: mart.quantile(mart.merge_sketches(array_agg(value_json -> ''sketch'')), 0.95). Counts of texts are added up likewise.';
--! EndIncluded mart/functions/merge_sketches.sql
--! Included mart/functions/metric_series.sql
create or replace function mart.metric_series(
  key text, "from" timestamptz, "to" timestamptz, bucket mart.series_bucket default 'DAY', fill mart.series_fill default 'NONE', source text default 'metric'
) returns mart.series_point[]
language plpgsql stable security definer set search_path = '' set jit = off as $$
declare
  v_organization constant uuid := app.require('marts:read');
  v_zone constant text := coalesce((select s.time_zone from app.mart_state s where s.organization_id = v_organization), 'UTC');
begin
  if source not in ('metric', 'node', 'judge', 'evaluation') then
    perform app.refuse('CU004', format('source: must be metric, node, judge or evaluation, not %s', to_json(source)), 'source', 'metric_series_source');
  end if;
  return (
    with bucket as materialized (
      select b.* from app.series_buckets(v_zone, metric_series.bucket, "from", "to") as b
    ), measured as (
      select b.n, b.points, b.low, b.high, m.sample_count, m.numeric_count, m.value_sum, m.value_num, m.value_min, m.value_max, m.value_json,
             -- The place of the last number before, or here
             max(b.n) filter (where m.numeric_count > 0) over (order by b.n) as last
        from bucket b
        left join app.merge_metric_timeseries(
               v_organization, metric_series.source, case metric_series.bucket when 'HOUR' then 'hour' else 'day' end, metric_series.key,
               (select array_agg(a.low order by a.n) from bucket a), (select array_agg(a.high order by a.n) from bucket a)) as m
          on m.ts_bucket = b.low
    ), point as (
      select b.n, b.points, b.low, b.high,
             case
               when b.sample_count is not null then
                 row(b.sample_count, b.numeric_count, b.value_sum, b.value_num, b.value_min, b.value_max,
                     (b.value_json ->> 'p50')::numeric, (b.value_json ->> 'p90')::numeric, (b.value_json ->> 'p95')::numeric, (b.value_json ->> 'p99')::numeric,
                     b.value_json -> 'counts', (b.value_json ->> 'other')::bigint)::mart.series_values
               when metric_series.fill = 'ZERO' then row(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, '{}', 0)::mart.series_values
               when metric_series.fill = 'PREVIOUS' then
                 row(0, 0, 0, l.value_num, l.value_min, l.value_max,
                     (l.value_json ->> 'p50')::numeric, (l.value_json ->> 'p90')::numeric, (l.value_json ->> 'p95')::numeric, (l.value_json ->> 'p99')::numeric,
                     null, null)::mart.series_values
               when metric_series.fill = 'NULL' then row(0, 0, null, null, null, null, null, null, null, null, null, null)::mart.series_values
             end as measured
        from measured b
        left join measured l on l.n = b.last
    )
    select coalesce(array_agg(row(c.low, c.high, (c.measured).*, p.low, p.measured)::mart.series_point order by c.n), '{}')
      from point c
      join point p on p.n = c.n - c.points
     where c.n > c.points and c.measured is distinct from null);
end;
$$;
alter function mart.metric_series(text, timestamptz, timestamptz, mart.series_bucket, mart.series_fill, text) owner to curestry_definer;
revoke execute on function mart.metric_series(text, timestamptz, timestamptz, mart.series_bucket, mart.series_fill, text) from public;
grant execute on function mart.metric_series(text, timestamptz, timestamptz, mart.series_bucket, mart.series_fill, text) to curestry_member;
comment on function mart.metric_series(text, timestamptz, timestamptz, mart.series_bucket, mart.series_fill, text) is
  'A metric over time, in buckets of the organization''s time zone that the period from "from" to before "to" touches, at most 10000, each beside that of the previous period. source: metric (of analyses), node, judge or evaluation. Needs marts:read.';
--! EndIncluded mart/functions/metric_series.sql
--! Included mart/functions/quantile.sql
create or replace function mart.quantile(sketch jsonb, q numeric) returns numeric
language sql immutable parallel safe set search_path = '' as $$
  select app.sketch_value(min(c.slot))
    from (select u.slot, sum(u.n) over (order by u.slot) as below, sum(u.n) over () as total
            from (select e.key::integer as slot, e.value::bigint as n from jsonb_each_text(sketch) as e) u) c
   where q between 0 and 1 and c.below > q * (c.total - 1);
$$;
revoke execute on function mart.quantile(jsonb, numeric) from public;
grant execute on function mart.quantile(jsonb, numeric) to curestry_analyst;
comment on function mart.quantile(jsonb, numeric) is
  'The number at a rank (0.5: the median) of a sketch, value_json -> ''sketch'' of mart.metric_timeseries; within 1 %. Null outside of 0 to 1, and of an empty sketch.';
--! EndIncluded mart/functions/quantile.sql
--! Included report/views/analysis_daily.sql
create or replace view report.analysis_daily with (security_invoker = true) as
select o.slug as organization, m.day, m.analyses, m.scored, m.avg_overall, m.avg_entropy, m.sum_overall, m.sum_entropy
  from mart.analysis_daily m
  join ops.organization o on o.id = m.organization_id;
grant select on report.analysis_daily to curestry_analyst;
comment on view report.analysis_daily is 'The analyses of each day (of the organization''s time zone) on which they ended, and their quality.';
comment on column report.analysis_daily.organization is 'Slug of the organization.';
comment on column report.analysis_daily.day is 'The day.';
comment on column report.analysis_daily.analyses is 'How many runs ended.';
comment on column report.analysis_daily.scored is 'How many have a document.';
comment on column report.analysis_daily.avg_overall is 'Mean overall score of those.';
comment on column report.analysis_daily.avg_entropy is 'Mean semantic entropy of those.';
comment on column report.analysis_daily.sum_overall is 'Sum of the overall scores: divide a sum over days by the sum of scored, never average averages.';
comment on column report.analysis_daily.sum_entropy is 'Sum of the semantic entropies.';
--! EndIncluded report/views/analysis_daily.sql
--! Included report/views/analysis_daily_by.sql
create or replace view report.analysis_daily_by with (security_invoker = true) as
select o.slug as organization, m.day, m.dimension, m.value, m.analyses, m.scored, m.avg_overall, m.sum_overall, m.avg_entropy, m.sum_entropy,
       m.judged, m.avg_judged, m.sum_judged
  from mart.analysis_daily_by m
  join ops.organization o on o.id = m.organization_id;
grant select on report.analysis_daily_by to curestry_analyst;
comment on view report.analysis_daily_by is 'The analyses of each day (of the organization''s time zone) on which they ended, by status, by detected language and by judge rubric. Choose a dimension.';
comment on column report.analysis_daily_by.organization is 'Slug of the organization.';
comment on column report.analysis_daily_by.day is 'The day.';
comment on column report.analysis_daily_by.dimension is 'status, language or rubric.';
comment on column report.analysis_daily_by.value is 'The status, language or rubric (name and version).';
comment on column report.analysis_daily_by.analyses is 'How many runs ended; by rubric: how many of them were judged by it.';
comment on column report.analysis_daily_by.scored is 'How many of them have a document.';
comment on column report.analysis_daily_by.avg_overall is 'Mean overall score of those with a document.';
comment on column report.analysis_daily_by.sum_overall is 'Sum of the overall scores, to merge days.';
comment on column report.analysis_daily_by.avg_entropy is 'Mean semantic entropy of those with a document.';
comment on column report.analysis_daily_by.sum_entropy is 'Sum of the semantic entropies, to merge days.';
comment on column report.analysis_daily_by.judged is 'By rubric: how many judgements are complete, with a score for every criterion.';
comment on column report.analysis_daily_by.avg_judged is 'By rubric: mean of the weighted means of the complete judgements, 0 to 10.';
comment on column report.analysis_daily_by.sum_judged is 'By rubric: their sum, to merge days.';
--! EndIncluded report/views/analysis_daily_by.sql
--! Included report/views/feature_daily.sql
create or replace view report.feature_daily with (security_invoker = true) as
select o.slug as organization, m.day, m.feature_key as feature, m.events, m.unique_users
  from mart.feature_daily m
  join ops.organization o on o.id = m.organization_id;
grant select on report.feature_daily to curestry_analyst;
comment on view report.feature_daily is 'The use of features by day of the organization''s time zone.';
comment on column report.feature_daily.organization is 'Slug of the organization.';
comment on column report.feature_daily.day is 'The day.';
comment on column report.feature_daily.feature is 'The feature.';
comment on column report.feature_daily.events is 'How many times it was used.';
comment on column report.feature_daily.unique_users is 'By how many users.';
--! EndIncluded report/views/feature_daily.sql
--! Included report/views/metric_timeseries.sql
create or replace view report.metric_timeseries with (security_invoker = true) as
select o.slug as organization, m.metric_key as metric, m.granularity, m.ts_bucket as bucket, m.sample_count, m.numeric_count,
       m.value_num as mean, m.value_sum as sum, m.value_min as min, m.value_max as max, m.value_json -> 'counts' as counts,
       m.source, m.ts_bucket at time zone o.time_zone as bucket_local,
       (m.value_json ->> 'p50')::numeric as p50, (m.value_json ->> 'p90')::numeric as p90,
       (m.value_json ->> 'p95')::numeric as p95, (m.value_json ->> 'p99')::numeric as p99,
       m.value_json -> 'sketch' as sketch, (m.value_json ->> 'other')::bigint as other_count
  from mart.metric_timeseries m
  join ops.organization o on o.id = m.organization_id;
grant select on report.metric_timeseries to curestry_analyst;
comment on view report.metric_timeseries is 'What was measured, by hour and by day of the organization''s time zone. Choose a granularity, each value counts in an hour and in a day, and a source.';
comment on column report.metric_timeseries.organization is 'Slug of the organization.';
comment on column report.metric_timeseries.metric is 'The key of the metric; of other sources as mart.metric_timeseries says.';
comment on column report.metric_timeseries.granularity is 'hour or day.';
comment on column report.metric_timeseries.bucket is 'Start of the hour or day.';
comment on column report.metric_timeseries.sample_count is 'How many values.';
comment on column report.metric_timeseries.numeric_count is 'How many of them are numbers.';
comment on column report.metric_timeseries.mean is 'Mean of the numbers.';
comment on column report.metric_timeseries.sum is 'Sum of the numbers.';
comment on column report.metric_timeseries.min is 'Smallest number.';
comment on column report.metric_timeseries.max is 'Largest number.';
comment on column report.metric_timeseries.counts is 'For texts and JSON: how often each value occurred; of more than 100 distinct ones 100 that a hash chose.';
comment on column report.metric_timeseries.source is 'metric (of analyses), node (results), judge (scores) or evaluation (of workflows).';
comment on column report.metric_timeseries.bucket_local is 'Start of the hour or day, as the clocks of the organization''s time zone show it.';
comment on column report.metric_timeseries.p50 is 'Median, within 1 %.';
comment on column report.metric_timeseries.p90 is 'Nine of ten numbers are at most this, within 1 %.';
comment on column report.metric_timeseries.p95 is '95 of 100 numbers are at most this, within 1 %.';
comment on column report.metric_timeseries.p99 is '99 of 100 numbers are at most this, within 1 %.';
comment on column report.metric_timeseries.sketch is 'To merge quantiles: mart.quantile(mart.merge_sketches(array_agg(sketch)), 0.95).';
comment on column report.metric_timeseries.other_count is 'For texts and JSON: how often values occurred that are not in counts.';
--! EndIncluded report/views/metric_timeseries.sql

-- A column that is not null in rows which nobody changed: the log says them again, as they are from now on.
insert into ops.audit_log (request_id, organization_id, action, entity_type, entity_id, after_state)
select 'migration', o.id, 'baseline', 'ops.organization', o.id, to_jsonb(o) from ops.organization o;
