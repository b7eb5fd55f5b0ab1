--! Previous: sha1:936f6742a26ed3739042d17a94a71bdbddef5b79
--! Hash: sha1:88b1a18bcd0aa4acaf3a09f84452948bf0c558ad
--! Message: History and marts: partitions, versions, erasure, sources, retention, and who works

/*
 * History and marts. The audit log and the feature events become partitioned by month, so that whole months can leave;
 * prompts have versions, entities a state at each time, people a way to be erased. The marts say more (quantiles, node
 * results, judge scores, metrics of workflows, analyses by status, language and rubric), count by the time zone of the
 * organization, and recompute only what changed. What is older than an organization keeps it leaves when the marts have
 * it. Workers have a heartbeat, scheduled tasks a record, and operators see failed jobs.
 */

-- Others wait behind a migration that waits
set local lock_timeout = '30s';

create table app.partitioned_table (
    table_name text not null,
    time_column text not null,
    months_ahead integer not null default 3,
    constraint pk_partitioned_table primary key (table_name),
    constraint chk_partitioned_table_months_ahead check (months_ahead between 1 and 24)
);

-- The rows are copied: once, while these tables are young.
drop function app.audit_entry_digest(ops.audit_log, bytea);
drop function app.audit_state_digest(ops.audit_log);
alter table ops.audit_log rename to audit_log_before;
alter table ops.audit_log_before rename constraint pk_audit_log to pk_audit_log_before;
alter index ops.idx_audit_log_entity rename to idx_audit_log_before_entity;
alter index ops.idx_audit_log_xid rename to idx_audit_log_before_xid;
alter index ops.idx_audit_log_actor_user_id rename to idx_audit_log_before_actor_user_id;
create sequence ops.audit_log_seq as bigint;
select setval('ops.audit_log_seq', (select coalesce(max(seq), 1) from ops.audit_log_before));
-- No check of the action: each statement that is audited would parse and plan it anew, a tenth of what the audit of a row costs.
create table ops.audit_log (
    id uuid not null default gen_random_uuid(),
    ts timestamptz not null default now(),
    actor_user_id integer,
    actor_api_key_id uuid,
    actor_role varchar(63) not null default session_user,
    request_id varchar(128),
    organization_id uuid not null,
    action varchar(100) not null,
    entity_type varchar(100) not null,
    entity_id varchar(255) not null,
    before_state jsonb,
    after_state jsonb,
    changed_columns text[],
    xid bigint not null default pg_current_xact_id()::text::bigint,
    seq bigint not null default nextval('ops.audit_log_seq'),
    erasure_id uuid,
    constraint pk_audit_log primary key (organization_id, ts, id)
) partition by range (ts);
alter sequence ops.audit_log_seq owned by ops.audit_log.seq;
-- A hash of the id and nothing else: half the cost for writers of a B-tree with organization, type and time in it.
create index idx_audit_log_entity_id on ops.audit_log using hash (entity_id);
-- Rows come in about the order of their transactions, so a few pages tell where to look; a B-tree would cost every writer.
create index idx_audit_log_xid on ops.audit_log using brin (xid) with (pages_per_range = 16);
create index idx_audit_log_actor_user_id on ops.audit_log (organization_id, actor_user_id, ts) where actor_user_id is not null;

alter table ops.feature_event rename to feature_event_before;
alter table ops.feature_event_before rename constraint pk_feature_event to pk_feature_event_before;
alter index ops.idx_feature_event_occurred_at rename to idx_feature_event_before_occurred_at;
alter index ops.idx_feature_event_user_id rename to idx_feature_event_before_user_id;
create table ops.feature_event (
    id uuid not null default gen_random_uuid(),
    organization_id uuid not null,
    user_id integer,
    feature_key varchar(100) not null,
    occurred_at timestamptz not null default now(),
    event_count integer not null default 1,
    created_at timestamptz not null default now(),
    constraint pk_feature_event primary key (organization_id, occurred_at, id),
    constraint fk_feature_event_organization_id foreign key (organization_id) references ops.organization (id) on delete cascade,
    constraint fk_feature_event_user_id foreign key (user_id) references core.users (id) on delete set null,
    constraint chk_feature_event_feature_key check (feature_key ~ '\S'),
    constraint chk_feature_event_occurred_at check (occurred_at >= '2000-01-01Z' and occurred_at < '2100-01-01Z'),
    constraint chk_feature_event_event_count check (event_count between 1 and 1000000)
) partition by range (occurred_at);
create index idx_feature_event_user_id on ops.feature_event (user_id);

-- A partition for whatever has none
create table app.audit_log_default partition of ops.audit_log default;
create table app.feature_event_default partition of ops.feature_event default;

insert into ops.audit_log select * from ops.audit_log_before;
drop table ops.audit_log_before;
insert into ops.feature_event select * from ops.feature_event_before;
drop table ops.feature_event_before;

alter table ops.organization add column audit_retention_months integer,
    add column raw_retention_days integer,
    add column time_zone text not null default 'UTC',
    add constraint chk_organization_audit_retention_months check (audit_retention_months between 1 and 1200),
    add constraint chk_organization_raw_retention_days check (raw_retention_days between 1 and 36600),
    add constraint chk_organization_time_zone check (time_zone ~ '^[A-Za-z0-9_+/-]{1,64}$');

/* What left the audit log, and on whose word. */
create table app.audit_retention (
    id uuid not null default gen_random_uuid(),
    partition_name text not null,
    from_ts timestamptz not null,
    to_ts timestamptz not null,
    table_name text not null,
    detached_at timestamptz not null default now(),
    dropped_at timestamptz,
    constraint pk_audit_retention primary key (id)
);
create table app.audit_detachment (
    organization_id uuid not null,
    seq integer not null,
    retention_id uuid not null,
    entry_id uuid not null,
    positions int4multirange not null,
    constraint pk_audit_detachment primary key (organization_id, seq, retention_id),
    constraint fk_audit_detachment_retention_id foreign key (retention_id) references app.audit_retention (id)
);
create index idx_audit_detachment_retention_id on app.audit_detachment (retention_id);

alter table app.audit_sealer add column xid_offset bigint not null default 0;

/* Every text that a prompt had. */
create table core.prompt_versions (
    id uuid not null default gen_random_uuid(),
    organization_id uuid not null,
    prompt_id varchar not null,
    version integer not null,
    content text not null,
    format_type varchar(50) not null,
    language varchar(10) not null,
    user_id integer,
    api_key_id uuid,
    created_at timestamptz not null default now(),
    constraint unq_prompt_versions_prompt_id_version unique (organization_id, prompt_id, version),
    constraint chk_prompt_versions_version check (version >= 1),
    constraint fk_prompt_versions_prompt_id foreign key (organization_id, prompt_id)
        references core.prompts (organization_id, id) on delete cascade,
    constraint fk_prompt_versions_user_id foreign key (user_id) references core.users (id) on delete set null,
    constraint fk_prompt_versions_api_key_id foreign key (organization_id, api_key_id)
        references ops.api_key (organization_id, id) on delete set null (api_key_id)
);
create index idx_prompt_versions_user_id on core.prompt_versions (user_id);
create index idx_prompt_versions_api_key_id on core.prompt_versions (organization_id, api_key_id);
-- The primary key comes last: see the second migration.
alter table core.prompt_versions add constraint pk_prompt_versions primary key (organization_id, id);

alter table ops.analysis_run
  add column prompt_version_id uuid,
  add constraint fk_analysis_run_prompt_version_id foreign key (organization_id, prompt_version_id)
      references core.prompt_versions (organization_id, id);
create index idx_analysis_run_prompt_version_id on ops.analysis_run (organization_id, prompt_version_id);
alter table core.analysis_results
  add column prompt_version_id uuid,
  add constraint fk_analysis_results_prompt_version_id foreign key (organization_id, prompt_version_id)
      references core.prompt_versions (organization_id, id);
create index idx_analysis_results_prompt_version_id on core.analysis_results (organization_id, prompt_version_id);

/* Who was erased stays erased, whatever a request that began before writes after. */
alter table core.users
  add column erased_at timestamptz,
  add constraint chk_users_erased_at check (erased_at is null or (email is null and name is null and avatar_url is null));

/* The receipts of erasures. */
create table app.erasure (
    id uuid not null default gen_random_uuid(),
    kind text not null,
    subject_id text not null,
    requested_by name not null default session_user,
    erased_at timestamptz not null default now(),
    counts jsonb,
    xid bigint not null default pg_current_xact_id()::text::bigint,
    constraint pk_erasure primary key (id),
    constraint chk_erasure_kind check (kind in ('user', 'organization')),
    constraint chk_erasure_counts check (jsonb_typeof(counts) = 'object')
);

/* What must not be erased or deleted, and why. No foreign key: the record of a hold stays. */
create table app.legal_hold (
    id uuid not null default gen_random_uuid(),
    held_organization_id uuid,
    held_user_id integer,
    reason text,
    placed_by name not null default session_user,
    placed_at timestamptz not null default now(),
    released_by name,
    released_at timestamptz,
    constraint pk_legal_hold primary key (id),
    constraint chk_legal_hold_held check (num_nonnulls(held_organization_id, held_user_id) = 1),
    constraint chk_legal_hold_reason check (case when released_at is null then reason is not null and reason ~ '\S' and octet_length(reason) <= 4096 else true end),
    constraint chk_legal_hold_released_at check ((released_at is null) = (released_by is null))
);
create index idx_legal_hold_held_organization_id on app.legal_hold (held_organization_id);
create index idx_legal_hold_held_user_id on app.legal_hold (held_user_id);

/* Which columns are personal data, and whose. */
create table app.personal_data (
    table_name text not null,
    person_column text not null,
    personal_columns text[] not null default '{}',
    treatment text not null,
    constraint pk_personal_data primary key (table_name),
    constraint chk_personal_data_treatment check (treatment in ('clear', 'delete'))
);

create type ops.column_change as ("column" text, before jsonb, after jsonb);
create type ops.entity_change as (
    at timestamptz,
    action text,
    actor_user_id integer,
    actor_email text,
    actor_api_key_id uuid,
    actor_api_key_name text,
    actor_role text,
    request_id text,
    changes ops.column_change[],
    erasure_id uuid,
    sentence text
);

create table app.worker_heartbeat (
    worker_id text not null,
    started_at timestamptz not null default clock_timestamp(),
    beat_at timestamptz not null default clock_timestamp(),
    constraint pk_worker_heartbeat primary key (worker_id)
);

create table app.task_run (
    kind text not null,
    task text not null,
    expected_seconds integer not null,
    expected_since timestamptz not null default clock_timestamp(),
    started_at timestamptz,
    succeeded_at timestamptz,
    failed_at timestamptz,
    error text,
    milliseconds double precision,
    constraint pk_task_run primary key (kind, task),
    constraint chk_task_run_kind check (kind in ('schedule', 'poll')),
    constraint chk_task_run_expected_seconds check (expected_seconds > 0)
);

create table app.operator (
    user_id integer not null,
    granted_at timestamptz not null default now(),
    constraint pk_operator primary key (user_id),
    constraint fk_operator_user_id foreign key (user_id) references core.users (id) on delete cascade
);

create type ops.failed_job as (
    id bigint,
    task text,
    attempts integer,
    max_attempts integer,
    error text,
    created_at timestamptz,
    failed_at timestamptz
);

create type ops.task_run as (
    task text,
    kind text,
    is_late boolean,
    expected_seconds integer,
    started_at timestamptz,
    succeeded_at timestamptz,
    failed_at timestamptz,
    error text,
    milliseconds double precision
);

create index idx_analysis_node_result_occurred_at on ops.analysis_node_result (organization_id, occurred_at);
create index idx_judge_score_occurred_at on ops.judge_score (organization_id, occurred_at);
alter table core.evaluation_metrics add column occurred_at timestamptz not null generated always as (created_at) stored;
create index idx_evaluation_metrics_occurred_at on core.evaluation_metrics (organization_id, occurred_at);

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
    closing_before timestamptz,
    closing_xid bigint,
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

-- These get other arguments, or other triggers
drop function app.store_analysis_facts(uuid, uuid[], text[], timestamptz[], ops.analysis_item[]);
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
--! Included ops/types/jobs.sql
comment on type ops.failed_job is 'A job of the worker that failed for good. What it is about is not in the API.';
comment on column ops.failed_job.id is 'Identifies the job.';
comment on column ops.failed_job.task is 'What was to be done.';
comment on column ops.failed_job.attempts is 'How often it was tried.';
comment on column ops.failed_job.max_attempts is 'How often it was to be tried at most.';
comment on column ops.failed_job.error is 'Why it failed the last time.';
comment on column ops.failed_job.created_at is 'When it was queued.';
comment on column ops.failed_job.failed_at is 'When it failed the last time.';

comment on type ops.task_run is 'A task of the worker that runs by itself, and when it last did.';
comment on column ops.task_run.task is 'Which task.';
comment on column ops.task_run.kind is 'schedule: a line of the crontab; poll: looked for all the time.';
comment on column ops.task_run.is_late is 'Whether it has not succeeded for three times as long as it should take.';
comment on column ops.task_run.expected_seconds is 'How often it runs: at most this long after the time before.';
comment on column ops.task_run.started_at is 'When it last began.';
comment on column ops.task_run.succeeded_at is 'When it last succeeded.';
comment on column ops.task_run.failed_at is 'When it last failed.';
comment on column ops.task_run.error is 'Why it last failed.';
comment on column ops.task_run.milliseconds is 'How long it took the last time.';
grant usage on type ops.failed_job, ops.task_run to curestry_member, curestry_definer;
--! EndIncluded ops/types/jobs.sql
--! Included ops/types/entity_history.sql
comment on type ops.entity_change is 'A change of a row, from the audit log.';
comment on column ops.entity_change.at is 'When.';
comment on column ops.entity_change.action is 'insert, update, delete or truncate; baseline: the row as it was when the log begins.';
comment on column ops.entity_change.actor_user_id is 'Which user, if a request to the API changed it.';
comment on column ops.entity_change.actor_email is 'The user''s e-mail address, if the account is still there and you may read members.';
comment on column ops.entity_change.actor_api_key_id is 'With which API key.';
comment on column ops.entity_change.actor_api_key_name is 'The name of the key.';
comment on column ops.entity_change.actor_role is 'Which login of the database.';
comment on column ops.entity_change.request_id is 'The X-Request-Id of the request.';
comment on column ops.entity_change.changes is 'The columns that changed; of a new or a removed row, those that have a value.';
comment on column ops.entity_change.erasure_id is 'By which erasure the values were taken out; null: they are whole.';
comment on column ops.entity_change.sentence is 'All that in a sentence: "anna@example.org changed content and tags".';

comment on type ops.column_change is 'What became of a column.';
comment on column ops.column_change."column" is 'The column.';
comment on column ops.column_change.before is 'Its value before; null if there was none, or it is a secret.';
comment on column ops.column_change.after is 'Its value after; null if there is none, or it is a secret.';
grant usage on type ops.column_change, ops.entity_change to curestry_member, curestry_definer;
--! EndIncluded ops/types/entity_history.sql
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
--! Included app/functions/tg_audit_log__append_only.sql
create or replace function app.tg_audit_log__append_only() returns trigger
language plpgsql set search_path = '' as $$
begin
  -- What an erasure may do to a row is bounded by the trigger of each row.
  if TG_OP = 'UPDATE' and TG_NARGS > 0 and nullif(current_setting('curestry.erasure_id', true), '') is not null then
    return null;
  end if;
  perform app.refuse('CU002', 'The audit log is append-only: nothing in it is changed or removed');
  return null;
end;
$$;
revoke execute on function app.tg_audit_log__append_only() from public;
comment on function app.tg_audit_log__append_only() is
  'Trigger: refuses every update, delete and truncate of the audit log; with the argument "erasable", the updates of an erasure are left to the rows'' trigger.';
--! EndIncluded app/functions/tg_audit_log__append_only.sql
--! Included app/functions/is_erased_from.sql
create or replace function app.is_erased_from(before jsonb, after jsonb) returns boolean
language sql immutable
return after is null or (before is not null and not exists (
  select from jsonb_each(after) n where n.value is distinct from before -> n.key and (n.value <> 'null' or not before ? n.key)));
revoke execute on function app.is_erased_from(jsonb, jsonb) from public;
grant execute on function app.is_erased_from(jsonb, jsonb) to curestry_definer;
comment on function app.is_erased_from(jsonb, jsonb) is 'Whether a state is another one with nothing done to it but that values were taken out.';
--! EndIncluded app/functions/is_erased_from.sql
--! Included app/functions/tg_audit_log__erase.sql
/* The one thing that may happen to a row of the log: an erasure, which has its receipt in this transaction, takes values out of its states. */
create or replace function app.tg_audit_log__erase() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  v_erasure constant uuid := nullif(current_setting('curestry.erasure_id', true), '')::uuid;
  v_rest ops.audit_log := NEW;
begin
  v_rest.before_state := OLD.before_state;
  v_rest.after_state := OLD.after_state;
  v_rest.erasure_id := OLD.erasure_id;
  if v_rest is distinct from OLD or OLD.action = 'erase' or NEW.erasure_id is distinct from v_erasure
     or not app.is_erased_from(OLD.before_state, NEW.before_state) or not app.is_erased_from(OLD.after_state, NEW.after_state)
     or not exists (select from app.erasure e
                     where e.id = v_erasure and e.counts is null and e.xid = pg_current_xact_id()::text::bigint) then
    perform app.refuse('CU002', 'The audit log is append-only: nothing in it is changed or removed');
  end if;
  return NEW;
end;
$$;
alter function app.tg_audit_log__erase() owner to curestry_definer;
revoke execute on function app.tg_audit_log__erase() from public;
comment on function app.tg_audit_log__erase() is 'Trigger: an update of the audit log takes values out of states, in the transaction of an erasure, and nothing else.';
--! EndIncluded app/functions/tg_audit_log__erase.sql
--! Included app/functions/tg_erasure__append_only.sql
create or replace function app.tg_erasure__append_only() returns trigger
language plpgsql set search_path = '' as $$
begin
  -- The counts are known when all is done.
  if TG_OP = 'UPDATE' and OLD.counts is null and OLD.xid = pg_current_xact_id()::text::bigint
     and to_jsonb(NEW) - 'counts' = to_jsonb(OLD) - 'counts' then
    return NEW;
  end if;
  perform app.refuse('CU002', 'The receipts of erasures are append-only');
  return null;
end;
$$;
revoke execute on function app.tg_erasure__append_only() from public;
comment on function app.tg_erasure__append_only() is 'Trigger: a receipt gets its counts in its own transaction, and nothing else happens to it.';
--! EndIncluded app/functions/tg_erasure__append_only.sql
--! Included app/functions/audit_source.sql
/*
 * Writes the body of a table's audit trigger, with the columns spelled out that may be seen: to_jsonb of a row of those costs
 * a third less than jsonb_build_object with each name. The body is a function of the catalogue and of app.audited_table;
 * app.security_findings compares the one that is deployed with the one that would be made now, so a new column cannot be
 * forgotten.
 */
create or replace function app.audit_source(audited app.audited_table) returns text
language plpgsql stable set search_path = '' as $$
declare
  v_state text;
  v_changed text;
  v_differs text;
  v_organization constant text := coalesce('%1$s.' || quote_ident(audited.organization_column), '''00000000-0000-0000-0000-000000000000''::uuid');
  -- Part of the query, and not variables: these would be parameters, for which it is planned again and again. For each row,
  -- which costs less than a join with a row that has them.
  v_who constant text := $who$nullif(current_setting('curestry.user_id', true), '')::integer,
           nullif(current_setting('curestry.api_key_id', true), '')::uuid,
           nullif(current_setting('curestry.request_id', true), '')$who$;
begin
  select 'lateral (select ' || string_agg(format('%%1$s.%I', a.attname), ', ' order by a.attnum) || ') %1$s_state'
    into v_state
    from pg_catalog.pg_attribute a
   where a.attrelid = audited.table_name::regclass and a.attnum > 0 and not a.attisdropped
     and a.attname <> all (audited.secret_columns);
  select string_agg(format('case when n.%1$I is distinct from o.%1$I then %1$L end', a.attname), ', ' order by a.attname),
         string_agg(format('n.%1$I is distinct from o.%1$I', a.attname), ' or ' order by a.attnum)
           filter (where a.attname <> all (audited.note_columns))
    into v_changed, v_differs
    from pg_catalog.pg_attribute a
   where a.attrelid = audited.table_name::regclass and a.attnum > 0 and not a.attisdropped and a.attgenerated = '';

  return format($body$
begin
  if TG_OP = 'INSERT' then
    insert into ops.audit_log (actor_user_id, actor_api_key_id, request_id, organization_id, action, entity_type, entity_id, after_state)
    %1$s;
  elsif TG_OP = 'UPDATE' then
    insert into ops.audit_log (actor_user_id, actor_api_key_id, request_id, organization_id, action, entity_type, entity_id,
                               before_state, after_state, changed_columns)
    select %12$s, %2$s, 'update', %3$L, n.%4$I, to_jsonb(o_state), to_jsonb(n_state),
           array_remove(array[%7$s]::text[], null)
      from new_rows n
      join old_rows o on o.%4$I = n.%4$I%8$s,
           %5$s,
           %6$s
     where %9$s;
  elsif TG_OP = 'DELETE' and coalesce(current_setting('curestry.retention', true), '') = 'on' then -- removed by age: not to be kept here instead
    insert into ops.audit_log (actor_user_id, actor_api_key_id, request_id, organization_id, action, entity_type, entity_id, before_state)
    %11$s;
  elsif TG_OP = 'DELETE' then
    insert into ops.audit_log (actor_user_id, actor_api_key_id, request_id, organization_id, action, entity_type, entity_id, before_state)
    select %12$s, %10$s, 'delete', %3$L, o.%4$I, to_jsonb(o_state)
      from old_rows o,
           %5$s;
  else -- truncate: no rows are given; the statement itself is the event
    insert into ops.audit_log (actor_user_id, actor_api_key_id, request_id, organization_id, action, entity_type, entity_id)
    select %12$s, '00000000-0000-0000-0000-000000000000', 'truncate', %3$L, '*';
  end if;
  return null;
end;
$body$,
    case
      when audited.summarize_inserts then format(
        'select %3$s, n.organization_id, ''insert'', %1$L,'
        || E'\n           case when count(*) = 1 then min(n.%2$I::text) else count(*) || '' rows'' end, jsonb_build_object(''rows'', count(*))'
        || E'\n      from new_rows n\n     group by n.organization_id',
        audited.table_name, audited.id_column, v_who)
      else format(E'select %s, %s, ''insert'', %L, n.%I, to_jsonb(n_state)\n      from new_rows n,\n           %s',
                  v_who, format(v_organization, 'n'), audited.table_name, audited.id_column, format(v_state, 'n'))
    end,
    format(v_organization, 'n'), audited.table_name, audited.id_column, format(v_state, 'o'), format(v_state, 'n'), v_changed,
    case when audited.organization_column <> audited.id_column
         then format(' and o.%1$I = n.%1$I', audited.organization_column) else '' end,
    v_differs, format(v_organization, 'o'),
    case
      when audited.summarize_inserts then format(
        'select %s, o.organization_id, ''delete'', %L, count(*) || '' rows'', jsonb_build_object(''rows'', count(*))'
        || E'\n      from old_rows o\n     group by o.organization_id', v_who, audited.table_name)
      else format(E'select %s, %s, ''delete'', %L, o.%I, null::jsonb\n      from old_rows o',
                  v_who, format(v_organization, 'o'), audited.table_name, audited.id_column)
    end, v_who);
end;
$$;
revoke execute on function app.audit_source(app.audited_table) from public;
comment on function app.audit_source(app.audited_table) is 'The body of the audit trigger of a table, as it would be made now.';
--! EndIncluded app/functions/audit_source.sql
--! Included app/functions/personal_table.sql
create or replace function app.personal_table(personal regclass, person_column text, personal_columns text[], treatment text) returns void
language sql volatile set search_path = '' as $$
  insert into app.personal_data (table_name, person_column, personal_columns, treatment)
  select n.nspname || '.' || c.relname, person_column, personal_columns, treatment
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
   where c.oid = personal
  on conflict on constraint pk_personal_data do update
    set person_column = excluded.person_column, personal_columns = excluded.personal_columns, treatment = excluded.treatment;
$$;
revoke execute on function app.personal_table(regclass, text, text[], text) from public;
comment on function app.personal_table(regclass, text, text[], text) is
  'Says which columns of a table are personal data, whose, and what the erasure of that user does to the row; called in the file of the table.';
--! EndIncluded app/functions/personal_table.sql
--! Included app/functions/guard_partition.sql
/* A table's policies hold for who names the table; a partition that is named itself needs its own. */
create or replace function app.guard_partition(partition regclass) returns void
language plpgsql volatile set search_path = '' set client_min_messages = warning as $$
begin
  execute format('alter table %s enable row level security', partition);
  execute format('alter table %s force row level security', partition);
  execute format('drop policy if exists definer_all on %s', partition);
  execute format('create policy definer_all on %s for all to curestry_definer using (true) with check (true)', partition);
end;
$$;
revoke execute on function app.guard_partition(regclass) from public;
comment on function app.guard_partition(regclass) is
  'Closes a partition, or a table that was one, to everyone but whoever acts as curestry_definer and may move its rows.';
--! EndIncluded app/functions/guard_partition.sql
--! Included app/functions/partitions_of.sql
create or replace function app.partitions_of(parent regclass) returns table (name name, from_ts timestamptz, to_ts timestamptz)
language sql stable set search_path = '' as $$
  select c.relname, b.bounds[1]::timestamptz, b.bounds[2]::timestamptz
    from pg_catalog.pg_inherits i
    join pg_catalog.pg_class c on c.oid = i.inhrelid,
         lateral regexp_match(pg_catalog.pg_get_expr(c.relpartbound, c.oid), 'FROM \(''([^'']+)''\) TO \(''([^'']+)''\)') as b (bounds)
   where i.inhparent = parent and b.bounds is not null
   order by 2;
$$;
revoke execute on function app.partitions_of(regclass) from public;
comment on function app.partitions_of(regclass) is 'The partitions by month of a table, in app, with begin and end, in order; without the default.';
--! EndIncluded app/functions/partitions_of.sql
--! Included app/functions/make_partitions.sql
/*
 * Partitions by month, before they are needed. A row of a month that has none goes to the default partition, so nothing is
 * ever refused for the lack of one; when the partition is made, such rows move there. Months of the last five years in which
 * there turn out to be rows get one too. Only the owner of a table can attach a partition: this is one of the few functions
 * that act as curestry_owner.
 */
create or replace function app.make_partitions() returns setof text
language plpgsql volatile security definer set search_path = '' set timezone = 'UTC' set lock_timeout = '5s' as $$
declare
  v_table app.partitioned_table;
  v_parent name;
  v_name name;
  v_month timestamptz;
  v_of regclass;
begin
  perform pg_advisory_xact_lock(hashtextextended('curestry partitions', 0));
  for v_table in select * from app.partitioned_table order by table_name loop
    v_of := v_table.table_name;
    v_parent := split_part(v_table.table_name, '.', 2);
    for v_month in execute format($query$
      select month from generate_series(date_trunc('month', now()), date_trunc('month', now()) + %s * interval '1 month', interval '1 month') as month
      union
      select date_trunc('month', %I) from app.%I where %2$I < now() and %2$I >= now() - interval '5 years'
      order by 1
    $query$, v_table.months_ahead, v_table.time_column, v_parent || '_default') loop
      v_name := v_parent || to_char(v_month, '_YYYY_MM');
      continue when to_regclass(format('app.%I', v_name)) is not null;
      execute format('create table app.%I (like %s including defaults including constraints)', v_name, v_of);
      execute format('comment on table app.%I is %L', v_name, v_table.table_name || to_char(v_month, '" of "YYYY-MM'));
      perform app.guard_partition(format('app.%I', v_name)::regclass);
      execute format('with moved as (delete from app.%I where %I >= %L and %2$I < %4$L returning *) insert into app.%5$I select * from moved',
        v_parent || '_default', v_table.time_column, v_month, v_month + interval '1 month', v_name);
      execute format('alter table %s attach partition app.%I for values from (%L) to (%L)',
        v_of, v_name, v_month, v_month + interval '1 month');
      if v_table.table_name = 'ops.audit_log' then
        execute format('create trigger _200_append_only before update or delete or truncate on app.%I'
          || ' for each statement execute function app.tg_audit_log__append_only()', v_name);
      end if;
      return next v_name;
    end loop;
  end loop;
end;
$$;
revoke execute on function app.make_partitions() from public;
grant execute on function app.make_partitions() to curestry_worker;
comment on function app.make_partitions() is
  'Makes the partitions of the coming months, and of months that have rows but no partition; answers which. A job of the worker.';
--! EndIncluded app/functions/make_partitions.sql
--! Included app/functions/refuse_closed.sql
create or replace function app.refuse_closed(field text, organization uuid, earliest timestamptz) returns void
language plpgsql stable set search_path = '' as $$
declare
  v_closing timestamptz;
begin
  select s.closing_before into v_closing from app.mart_state s where s.organization_id = organization;
  if earliest < v_closing then
    perform app.refuse('CU004', format('%s: lies before %s; this organization does not keep what is older (raw_retention_days)', field, v_closing),
                       field, 'raw_retention');
  end if;
end;
$$;
revoke execute on function app.refuse_closed(text, uuid, timestamptz) from public;
grant execute on function app.refuse_closed(text, uuid, timestamptz) to curestry_definer;
comment on function app.refuse_closed(text, uuid, timestamptz) is
  'Refuses facts of a time that the organization does not keep any more: they could not be counted.';
--! EndIncluded app/functions/refuse_closed.sql
--! Included app/functions/tg__mart_marks.sql
/*
 * Marks are written by the statement that changes facts; nothing is queued or notified inside a writer's transaction. The
 * arguments are the source, and the field that callers know the time by.
 */
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
  if TG_OP = 'INSERT' then
    perform app.refuse_closed(TG_ARGV[1], n.organization_id, min(n.occurred_at)) from new_rows n group by n.organization_id;
  elsif TG_OP = 'UPDATE' then
    perform app.refuse_closed(TG_ARGV[1], n.organization_id, min(n.occurred_at))
       from new_rows n
       join old_rows o on o.organization_id = n.organization_id and o.id = n.id
      where n.occurred_at <> o.occurred_at
      group by n.organization_id;
  end if;
  return null;
end;
$$;
alter function app.tg__mart_marks() owner to curestry_definer;
revoke execute on function app.tg__mart_marks() from public;
comment on function app.tg__mart_marks() is
  'Trigger: marks the hours whose facts changed, for the worker to bring the marts up to date; refuses facts of times that are not kept.';
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
--! Included app/functions/tg_organization__time_zone.sql
create or replace function app.tg_organization__time_zone() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  -- What is left of older days are their numbers, and these cannot be counted anew
  if TG_OP = 'UPDATE' and NEW.time_zone is distinct from OLD.time_zone
     and exists (select from app.mart_state s
                  where s.organization_id = NEW.id and (s.closing_before is not null or s.frozen_before > '-infinity')) then
    perform app.refuse('CU005', 'timeZone: stays as it is once something was removed by age (raw_retention_days): the marts of before could not be rebuilt for another',
      'timeZone', 'organization_time_zone');
  end if;
  if NEW.time_zone !~ '^(posix/|right/|Factory$|localtime$|posixrules$)' and exists (select from pg_catalog.pg_timezone_names z where z.name = NEW.time_zone) then
    return NEW;
  end if;
  perform app.refuse('CU004', format('timeZone: %s is no time zone; give a name of the IANA database, such as Europe/Berlin or UTC', coalesce(to_json(NEW.time_zone)::text, 'null')),
    'timeZone', 'organization_time_zone');
  return null;
end;
$$;
alter function app.tg_organization__time_zone() owner to curestry_definer;
revoke execute on function app.tg_organization__time_zone() from public;
comment on function app.tg_organization__time_zone() is 'Trigger: the time zone of an organization is one that the server knows, by its whole name, and stays once facts were removed by age.';
--! EndIncluded app/functions/tg_organization__time_zone.sql
--! Included app/functions/mark_table.sql
create or replace function app.mark_table(
  marked regclass, source text, time_field text default 'occurred_at', trigger_function text default 'tg__mart_marks'
) returns void
language plpgsql set search_path = '' as $$
declare
  v_event text;
begin
  foreach v_event in array array['insert', 'update', 'delete', 'truncate'] loop
    execute format('create or replace trigger %I after %s on %s %s for each statement execute function app.%I(%L, %L)',
      case trigger_function when 'tg__mart_marks_of_runs' then '_810_run_marks_' else '_800_mart_marks_' end || v_event, v_event, marked,
      case v_event when 'insert' then 'referencing new table as new_rows'
                   when 'update' then 'referencing old table as old_rows new table as new_rows'
                   when 'delete' then 'referencing old table as old_rows' else '' end,
      case v_event when 'truncate' then 'tg__mart_marks_all' else trigger_function end, source, time_field);
  end loop;
end;
$$;
revoke execute on function app.mark_table(regclass, text, text, text) from public;
comment on function app.mark_table(regclass, text, text, text) is
  'Puts the triggers on a table that mark what the marts have to take up, as facts of this source; called in the file of each table with facts.';
--! EndIncluded app/functions/mark_table.sql
--! Included app/functions/legal_hold_of.sql
create or replace function app.legal_hold_of(organization uuid) returns app.legal_hold
language sql stable security definer set search_path = '' as $$
  select h.*
    from app.legal_hold h
   where h.released_at is null
     and (h.held_organization_id = organization
          or h.held_user_id = (select o.personal_user_id from ops.organization o where o.id = organization))
   order by h.placed_at
   limit 1;
$$;
alter function app.legal_hold_of(uuid) owner to curestry_definer;
revoke execute on function app.legal_hold_of(uuid) from public;
comment on function app.legal_hold_of(uuid) is 'The oldest hold in force of an organization: its own, or that of the user whose personal organization it is.';
--! EndIncluded app/functions/legal_hold_of.sql
--! Included app/functions/is_held.sql
create or replace function app.is_held(organization uuid) returns boolean
language sql stable security definer set search_path = '' as $$
  select (app.legal_hold_of(organization)).id is not null;
$$;
alter function app.is_held(uuid) owner to curestry_definer;
revoke execute on function app.is_held(uuid) from public;
comment on function app.is_held(uuid) is
  'Whether an organization is under legal hold, so that nothing of it is erased, deleted or thrown away by age.';
--! EndIncluded app/functions/is_held.sql
--! Included app/functions/refuse_held.sql
create or replace function app.refuse_held(hold app.legal_hold, subject text) returns void
language plpgsql stable set search_path = '' as $$
begin
  if hold.id is not null then
    perform app.refuse('CU005', format('%s is under legal hold %s (%s): an operator has to release it first', subject, hold.id, hold.reason),
                       null, 'legal_hold');
  end if;
end;
$$;
revoke execute on function app.refuse_held(app.legal_hold, text) from public;
grant execute on function app.refuse_held(app.legal_hold, text) to curestry_definer;
comment on function app.refuse_held(app.legal_hold, text) is 'Refuses (CU005), with the hold and its reason, unless there is none.';
--! EndIncluded app/functions/refuse_held.sql
--! Included app/functions/tg_organization__held.sql
create or replace function app.tg_organization__held() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  perform app.refuse_held(app.legal_hold_of(OLD.id), 'The organization ' || OLD.slug);
  return OLD;
end;
$$;
alter function app.tg_organization__held() owner to curestry_definer;
revoke execute on function app.tg_organization__held() from public;
comment on function app.tg_organization__held() is 'Trigger: an organization under legal hold is not deleted.';
--! EndIncluded app/functions/tg_organization__held.sql
--! Included core/functions/prompts_version.sql
create or replace function core.prompts_version(prompt core.prompts) returns integer
language sql stable set search_path = '' as $$
  select max(v.version) from core.prompt_versions v where v.organization_id = prompt.organization_id and v.prompt_id = prompt.id;
$$;
revoke execute on function core.prompts_version(core.prompts) from public;
grant execute on function core.prompts_version(core.prompts) to curestry_member, curestry_analyst;
comment on function core.prompts_version(core.prompts) is 'The number of its current version: how often its content was written.';
--! EndIncluded core/functions/prompts_version.sql
--! Included app/functions/tg_prompts__versions.sql
/* A statement's new texts become versions. Who changes a prompt holds its row, so its versions are numbered one after the other. */
create or replace function app.tg_prompts__versions() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  v_user constant integer := app.user_id();
  v_key constant uuid := nullif(current_setting('curestry.api_key_id', true), '')::uuid;
begin
  if TG_OP = 'INSERT' then
    insert into core.prompt_versions (organization_id, prompt_id, version, content, format_type, language, user_id, api_key_id)
    select n.organization_id, n.id, 1, n.content, n.format_type, n.language, v_user, v_key
      from new_rows n;
  else
    insert into core.prompt_versions (organization_id, prompt_id, version, content, format_type, language, user_id, api_key_id)
    select n.organization_id, n.id,
           coalesce((select max(v.version) from core.prompt_versions v where v.organization_id = n.organization_id and v.prompt_id = n.id), 0) + 1,
           n.content, n.format_type, n.language, v_user, v_key
      from new_rows n
      join old_rows o on o.organization_id = n.organization_id and o.id = n.id
     where n.content is distinct from o.content;
  end if;
  return null;
end;
$$;
alter function app.tg_prompts__versions() owner to curestry_definer;
revoke execute on function app.tg_prompts__versions() from public;
comment on function app.tg_prompts__versions() is 'Trigger: keeps every text of a prompt in core.prompt_versions.';
--! EndIncluded app/functions/tg_prompts__versions.sql
--! Included app/functions/prompt_version_of.sql
create or replace function app.prompt_version_of(organization uuid, prompt text, analysed text) returns uuid
language sql stable set search_path = '' as $$
  select v.id from core.prompt_versions v
   where v.organization_id = organization and v.prompt_id = prompt and (analysed is null or v.content = analysed)
   order by v.version desc
   limit 1;
$$;
revoke execute on function app.prompt_version_of(uuid, text, text) from public;
grant execute on function app.prompt_version_of(uuid, text, text) to curestry_definer;
comment on function app.prompt_version_of(uuid, text, text) is
  'The newest version of a prompt with this text, or its current one if no text is given; null if it never had that text.';
--! EndIncluded app/functions/prompt_version_of.sql
--! Included app/functions/analysis_item_problems.sql
/*
 * What constraints cannot say, or not in words that name the field: an array as long as items, null where nothing is wrong.
 * The bounds of numbers, lengths and statuses are the constraints' own, and are reported with the constraint's comment.
 */
create or replace function app.analysis_item_problems(organization uuid, items ops.analysis_item[]) returns text[]
language sql stable security definer set search_path = '' as $$
  with item as materialized (
    select * from unnest(items) with ordinality as i
  ), problem (n, problem) as (
    select i.ordinality, 'promptId or promptContent is required'
      from item i
     where i.prompt_id is null and i.prompt_content is null
    union all
    -- Of a text that is too long for its type, PostgreSQL does not say which it is.
    select i.ordinality, format('%s must be at most %s characters', t.field, t.longest)
      from item i, lateral (
        values ('idempotencyKey', i.idempotency_key, 255), ('status', i.status, 20), ('result.detectedLanguage', (i.result).detected_language, 10)
        union all select 'metrics: key', m.key, 100 from unnest(i.metrics) as m
        union all select 'nodeResults: node', r.node, 50 from unnest(i.node_results) as r
        union all select 'nodeResults: status', r.status, 20 from unnest(i.node_results) as r) as t (field, text, longest)
     where char_length(t.text) > t.longest
    union all
    select i.ordinality, format('promptId: there is no prompt %s in this organization', i.prompt_id)
      from item i
     where i.prompt_id is not null
       and not exists (select from core.prompts p where p.organization_id = organization and p.id = i.prompt_id)
    union all
    select i.ordinality, format('status must be queued, running, succeeded, failed or cancelled, and is %s', left(i.status, 50))
      from item i
     where i.status not in ('queued', 'running', 'succeeded', 'failed', 'cancelled')
    union all
    select i.ordinality, format('finishedAt: lies before %s; this organization does not keep what is older (raw_retention_days)', s.closing_before)
      from item i
      join app.mart_state s on s.organization_id = organization
     where coalesce(i.finished_at, case when i.status in ('queued', 'running') then i.started_at end) < s.closing_before
    union all
    select i.ordinality, format('result: an analysis that is %s has none yet', i.status)
      from item i
     where i.status in ('queued', 'running') and i.result is distinct from null
    union all
    select i.ordinality, format('metrics: %s must be %s, as result has it', m.key, r.value)
      from item i, lateral unnest(i.metrics) as m,
           lateral (select case m.key when 'overall_score' then (i.result).overall_score when 'judge_score' then (i.result).judge_score
                      when 'semantic_entropy' then (i.result).semantic_entropy when 'complexity_score' then (i.result).complexity_score
                      when 'length_chars' then (i.result).length_chars when 'length_words' then (i.result).length_words end::numeric) as r (value)
     where m.key in ('overall_score', 'judge_score', 'semantic_entropy', 'complexity_score', 'length_chars', 'length_words')
       and r.value is not null
       and (m.value_num is distinct from r.value or m.value_text is not null or m.value_json is not null)
    union all
    select s.n,
           case
             when s.rubric is null or s.criterion is null then 'scores: rubric and criterion are required'
             when not exists (select from ops.judge_rubric r where r.organization_id = organization and r.name = s.rubric)
               then format('scores: there is no rubric %L in this organization', s.rubric)
             else format('scores: the rubric %L has no criterion %L', s.rubric, s.criterion)
           end
      from app.resolve_scores(organization, items) as s
     where s.criterion_id is null
  )
  select array_agg(p.problem order by i.ordinality)
    from item i
    left join lateral (select min(p.problem) as problem from problem p where p.n = i.ordinality) p
      -- A known key is unchanged or in conflict, whatever has become of the prompt since.
      on not exists (select from ops.analysis_run r where r.organization_id = organization and r.idempotency_key = i.idempotency_key);
$$;
alter function app.analysis_item_problems(uuid, ops.analysis_item[]) owner to curestry_definer;
revoke execute on function app.analysis_item_problems(uuid, ops.analysis_item[]) from public;
comment on function app.analysis_item_problems(uuid, ops.analysis_item[]) is
  'What is wrong with each item of recordAnalyses, in words that name the field; null where nothing is.';
--! EndIncluded app/functions/analysis_item_problems.sql
--! Included app/functions/store_analysis_facts.sql
/*
 * The facts of runs that stand in ops.analysis_run already: document, metrics, node results, judge scores. Set-based: one
 * statement a table for any number of runs. The arrays go together: items[n] belongs to run_ids[n], whose text is contents[n],
 * a version of its prompt if versions[n] says which, and whose time is times[n].
 */
create or replace function app.store_analysis_facts(organization uuid, run_ids uuid[], contents text[], versions uuid[], times timestamptz[], items ops.analysis_item[])
returns void
language plpgsql volatile security definer set search_path = '' as $$
begin
  insert into core.analysis_results
    (organization_id, analysis_run_id, prompt_id, prompt_version_id, prompt_content, detected_language, translated, format_valid,
     overall_score, judge_score, semantic_entropy, complexity_score, length_chars, length_words,
     contradictions, patches, clarify_questions, analysis_extra_metadata, occurred_at)
  select organization, i.run_id, i.prompt_id, i.version, i.content,
         (i.result).detected_language, coalesce((i.result).translated, false), coalesce((i.result).format_valid, true),
         (i.result).overall_score, (i.result).judge_score, (i.result).semantic_entropy, (i.result).complexity_score,
         coalesce((i.result).length_chars, char_length(i.content)),
         coalesce((i.result).length_words, (select count(*) from regexp_matches(i.content, '\S+', 'g'))),
         coalesce((i.result).contradictions, '[]'), coalesce((i.result).patches, '[]'),
         coalesce((i.result).clarify_questions, '[]'), coalesce((i.result).extra_metadata, '{}'), i.occurred_at
    from rows from (unnest(run_ids), unnest(contents), unnest(versions), unnest(times), unnest(items))
           as i (run_id, content, version, occurred_at, idempotency_key, prompt_id, prompt_content, status, started_at, finished_at, meta,
                 result, metrics, node_results, scores)
   where i.result is distinct from null;

  insert into ops.analysis_metric (organization_id, analysis_run_id, key, value_num, value_text, value_json, occurred_at)
  select organization, i.run_id, m.key, m.value_num, m.value_text, m.value_json, i.occurred_at
    from rows from (unnest(run_ids), unnest(times), unnest(items))
           as i (run_id, occurred_at, idempotency_key, prompt_id, prompt_content, status, started_at, finished_at, meta,
                 result, metrics, node_results, scores),
         lateral unnest(i.metrics) as m
   where i.result is not distinct from null
      -- The document's numbers are mirrored by its trigger.
      or (m.key in ('overall_score', 'judge_score', 'semantic_entropy', 'complexity_score', 'length_chars', 'length_words')) is not true;

  insert into ops.analysis_node_result (organization_id, analysis_run_id, node, status, score, details, occurred_at)
  select organization, i.run_id, m.node, m.status, m.score, coalesce(m.details, '{}'), i.occurred_at
    from rows from (unnest(run_ids), unnest(times), unnest(items))
           as i (run_id, occurred_at, idempotency_key, prompt_id, prompt_content, status, started_at, finished_at, meta,
                 result, metrics, node_results, scores),
         lateral unnest(i.node_results) as m;

  insert into ops.judge_score (organization_id, analysis_run_id, criterion_id, score, comment, evidence, occurred_at)
  select organization, run_ids[s.n], s.criterion_id, s.score, s.comment, coalesce(s.evidence, '{}'), times[s.n]
    from app.resolve_scores(organization, items) as s;
end;
$$;
alter function app.store_analysis_facts(uuid, uuid[], text[], uuid[], timestamptz[], ops.analysis_item[]) owner to curestry_definer;
revoke execute on function app.store_analysis_facts(uuid, uuid[], text[], uuid[], timestamptz[], ops.analysis_item[]) from public;
comment on function app.store_analysis_facts(uuid, uuid[], text[], uuid[], timestamptz[], ops.analysis_item[]) is
  'Writes the document, metrics, node results and judge scores of runs.';
--! EndIncluded app/functions/store_analysis_facts.sql
--! Included app/functions/store_analyses.sql
/*
 * One attempt at a whole batch, all or nothing: a problem raises. app.record_analyses tries the batch first and, if that
 * fails, each item alone; so a good batch costs one statement a table, and one bad item does not stop the others.
 *
 * Answers, in the order of the items, the outcome and the run: "inserted"; "unchanged" if the key is known with the same
 * content, "conflict" with another. A key that another transaction is writing right now is waited for.
 */
create or replace function app.store_analyses(organization uuid, user_id integer, items ops.analysis_item[])
returns ops.record_outcome[]
language plpgsql volatile security definer set search_path = '' set timezone = 'UTC' as $$
declare
  v_ids uuid[];
  v_digests bytea[];
  v_contents text[];
  v_versions uuid[];
  v_new uuid[];
  v_new_at integer[];
  v_times timestamptz[];
  v_answer ops.record_outcome[];
begin
  select array_agg(gen_random_uuid() order by i.ordinality),
         array_agg(sha256(convert_to((to_jsonb(i) - 'ordinality' - 'idempotency_key')::text, 'UTF8')) order by i.ordinality),
         array_agg(coalesce(i.prompt_content,
                            (select p.content from core.prompts p where p.organization_id = organization and p.id = i.prompt_id))
                   order by i.ordinality),
         array_agg(case when i.prompt_id is not null then app.prompt_version_of(organization, i.prompt_id, i.prompt_content) end
                   order by i.ordinality)
    into v_ids, v_digests, v_contents, v_versions
    from unnest(items) with ordinality as i;

  with run as (
    insert into ops.analysis_run (id, organization_id, user_id, prompt_id, prompt_version_id, prompt_content, status, started_at, finished_at, meta,
                                  idempotency_key, request_digest)
    select i.id, organization, store_analyses.user_id, i.prompt_id, i.version,
           -- The document holds the content; a run without one holds it itself.
           case when i.result is not distinct from null then i.content end,
           s.status,
           case when s.status <> 'queued' then coalesce(i.started_at, i.finished_at, now()) else i.started_at end,
           case when s.status in ('succeeded', 'failed', 'cancelled') then coalesce(i.finished_at, now()) else i.finished_at end,
           coalesce(i.meta, '{}'), i.idempotency_key, i.digest
      from rows from (unnest(v_ids), unnest(v_contents), unnest(v_versions), unnest(v_digests), unnest(items))
             as i (id, content, version, digest, idempotency_key, prompt_id, prompt_content, status, started_at, finished_at, meta,
                   result, metrics, node_results, scores),
           lateral (select coalesce(i.status, 'succeeded')) as s (status)
     order by i.idempotency_key -- one order of locks for all writers
    on conflict (organization_id, idempotency_key) do nothing
    returning id, occurred_at
  )
  select array_agg(run.id order by o.n), array_agg(run.occurred_at order by o.n), array_agg(o.n order by o.n)
    into v_new, v_times, v_new_at
    from run
    join unnest(v_ids) with ordinality as o (id, n) on o.id = run.id;

  if v_new is not null then
    if cardinality(v_new) = cardinality(items) then
      perform app.store_analysis_facts(organization, v_new, v_contents, v_versions, v_times, items);
    else
      perform app.store_analysis_facts(organization, v_new,
        array(select v_contents[at] from unnest(v_new_at) as at),
        array(select v_versions[at] from unnest(v_new_at) as at), v_times, array(select items[at] from unnest(v_new_at) as at));
    end if;
    insert into ops.feature_event (organization_id, user_id, feature_key, event_count)
    values (organization, store_analyses.user_id, 'analyses.record', cardinality(v_new));
  end if;

  if cardinality(v_new) = cardinality(items) then
    return array(select row('inserted', i.id, null)::ops.record_outcome from unnest(v_ids) with ordinality as i (id, n) order by i.n);
  end if;
  select array_agg(
           case
             when i.id = any (v_new) then row('inserted', i.id, null)::ops.record_outcome
             when r.request_digest = i.digest then row('unchanged', r.id, null)::ops.record_outcome
             else row('conflict', r.id, format('idempotencyKey %s was used before, for another content', i.idempotency_key))::ops.record_outcome
           end order by i.n)
    into v_answer
    from rows from (unnest(v_ids), unnest(v_digests), unnest(items)) with ordinality
           as i (id, digest, idempotency_key, prompt_id, prompt_content, status, started_at, finished_at, meta,
                 result, metrics, node_results, scores, n)
    left join ops.analysis_run r on r.organization_id = organization and r.idempotency_key = i.idempotency_key;
  return v_answer;
end;
$$;
alter function app.store_analyses(uuid, integer, ops.analysis_item[]) owner to curestry_definer;
revoke execute on function app.store_analyses(uuid, integer, ops.analysis_item[]) from public;
comment on function app.store_analyses(uuid, integer, ops.analysis_item[]) is
  'Records a batch of analyses, all or nothing, and answers the outcome of each.';
--! EndIncluded app/functions/store_analyses.sql
--! Included app/functions/user_by_email.sql
/* The old backends knew addresses that differ in case only: the one that is written so is meant, if there is one. */
create or replace function app.user_by_email(user_email text) returns integer
language plpgsql stable security definer set search_path = '' as $$
declare
  v_users integer[];
begin
  select array_agg(u.id) filter (where u.email = user_email or not e.is_exact) into v_users
    from core.users u,
         lateral (select exists (select from core.users x where x.email = user_email) as is_exact) e
   where lower(u.email) = lower(user_email);
  if v_users is null then
    perform app.refuse('CU003', format('There is no user with the e-mail address %L', user_email), 'user');
  elsif cardinality(v_users) > 1 then
    perform app.refuse('CU005', format('Several users have an e-mail address that is %L but for case: write it as it is stored', user_email), 'user');
  end if;
  return v_users[1];
end;
$$;
alter function app.user_by_email(text) owner to curestry_definer;
revoke execute on function app.user_by_email(text) from public;
grant execute on function app.user_by_email(text) to curestry_owner;
comment on function app.user_by_email(text) is 'The id of the user with this e-mail address; refuses an unknown one. For operators.';
--! EndIncluded app/functions/user_by_email.sql
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
               'p50', least(greatest(app.sketch_value(min(c.slot) filter (where c.below >= 0.50 * c.total)), value_min), value_max),
               'p90', least(greatest(app.sketch_value(min(c.slot) filter (where c.below >= 0.90 * c.total)), value_min), value_max),
               'p95', least(greatest(app.sketch_value(min(c.slot) filter (where c.below >= 0.95 * c.total)), value_min), value_max),
               'p99', least(greatest(app.sketch_value(min(c.slot) filter (where c.below >= 0.99 * c.total)), value_min), value_max),
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
 * The planner takes a span with unknown ends for a ninth of the table, and an organization that its statistics do not know yet
 * for one row, and would read all of it. "offset 0" and the settings have it look up every bucket by itself, and "(select …)"
 * hides which organization it is: it expects one of usual size, and takes the index that fits. So it is here and in the other
 * functions that read or write by bucket: the cost follows what changed.
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
      from bucket b,
           lateral (select m.* from ops.analysis_metric m
                     where m.organization_id = (select organization) and m.occurred_at >= b.low and m.occurred_at < b.high
                    offset 0) m
     where source = 'metric'
    union all
    select n.node, b.low, n.score, n.status
      from bucket b,
           lateral (select n.* from ops.analysis_node_result n
                     where n.organization_id = (select organization) and n.occurred_at >= b.low and n.occurred_at < b.high
                    offset 0) n
     where source = 'node'
    union all
    select app.mart_key(r.name || ' v' || r.version || '/' || c.key), b.low, s.score, null
      from bucket b
     cross join lateral (select s.* from ops.judge_score s
                          where s.organization_id = (select organization) and s.occurred_at >= b.low and s.occurred_at < b.high
                         offset 0) s
      join ops.judge_criterion c on c.organization_id = s.organization_id and c.id = s.criterion_id
      join ops.judge_rubric r on r.organization_id = c.organization_id and r.id = c.rubric_id
     where source = 'judge'
    union all
    select app.mart_key(coalesce(e.node_key || '/', '') || e.metric_name), b.low,
           case when e.metric_value > '-Infinity' and e.metric_value < 'Infinity' then e.metric_value::numeric end, null
      from bucket b,
           lateral (select e.* from core.evaluation_metrics e
                     where e.organization_id = (select organization) and e.occurred_at >= b.low and e.occurred_at < b.high
                    offset 0) e
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
      from unnest(lows, highs) as b (low, high),
           lateral (select m.* from mart.metric_timeseries m
                     where m.organization_id = (select organization) and m.granularity = part_size and m.ts_bucket >= b.low and m.ts_bucket < b.high
                    offset 0) m
     where only_key is null and m.source = merge_metric_timeseries.source
    union all
    select m.metric_key, b.low, m.value_json, m.sample_count, m.numeric_count, m.value_sum, m.value_min, m.value_max
      from unnest(lows, highs) as b (low, high),
           lateral (select m.* from mart.metric_timeseries m
                     where m.organization_id = (select organization) and m.granularity = part_size and m.ts_bucket >= b.low and m.ts_bucket < b.high
                       and m.source = merge_metric_timeseries.source and m.metric_key = only_key
                    offset 0) m
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
     cross join lateral (select r.id, r.status from ops.analysis_run r
                          where r.organization_id = (select organization) and r.occurred_at >= b.low and r.occurred_at < b.high
                            and r.finished_at is not null
                         offset 0) r
      left join lateral (select d.* from core.analysis_results d
                          where d.organization_id = (select organization) and d.analysis_run_id = r.id
                         offset 0) d on true
  ), verdict as (
    select r.low, r.document, r.overall, r.entropy, b.name || ' v' || b.version as rubric,
           case when sum(c.weight) > 0 and count(*) = (select count(*) from ops.judge_criterion k
                                                        where k.organization_id = organization and k.rubric_id = b.id)
                then sum(c.weight * s.score) / sum(c.weight) end as score
      from run r
     cross join lateral (select s.criterion_id, s.score from ops.judge_score s
                          where s.organization_id = (select organization) and s.analysis_run_id = r.id
                         offset 0) s
      join ops.judge_criterion c on c.organization_id = organization and c.id = s.criterion_id
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
    from unnest(days, lows, highs) as b (day, low, high),
         lateral (select e.feature_key, e.event_count, e.user_id from ops.feature_event e
                   where e.organization_id = (select organization) and e.occurred_at >= b.low and e.occurred_at < b.high
                  offset 0) e
   group by 1, 2;
$$;
alter function app.compute_feature_daily(uuid, date[], timestamptz[], timestamptz[]) owner to curestry_definer;
revoke execute on function app.compute_feature_daily(uuid, date[], timestamptz[], timestamptz[]) from public;
comment on function app.compute_feature_daily(uuid, date[], timestamptz[], timestamptz[]) is
  'mart.feature_daily of an organization for days with these begins and ends, computed from the feature events.';
--! EndIncluded app/functions/compute_feature_daily.sql
--! Included app/functions/refresh_metric_timeseries.sql
/*
 * Rows that are right are not written. Those that should not be there are found by bucket and deleted by their place: by id
 * the planner may read all that it thinks an organization has. Nothing else writes the marts meanwhile; see
 * app.refresh_organization.
 */
create or replace function app.refresh_metric_timeseries(organization uuid, source text, bucket_size text, lows timestamptz[], highs timestamptz[]) returns void
language sql volatile security definer set search_path = '' set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off as $$
  with computed as materialized (
    select * from app.compute_metric_timeseries(organization, refresh_metric_timeseries.source, lows, highs) where bucket_size = 'hour'
    union all
    select * from app.merge_metric_timeseries(organization, refresh_metric_timeseries.source, 'hour', null, lows, highs) where bucket_size = 'day'
  ), gone as (
    delete from mart.metric_timeseries
     where ctid = any (array(
             select t.ctid
               from unnest(lows, highs) as b (low, high),
                    lateral (select t.ctid, t.source, t.metric_key::text, t.ts_bucket from mart.metric_timeseries t
                              where t.organization_id = (select organization) and t.granularity = bucket_size
                                and t.ts_bucket >= b.low and t.ts_bucket < b.high
                             offset 0) t
              where t.source = refresh_metric_timeseries.source
                and (t.metric_key, t.ts_bucket) not in (select c.metric_key, c.ts_bucket from computed c)))
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
    delete from mart.analysis_hourly
     where ctid = any (array(
             select h.ctid
               from unnest(lows, highs) as b (low, high),
                    lateral (select h.ctid, h.ts_bucket, h.dimension::text, h.value::text from mart.analysis_hourly h
                              where h.organization_id = (select organization) and h.ts_bucket >= b.low and h.ts_bucket < b.high
                             offset 0) h
              where (h.ts_bucket, h.dimension, h.value) not in (select c.ts_bucket, c.dimension, c.value from computed c)))
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
      from unnest(days, lows, highs) as b (day, low, high),
           lateral (select h.* from mart.analysis_hourly h
                     where h.organization_id = (select organization) and h.ts_bucket >= b.low and h.ts_bucket < b.high
                    offset 0) h
     group by b.day, h.dimension, h.value
  ), gone as (
    delete from mart.analysis_daily m
     where m.organization_id = organization and m.day = any (days)
       and m.day not in (select c.day from merged c where c.dimension = 'all')
  ), gone_by as (
    delete from mart.analysis_daily_by
     where ctid = any (array(
             select m.ctid
               from unnest(days) as b (day),
                    lateral (select m.ctid, m.day, m.dimension, m.value from mart.analysis_daily_by m
                              where m.organization_id = (select organization) and m.day = b.day
                             offset 0) m
              where (m.day, m.dimension::text, m.value::text) not in (select c.day, c.dimension::text, c.value::text from merged c)))
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
    delete from mart.feature_daily
     where ctid = any (array(
             select m.ctid
               from unnest(days) as b (day),
                    lateral (select m.ctid, m.day, m.feature_key from mart.feature_daily m
                              where m.organization_id = (select organization) and m.day = b.day
                             offset 0) m
              where (m.day, m.feature_key::text) not in (select c.day, c.feature_key from computed c)))
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
          select min(v.occurred_at), max(v.occurred_at) from core.evaluation_metrics v
           where v.organization_id = organization and v.occurred_at >= from_ts and v.occurred_at < to_ts
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
--! Included app/functions/marked_organizations.sql
/* Jumps from organization to organization in the index, so that many marks of one cost no more than one mark. */
create or replace function app.marked_organizations() returns setof uuid
language sql stable security definer set search_path = '' as $$
  with recursive marked as (
    (select m.organization_id from app.mart_mark m order by m.organization_id limit 1)
    union all
    select n.organization_id
      from marked p,
           lateral (select m.organization_id from app.mart_mark m
                     where m.organization_id > p.organization_id order by m.organization_id limit 1) n
  )
  select organization_id from marked;
$$;
alter function app.marked_organizations() owner to curestry_definer;
revoke execute on function app.marked_organizations() from public;
grant execute on function app.marked_organizations() to curestry_worker, curestry_owner;
comment on function app.marked_organizations() is
  'The organizations whose marts are behind. The worker asks every two seconds; one look into an index if there are none.';
--! EndIncluded app/functions/marked_organizations.sql
--! Included app/functions/try_refresh_organization.sql
/* A lock of its own, so that whoever comes second does not wait, with a connection in hand, for whoever came first. */
create or replace function app.try_refresh_organization(organization uuid) returns integer
language plpgsql volatile security definer set search_path = '' as $$
begin
  if not pg_try_advisory_xact_lock(hashtextextended('curestry refresh ' || organization, 0)) then
    return null;
  end if;
  return app.refresh_organization(organization);
end;
$$;
alter function app.try_refresh_organization(uuid) owner to curestry_definer;
revoke execute on function app.try_refresh_organization(uuid) from public;
grant execute on function app.try_refresh_organization(uuid) to curestry_worker, curestry_owner;
comment on function app.try_refresh_organization(uuid) is
  'Brings the marts of one organization up to date, unless another worker is at it just now (null); answers how many hours had changed.';
--! EndIncluded app/functions/try_refresh_organization.sql
--! Included app/functions/refresh_marts.sql
create or replace function app.refresh_marts() returns table (organization_id uuid, hours integer)
language plpgsql volatile security definer set search_path = '' as $$
begin
  -- In one order, so that two of these wait for each other instead of against each other.
  for organization_id in select o from app.marked_organizations() o order by 1 loop
    begin
      hours := app.refresh_organization(organization_id);
    exception when others then
      -- Its marks stay; the others go on
      hours := null;
      raise warning 'The marts of the organization % were not brought up to date: %', organization_id, sqlerrm;
    end;
    return next;
  end loop;
end;
$$;
alter function app.refresh_marts() owner to curestry_definer;
revoke execute on function app.refresh_marts() from public;
grant execute on function app.refresh_marts() to curestry_owner;
revoke execute on function app.refresh_marts() from curestry_worker;
comment on function app.refresh_marts() is
  'Brings the marts of all organizations up to date in one transaction; the hours are null where that failed. For psql: the worker and "curestry rollup" take each organization in a transaction of its own.';
--! EndIncluded app/functions/refresh_marts.sql
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
--! Included app/functions/frozen_marts.sql
create or replace function app.frozen_marts(from_ts timestamptz, to_ts timestamptz, only_organization uuid default null)
returns table (organization text, before timestamptz)
language sql stable security definer set search_path = '' as $$
  select o.slug::text, s.frozen_before
    from app.mart_state s
    join ops.organization o on o.id = s.organization_id
   where s.frozen_before > from_ts and (only_organization is null or o.id = only_organization)
     -- Only those that have something there
     and exists (select from app.mart_extent(o.id, s.time_zone, from_ts, least(to_ts, s.frozen_before)) e where e.first is not null)
   order by 1;
$$;
alter function app.frozen_marts(timestamptz, timestamptz, uuid) owner to curestry_definer;
revoke execute on function app.frozen_marts(timestamptz, timestamptz, uuid) from public;
grant execute on function app.frozen_marts(timestamptz, timestamptz, uuid) to curestry_owner;
comment on function app.frozen_marts(timestamptz, timestamptz, uuid) is
  'Organizations of which in this span, up to a time, only the marts are left: their source was removed by age, so they can be neither rebuilt nor checked. For operators.';
--! EndIncluded app/functions/frozen_marts.sql
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
--! Included app/functions/require_operator.sql
create or replace function app.require_operator() returns integer
language plpgsql stable security definer set search_path = '' as $$
declare
  v_user constant integer := app.require_person();
begin
  if not exists (select from app.operator o where o.user_id = v_user) then
    perform app.refuse('CU002', 'This is for operators: "curestry operator grant" makes one');
  end if;
  return v_user;
end;
$$;
alter function app.require_operator() owner to curestry_definer;
revoke execute on function app.require_operator() from public;
comment on function app.require_operator() is
  'The operator who makes the request in person; refuses (CU001, CU002) anybody else, and every API key.';
--! EndIncluded app/functions/require_operator.sql
--! Included app/functions/grant_operator.sql
create or replace function app.grant_operator(user_email text) returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_user integer;
begin
  select u.id into v_user from core.users u where lower(u.email) = lower(user_email);
  if not found then
    perform app.refuse('CU003', format('There is no user with the e-mail address %s', user_email), 'email');
  end if;
  insert into app.operator (user_id) values (v_user) on conflict do nothing;
  return v_user;
end;
$$;
alter function app.grant_operator(text) owner to curestry_definer;
revoke execute on function app.grant_operator(text) from public;
grant execute on function app.grant_operator(text) to curestry_owner;
comment on function app.grant_operator(text) is
  'Lets a user see failed jobs and scheduled tasks of the whole installation through the API, and retry jobs; refuses an unknown one. For operators.';
--! EndIncluded app/functions/grant_operator.sql
--! Included app/functions/revoke_operator.sql
create or replace function app.revoke_operator(user_email text) returns boolean
language sql volatile security definer set search_path = '' as $$
  with gone as (
    delete from app.operator o using core.users u
     where u.id = o.user_id and lower(u.email) = lower(user_email)
    returning o.user_id
  )
  select exists (select from gone);
$$;
alter function app.revoke_operator(text) owner to curestry_definer;
revoke execute on function app.revoke_operator(text) from public;
grant execute on function app.revoke_operator(text) to curestry_owner;
comment on function app.revoke_operator(text) is
  'Makes an operator an ordinary user again, from their next request on; answers whether they were one. For operators.';
--! EndIncluded app/functions/revoke_operator.sql
--! Included app/functions/list_operators.sql
create or replace function app.list_operators() returns table (email text, granted_at timestamptz)
language sql stable security definer set search_path = '' as $$
  select u.email::text, o.granted_at
    from app.operator o join core.users u on u.id = o.user_id
   order by 1;
$$;
alter function app.list_operators() owner to curestry_definer;
revoke execute on function app.list_operators() from public;
grant execute on function app.list_operators() to curestry_owner;
comment on function app.list_operators() is 'The users who are operators. For operators.';
--! EndIncluded app/functions/list_operators.sql
--! Included app/functions/worker_lock.sql
create or replace function app.worker_lock(worker text) returns bigint
language sql immutable
return hashtextextended('curestry worker ' || worker, 0);
revoke execute on function app.worker_lock(text) from public;
grant execute on function app.worker_lock(text) to curestry_definer;
comment on function app.worker_lock(text) is
  'The key of the advisory lock that a worker''s connection holds for as long as the worker lives.';
--! EndIncluded app/functions/worker_lock.sql
--! Included app/functions/worker_beat.sql
/*
 * Beside the time, the session keeps a lock: a worker whose program is too busy to beat in time still has its connection,
 * and is not taken for dead; the connection of one that was killed ends with it.
 */
create or replace function app.worker_beat(worker text) returns void
language plpgsql volatile security definer set search_path = '' as $$
begin
  perform pg_try_advisory_lock(app.worker_lock(worker));
  insert into app.worker_heartbeat (worker_id) values (worker)
  on conflict on constraint pk_worker_heartbeat do update set beat_at = clock_timestamp();
end;
$$;
alter function app.worker_beat(text) owner to curestry_definer;
revoke execute on function app.worker_beat(text) from public;
grant execute on function app.worker_beat(text) to curestry_worker;
comment on function app.worker_beat(text) is
  'Says that a worker is alive, by the name under which it locks jobs; called every ten seconds on a connection that it keeps.';
--! EndIncluded app/functions/worker_beat.sql
--! Included app/functions/end_worker.sql
create or replace function app.end_worker(worker text) returns void
language sql volatile security definer set search_path = '' as $$
  delete from app.worker_heartbeat h where h.worker_id = worker;
$$;
alter function app.end_worker(text) owner to curestry_definer;
revoke execute on function app.end_worker(text) from public;
grant execute on function app.end_worker(text) to curestry_worker;
comment on function app.end_worker(text) is 'Says that a worker has stopped in good order: it holds no jobs.';
--! EndIncluded app/functions/end_worker.sql
--! Included app/functions/dead_workers.sql
/*
 * Dead is who was silent for long and has no connection any more. A server that comes back first gives everybody time to
 * connect again: silence counts from its start.
 */
create or replace function app.dead_workers(suspects text[], silence interval) returns text[]
language sql volatile security definer set search_path = '' as $$
  with gone as (
    delete from app.worker_heartbeat h
     where greatest(h.beat_at, pg_postmaster_start_time()) < clock_timestamp() - silence
       and pg_try_advisory_xact_lock(app.worker_lock(h.worker_id))
    returning h.worker_id
  ), strangers as (
    select s.worker_id
      from unnest(suspects) as s (worker_id)
     where not exists (select from app.worker_heartbeat h where h.worker_id = s.worker_id)
       and pg_try_advisory_xact_lock(app.worker_lock(s.worker_id))
  )
  select coalesce(array_agg(d.worker_id), '{}')
    from (select g.worker_id from gone g union select s.worker_id from strangers s) d;
$$;
alter function app.dead_workers(text[], interval) owner to curestry_definer;
revoke execute on function app.dead_workers(text[], interval) from public;
grant execute on function app.dead_workers(text[], interval) to curestry_worker;
comment on function app.dead_workers(text[], interval) is
  'Forgets and answers the workers that died: known ones, and those of the suspects that never had a heartbeat.';
--! EndIncluded app/functions/dead_workers.sql
--! Included app/functions/reap_workers.sql
/*
 * graphile-worker waits four hours before it takes a job from a worker that is gone. Runs with the rights of
 * curestry_worker, to whom the queue belongs.
 */
create or replace function app.reap_workers(silence interval default interval '40 seconds') returns integer
language plpgsql volatile set search_path = '' as $$
declare
  v_dead text[];
  v_jobs integer;
begin
  v_dead := app.dead_workers(
    array(select distinct j.locked_by from graphile_worker.jobs j
           where greatest(j.locked_at, pg_postmaster_start_time()) < clock_timestamp() - silence),
    silence);
  if v_dead = '{}' then
    return 0;
  end if;
  update graphile_worker._private_jobs j set last_error = 'The worker ended in the middle of it' where j.locked_by = any (v_dead);
  get diagnostics v_jobs = row_count;
  -- A scheduled job that may not be tried again was replaced by the schedule, which has queued another
  delete from graphile_worker._private_jobs j
   where j.locked_by = any (v_dead) and j.attempts >= j.max_attempts and j.payload::jsonb ? '_cron';
  perform graphile_worker.force_unlock_workers(v_dead);
  return v_jobs;
end;
$$;
revoke execute on function app.reap_workers(interval) from public;
grant execute on function app.reap_workers(interval) to curestry_worker;
comment on function app.reap_workers(interval) is
  'Gives the jobs of workers that died back to the queue, for others to run; answers how many. A poll of the worker.';
--! EndIncluded app/functions/reap_workers.sql
--! Included app/functions/tidy_jobs.sql
create or replace function app.tidy_jobs(keep interval default interval '7 days', newest integer default 20) returns integer
language plpgsql volatile set search_path = '' as $$
declare
  v_removed integer;
begin
  -- Only what the schedule queues again anyway: other failed jobs wait for an operator
  delete from graphile_worker._private_jobs j
   using (select f.id, f.updated_at, row_number() over (partition by f.task_id order by f.id desc) as place
            from graphile_worker._private_jobs f
           where f.attempts >= f.max_attempts and f.locked_at is null and f.payload::jsonb ? '_cron') f
   where j.id = f.id and j.locked_at is null and (f.place > newest or f.updated_at < now() - keep);
  get diagnostics v_removed = row_count;
  return v_removed;
end;
$$;
revoke execute on function app.tidy_jobs(interval, integer) from public;
grant execute on function app.tidy_jobs(interval, integer) to curestry_worker;
comment on function app.tidy_jobs(interval, integer) is
  'Removes scheduled jobs that failed for good: all but the newest of each task, and those too after some days. A job of the worker.';
--! EndIncluded app/functions/tidy_jobs.sql
--! Included app/functions/expect_tasks.sql
create or replace function app.expect_tasks(tasks jsonb) returns void
language plpgsql volatile security definer set search_path = '' as $$
begin
  insert into app.task_run (kind, task, expected_seconds)
  select t.kind, t.task, t.seconds
    from jsonb_to_recordset(tasks) as t (kind text, task text, seconds integer)
   order by 1, 2
  on conflict on constraint pk_task_run do update
    set expected_seconds = excluded.expected_seconds
    where task_run.expected_seconds <> excluded.expected_seconds;
  delete from app.task_run r
   where not exists (select from jsonb_to_recordset(tasks) as t (kind text, task text) where t.kind = r.kind and t.task = r.task);
end;
$$;
alter function app.expect_tasks(jsonb) owner to curestry_definer;
revoke execute on function app.expect_tasks(jsonb) from public;
grant execute on function app.expect_tasks(jsonb) to curestry_worker;
comment on function app.expect_tasks(jsonb) is
  'Says which tasks run by themselves ({kind, task, seconds}: how often), so that one that does not run at all is missed. The worker does so when it starts.';
--! EndIncluded app/functions/expect_tasks.sql
--! Included app/functions/note_task_start.sql
create or replace function app.note_task_start(task_kind text, task_name text) returns void
language sql volatile security definer set search_path = '' as $$
  update app.task_run r set started_at = clock_timestamp() where r.kind = task_kind and r.task = task_name;
$$;
alter function app.note_task_start(text, text) owner to curestry_definer;
revoke execute on function app.note_task_start(text, text) from public;
grant execute on function app.note_task_start(text, text) to curestry_worker;
comment on function app.note_task_start(text, text) is 'Notes that a task which runs by itself has begun.';
--! EndIncluded app/functions/note_task_start.sql
--! Included app/functions/note_task_end.sql
create or replace function app.note_task_end(task_kind text, task_name text, took double precision, failure text) returns void
language sql volatile security definer set search_path = '' as $$
  update app.task_run r
     set started_at = clock_timestamp() - took * interval '1 millisecond',
         succeeded_at = case when failure is null then clock_timestamp() else r.succeeded_at end,
         failed_at = case when failure is null then r.failed_at else clock_timestamp() end,
         error = case when failure is null then r.error else left(failure, 1000) end,
         milliseconds = took
   where r.kind = task_kind and r.task = task_name;
$$;
alter function app.note_task_end(text, text, double precision, text) owner to curestry_definer;
revoke execute on function app.note_task_end(text, text, double precision, text) from public;
grant execute on function app.note_task_end(text, text, double precision, text) to curestry_worker;
comment on function app.note_task_end(text, text, double precision, text) is
  'Notes how a task which runs by itself has ended: how long it took, in milliseconds, and why it failed, else null.';
--! EndIncluded app/functions/note_task_end.sql
--! Included app/functions/task_runs.sql
create or replace function app.task_runs() returns setof ops.task_run
language sql stable security definer set search_path = '' as $$
  select r.task, r.kind,
         -- Three times may go wrong; the rest is for a worker that starts
         clock_timestamp() > greatest(r.succeeded_at, r.expected_since) + r.expected_seconds * interval '3 seconds' + interval '30 seconds',
         r.expected_seconds, r.started_at, r.succeeded_at, r.failed_at, r.error, r.milliseconds
    from app.task_run r
   order by r.task, r.kind;
$$;
alter function app.task_runs() owner to curestry_definer;
revoke execute on function app.task_runs() from public;
grant execute on function app.task_runs() to curestry_owner;
comment on function app.task_runs() is 'What runs by itself, when it last did, and which of it is late. For operators.';
--! EndIncluded app/functions/task_runs.sql
--! Included app/functions/list_jobs.sql
create or replace function app.list_jobs(only_failed boolean default false)
returns table (id bigint, task text, state text, attempts integer, max_attempts integer, error text,
               created_at timestamptz, updated_at timestamptz, run_at timestamptz, worker text)
language plpgsql stable security definer set search_path = '' as $$
begin
  return query select j.id, j.task_identifier::text,
         case when j.locked_at is not null then 'running'
              when j.attempts >= j.max_attempts then 'failed'
              when j.last_error is not null then 'retrying'
              else 'waiting' end,
         j.attempts::integer, j.max_attempts::integer, left(j.last_error, 2000), j.created_at, j.updated_at, j.run_at, j.locked_by
    from graphile_worker.jobs j
   where not only_failed or (j.locked_at is null and j.attempts >= j.max_attempts)
   order by j.id;
end;
$$;
alter function app.list_jobs(boolean) owner to curestry_definer;
revoke execute on function app.list_jobs(boolean) from public;
grant execute on function app.list_jobs(boolean) to curestry_owner;
comment on function app.list_jobs(boolean) is
  'The jobs of the queue, or those of them that failed for good, with the last error; not what they are about. For operators.';
--! EndIncluded app/functions/list_jobs.sql
--! Included app/functions/job_counts.sql
create or replace function app.job_counts() returns table (waiting bigint, running bigint, failed bigint)
language plpgsql stable security definer set search_path = '' as $$
begin
  return query
  select count(*) filter (where j.locked_at is null and j.attempts < j.max_attempts),
         count(*) filter (where j.locked_at is not null),
         count(*) filter (where j.locked_at is null and j.attempts >= j.max_attempts)
    from graphile_worker.jobs j;
end;
$$;
alter function app.job_counts() owner to curestry_definer;
revoke execute on function app.job_counts() from public;
comment on function app.job_counts() is 'How many jobs wait, run, and have failed for good.';
--! EndIncluded app/functions/job_counts.sql
--! Included app/functions/unlocked_job.sql
create or replace function app.unlocked_job(job_id bigint) returns text
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_task text;
  v_locked timestamptz;
begin
  select t.identifier, j.locked_at
    into v_task, v_locked
    from graphile_worker._private_jobs j
    join graphile_worker._private_tasks t on t.id = j.task_id
   where j.id = job_id
     for update of j;
  if not found then
    perform app.refuse('CU003', format('There is no job %s', job_id), 'id');
  end if;
  if v_locked is not null then
    perform app.refuse('CU005', format('The job %s runs just now; wait for its end', job_id), 'id');
  end if;
  return v_task;
end;
$$;
alter function app.unlocked_job(bigint) owner to curestry_definer;
revoke execute on function app.unlocked_job(bigint) from public;
comment on function app.unlocked_job(bigint) is
  'The task of a job that does not run, which until the end of the transaction no worker takes; refuses (CU003, CU005) another.';
--! EndIncluded app/functions/unlocked_job.sql
--! Included app/functions/retry_job.sql
create or replace function app.retry_job(job_id bigint) returns text
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_task constant text := app.unlocked_job(job_id);
begin
  perform graphile_worker.reschedule_jobs(array[job_id], run_at => now(), attempts => 0);
  return v_task;
end;
$$;
alter function app.retry_job(bigint) owner to curestry_definer;
revoke execute on function app.retry_job(bigint) from public;
grant execute on function app.retry_job(bigint) to curestry_owner;
comment on function app.retry_job(bigint) is
  'Lets a job run again at once, with all its attempts; answers its task. Refuses one that runs just now. For operators.';
--! EndIncluded app/functions/retry_job.sql
--! Included app/functions/cancel_job.sql
create or replace function app.cancel_job(job_id bigint) returns text
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_task constant text := app.unlocked_job(job_id);
begin
  perform graphile_worker.complete_jobs(array[job_id]);
  return v_task;
end;
$$;
alter function app.cancel_job(bigint) owner to curestry_definer;
revoke execute on function app.cancel_job(bigint) from public;
grant execute on function app.cancel_job(bigint) to curestry_owner;
comment on function app.cancel_job(bigint) is
  'Takes a job out of the queue; answers its task. Refuses one that runs just now. For operators.';
--! EndIncluded app/functions/cancel_job.sql
--! Included app/functions/record_own_features.sql
/*
 * The gateway knows credentials, not people: they are looked up here, whether or not they hold any more, because the use
 * that is recorded was made while they did.
 */
create or replace function app.record_own_features(uses jsonb) returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_count integer;
begin
  insert into ops.feature_event (organization_id, user_id, feature_key, occurred_at, event_count)
  select o.id, coalesce(k.user_id, s.user_id), left('api.' || u.field, 100),
         clock_timestamp() - least(greatest(u.age, 0), 86400) * interval '1 second', least(u.count, 1000000)
    from jsonb_to_recordset(uses) as u ("jwtId" text, "keyHash" text, organization text, field text, count integer, age double precision)
    left join ops.api_key k on k.key_hash = u."keyHash"
    left join core.sessions s on s.jwt_id = u."jwtId",
         lateral (select coalesce(
                    k.organization_id,
                    case when u.organization is null then (select p.id from ops.organization p where p.personal_user_id = s.user_id)
                         else (select n.id from ops.organization n where n.slug = u.organization) end) as id) o
   where (k.id is not null or s.id is not null) and o.id is not null and u.count > 0;
  get diagnostics v_count = row_count;
  return v_count;
end;
$$;
alter function app.record_own_features(jsonb) owner to curestry_definer;
revoke execute on function app.record_own_features(jsonb) from public;
grant execute on function app.record_own_features(jsonb) to curestry_gateway;
comment on function app.record_own_features(jsonb) is
  'Records which fields of our own API were used ({jwtId or keyHash, organization, field, count, age in seconds}), as the features api.<field>. The gateway calls it every few seconds, beside the requests.';
--! EndIncluded app/functions/record_own_features.sql
--! Included app/functions/audit_unsealed_seconds.sql
create or replace function app.audit_unsealed_seconds() returns double precision
language sql stable security definer set search_path = '' as $$
  select extract(epoch from clock_timestamp() - a.ts)::double precision
    from app.audit_sealer s,
         lateral (select e.ts from ops.audit_log e where e.xid >= s.through_xid order by e.xid limit 1) a;
$$;
alter function app.audit_unsealed_seconds() owner to curestry_definer;
revoke execute on function app.audit_unsealed_seconds() from public;
comment on function app.audit_unsealed_seconds() is 'The age of the oldest row of the audit log that is not sealed; null if all are.';
--! EndIncluded app/functions/audit_unsealed_seconds.sql
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
--! Included app/functions/metrics.sql
/* Names and labels are few and the same for everybody: no organization, no person. */
create or replace function app.metrics() returns table (name text, help text, labels jsonb, value double precision)
language sql stable security definer set search_path = '' as $$
  select 'curestry_mart_oldest_change_seconds', 'Age of the oldest change that a mart has not taken; 0 if it has taken all.',
         jsonb_build_object('mart', f.mart), coalesce(f.oldest_change_seconds, 0)
    from app.mart_freshness() f
  union all
  select 'curestry_mart_changes_waiting', 'Changes that a mart has not taken.', jsonb_build_object('mart', f.mart), f.waiting
    from app.mart_freshness() f
  union all
  select 'curestry_audit_unsealed_seconds', 'Age of the oldest row of the audit log that is not sealed; 0 if all are.', '{}',
         coalesce(app.audit_unsealed_seconds(), 0)
  union all
  select 'curestry_jobs', 'Jobs in the queue by state.', jsonb_build_object('state', s.state), s.jobs
    from app.job_counts() c,
         lateral (values ('waiting', c.waiting), ('running', c.running), ('failed', c.failed)) as s (state, jobs)
  union all
  select 'curestry_task_seconds_since_success', 'Time since a task that runs by itself last succeeded; none if it never did.',
         jsonb_build_object('task', r.task, 'kind', r.kind), extract(epoch from clock_timestamp() - r.succeeded_at)
    from app.task_runs() r where r.succeeded_at is not null
  union all
  select 'curestry_task_late', '1 for a task that runs by itself and is late, else 0.',
         jsonb_build_object('task', r.task, 'kind', r.kind), r.is_late::integer
    from app.task_runs() r
  union all
  select 'curestry_workers_alive', 'Workers with a heartbeat.', '{}', count(*)
    from app.worker_heartbeat h where h.beat_at > clock_timestamp() - interval '40 seconds';
$$;
alter function app.metrics() owner to curestry_definer;
revoke execute on function app.metrics() from public;
grant execute on function app.metrics() to curestry_gateway, curestry_owner;
comment on function app.metrics() is
  'Figures of the database for GET /metrics, all of them gauges: a further one is a further row.';
--! EndIncluded app/functions/metrics.sql
--! Included app/functions/security_findings.sql
/*
 * Looks at the live database for what would make it unsafe, or unlike the rest of it, and says how to cure it: one query a
 * rule. A breach that somebody made by hand is found as much as one that a migration brought.
 */
create or replace function app.security_findings() returns table (rule text, object text, cure text)
language sql stable set search_path = 'pg_catalog' as $$
  with ours_by_month (oid) as ( -- named and described by the table that they are parts of
    select c.oid from pg_class c
     where c.relnamespace = 'app'::regnamespace and (c.relispartition or c.relname ~ '^audit_log_\d{4}_\d\d_detached_')
  )
  select 'row level security is on and forced on every table', f.finding, 'alter table … enable row level security; alter table … force row level security; then write its policies'
    from (
      select c.oid::regclass::text as finding
                  from pg_class c join pg_namespace n on n.oid = c.relnamespace
                 where n.nspname in ('app', 'core', 'ops', 'mart', 'report') and c.relkind in ('r', 'p')
                   and not (c.relrowsecurity and c.relforcerowsecurity)
    ) f
  union all
  select 'every foreign key has an index that serves it', f.finding, 'create index idx_<table>_<columns> on … (<the columns of the foreign key>)'
    from (
      select c.conname::text as finding
                  from pg_constraint c join pg_namespace n on n.oid = c.connamespace
                 where c.contype = 'f' and n.nspname in ('app', 'core', 'ops', 'mart', 'report')
                   and not exists (
                     select from pg_index i
                      where i.indrelid = c.conrelid and i.indpred is null
                        and (i.indkey::int2[])[0:cardinality(c.conkey) - 1] @> c.conkey
                        and (i.indkey::int2[])[0:cardinality(c.conkey) - 1] <@ c.conkey)
    ) f
  union all
  select 'foreign keys between tenant tables are composite', f.finding, 'make it (organization_id, <column>) references … (organization_id, id): foreign keys are checked past row level security'
    from (
      select c.conname::text as finding
                  from pg_constraint c
                  join pg_attribute f on f.attrelid = c.conrelid and f.attname = 'organization_id'
                  join pg_attribute t on t.attrelid = c.confrelid and t.attname = 'organization_id'
                 where c.contype = 'f'
                   and not exists (select from generate_subscripts(c.conkey, 1) as s
                                    where c.conkey[s] = f.attnum and c.confkey[s] = t.attnum)
    ) f
  union all
  select 'organization_id is not null, and first in every primary and unique key', f.finding, 'make organization_id not null, and the first column of the key'
    from (
      select coalesce(i.indexrelid, a.attrelid)::regclass::text as finding
                  from pg_attribute a
                  join pg_class c on c.oid = a.attrelid and c.relkind in ('r', 'p')
                  join pg_namespace n on n.oid = c.relnamespace and n.nspname in ('app', 'core', 'ops', 'mart', 'report')
                  left join pg_index i on i.indrelid = c.oid and i.indisunique and i.indkey[0] <> a.attnum
                 where a.attname = 'organization_id' and (not a.attnotnull or i.indexrelid is not null)
                   -- A key is looked up before its organization is known
                   and i.indexrelid is distinct from 'ops.unq_api_key_key_hash'::regclass
    ) f
  union all
  select 'definer functions have an empty search path and belong to curestry_definer', f.finding, 'alter function … set search_path = ''''; alter function … owner to curestry_definer'
    from (
      select p.oid::regprocedure::text as finding
                  from pg_proc p join pg_namespace n on n.oid = p.pronamespace
                 where n.nspname in ('app', 'core', 'ops', 'mart', 'report') and p.prosecdef
                   and (not coalesce(p.proconfig @> array['search_path=""'], false) or p.proowner <> 'curestry_definer'::regrole)
                   -- Partitions are the owner's to make and to take off
                   and not (p.proowner = 'curestry_owner'::regrole and p.proconfig @> array['search_path=""']
                            and p.oid::regprocedure::text in ('app.make_partitions()', 'app.retain_audit(boolean)',
                                                              'app.drop_detached_audit(interval)', 'app.retain_facts(boolean,integer)'))
    ) f
  union all
  select 'nobody may execute a function of ours by default', f.finding, 'revoke execute on function … from public; grant it to the roles that need it'
    from (
      select p.oid::regprocedure::text as finding
                  from pg_proc p join pg_namespace n on n.oid = p.pronamespace
                 where n.nspname in ('app', 'core', 'ops', 'mart', 'report') and has_function_privilege('public', p.oid, 'execute')
    ) f
  union all
  select 'no policy reads a setting, and members'' policies are written to curestry_member', f.finding, 'write the policy to a role, and compare with app.organization_if(…) or app.analyst_organizations()'
    from (
      select p.polname::text as finding
                  from pg_policy p
                 where pg_get_expr(p.polqual, p.polrelid) like '%current_setting%'
                    or pg_get_expr(p.polwithcheck, p.polrelid) like '%current_setting%'
                    or p.polroles @> array[0::oid]
    ) f
  union all
  select 'no role of a request may truncate, reference or trigger, which look past row level security', f.finding, 'revoke truncate, references, trigger on … from <role>'
    from (
      select c.oid::regclass::text as finding
                  from pg_class c join pg_namespace n on n.oid = c.relnamespace,
                       unnest(array['curestry_anonymous', 'curestry_member', 'curestry_analyst', 'curestry_gateway', 'curestry_worker']) as r (role)
                 where n.nspname in ('app', 'core', 'ops', 'mart', 'report') and c.relkind in ('r', 'p')
                   and has_table_privilege(r.role, c.oid, 'truncate, references, trigger')
    ) f
  union all
  select 'every table of core and ops has its audit triggers, made for its columns', f.finding, 'select app.audit_table(''<table>'', …) in the file of the table, again whenever its columns change; alter table … enable trigger …'
    from (
      select c.oid::regclass::text as finding
        from pg_class c join pg_namespace n on n.oid = c.relnamespace
       where n.nspname in ('core', 'ops') and c.relkind in ('r', 'p') and c.oid <> 'ops.audit_log'::regclass
         and 4 <> (select count(*)
                     from pg_trigger t
                     join app.audited_table a on a.table_name = n.nspname || '.' || c.relname
                     join pg_proc p on p.oid = t.tgfoid and p.prosrc = app.audit_source(a)
                    where t.tgrelid = c.oid and t.tgname like '\_900\_audit\_%' and t.tgenabled = 'O')
    ) f
  union all
  select 'nobody but the functions that keep it may write to the audit log or its seals', f.finding, 'revoke insert, update, delete, truncate on … from <role>'
    from (
      select distinct c.oid::regclass || ': ' || coalesce(r.rolname, 'public') as finding
        from pg_class c
        join pg_namespace n on n.oid = c.relnamespace
        left join pg_attribute k on k.attrelid = c.oid and k.attacl is not null,
             lateral (select * from aclexplode(c.relacl) union all select * from aclexplode(k.attacl)) a
        left join pg_roles r on r.oid = a.grantee
       where (c.oid in ('ops.audit_log'::regclass, 'app.audit_seal'::regclass, 'app.audit_sealer'::regclass, 'app.audit_retention'::regclass,
                        'app.audit_detachment'::regclass, 'app.erasure'::regclass)
              or n.nspname = 'app' and c.relname ~ '^audit_log_')
         and a.privilege_type in ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE')
         and a.grantee not in (c.relowner, 'curestry_definer'::regrole)
    ) f
  union all
  select 'columns named like secrets are left out of the audit log', f.finding, 'name it in secret_columns of app.audit_table in the file of the table'
    from (
      select t.table_name || '.' || a.attname as finding
        from app.audited_table t
        join pg_attribute a on a.attrelid = to_regclass(t.table_name) and a.attnum > 0 and not a.attisdropped
       where a.attname ~* '(hash|token|secret|cipher|password|credential|private|jwt)' and a.attname <> all (t.secret_columns)
    ) f
  union all
  select 'columns named like personal data are known to the erasure', f.finding, 'name it in app.personal_table in the file of the table'
    from (
      select c.oid::regclass || '.' || a.attname as finding
        from pg_class c
        join pg_namespace n on n.oid = c.relnamespace and n.nspname in ('app', 'core', 'ops', 'mart')
        join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        left join app.personal_data p on p.table_name = n.nspname || '.' || c.relname
       where c.relkind in ('r', 'p') and not c.relispartition
         and (a.attname ~ '(e_?mail|phone|avatar|user_agent|first_name|last_name|full_name|display_name|nickname|birth|gender|profile|address|provider_account|(^|_)ip(_|$))'
              or a.attname in ('name', 'login') and p.person_column = 'id')
         and a.attname <> all (coalesce(p.personal_columns, '{}'))
    ) f
  union all
  select 'tables with updated_at keep it', f.finding, 'create trigger _100_updated_at before update on … for each row execute function app.tg__updated_at()'
    from (
      select c.oid::regclass::text as finding
                  from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'updated_at'
                  join pg_namespace n on n.oid = c.relnamespace and n.nspname in ('app', 'core', 'ops', 'mart', 'report')
                 where c.relkind in ('r', 'p')
                   and not exists (select from pg_trigger t where t.tgrelid = c.oid and t.tgname = '_100_updated_at')
    ) f
  union all
  select 'constraints and indexes are named by the conventions', f.finding, 'rename it: pk_, unq_, fk_, chk_ or idx_, then the table, then the columns'
    from (
      select c.conname::text as finding
                  from pg_constraint c join pg_namespace n on n.oid = c.connamespace
                 where n.nspname in ('app', 'core', 'ops', 'mart', 'report') and c.conrelid <> 0
                   and c.conrelid not in (select * from ours_by_month)
                   and not starts_with(c.conname, case c.contype when 'p' then 'pk' when 'u' then 'unq' when 'f' then 'fk' when 'c' then 'chk' end
                                         || '_' || (select relname from pg_class where oid = c.conrelid))
                   and c.contype in ('p', 'u', 'f', 'c')
                union all
                select i.indexrelid::regclass::text
                  from pg_index i join pg_class x on x.oid = i.indexrelid
                  join pg_class c on c.oid = i.indrelid join pg_namespace n on n.oid = c.relnamespace
                 where n.nspname in ('app', 'core', 'ops', 'mart', 'report') and c.relkind in ('r', 'p')
                   and c.oid not in (select * from ours_by_month)
                   and x.relname !~ ('^(pk|unq|idx)_' || c.relname)
    ) f
  union all
  select 'everything has a comment', f.finding, 'comment on … is ''…'', in words for its users'
    from (
      select c.oid::regclass::text as finding
                  from pg_class c join pg_namespace n on n.oid = c.relnamespace
                 where n.nspname in ('app', 'core', 'ops', 'mart', 'report') and c.relkind in ('r', 'p', 'v') and obj_description(c.oid, 'pg_class') is null
                union all
                select c.oid::regclass || '.' || a.attname
                  from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
                 where n.nspname in ('app', 'core', 'ops', 'mart', 'report') and c.relkind in ('r', 'p', 'v', 'c') and a.attnum > 0 and not a.attisdropped
                   and c.oid not in (select * from ours_by_month)
                   and col_description(c.oid, a.attnum) is null
                union all
                select t.oid::regtype::text
                  from pg_type t join pg_namespace n on n.oid = t.typnamespace left join pg_class c on c.oid = t.typrelid
                 where n.nspname in ('app', 'core', 'ops', 'mart', 'report') and (t.typtype = 'e' or c.relkind = 'c') and obj_description(t.oid, 'pg_type') is null
                union all
                select p.oid::regprocedure::text
                  from pg_proc p join pg_namespace n on n.oid = p.pronamespace
                 where n.nspname in ('app', 'core', 'ops', 'mart', 'report') and obj_description(p.oid, 'pg_proc') is null
                union all
                select c.conname::text
                  from pg_constraint c join pg_namespace n on n.oid = c.connamespace
                 where n.nspname in ('app', 'core', 'ops', 'mart', 'report') and c.contype in ('p', 'u', 'f', 'c') and c.conrelid <> 0
                   and c.conrelid not in (select * from ours_by_month)
                   and obj_description(c.oid, 'pg_constraint') is null and obj_description(c.conindid, 'pg_class') is null
                union all
                select p.polname::text from pg_policy p join pg_class c on c.oid = p.polrelid join pg_namespace n on n.oid = c.relnamespace
                 where n.nspname in ('app', 'core', 'ops', 'mart', 'report') and c.oid not in (select * from ours_by_month)
                   and obj_description(p.oid, 'pg_policy') is null
                union all
                select rolname::text from pg_roles where rolname like 'curestry\_%' and shobj_description(oid, 'pg_authid') is null
                union all
                select nspname::text from pg_namespace where nspname in ('app', 'core', 'ops', 'mart', 'report') and obj_description(oid, 'pg_namespace') is null
    ) f
  union all
  select 'every column that is a number with bounds, or a floating point number, has a check', f.finding, 'add constraint chk_<table>_<column>, which also refuses NaN'
    from (
      select a.attrelid::regclass || '.' || a.attname as finding
                  from pg_attribute a join pg_class c on c.oid = a.attrelid and c.relkind in ('r', 'p')
                  join pg_namespace n on n.oid = c.relnamespace and n.nspname in ('core', 'ops')
                 where a.atttypid in ('float8'::regtype, 'numeric'::regtype) and not a.attisdropped
                   and not exists (select from pg_constraint k where k.conrelid = c.oid and k.contype = 'c' and k.conkey @> array[a.attnum])
    ) f
  union all
  select 'views act with the rights of whoever reads them', f.finding, 'alter view … set (security_invoker = true); a materialized view becomes a table with row level security'
    from (
      select c.oid::regclass::text as finding
        from pg_class c join pg_namespace n on n.oid = c.relnamespace
       where n.nspname in ('app', 'core', 'ops', 'mart', 'report') and c.relkind in ('v', 'm')
         and (c.relkind = 'm' or not coalesce(c.reloptions @> array['security_invoker=true'], false))
    ) f
  union all
  select 'nothing is granted to PUBLIC', f.finding, 'revoke all on … from public'
    from (
      select c.oid::regclass::text as finding
        from pg_class c join pg_namespace n on n.oid = c.relnamespace, lateral aclexplode(c.relacl) a
       where n.nspname in ('app', 'core', 'ops', 'mart', 'report') and a.grantee = 0
      union all
      select n.nspname::text from pg_namespace n, lateral aclexplode(n.nspacl) a
       where n.nspname in ('app', 'core', 'ops', 'mart', 'report') and a.grantee = 0
    ) f
  union all
  select 'members'' policies are one indexed comparison', f.finding, 'write it as organization_id = app.organization_if(''<permission>'')'
    from (
      select p.polname || ' on ' || p.polrelid::regclass as finding
        from pg_policy p
       where p.polroles @> array['curestry_member'::regrole::oid]
         and exists (select from pg_attribute a where a.attrelid = p.polrelid and a.attname = 'organization_id')
         and coalesce(pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid))
             !~ '^\(organization_id = app\.organization_if\(''[a-z]+:[a-z]+''::text\)\)$'
    ) f
  union all
  select 'logins of ours are what they should be', f.finding, 'alter role … nologin nosuperuser nobypassrls …; run migrations/install.sql, which makes them right'
    from (
      select r.rolname::text as finding
        from pg_roles r
       where (r.rolname in ('curestry_owner', 'curestry_definer', 'curestry_anonymous', 'curestry_member', 'curestry_analyst')
              and (r.rolcanlogin or r.rolsuper or r.rolbypassrls or r.rolcreaterole or r.rolcreatedb))
          or (r.rolname in ('curestry_gateway', 'curestry_worker') and (r.rolsuper or r.rolbypassrls or r.rolcreaterole or r.rolcreatedb))
          or (r.rolname = 'curestry_gateway' and r.rolinherit)
          or (pg_has_role(r.oid, 'curestry_member', 'member') and not r.rolsuper
              and r.rolname not in ('curestry_gateway', 'curestry_member') and not pg_has_role(r.oid, 'curestry_owner', 'member'))
    ) f
  union all
  select 'temporary tables are nobody''s by default', f.finding, 'revoke temporary on database … from public (migrations/install.sql does): a temporary table can stand in for another'
    from (
      select current_database()::text as finding
       where has_database_privilege('public', current_database(), 'temporary')
    ) f
  order by 1, 2;
$$;
revoke execute on function app.security_findings() from public;
comment on function app.security_findings() is
  'What is unsafe in this database, or unlike the rest of it, and how to cure it. Behind "curestry doctor --security".';
--! EndIncluded app/functions/security_findings.sql
--! Included app/functions/audit_state_digest.sql
create or replace function app.audit_state_digest(entry ops.audit_log) returns bytea
language sql stable
return sha256(convert_to(coalesce(entry.before_state::text, '') || E'\x1f' || coalesce(entry.after_state::text, ''), 'UTF8'));
revoke execute on function app.audit_state_digest(ops.audit_log) from public;
grant execute on function app.audit_state_digest(ops.audit_log) to curestry_definer;
comment on function app.audit_state_digest(ops.audit_log) is 'SHA-256 of what a row of the audit log says of the states before and after.';
--! EndIncluded app/functions/audit_state_digest.sql
--! Included app/functions/audit_entry_digest.sql
create or replace function app.audit_entry_digest(entry ops.audit_log, state_digest bytea) returns bytea
language sql stable
return sha256(convert_to(jsonb_build_array(
         entry.id, extract(epoch from entry.ts), entry.actor_user_id, entry.actor_api_key_id, entry.actor_role, entry.request_id,
         entry.organization_id, entry.action, entry.entity_type, entry.entity_id, entry.changed_columns, entry.xid, entry.seq)::text, 'UTF8')
       || state_digest);
revoke execute on function app.audit_entry_digest(ops.audit_log, bytea) from public;
grant execute on function app.audit_entry_digest(ops.audit_log, bytea) to curestry_definer;
comment on function app.audit_entry_digest(ops.audit_log, bytea) is 'SHA-256 of a row of the audit log, its states by their digest.';
--! EndIncluded app/functions/audit_entry_digest.sql
--! Included app/functions/seal_audit.sql
/*
 * Seals what was recorded by transactions that have ended: all that are older than the oldest still running. So no writer
 * waits, nothing is sealed that may yet be rolled back, and nothing that commits late is passed over. One sealer at a time;
 * another finds nothing to do.
 */
create or replace function app.seal_audit() returns table (organization_id uuid, seq integer, hash text, sealed_rows integer)
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_from bigint;
  v_through bigint;
  v_next bigint;
  v_batch record;
  v_seal app.audit_seal;
begin
  if not pg_try_advisory_xact_lock(hashtextextended('curestry audit seal', 0)) then
    return;
  end if;
  select s.through_xid, pg_snapshot_xmin(pg_current_snapshot())::text::bigint + s.xid_offset,
         pg_snapshot_xmax(pg_current_snapshot())::text::bigint + s.xid_offset
    into v_from, v_through, v_next
    from app.audit_sealer s;
  if v_next < v_from then
    perform app.refuse('CU007', 'The ids of transactions have begun anew, as after a restore into another server: run "deno task migrate", which mends it');
  end if;
  if v_through <= v_from then
    return;
  end if;
  for v_batch in
    select b.organization_id,
           array_agg(b.id order by b.xid, b.seq) as ids,
           array_agg(b.state_digest order by b.xid, b.seq) as state_digests,
           array_agg(b.digest order by b.xid, b.seq) as entry_digests
      from (select a.organization_id, a.id, a.xid, a.seq, s.state_digest, app.audit_entry_digest(a, s.state_digest) as digest,
                   (row_number() over (partition by a.organization_id order by a.xid, a.seq) - 1) / 1000 as part
              from ops.audit_log a, lateral (select app.audit_state_digest(a) as state_digest) s
             where a.xid >= v_from and a.xid < v_through) b
     group by b.organization_id, b.part
     order by b.organization_id, b.part
  loop
    select * into v_seal
      from app.audit_seal s where s.organization_id = v_batch.organization_id
     order by s.seq desc limit 1;
    v_seal.previous_hash := coalesce(v_seal.hash, decode(repeat('00', 32), 'hex'));
    v_seal.seq := coalesce(v_seal.seq, 0) + 1;
    v_seal.organization_id := v_batch.organization_id;
    v_seal.from_xid := v_from;
    v_seal.through_xid := v_through;
    v_seal.entry_ids := v_batch.ids;
    v_seal.state_digests := v_batch.state_digests;
    v_seal.entry_digests := v_batch.entry_digests;
    v_seal.sealed_at := now();
    v_seal.hash := app.audit_seal_hash(v_seal);
    insert into app.audit_seal select v_seal.*;
    organization_id := v_seal.organization_id;
    seq := v_seal.seq;
    hash := encode(v_seal.hash, 'hex');
    sealed_rows := cardinality(v_batch.ids);
    return next;
  end loop;
  update app.audit_sealer s set through_xid = v_through;
end;
$$;
alter function app.seal_audit() owner to curestry_definer;
revoke execute on function app.seal_audit() from public;
grant execute on function app.seal_audit() to curestry_worker, curestry_owner;
comment on function app.seal_audit() is
  'Seals new rows of the audit log into the hash chain of their organization; answers the new seals, for checkpoints outside the database. A job of the worker.';
--! EndIncluded app/functions/seal_audit.sql
--! Included app/functions/erased_entries.sql
/* By month, which is how the log is kept and thrown away: a month that is not there any more proves nothing and disproves nothing. */
create or replace function app.erased_entries(organization uuid, erasure uuid) returns jsonb
language sql stable set search_path = '' as $$
  select coalesce(jsonb_object_agg(m.month, jsonb_build_object('rows', m.rows, 'digest', m.digest)), '{}')
    from (select to_char(a.ts at time zone 'UTC', 'YYYY-MM') as month, count(*) as rows,
                 encode(sha256(string_agg(uuid_send(a.id) || app.audit_state_digest(a), ''::bytea order by a.id)), 'hex') as digest
            from ops.audit_log a
           where a.organization_id = organization and a.erasure_id = erasure
           group by 1) m;
$$;
revoke execute on function app.erased_entries(uuid, uuid) from public;
grant execute on function app.erased_entries(uuid, uuid) to curestry_definer;
comment on function app.erased_entries(uuid, uuid) is
  'Which rows of an organization''s audit log bear an erasure, and what is left of their states: number and digest, by month.';
--! EndIncluded app/functions/erased_entries.sql
--! Included app/functions/verify_audit_erasures.sql
/*
 * A row of the log may be without its values only by an erasure that has its receipt and whose act stands in the log of the
 * same organization (and so in its chain), with the number and the digest of just these rows.
 */
create or replace function app.verify_audit_erasures(organization uuid default null)
returns table (organization_id uuid, problem text, entry_id uuid, detail text)
language sql stable security definer set search_path = '' as $$
  with act as (
    select distinct on (a.organization_id, a.after_state ->> 'erasure') a.organization_id, a.id, a.after_state as state
      from ops.audit_log a
     where a.action = 'erase' and (verify_audit_erasures.organization is null or a.organization_id = verify_audit_erasures.organization)
     order by a.organization_id, a.after_state ->> 'erasure', a.seq desc
  ), erased as (
    select a.organization_id, a.erasure_id, min(a.id::text)::uuid as example
      from ops.audit_log a
     where a.erasure_id is not null and (verify_audit_erasures.organization is null or a.organization_id = verify_audit_erasures.organization)
     group by 1, 2
  )
  select e.organization_id, 'erased without a receipt', a.id, format('erasure %s', e.erasure_id)
    from erased e
    left join app.erasure r on r.id = e.erasure_id
    left join act on act.organization_id = e.organization_id and act.state ->> 'erasure' = e.erasure_id::text
    join ops.audit_log a on a.organization_id = e.organization_id and a.erasure_id = e.erasure_id
   where r.id is null or act.id is null
  union all
  select e.organization_id, 'erased beyond the receipt', case when m.value ->> 'rows' = '1' then e.example end,
         format('erasure %s, %s: %s rows are without their values, and by its receipt %s', e.erasure_id, m.key, m.value ->> 'rows',
                case when act.state -> 'entries' -> m.key -> 'rows' = m.value -> 'rows' then 'others, or with others left'
                     else coalesce(act.state -> 'entries' -> m.key ->> 'rows', 'none') end)
    from erased e
    join act on act.organization_id = e.organization_id and act.state ->> 'erasure' = e.erasure_id::text,
         lateral jsonb_each(app.erased_entries(e.organization_id, e.erasure_id)) m
   where act.state -> 'entries' -> m.key is distinct from m.value
  union all
  select act.organization_id, case when r.id is null then 'receipt removed' else 'receipt changed' end, act.id, format('erasure %s', act.state ->> 'erasure')
    from act
    left join app.erasure r on r.id::text = act.state ->> 'erasure'
   where (r.kind, r.counts) is distinct from (act.state ->> 'kind', act.state -> 'counts')
  union all
  select case r.kind when 'user' then '00000000-0000-0000-0000-000000000000' else r.subject_id end::uuid, 'receipt added', null,
         format('erasure %s stands in no log', r.id)
    from app.erasure r
   where verify_audit_erasures.organization is null and not exists (select from act where act.state ->> 'erasure' = r.id::text);
$$;
alter function app.verify_audit_erasures(uuid) owner to curestry_definer;
revoke execute on function app.verify_audit_erasures(uuid) from public;
comment on function app.verify_audit_erasures(uuid) is
  'Names every row of the audit log that is without its values and not by an erasure with a receipt, and every receipt that is not as it was given.';
--! EndIncluded app/functions/verify_audit_erasures.sql
--! Included app/functions/verify_audit_chain.sql
create or replace function app.verify_audit_chain(organization uuid default null)
returns table (organization_id uuid, problem text, entry_id uuid, detail text)
language plpgsql stable security definer set search_path = '' as $$
declare
  v_seal app.audit_seal;
  v_expected_seq integer;
  v_previous bytea;
  v_entry record;
  v_sealed_through bigint;
begin
  for v_seal in
    select * from app.audit_seal s
     where verify_audit_chain.organization is null or s.organization_id = verify_audit_chain.organization
     order by s.organization_id, s.seq
  loop
    if organization_id is distinct from v_seal.organization_id then
      organization_id := v_seal.organization_id;
      v_expected_seq := 1;
      v_previous := decode(repeat('00', 32), 'hex');
    end if;
    entry_id := null;
    if v_seal.seq <> v_expected_seq then
      problem := 'seal removed';
      detail := format('seal %s follows %s', v_seal.seq, v_expected_seq - 1);
      return next;
    elsif v_seal.previous_hash <> v_previous then
      problem := 'seal changed';
      detail := format('seal %s does not go with the one before it', v_seal.seq);
      return next;
    end if;
    if v_seal.hash <> app.audit_seal_hash(v_seal) then
      problem := 'seal changed';
      detail := format('seal %s', v_seal.seq);
      return next;
    end if;

    for v_entry in
      select i.id, a.id is null as missing
        from unnest(v_seal.entry_ids) with ordinality as i (id, n)
        left join ops.audit_log a
          on a.organization_id = v_seal.organization_id and a.id = i.id and a.xid >= v_seal.from_xid and a.xid < v_seal.through_xid
       where case
               when a.id is null
               then not exists (select from app.audit_detachment d
                                 where d.organization_id = v_seal.organization_id and d.seq = v_seal.seq and d.positions @> i.n::integer)
               -- Of a row that was erased, app.verify_audit_erasures says whether it may be.
               else (a.erasure_id is null and app.audit_state_digest(a) <> v_seal.state_digests[i.n])
                    or app.audit_entry_digest(a, v_seal.state_digests[i.n]) <> v_seal.entry_digests[i.n]
             end
       order by i.n
    loop
      problem := case when v_entry.missing then 'row removed' else 'row changed' end;
      entry_id := v_entry.id;
      detail := format('sealed at %s, in seal %s', v_seal.sealed_at, v_seal.seq);
      return next;
    end loop;
    v_expected_seq := v_seal.seq + 1;
    v_previous := v_seal.hash;
  end loop;

  -- Rows left by retention only if the log says so, and as many as it says.
  for v_entry in
    select d.organization_id, d.entry_id as id, r.partition_name, d.rows, (a.after_state ->> 'rows')::bigint as said
      from (select d.organization_id, d.entry_id, d.retention_id, sum(upper(p) - lower(p)) as rows
              from app.audit_detachment d, unnest(d.positions) as p
             where verify_audit_chain.organization is null or d.organization_id = verify_audit_chain.organization
             group by d.organization_id, d.entry_id, d.retention_id) d
      join app.audit_retention r on r.id = d.retention_id
      left join ops.audit_log a on a.organization_id = d.organization_id and a.id = d.entry_id
                               and a.action = 'detach' and a.after_state ->> 'retention_id' = d.retention_id::text
     where case when a.id is null
                then not exists (select from app.audit_seal s where s.organization_id = d.organization_id and s.entry_ids @> array[d.entry_id])
                else d.rows <> (a.after_state ->> 'rows')::bigint end
  loop
    organization_id := v_entry.organization_id;
    problem := 'row removed';
    entry_id := v_entry.id;
    detail := format('%s rows of %s are missing; by retention, says the log, %s', v_entry.rows, v_entry.partition_name, coalesce(v_entry.said, 0));
    return next;
  end loop;

  -- A row that claims to be from before the last seal, but stands in none.
  select s.through_xid into v_sealed_through from app.audit_sealer s;
  for v_entry in
    select a.organization_id, a.id, a.ts
      from ops.audit_log a
     where a.xid < v_sealed_through
       and (verify_audit_chain.organization is null or a.organization_id = verify_audit_chain.organization)
       and not exists (select from app.audit_seal s
                        where s.organization_id = a.organization_id and s.from_xid <= a.xid and s.through_xid > a.xid
                          and s.entry_ids @> array[a.id])
  loop
    organization_id := v_entry.organization_id;
    problem := 'row added';
    entry_id := v_entry.id;
    detail := format('it says %s, but stands in no seal', v_entry.ts);
    return next;
  end loop;

  return query select * from app.verify_audit_erasures(verify_audit_chain.organization);
end;
$$;
alter function app.verify_audit_chain(uuid) owner to curestry_definer;
revoke execute on function app.verify_audit_chain(uuid) from public;
grant execute on function app.verify_audit_chain(uuid) to curestry_owner;
comment on function app.verify_audit_chain(uuid) is
  'Recomputes the hash chain of the audit log, of one or all organizations, and names every row and seal that is not as it was sealed.';
--! EndIncluded app/functions/verify_audit_chain.sql
--! Included app/functions/begin_audit_era.sql
/*
 * Sealing follows the ids of transactions. In another cluster (a logical restore) these begin anew, below what the log
 * knows: from then on an offset is added to them, so that they go on rising. Runs with every migration, before anything is
 * written.
 */
create or replace function app.begin_audit_era() returns boolean
language plpgsql volatile set search_path = '' as $$
declare
  v_next constant bigint := pg_snapshot_xmax(pg_current_snapshot())::text::bigint;
  v_known bigint;
begin
  perform pg_advisory_xact_lock(hashtextextended('curestry audit seal', 0));
  select greatest(s.through_xid, (select max(a.xid) + 1 from ops.audit_log a where a.xid >= s.through_xid))
    into v_known
    from app.audit_sealer s;
  if v_next + (select s.xid_offset from app.audit_sealer s) >= v_known then
    return false;
  end if;
  lock table ops.audit_log in share row exclusive mode;
  update app.audit_sealer s set xid_offset = v_known - v_next;
  execute format('alter table ops.audit_log alter column xid set default pg_current_xact_id()::text::bigint + %s', v_known - v_next);
  return true;
end;
$$;
revoke execute on function app.begin_audit_era() from public;
comment on function app.begin_audit_era() is
  'If the ids of transactions have begun anew, as in another server: lets those of the audit log go on. Part of every migration.';
--! EndIncluded app/functions/begin_audit_era.sql
--! Included app/functions/carry_audit_forward.sql
/*
 * Before rows leave the log: what they say of things that are still there, and that nothing says later, is said again. Of
 * facts whose inserts are summarized, the number is carried on.
 */
create or replace function app.carry_audit_forward(partition_name name, organizations uuid[]) returns void
language plpgsql volatile set search_path = '' as $$
begin
  execute format($query$
    with leaving as (
      select a.*, t.summarize_inserts
        from app.%I a
        join app.audited_table t on t.table_name = a.entity_type
       where a.organization_id = any ($1) and a.action in ('baseline', 'insert', 'update', 'delete')
         -- What a truncate emptied is not there any more
         and a.seq > coalesce((select max(e.seq) from ops.audit_log e
                                where e.organization_id = '00000000-0000-0000-0000-000000000000' and e.entity_type = a.entity_type
                                  and e.entity_id = '*' and e.action = 'truncate'), 0)
    ), last as (
      select distinct on (l.organization_id, l.entity_type, l.entity_id) l.*
        from leaving l
       where not (l.summarize_inserts and coalesce(l.before_state, l.after_state) ? 'rows')
       order by l.organization_id, l.entity_type, l.entity_id, l.seq desc
    ), entity as (
      insert into ops.audit_log (request_id, organization_id, action, entity_type, entity_id, after_state)
      select 'retention', l.organization_id, 'baseline', l.entity_type, l.entity_id, l.after_state
        from last l
       where l.action <> 'delete'
         and not exists (select from ops.audit_log a
                          where a.organization_id = l.organization_id and a.entity_type = l.entity_type and a.entity_id = l.entity_id
                            and a.action in ('baseline', 'insert', 'update', 'delete') and a.seq > l.seq)
      returning organization_id, entity_type
    ), number as (
      select l.organization_id, l.entity_type,
             sum(case l.action when 'insert' then (l.after_state ->> 'rows')::bigint
                               when 'baseline' then coalesce((l.after_state ->> 'rows')::bigint, 1)
                               when 'delete' then -coalesce((l.before_state ->> 'rows')::bigint, 1) else 0 end)
             - (select count(*) from entity e where e.organization_id = l.organization_id and e.entity_type = l.entity_type) as n
        from leaving l
       where l.summarize_inserts
       group by l.organization_id, l.entity_type
    )
    insert into ops.audit_log (request_id, organization_id, action, entity_type, entity_id, after_state)
    select 'retention', n.organization_id, 'baseline', n.entity_type, n.n || ' rows', jsonb_build_object('rows', n.n)
      from number n where n.n <> 0
  $query$, partition_name) using organizations;

  -- The receipt of an erasure has to stand in the log as long as there are rows without their values
  execute format($query$
    insert into ops.audit_log (request_id, organization_id, action, entity_type, entity_id, after_state)
    select 'retention', l.organization_id, l.action, l.entity_type, l.entity_id, l.after_state
      from app.%I l
     where l.organization_id = any ($1) and l.action = 'erase'
       and not exists (select from ops.audit_log a
                        where a.organization_id = l.organization_id and a.action = 'erase' and a.seq > l.seq
                          and a.after_state ->> 'erasure' = l.after_state ->> 'erasure')
  $query$, partition_name) using organizations;
end;
$$;
revoke execute on function app.carry_audit_forward(name, uuid[]) from public;
comment on function app.carry_audit_forward(name, uuid[]) is
  'Says again, at the end of the audit log, what a partition of it says last of rows that are still there. Part of app.retain_audit.';
--! EndIncluded app/functions/carry_audit_forward.sql
--! Included app/functions/retain_audit.sql
/*
 * Retention of the audit log: what is older than an organization's audit_retention_months leaves it, month by month, once
 * the whole month is sealed. Where all rows of a month may go, its partition is detached; else those that may are moved out
 * of it. Either way they are in a table of their own in app afterwards, to be kept elsewhere, and app.drop_detached_audit
 * drops it later. Rows of no organization, or of one that is gone, go with the last organization's.
 *
 * What is under a legal hold stays. The chain stays whole: seals hold the digests of what left, app.audit_detachment says which rows those are, and the log
 * says that it happened. What the log said last of each row that is still there is said again (action baseline), so that
 * the tables can still be compared with it.
 */
create or replace function app.retain_audit(dry_run boolean default false)
returns table (organization_id uuid, partition_name text, rows bigint, detached_table text)
language plpgsql volatile security definer set search_path = '' set timezone = 'UTC' set lock_timeout = '5s' as $$
declare
  v_partition record;
  v_organizations uuid[];
  v_through bigint;
  v_for_all integer;
  v_whole boolean;
  v_sealed boolean;
  v_retention app.audit_retention;
begin
  perform pg_advisory_xact_lock(hashtextextended('curestry audit retention', 0));
  select s.through_xid into v_through from app.audit_sealer s;
  select case when bool_and(o.audit_retention_months is not null) then max(o.audit_retention_months) end into v_for_all
    from ops.organization o;

  for v_partition in
    select p.name, p.from_ts, p.to_ts from app.partitions_of('ops.audit_log') p
  loop
    execute format($query$
      select array_agg(o.id)
        from (select o.id, o.audit_retention_months as months from ops.organization o
              union all
              select distinct a.organization_id, %2$L::integer
                from app.%1$I a
               where %2$L is not null and not exists (select from ops.organization o where o.id = a.organization_id)
                 -- A truncate ends what older rows say, also of those that stay
                 and not exists (select from app.%1$I e where e.organization_id = a.organization_id and e.action = 'truncate')) o
       where %3$L::timestamptz <= now() - make_interval(months => o.months)
         and not app.is_held(o.id)
         and exists (select from app.%1$I a where a.organization_id = o.id)
    $query$, v_partition.name, v_for_all, v_partition.to_ts) into v_organizations;
    continue when v_organizations is null;
    if not dry_run then
      execute format('lock table app.%I in share mode', v_partition.name);
    end if;
    execute format('select not exists (select from app.%I a where a.xid >= %s)', v_partition.name, v_through) into v_sealed;
    continue when not v_sealed;

    execute format('select not exists (select from app.%I a where a.organization_id <> all (%L))', v_partition.name, v_organizations) into v_whole;
    v_retention.id := gen_random_uuid();
    v_retention.partition_name := v_partition.name;
    v_retention.table_name := v_partition.name || '_detached_' || left(replace(v_retention.id::text, '-', ''), 8);
    for organization_id, partition_name, rows, detached_table in execute format(
      'select a.organization_id, %L, count(*), %L from app.%1$I a where a.organization_id = any (%3$L) group by 1 order by 1',
      v_partition.name, v_retention.table_name, v_organizations)
    loop
      return next;
    end loop;
    continue when dry_run;

    insert into app.audit_retention (id, partition_name, from_ts, to_ts, table_name)
    values (v_retention.id, v_partition.name, v_partition.from_ts, v_partition.to_ts, v_retention.table_name);
    perform app.carry_audit_forward(v_partition.name, v_organizations);
    execute format($query$
      with act as (
        insert into ops.audit_log (request_id, organization_id, action, entity_type, entity_id, after_state)
        select 'retention', a.organization_id, 'detach', 'ops.audit_log', %1$L,
               jsonb_build_object('retention_id', %2$L::uuid, 'from', %3$L::timestamptz, 'to', %4$L::timestamptz, 'rows', count(*),
                                  'table', %5$L::text)
          from app.%1$I a where a.organization_id = any (%6$L)
         group by a.organization_id
        returning organization_id, id
      )
      insert into app.audit_detachment (organization_id, seq, retention_id, entry_id, positions)
      select s.organization_id, s.seq, %2$L, act.id, range_agg(int4range(e.n::integer, e.n::integer, '[]'))
        from act
        join app.audit_seal s on s.organization_id = act.organization_id,
             unnest(s.entry_ids) with ordinality as e (id, n)
        join app.%1$I a on a.id = e.id
       where a.organization_id = s.organization_id and a.xid >= s.from_xid and a.xid < s.through_xid
       group by s.organization_id, s.seq, act.id
    $query$, v_partition.name, v_retention.id, v_partition.from_ts, v_partition.to_ts, v_retention.table_name, v_organizations);

    if v_whole then
      execute format('alter table ops.audit_log detach partition app.%I', v_partition.name);
      execute format('drop trigger _200_append_only on app.%I', v_partition.name);
      execute format('alter table app.%I rename to %I', v_partition.name, v_retention.table_name);
    else
      execute format('create table app.%I (like app.%I including defaults)', v_retention.table_name, v_partition.name);
      perform app.guard_partition(format('app.%I', v_retention.table_name)::regclass);
      execute format('alter table app.%I disable trigger _200_append_only', v_partition.name);
      execute format('with moved as (delete from app.%I a where a.organization_id = any (%L) returning *) insert into app.%I select * from moved',
        v_partition.name, v_organizations, v_retention.table_name);
      execute format('alter table app.%I enable trigger _200_append_only', v_partition.name);
    end if;
    -- Erasures reach it, too
    execute format('grant select, delete, update (before_state, after_state) on app.%I to curestry_definer', v_retention.table_name);
    execute format('comment on table app.%I is %L', v_retention.table_name,
      format('Rows of ops.audit_log from %s to %s, which left it by retention; to be kept elsewhere and dropped.', v_partition.from_ts, v_partition.to_ts));
  end loop;
end;
$$;
revoke execute on function app.retain_audit(boolean) from public;
grant execute on function app.retain_audit(boolean) to curestry_worker;
comment on function app.retain_audit(boolean) is
  'Takes out of the audit log what is older than its organization''s audit_retention_months; answers what left, or with dry_run what would. A job of the worker.';
--! EndIncluded app/functions/retain_audit.sql
--! Included app/functions/drop_detached_audit.sql
create or replace function app.drop_detached_audit(older_than interval default interval '30 days') returns setof text
language plpgsql volatile security definer set search_path = '' set lock_timeout = '5s' as $$
declare
  v_retention app.audit_retention;
  v_held boolean;
begin
  for v_retention in
    select * from app.audit_retention r where r.dropped_at is null and r.detached_at <= now() - older_than order by r.detached_at, r.from_ts
  loop
    if to_regclass(format('app.%I', v_retention.table_name)) is not null then
      execute format('select exists (select from (select distinct a.organization_id from app.%I a) o where app.is_held(o.organization_id))',
        v_retention.table_name) into v_held;
      continue when v_held;
      execute format('drop table app.%I', v_retention.table_name);
    end if;
    update app.audit_retention r set dropped_at = now() where r.id = v_retention.id;
    return next v_retention.table_name;
  end loop;
end;
$$;
revoke execute on function app.drop_detached_audit(interval) from public;
grant execute on function app.drop_detached_audit(interval) to curestry_worker;
comment on function app.drop_detached_audit(interval) is
  'Drops the tables with rows that left the audit log so long ago, but for those with rows of an organization under legal hold; until then they can be kept elsewhere. A job of the worker.';
--! EndIncluded app/functions/drop_detached_audit.sql
--! Included app/functions/retain_facts.sql
/*
 * Retention of what was recorded: runs with all that belongs to them, and feature events, older than an organization's
 * raw_retention_days are removed once the marts have taken them up for good. Each call goes as far as it can without
 * waiting; call it again until all is done. An organization goes through
 *
 *   1. closing: from the next transaction on, facts of that age are refused (the triggers that mark for the marts);
 *   2. when that is committed, the transactions that may not have seen it are remembered, and their end is waited for;
 *   3. freezing: app.freeze_marts takes up what is there of them, and what the marts say of those days stays as it is;
 *   4. removal: partitions of feature events of which nothing has to stay are dropped, the rest goes in batches.
 *
 * What is under a legal hold stays, and so do runs that have not ended.
 */
create or replace function app.retain_facts(dry_run boolean default false, batch integer default 2000)
returns table (organization_id uuid, before timestamptz, runs bigint, feature_events bigint, is_done boolean)
language plpgsql volatile security definer set search_path = '' set timezone = 'UTC' set lock_timeout = '5s' as $$
declare
  v_organization record;
  v_partition record;
  v_may boolean;
  v_frozen timestamptz;
  v_dropped jsonb := '{}';
begin
  perform pg_advisory_xact_lock(hashtextextended('curestry facts retention', 0)),
          set_config('curestry.retention', 'on', true);

  if not dry_run then
    for v_partition in
      select p.name, p.to_ts from app.partitions_of('ops.feature_event') p
    loop
      for v_looks in 1 .. 2 loop
        -- A second time when nobody can write to it any more
        execute format($query$
          select coalesce(bool_and(o.id is not null and not app.is_held(o.id) and coalesce(s.frozen_before, '-infinity') >= %2$L), %2$L < now() - interval '1 month')
            from (select distinct e.organization_id from app.%1$I e) e
            left join ops.organization o on o.id = e.organization_id and o.raw_retention_days is not null
            left join app.mart_state s on s.organization_id = e.organization_id
        $query$, v_partition.name, v_partition.to_ts) into v_may;
        exit when not v_may;
        execute format('lock table app.%I in access exclusive mode', v_partition.name);
      end loop;
      continue when not v_may;
      -- Nobody's trigger sees rows go with their partition
      execute format($query$
        with gone as (select e.organization_id, count(*) as n from app.%1$I e group by 1),
        said as (
          insert into ops.audit_log (request_id, organization_id, action, entity_type, entity_id, before_state)
          select 'retention', g.organization_id, 'delete', 'ops.feature_event', g.n || ' rows', jsonb_build_object('rows', g.n) from gone g
        )
        select $1 || coalesce(jsonb_object_agg(g.organization_id, g.n + coalesce(($1 ->> g.organization_id::text)::bigint, 0)), '{}') from gone g
      $query$, v_partition.name) into v_dropped using v_dropped;
      execute format('alter table ops.feature_event detach partition app.%I', v_partition.name);
      execute format('drop table app.%I', v_partition.name);
    end loop;
  end if;

  for v_organization in
    select o.id, d.low as before, s.closing_before, s.closing_xid, s.frozen_before
      from ops.organization o
      left join app.mart_state s on s.organization_id = o.id,
           lateral app.mart_days(coalesce(s.time_zone, 'UTC'), array[now() - make_interval(days => o.raw_retention_days)]) d
     where o.raw_retention_days is not null and not app.is_held(o.id)
     order by o.id
  loop
    organization_id := v_organization.id;
    before := v_organization.before;
    runs := 0;
    feature_events := coalesce((v_dropped ->> v_organization.id::text)::bigint, 0);
    is_done := false;
    if dry_run then
      select count(*) into runs from ops.analysis_run r
       where r.organization_id = v_organization.id and r.occurred_at < v_organization.before and r.finished_at is not null;
      select count(*) into feature_events from ops.feature_event e
       where e.organization_id = v_organization.id and e.occurred_at < v_organization.before;
    elsif v_organization.closing_before is null or v_organization.closing_before < v_organization.before then
      insert into app.mart_state as s (organization_id, time_zone, closing_before)
      values (v_organization.id, 'UTC', v_organization.before)
      on conflict on constraint pk_mart_state do update set closing_before = excluded.closing_before, closing_xid = null;
    elsif v_organization.closing_xid is null then
      update app.mart_state s set closing_xid = pg_snapshot_xmax(pg_current_snapshot())::text::bigint where s.organization_id = v_organization.id;
    elsif v_organization.frozen_before < v_organization.closing_before
          and pg_snapshot_xmin(pg_current_snapshot())::text::bigint < v_organization.closing_xid then
      null; -- somebody who may not know it is still at it
    elsif v_organization.frozen_before < v_organization.closing_before then
      perform app.freeze_marts(v_organization.id, v_organization.closing_before);
    else
      v_frozen := v_organization.frozen_before;
      with doomed as (
        select r.id from ops.analysis_run r
         where r.organization_id = v_organization.id and r.occurred_at < v_frozen and r.finished_at is not null
         order by r.occurred_at limit batch
      )
      delete from ops.analysis_run r using doomed d where r.organization_id = v_organization.id and r.id = d.id;
      get diagnostics runs = row_count;
      is_done := runs < batch;
      with doomed as (
        select e.occurred_at, e.id from ops.feature_event e
         where e.organization_id = v_organization.id and e.occurred_at < v_frozen
         order by e.occurred_at limit batch
      ), gone as (
        delete from ops.feature_event e using doomed d
         where e.organization_id = v_organization.id and e.occurred_at = d.occurred_at and e.id = d.id
        returning 1
      )
      select feature_events + count(*), is_done and count(*) < batch into feature_events, is_done from gone;
    end if;
    return next;
  end loop;
end;
$$;
revoke execute on function app.retain_facts(boolean, integer) from public;
grant execute on function app.retain_facts(boolean, integer) to curestry_worker;
comment on function app.retain_facts(boolean, integer) is
  'Removes what is older than its organization''s raw_retention_days and taken up by the marts, some of it in each call; answers what was removed, or with dry_run what would be. A job of the worker.';
--! EndIncluded app/functions/retain_facts.sql
--! Included app/functions/verify_audit_entities.sql
/*
 * The tables against the log: the current row of every audited entity equals its last after_state, and what was deleted is
 * not there. So a change is found that was made while a trigger was disabled. Of facts whose inserts are summarized, the
 * number is compared.
 */
create or replace function app.verify_audit_entities()
returns table (organization_id uuid, problem text, entity_type text, entity_id text, detail text)
language plpgsql stable security definer set search_path = '' as $$
declare
  v_table app.audited_table;
  v_of regclass;
  v_left_out text[];
  v_blank jsonb;
  v_truncated bigint;
begin
  for v_table in select * from app.audited_table order by table_name loop
    v_of := v_table.table_name;
    v_left_out := v_table.secret_columns || v_table.note_columns;
    -- A column that came later is null in rows that were not changed since.
    select jsonb_object_agg(a.attname, null) into v_blank
      from pg_catalog.pg_attribute a
     where a.attrelid = v_of and a.attnum > 0 and not a.attisdropped and a.attname <> all (v_left_out);
    -- What was there before a truncate is gone, and the log says so
    select coalesce(max(a.seq), 0) into v_truncated
      from ops.audit_log a
     where a.organization_id = '00000000-0000-0000-0000-000000000000' and a.entity_type = v_table.table_name and a.action = 'truncate';
    return query execute format($query$
      with last as (
        select distinct on (a.organization_id, a.entity_id) a.organization_id, a.entity_id, a.action, a.seq, %8$L::jsonb || a.after_state as after_state
          from ops.audit_log a
         where a.entity_type = %1$L and a.action in ('baseline', 'insert', 'update', 'delete') and a.seq > %9$L
         -- Who changes a row holds it: the order of its changes is that of seq, also between transactions
         order by a.organization_id, a.entity_id, a.seq desc
      ), present as (
        select (case when %7$L then t.%2$I::text else '00000000-0000-0000-0000-000000000000' end)::uuid as organization_id,
               t.%3$I::text as entity_id, to_jsonb(t) - %4$L::text[] as state
          from %5$s t
      )
      select coalesce(p.organization_id, l.organization_id),
             case when p.entity_id is null then 'removed past the log'
                  when l.entity_id is null then 'added past the log'
                  when l.action = 'delete' then 'back although deleted'
                  else 'changed past the log' end,
             %1$L, coalesce(p.entity_id, l.entity_id),
             case when l.action <> 'delete' then
               (select string_agg(k, ', ' order by k) from jsonb_object_keys(p.state) as k where p.state -> k is distinct from l.after_state -> k) end
        from present p
        full join last l on l.organization_id = p.organization_id and l.entity_id = p.entity_id
       where case
               when p.entity_id is null
               then l.action <> 'delete' and not (%6$L and l.after_state ? 'rows')
                    -- Facts that were removed by age are counted, not named
                    and not (%6$L and exists (select from ops.audit_log a
                                               where a.organization_id = l.organization_id and a.entity_type = %1$L and a.action = 'delete'
                                                 and a.before_state ? 'rows' and a.seq > l.seq))
               when l.entity_id is null then not %6$L
               when l.action = 'delete' then true
               else p.state is distinct from l.after_state - %4$L::text[] and not (%6$L and l.after_state ? 'rows')
             end
    $query$, v_table.table_name, coalesce(v_table.organization_column, v_table.id_column), v_table.id_column, v_left_out, v_of,
      v_table.summarize_inserts, v_table.organization_column is not null, v_blank, v_truncated);
    if v_table.summarize_inserts then
      return query execute format($query$
        select coalesce(p.organization_id, l.organization_id), 'number differs from the log', %2$L, null::text,
               coalesce(p.n, 0) || ' rows, and by the log ' || coalesce(l.n, 0)
          from (select t.organization_id, count(*) as n from %1$s t group by 1) p
          full join (select a.organization_id,
                            sum(case a.action when 'insert' then (a.after_state ->> 'rows')::bigint when 'baseline' then coalesce((a.after_state ->> 'rows')::bigint, 1) when 'delete' then -coalesce((a.before_state ->> 'rows')::bigint, 1) else 0 end) as n
                       from ops.audit_log a where a.entity_type = %2$L and a.seq > %3$L group by 1) l
            on l.organization_id = p.organization_id
         where coalesce(p.n, 0) <> coalesce(l.n, 0)
      $query$, v_of, v_table.table_name, v_truncated);
    end if;
  end loop;
end;
$$;
alter function app.verify_audit_entities() owner to curestry_definer;
revoke execute on function app.verify_audit_entities() from public;
grant execute on function app.verify_audit_entities() to curestry_owner;
comment on function app.verify_audit_entities() is
  'Compares every audited row with what the audit log says of it last. For operators.';
--! EndIncluded app/functions/verify_audit_entities.sql
--! Included app/functions/audited_entity.sql
/* The API's names of types are PostGraphile's: a test compares them with schema.graphql. */
create or replace function app.audited_entity(type text) returns text
language plpgsql stable security definer set search_path = '' as $$
declare
  v_name text;
  v_reason text;
  v_table app.audited_table;
begin
  select a.* into v_table
    from app.audited_table a,
         lateral (select split_part(a.table_name, '.', 1) as schema, split_part(a.table_name, '.', 2) as name) t
   where a.table_name = audited_entity.type
      or replace(initcap(replace(case t.schema when 'core' then regexp_replace(t.name, 's$', '') else t.name end, '_', ' ')), ' ', '') = audited_entity.type
   limit 1;
  if v_table.organization_column is not null and not v_table.summarize_inserts then
    return v_table.table_name;
  end if;
  v_reason := case
    when v_table.table_name is null then format('%s is not audited', quote_literal(audited_entity.type))
    when v_table.summarize_inserts then format('%s holds facts that are recorded many at a time and have no single history', v_table.table_name)
    else format('%s belongs to no organization', v_table.table_name)
  end;
  select string_agg(a.table_name, ', ' order by a.table_name) into v_name
    from app.audited_table a where a.organization_column is not null and not a.summarize_inserts;
  perform app.refuse('CU004', format('type: %s. What has a history: %s', v_reason, v_name), 'type', 'audited_entity');
  return null;
end;
$$;
alter function app.audited_entity(text) owner to curestry_definer;
revoke execute on function app.audited_entity(text) from public;
comment on function app.audited_entity(text) is
  'The table that a name means, which may be a table''s (core.prompts) or the API''s (Prompt); refuses what has no history in an organization.';
--! EndIncluded app/functions/audited_entity.sql
--! Included app/functions/entity_entries.sql
/*
 * In the order in which the row was changed. Who changes a row holds it, so the sequence of the log is the order; the time
 * and the number of a transaction are not: one that began earlier may have changed the row later.
 */
create or replace function app.entity_entries(organization uuid, type text, id text) returns setof ops.audit_log
language sql stable set search_path = '' as $$
  with own as (
    select * from ops.audit_log a
     where a.organization_id = organization and a.entity_type = type and a.entity_id = entity_entries.id
       and a.action <> 'erase'
  )
  select * from own
  union all
  -- A truncate ends what was there before it
  select t.* from ops.audit_log t
   where t.organization_id = '00000000-0000-0000-0000-000000000000' and t.entity_type = type and t.entity_id = '*'
     and t.action = 'truncate'
     and (select o.action from own o where o.seq < t.seq order by o.seq desc limit 1) <> 'delete'
     and not exists (select from ops.audit_log e
                      where e.organization_id = t.organization_id and e.entity_type = type and e.entity_id = '*' and e.seq < t.seq
                        and e.seq > (select max(o.seq) from own o where o.seq < t.seq))
   order by seq;
$$;
revoke execute on function app.entity_entries(uuid, text, text) from public;
grant execute on function app.entity_entries(uuid, text, text) to curestry_definer;
comment on function app.entity_entries(uuid, text, text) is 'What the audit log says of one row of an organization, oldest first.';
--! EndIncluded app/functions/entity_entries.sql
--! Included app/functions/begin_erasure.sql
create or replace function app.begin_erasure(kind text, subject text) returns app.erasure
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_erasure app.erasure;
begin
  insert into app.erasure (kind, subject_id) values (begin_erasure.kind, subject) returning * into v_erasure;
  perform set_config('curestry.erasure_id', v_erasure.id::text, true);
  return v_erasure;
end;
$$;
alter function app.begin_erasure(text, text) owner to curestry_definer;
revoke execute on function app.begin_erasure(text, text) from public;
comment on function app.begin_erasure(text, text) is
  'Writes the receipt of an erasure, without which nothing in the audit log can lose values.';
--! EndIncluded app/functions/begin_erasure.sql
--! Included app/functions/end_erasure.sql
/*
 * The act stands in the log of every organization whose log lost values, with what was taken out of it, and is sealed there
 * like anything else. So the chain proves which rows may be without their values. An erasure whose rows this one took over
 * is said anew, as it is now.
 */
create or replace function app.end_erasure(erasure app.erasure, counts jsonb) returns app.erasure
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_counts jsonb;
  v_erasure app.erasure;
begin
  select end_erasure.counts || jsonb_build_object('ops.audit_log', count(*)) into v_counts
    from ops.audit_log a where a.erasure_id = erasure.id;
  update app.erasure e set counts = v_counts where e.id = erasure.id returning * into v_erasure;

  insert into ops.audit_log (organization_id, action, entity_type, entity_id, after_state)
  select o.organization_id, 'erase', case e.kind when 'user' then 'core.users' else 'ops.organization' end, e.subject_id,
         jsonb_build_object('erasure', e.id, 'kind', e.kind, 'counts', e.counts, 'entries', app.erased_entries(o.organization_id, e.id))
    from (select distinct a.organization_id from ops.audit_log a where a.erasure_id = erasure.id
          union
          select case erasure.kind when 'user' then '00000000-0000-0000-0000-000000000000' else erasure.subject_id end::uuid) o
    join app.erasure e
      on e.id = erasure.id
      or app.erased_entries(o.organization_id, e.id) <> (
           select a.after_state -> 'entries'
             from ops.audit_log a
            where a.organization_id = o.organization_id and a.action = 'erase' and a.after_state ->> 'erasure' = e.id::text
              and a.entity_type = case e.kind when 'user' then 'core.users' else 'ops.organization' end and a.entity_id = e.subject_id
            order by a.seq desc
            limit 1);
  perform set_config('curestry.erasure_id', '', true);
  return v_erasure;
end;
$$;
alter function app.end_erasure(app.erasure, jsonb) owner to curestry_definer;
revoke execute on function app.end_erasure(app.erasure, jsonb) from public;
comment on function app.end_erasure(app.erasure, jsonb) is
  'Completes the receipt of an erasure and records the act in the audit log of every organization that it concerns.';
--! EndIncluded app/functions/end_erasure.sql
--! Included app/functions/erase_rows.sql
/*
 * The tables are those of the catalogue, so that none is forgotten. Most rows go with the organization, by their foreign
 * keys; then what has none, or was written by triggers meanwhile. The log keeps who, when and what kind; of facts whose
 * inserts are summarized also how many they were, which is nothing about anybody.
 */
create or replace function app.erase_rows(organization uuid, erasure uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_counts jsonb := '{}';
  v_table regclass;
  v_rows bigint;
  v_left boolean;
  v_tables constant regclass[] := array(
    select c.oid
      from pg_catalog.pg_class c
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace and n.nspname in ('app', 'core', 'ops', 'mart')
      join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attname = 'organization_id' and not a.attisdropped
     where c.relkind in ('r', 'p') and not c.relispartition and c.oid not in ('ops.audit_log'::regclass, 'app.audit_seal'::regclass, 'app.audit_detachment'::regclass)
     order by n.nspname || '.' || c.relname);
begin
  foreach v_table in array v_tables loop
    execute format('select count(*) from %s t where t.organization_id = $1', v_table) into v_rows using organization;
    if v_rows > 0 then
      v_counts := v_counts || jsonb_build_object(v_table, v_rows);
    end if;
  end loop;
  -- What the nightly check found names organizations
  delete from app.mart_check c using ops.organization o
   where o.id = organization and c.details @> jsonb_build_array(jsonb_build_object('organization', o.slug));
  delete from ops.organization o where o.id = organization;
  v_counts := v_counts || jsonb_build_object('ops.organization', 1);
  foreach v_table in array v_tables loop
    execute format('select exists (select from %s t where t.organization_id = $1)', v_table) into v_left using organization;
    if v_left then
      execute format('delete from %s t where t.organization_id = $1', v_table) using organization;
    end if;
  end loop;
  update ops.audit_log a set before_state = null, after_state = null, erasure_id = erasure
   where a.organization_id = organization and (a.before_state is not null or a.after_state is not null)
     and a.action in ('baseline', 'insert', 'update', 'delete')
     and not (num_nonnulls(a.before_state, a.after_state) = 1 and coalesce(a.before_state, a.after_state) ? 'rows'
              and coalesce(a.before_state, a.after_state) - 'rows' = '{}');
  return v_counts;
end;
$$;
alter function app.erase_rows(uuid, uuid) owner to curestry_definer;
revoke execute on function app.erase_rows(uuid, uuid) from public;
comment on function app.erase_rows(uuid, uuid) is
  'Removes an organization with every row of it, and takes the states out of its audit log; answers how many rows of each table there were.';
--! EndIncluded app/functions/erase_rows.sql
--! Included app/functions/erase_organization.sql
create or replace function app.erase_organization(organization uuid) returns app.erasure
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_organization ops.organization;
  v_erasure app.erasure;
begin
  -- Who writes to it is waited for, and who comes later finds it gone.
  select o.* into v_organization from ops.organization o where o.id = organization for update;
  if not found then
    perform app.refuse('CU003', format('There is no organization %s', organization), 'organization');
  end if;
  perform app.refuse_held(app.legal_hold_of(organization), 'The organization ' || v_organization.slug);
  if v_organization.personal_user_id is not null then
    perform app.refuse('CU005', format('%s is the personal organization of user %s: it goes when the user is erased',
                                       v_organization.slug, v_organization.personal_user_id), 'organization', 'personal_organization');
  end if;
  v_erasure := app.begin_erasure('organization', organization::text);
  return app.end_erasure(v_erasure, app.erase_rows(organization, v_erasure.id));
end;
$$;
alter function app.erase_organization(uuid) owner to curestry_definer;
revoke execute on function app.erase_organization(uuid) from public;
grant execute on function app.erase_organization(uuid) to curestry_owner;
comment on function app.erase_organization(uuid) is
  'Erases an organization: all its rows, and the states in its audit log, whose chain stays whole. Answers the receipt. For operators.';
--! EndIncluded app/functions/erase_organization.sql
--! Included app/functions/erase_user.sql
/*
 * What says who the person is goes: from the tables, by app.personal_data, and from the states in the log. What they did for
 * shared organizations belongs to these and stays, under the number of an account that nobody is behind any more.
 */
create or replace function app.erase_user(person integer) returns app.erasure
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_user core.users;
  v_personal uuid;
  v_slugs text;
  v_table app.personal_data;
  v_erasure app.erasure;
  v_counts jsonb := '{}';
  v_rows bigint;
  v_detached name;
  v_of regclass;
begin
  select u.* into v_user from core.users u where u.id = person and u.erased_at is null for update;
  if not found then
    perform app.refuse('CU003', format('There is no user %s', person), 'user');
  end if;
  -- As everything that changes members: the organizations first, in one order.
  perform from ops.organization o
    where o.personal_user_id = person
       or o.id in (select m.organization_id from ops.organization_user m where m.user_id = person and m.status <> 'removed')
    order by o.id for no key update;
  select o.id into v_personal from ops.organization o where o.personal_user_id = person;

  perform app.refuse_held((select h from app.legal_hold h where h.held_user_id = person and h.released_at is null order by h.placed_at limit 1),
                          coalesce(v_user.email, 'User ' || person));
  perform app.refuse_held(app.legal_hold_of(o.id), format('The organization %s, of which %s is a member,', o.slug, coalesce(v_user.email, 'user ' || person)))
     from ops.organization_user m
     join ops.organization o on o.id = m.organization_id
    where m.user_id = person and m.status <> 'removed';
  select string_agg(o.slug, ', ' order by o.slug) into v_slugs
    from ops.organization_user m
    join ops.organization o on o.id = m.organization_id and o.personal_user_id is distinct from person
   where m.user_id = person and m.role = 'owner' and m.status = 'active'
     and not exists (select from ops.organization_user x
                      where x.organization_id = m.organization_id and x.user_id <> person and x.role = 'owner' and x.status = 'active');
  if v_slugs is not null then
    perform app.refuse('CU005', format('%s is the last owner of %s: make somebody else an owner first, or erase the organization',
                                       coalesce(v_user.email, 'User ' || person), v_slugs), 'user', 'organization_owner');
  end if;
  if exists (select from ops.organization_user m where m.organization_id = v_personal and m.user_id <> person and m.status = 'active') then
    perform app.refuse('CU005', format('The personal organization of %s has other members: remove them first',
                                       coalesce(v_user.email, 'user ' || person)), 'user', 'personal_organization');
  end if;

  v_erasure := app.begin_erasure('user', person::text);
  if v_personal is not null then
    v_counts := app.erase_rows(v_personal, v_erasure.id);
  end if;
  delete from ops.invitation i using ops.organization_user m
   where m.user_id = person and i.organization_id = m.organization_id and i.organization_user_id = m.id;
  get diagnostics v_rows = row_count;
  v_counts := v_counts || jsonb_build_object('ops.invitation', v_rows + coalesce((v_counts ->> 'ops.invitation')::bigint, 0));
  update ops.organization_user m set status = 'removed' where m.user_id = person and m.status <> 'removed';
  get diagnostics v_rows = row_count;
  v_counts := v_counts || jsonb_build_object('ops.organization_user', v_rows + coalesce((v_counts ->> 'ops.organization_user')::bigint, 0));
  update ops.api_key k set is_revoked = true, revoked_at = now() where k.user_id = person and not k.is_revoked;
  get diagnostics v_rows = row_count;
  v_counts := v_counts || jsonb_build_object('ops.api_key', v_rows + coalesce((v_counts ->> 'ops.api_key')::bigint, 0));

  for v_table in select * from app.personal_data p order by p.table_name loop
    v_of := v_table.table_name;
    if v_table.treatment = 'delete' then
      execute format('delete from %s t where t.%I = $1', v_of, v_table.person_column) using person;
    else
      execute format('update %s t set %s where t.%I = $1', v_of,
        (select string_agg(format('%I = null', c), ', ') from unnest(v_table.personal_columns) as c), v_table.person_column) using person;
    end if;
    get diagnostics v_rows = row_count;
    v_counts := v_counts || jsonb_build_object(v_table.table_name, v_rows + coalesce((v_counts ->> v_table.table_name)::bigint, 0));
  end loop;
  delete from app.operator o where o.user_id = person;
  get diagnostics v_rows = row_count;
  v_counts := v_counts || jsonb_build_object('app.operator', v_rows);
  update core.users u set erased_at = now() where u.id = person;

  -- Last, so that what was recorded of all this is erased too
  update ops.audit_log a
     set before_state = e.before_state, after_state = e.after_state, erasure_id = v_erasure.id
    from (select l.organization_id, l.ts, l.id, l.before_state || b.before as before_state, l.after_state || b.after as after_state
            from app.personal_data p
            join app.audited_table t on t.table_name = p.table_name
            join ops.audit_log l
              on l.entity_type = p.table_name and l.action <> 'erase'
             and (t.organization_column is not null or l.organization_id = '00000000-0000-0000-0000-000000000000')
             and coalesce(l.after_state, l.before_state) ->> p.person_column = person::text,
                 lateral (select coalesce(jsonb_object_agg(c, null) filter (where l.before_state ? c), '{}') as before,
                                 coalesce(jsonb_object_agg(c, null) filter (where l.after_state ? c), '{}') as after
                            from unnest(p.personal_columns) as c) b
           where exists (select from unnest(p.personal_columns) as c where coalesce(l.before_state ->> c, l.after_state ->> c) is not null)) e
   where a.organization_id = e.organization_id and a.ts = e.ts and a.id = e.id;
  -- And of what left the log by retention, but is still there
  for v_detached in
    select c.relname from app.audit_retention r join pg_catalog.pg_class c on c.oid = to_regclass(format('app.%I', r.table_name))
     where r.dropped_at is null
  loop
    execute format($query$
      update app.%I l set before_state = null, after_state = null
        from app.personal_data p
       where l.entity_type = p.table_name and coalesce(l.after_state, l.before_state) ->> p.person_column = $1
    $query$, v_detached) using person::text;
  end loop;
  return app.end_erasure(v_erasure, (select jsonb_object_agg(key, value) from jsonb_each(v_counts) where value <> '0'));
end;
$$;
alter function app.erase_user(integer) owner to curestry_definer;
revoke execute on function app.erase_user(integer) from public;
grant execute on function app.erase_user(integer) to curestry_owner;
comment on function app.erase_user(integer) is
  'Erases a user: what says who they are, in all tables and in the states of the audit log, and their personal organization. Answers the receipt. For operators.';
--! EndIncluded app/functions/erase_user.sql
--! Included app/functions/mentions_of.sql
/* Reads every row of every table: for an erasure, which is rare, and whose operator wants to know what it did not touch. */
create or replace function app.mentions_of(needle text) returns table (table_name text, mentions bigint)
language plpgsql stable security definer set search_path = '' as $$
declare
  v_table regclass;
begin
  for v_table, table_name in
    select c.oid, n.nspname || '.' || c.relname
      from pg_catalog.pg_class c
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace and n.nspname in ('app', 'core', 'ops', 'mart')
     where c.relkind in ('r', 'p') and not c.relispartition and has_table_privilege(c.oid, 'select')
     order by 2
  loop
    execute format('select count(*) from %s t where position(lower($1) in lower(t::text)) > 0', v_table) into mentions using needle;
    if mentions > 0 then
      return next;
    end if;
  end loop;
end;
$$;
alter function app.mentions_of(text) owner to curestry_definer;
revoke execute on function app.mentions_of(text) from public;
grant execute on function app.mentions_of(text) to curestry_owner;
comment on function app.mentions_of(text) is
  'In how many rows of which tables a text stands: what somebody wrote about a person elsewhere is not known to their erasure. For operators.';
--! EndIncluded app/functions/mentions_of.sql
--! Included app/functions/place_legal_hold.sql
/* The row of what is held is locked: an erasure under way is waited for, and one that comes later finds the hold. */
create or replace function app.place_legal_hold(organization uuid, person integer, hold_reason text) returns app.legal_hold
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_hold app.legal_hold;
begin
  perform from ops.organization o where o.id = organization for share;
  if organization is not null and not found then
    perform app.refuse('CU003', format('There is no organization %s', organization), 'organization');
  end if;
  perform from core.users u where u.id = person and u.erased_at is null for share;
  if person is not null and not found then
    perform app.refuse('CU003', format('There is no user %s', person), 'user');
  end if;
  insert into app.legal_hold (held_organization_id, held_user_id, reason) values (organization, person, hold_reason)
  returning * into v_hold;
  return v_hold;
end;
$$;
alter function app.place_legal_hold(uuid, integer, text) owner to curestry_definer;
revoke execute on function app.place_legal_hold(uuid, integer, text) from public;
grant execute on function app.place_legal_hold(uuid, integer, text) to curestry_owner;
comment on function app.place_legal_hold(uuid, integer, text) is
  'Places a legal hold on an organization or on a user: nothing of it is erased or deleted until it is released. For operators.';
--! EndIncluded app/functions/place_legal_hold.sql
--! Included app/functions/release_legal_hold.sql
create or replace function app.release_legal_hold(hold_id uuid) returns app.legal_hold
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_hold app.legal_hold;
begin
  update app.legal_hold h set released_at = now(), released_by = session_user
   where h.id = hold_id and h.released_at is null
  returning * into v_hold;
  if not found then
    perform app.refuse('CU003', format('There is no legal hold %s in force', hold_id), 'id');
  end if;
  return v_hold;
end;
$$;
alter function app.release_legal_hold(uuid) owner to curestry_definer;
revoke execute on function app.release_legal_hold(uuid) from public;
grant execute on function app.release_legal_hold(uuid) to curestry_owner;
comment on function app.release_legal_hold(uuid) is 'Releases a legal hold. For operators.';
--! EndIncluded app/functions/release_legal_hold.sql
--! Included app/functions/list_legal_holds.sql
create or replace function app.list_legal_holds()
returns table (id uuid, organization text, user_id integer, email text, reason text, placed_by text, placed_at timestamptz,
               released_by text, released_at timestamptz)
language sql stable security definer set search_path = '' as $$
  select h.id, coalesce(o.slug, h.held_organization_id::text), h.held_user_id, u.email, h.reason, h.placed_by, h.placed_at, h.released_by, h.released_at
    from app.legal_hold h
    left join ops.organization o on o.id = h.held_organization_id
    left join core.users u on u.id = h.held_user_id
   order by h.released_at is not null, h.placed_at;
$$;
alter function app.list_legal_holds() owner to curestry_definer;
revoke execute on function app.list_legal_holds() from public;
grant execute on function app.list_legal_holds() to curestry_owner;
comment on function app.list_legal_holds() is 'The legal holds, those in force first. For operators.';
--! EndIncluded app/functions/list_legal_holds.sql
--! Included app/functions/export_tables.sql
/*
 * The tables are those of the catalogue: every one with an organization, and for a person every one that points to users,
 * to their runs or to their prompts. In the order of their foreign keys, so that they can be read in one after the other.
 *
 * Of a person's acts in shared organizations the log gives who, when and what, but not the states: these are the
 * organization's, and may be of other persons.
 */
create or replace function app.export_tables(organization uuid, person integer) returns table (table_name text, query text)
language sql stable set search_path = '' as $$
  with recursive tables as (
    select c.oid, n.nspname || '.' || c.relname as name,
           exists (select from pg_catalog.pg_attribute a where a.attrelid = c.oid and a.attname = 'organization_id' and not a.attisdropped) as is_tenants
      from pg_catalog.pg_class c
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace and n.nspname in ('app', 'core', 'ops', 'mart')
     where c.relkind in ('r', 'p') and not c.relispartition
  ), reference as (
    select k.conrelid as oid, k.confrelid as target, a.attname as column_name
      from pg_catalog.pg_constraint k
      join tables t on t.oid = k.conrelid
      join pg_catalog.pg_attribute a on a.attrelid = k.conrelid and a.attnum = k.conkey[cardinality(k.conkey)]
     where k.contype = 'f' and k.conparentid = 0
  ), depth (oid, depth) as (
    select t.oid, 0 from tables t
    union
    select r.oid, d.depth + 1 from depth d join reference r on r.target = d.oid and r.oid <> d.oid where d.depth < 20
  ), condition (oid, condition) as (
    select t.oid, format('t.organization_id = %L', organization) from tables t where t.is_tenants and organization is not null
    union all
    select 'ops.organization'::regclass, format('t.id = %L', organization) where organization is not null
    union all
    select 'core.users'::regclass, case when person is null
             then format('t.id in (select m.user_id from ops.organization_user m where m.organization_id = %L)', organization)
             else format('t.id = %L', person) end
    union all
    select r.oid, format('t.%I = %L', r.column_name, person) from reference r where person is not null and r.target = 'core.users'::regclass
    union all
    select 'ops.organization'::regclass, format('t.id in (select m.organization_id from ops.organization_user m where m.user_id = %L)', person)
     where person is not null
    union all
    select 'core.prompts'::regclass, format('exists (select from core.prompt_versions v where v.organization_id = t.organization_id '
             'and v.prompt_id = t.id and v.version = 1 and v.user_id = %L)', person)
     where person is not null
    union all
    select r.oid, format('exists (select from ops.analysis_run r where r.organization_id = t.organization_id and r.id = t.%I and r.user_id = %L)',
                         r.column_name, person)
      from reference r where person is not null and r.target = 'ops.analysis_run'::regclass
    union all
    select 'ops.audit_log'::regclass, format('t.actor_user_id = %L', person) where person is not null
    union all
    select 'ops.audit_log'::regclass, o.theirs from own_entry o where person is not null
  ), own_entry (theirs) as (
    select string_agg(format('t.entity_type = %L and coalesce(t.after_state, t.before_state) ->> %L = %L', p.table_name, p.person_column, person::text), ' or ')
      from app.personal_data p where p.table_name not like 'app.%'
  )
  select t.name,
         format('select %s as row from %s t where %s order by %s',
                case when person is not null and t.oid = 'ops.audit_log'::regclass
                  then format($f$case when t.organization_id is not distinct from %L or %s then to_jsonb(t) else to_jsonb(t) - '{before_state,after_state}'::text[] end$f$,
                              organization, (select o.theirs from own_entry o))
                  else format('to_jsonb(t) - %L::text[]', coalesce(a.secret_columns, '{}')) end,
                t.oid::regclass, string_agg('(' || c.condition || ')', ' or '),
                coalesce((select string_agg(format('t.%I', k.attname), ', ' order by array_position(i.indkey::smallint[], k.attnum))
                            from pg_catalog.pg_index i join pg_catalog.pg_attribute k on k.attrelid = i.indrelid and k.attnum = any (i.indkey)
                           where i.indrelid = t.oid and i.indisprimary), '1'))
    from tables t
    join condition c on c.oid = t.oid
    left join app.audited_table a on a.table_name = t.name
   group by t.oid, t.name, a.secret_columns
   order by (select max(d.depth) from depth d where d.oid = t.oid), t.name;
$$;
revoke execute on function app.export_tables(uuid, integer) from public;
comment on function app.export_tables(uuid, integer) is
  'What an export of an organization, or of a user and their personal organization, reads: a query for each table, in dependency order, without secrets. For operators, whose rights the queries have.';
--! EndIncluded app/functions/export_tables.sql
--! Included app/tables/audit_retention.sql
comment on table app.audit_retention is 'What left the audit log by the retention policies of organizations: one row for each month and time.';
comment on column app.audit_retention.id is 'Identifies the row; stands in the log''s row about it.';
comment on column app.audit_retention.partition_name is 'The partition of the log that it was in.';
comment on column app.audit_retention.from_ts is 'The month that left: from here';
comment on column app.audit_retention.to_ts is 'to before here.';
comment on column app.audit_retention.table_name is 'The table in app that holds the rows since then, until it is dropped.';
comment on column app.audit_retention.detached_at is 'When they left.';
comment on column app.audit_retention.dropped_at is 'When that table was dropped; null: it is still there.';
comment on constraint pk_audit_retention on app.audit_retention is 'One row per act.';

alter table app.audit_retention enable row level security;
alter table app.audit_retention force row level security;

drop policy if exists definer_all on app.audit_retention;
create policy definer_all on app.audit_retention for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on app.audit_retention is 'The functions that look past row level security; the grants say what they may.';
grant select on app.audit_retention to curestry_definer;
--! EndIncluded app/tables/audit_retention.sql
--! Included app/tables/audit_detachment.sql
comment on table app.audit_detachment is 'Which rows of a seal left the audit log by retention: whatever else is missing was removed.';
comment on column app.audit_detachment.organization_id is 'Whose rows they were.';
comment on column app.audit_detachment.seq is 'The seal in which they stand.';
comment on column app.audit_detachment.retention_id is 'The act by which they left.';
comment on column app.audit_detachment.entry_id is 'The row of the log about that act.';
comment on column app.audit_detachment.positions is 'Their places in the seal, from 1.';
comment on constraint pk_audit_detachment on app.audit_detachment is 'One row per seal and act.';
comment on constraint fk_audit_detachment_retention_id on app.audit_detachment is 'The act must exist.';

alter table app.audit_detachment enable row level security;
alter table app.audit_detachment force row level security;

drop policy if exists definer_all on app.audit_detachment;
create policy definer_all on app.audit_detachment for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on app.audit_detachment is 'The functions that look past row level security; the grants say what they may.';
grant select on app.audit_detachment to curestry_definer;

create or replace trigger _200_append_only before update or delete or truncate on app.audit_detachment
  for each statement execute function app.tg_audit_log__append_only();
--! EndIncluded app/tables/audit_detachment.sql
--! Included app/tables/audit_sealer.sql
comment on table app.audit_sealer is 'How far the audit log is sealed; one row.';
comment on column app.audit_sealer.singleton is 'There is one row.';
comment on column app.audit_sealer.through_xid is 'Every row of a transaction before this one is sealed.';
comment on column app.audit_sealer.xid_offset is 'Added to the ids of transactions of this server, which may have begun anew after a restore.';
comment on constraint pk_audit_sealer on app.audit_sealer is 'There is one row.';
comment on constraint chk_audit_sealer_singleton on app.audit_sealer is 'there is one row';

alter table app.audit_sealer enable row level security;
alter table app.audit_sealer force row level security;

drop policy if exists definer_all on app.audit_sealer;
create policy definer_all on app.audit_sealer for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on app.audit_sealer is 'The functions that look past row level security; the grants say what they may.';
grant select, update on app.audit_sealer to curestry_definer;
--! EndIncluded app/tables/audit_sealer.sql
--! Included app/tables/personal_data.sql
comment on table app.personal_data is 'Which columns are personal data, and whose; written by app.personal_table, read by the erasure of a user.';
comment on column app.personal_data.table_name is 'The table, with its schema.';
comment on column app.personal_data.person_column is 'The column with the id of the user whose data it is.';
comment on column app.personal_data.personal_columns is 'The columns that say who the person is; the audit log loses them when the user is erased.';
comment on column app.personal_data.treatment is 'What the erasure does to the row: clear (the personal columns become null) or delete.';
comment on constraint pk_personal_data on app.personal_data is 'One row per table.';
comment on constraint chk_personal_data_treatment on app.personal_data is 'treatment must be clear or delete';

alter table app.personal_data enable row level security;
alter table app.personal_data force row level security;

drop policy if exists owner_all on app.personal_data;
create policy owner_all on app.personal_data for all to curestry_owner
  using (true)
  with check (true);
comment on policy owner_all on app.personal_data is 'Migrations say which columns are personal.';

drop policy if exists definer_read on app.personal_data;
create policy definer_read on app.personal_data for select to curestry_definer
  using (true);
comment on policy definer_read on app.personal_data is 'The erasure of a user reads what to take out.';
grant select on app.personal_data to curestry_definer;
--! EndIncluded app/tables/personal_data.sql
--! Included app/tables/erasure.sql
comment on table app.erasure is 'The receipts of erasures: that a user or an organization was erased, when, and how much it was; not who it was.';
comment on column app.erasure.id is 'Identifies the erasure; rows of the audit log that it took values from bear it.';
comment on column app.erasure.kind is 'user or organization.';
comment on column app.erasure.subject_id is 'The id of the user or organization, which is a pseudonym from then on.';
comment on column app.erasure.requested_by is 'Which login of the database erased.';
comment on column app.erasure.erased_at is 'When.';
comment on column app.erasure.counts is 'How many rows of each table were removed or changed, a JSON object; null until all is done.';
comment on column app.erasure.xid is 'The transaction that erased.';
comment on constraint pk_erasure on app.erasure is 'One row per erasure.';
comment on constraint chk_erasure_kind on app.erasure is 'kind must be user or organization';
comment on constraint chk_erasure_counts on app.erasure is 'counts must be a JSON object';

alter table app.erasure enable row level security;
alter table app.erasure force row level security;
revoke all on app.erasure from curestry_definer;

drop policy if exists definer_all on app.erasure;
create policy definer_all on app.erasure for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on app.erasure is 'The functions that look past row level security; the grants say what they may.';
grant select, insert, update (counts) on app.erasure to curestry_definer;

create or replace trigger _200_append_only before update or delete on app.erasure
  for each row execute function app.tg_erasure__append_only();
create or replace trigger _200_no_truncate before truncate on app.erasure
  for each statement execute function app.tg_erasure__append_only();
--! EndIncluded app/tables/erasure.sql
--! Included app/tables/legal_hold.sql
comment on table app.legal_hold is 'What must not be erased, deleted or thrown away for now, and why.';
comment on column app.legal_hold.id is 'Identifies the hold.';
comment on column app.legal_hold.held_organization_id is 'The organization that is held; null: a user is.';
comment on column app.legal_hold.held_user_id is 'The user who is held; null: an organization is.';
comment on column app.legal_hold.reason is 'Why; null once the user is erased, after the release.';
comment on column app.legal_hold.placed_by is 'Which login of the database placed it.';
comment on column app.legal_hold.placed_at is 'When it was placed.';
comment on column app.legal_hold.released_by is 'Which login of the database released it.';
comment on column app.legal_hold.released_at is 'When it was released; null: it is in force.';
comment on constraint pk_legal_hold on app.legal_hold is 'One row per hold.';
comment on constraint chk_legal_hold_held on app.legal_hold is 'a hold is of one organization or of one user';
comment on constraint chk_legal_hold_reason on app.legal_hold is 'reason must not be blank, and at most 4 KiB';
comment on constraint chk_legal_hold_released_at on app.legal_hold is 'A release says who and when.';

alter table app.legal_hold enable row level security;
alter table app.legal_hold force row level security;
revoke all on app.legal_hold from curestry_definer;

drop policy if exists definer_all on app.legal_hold;
create policy definer_all on app.legal_hold for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on app.legal_hold is 'The functions that look past row level security; the grants say what they may.';
grant select, insert, update (reason, released_by, released_at) on app.legal_hold to curestry_definer;

select app.personal_table('app.legal_hold', 'held_user_id', '{reason}', 'clear');
select app.audit_table('app.legal_hold', organization_column => null);
--! EndIncluded app/tables/legal_hold.sql
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
--! Included app/tables/partitioned_table.sql
comment on table app.partitioned_table is 'Which tables are partitioned by month, for app.make_partitions.';
comment on column app.partitioned_table.table_name is 'The table, with its schema. Its partitions are in app.';
comment on column app.partitioned_table.time_column is 'The column that decides in which month a row is, UTC.';
comment on column app.partitioned_table.months_ahead is 'For how many months after this one partitions are kept ready.';
comment on constraint pk_partitioned_table on app.partitioned_table is 'One row per table.';
comment on constraint chk_partitioned_table_months_ahead on app.partitioned_table is 'months_ahead must be from 1 to 24';

alter table app.partitioned_table enable row level security;
alter table app.partitioned_table force row level security;

drop policy if exists owner_all on app.partitioned_table;
create policy owner_all on app.partitioned_table for all to curestry_owner
  using (true)
  with check (true);
comment on policy owner_all on app.partitioned_table is 'Migrations say which tables are partitioned.';

insert into app.partitioned_table (table_name, time_column)
values ('ops.audit_log', 'ts'), ('ops.feature_event', 'occurred_at')
on conflict on constraint pk_partitioned_table do update set time_column = excluded.time_column;
--! EndIncluded app/tables/partitioned_table.sql
--! Included app/tables/operator.sql
comment on table app.operator is 'Users who operate the installation: they see failed jobs and scheduled tasks through the API. Made and unmade by "curestry operator".';
comment on column app.operator.user_id is 'Who.';
comment on column app.operator.granted_at is 'Since when.';
comment on constraint pk_operator on app.operator is 'A user is an operator once.';
comment on constraint fk_operator_user_id on app.operator is 'The user must exist.';

alter table app.operator enable row level security;
alter table app.operator force row level security;

drop policy if exists definer_all on app.operator;
create policy definer_all on app.operator for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on app.operator is 'The functions that look past row level security; the grants say what they may.';
grant select, insert, delete on app.operator to curestry_definer;

select app.audit_table('app.operator', organization_column => null, id_column => 'user_id');
--! EndIncluded app/tables/operator.sql
--! Included app/tables/task_run.sql
comment on table app.task_run is 'What runs by itself, and when it last did: one row a task.';
comment on column app.task_run.kind is 'schedule: a line of worker/crontab; poll: looked for all the time.';
comment on column app.task_run.task is 'Which task.';
comment on column app.task_run.expected_seconds is 'How often it runs: at most this long after the time before.';
comment on column app.task_run.expected_since is 'Since when it should run.';
comment on column app.task_run.started_at is 'When it last began.';
comment on column app.task_run.succeeded_at is 'When it last succeeded.';
comment on column app.task_run.failed_at is 'When it last failed.';
comment on column app.task_run.error is 'Why it last failed.';
comment on column app.task_run.milliseconds is 'How long it took the last time.';
comment on constraint pk_task_run on app.task_run is 'One row a task.';
comment on constraint chk_task_run_kind on app.task_run is 'kind must be schedule or poll';
comment on constraint chk_task_run_expected_seconds on app.task_run is 'expected_seconds must be above 0';

alter table app.task_run enable row level security;
alter table app.task_run force row level security;

drop policy if exists definer_all on app.task_run;
create policy definer_all on app.task_run for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on app.task_run is 'The functions that look past row level security; the grants say what they may.';
grant select, insert, update, delete on app.task_run to curestry_definer;
--! EndIncluded app/tables/task_run.sql
--! Included app/tables/worker_heartbeat.sql
comment on table app.worker_heartbeat is 'The workers that are alive. The jobs of one that dies go back to the queue.';
comment on column app.worker_heartbeat.worker_id is 'The name under which it locks jobs (graphile_worker.jobs.locked_by).';
comment on column app.worker_heartbeat.started_at is 'When it started.';
comment on column app.worker_heartbeat.beat_at is 'When it last said that it is alive.';
comment on constraint pk_worker_heartbeat on app.worker_heartbeat is 'One row a worker.';

alter table app.worker_heartbeat enable row level security;
alter table app.worker_heartbeat force row level security;

drop policy if exists definer_all on app.worker_heartbeat;
create policy definer_all on app.worker_heartbeat for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on app.worker_heartbeat is 'The functions that look past row level security; the grants say what they may.';
grant select, insert, update, delete on app.worker_heartbeat to curestry_definer;
--! EndIncluded app/tables/worker_heartbeat.sql
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
comment on column app.mart_state.closing_before is 'Facts before this time are not accepted any more: what is there of them is about to be taken up for good and removed.';
comment on column app.mart_state.closing_xid is 'When all transactions before this one have ended, nothing before closing_before can come any more; null: that is not decided yet.';
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
select app.mark_table('core.analysis_results', 'analysis', trigger_function => 'tg__mart_marks_of_runs');
select app.audit_table('core.analysis_results');
--! EndIncluded core/tables/analysis_results.sql
--! Included core/tables/auth_accounts.sql
comment on table core.auth_accounts is 'An account at a sign-in provider that belongs to a user. The provider''s tokens are encrypted and not in the API.';
comment on column core.auth_accounts.id is 'Identifies the account.';
comment on column core.auth_accounts.user_id is 'Whose account it is.';
comment on column core.auth_accounts.provider is 'google, github or another provider.';
comment on column core.auth_accounts.provider_account_id is 'The provider''s id of the account.';
comment on column core.auth_accounts.access_token is E'@behavior -*\nEncrypted; not in the API.';
comment on column core.auth_accounts.refresh_token is E'@behavior -*\nEncrypted; not in the API.';
comment on column core.auth_accounts.raw_profile is E'@behavior -*\nWhat the provider said of the person; not in the API.';
comment on column core.auth_accounts.created_at is 'When the row was written.';
comment on column core.auth_accounts.encryption_key_id is E'@behavior -*\nWhich key the tokens are encrypted with.';
comment on constraint pk_auth_accounts on core.auth_accounts is 'One row per account.';
comment on constraint unq_auth_accounts_provider_account_id on core.auth_accounts is 'An account at a provider belongs to one user.';
comment on constraint fk_auth_accounts_user_id on core.auth_accounts is 'The user must exist.';

alter table core.auth_accounts enable row level security;
alter table core.auth_accounts force row level security;
revoke all on core.auth_accounts from curestry_anonymous, curestry_member, curestry_analyst, curestry_definer;

drop policy if exists select_own on core.auth_accounts;
create policy select_own on core.auth_accounts for select to curestry_member
  using (user_id = app.session_user_id());
comment on policy select_own on core.auth_accounts is 'Users see their own.';
grant select (id, user_id, provider, provider_account_id, created_at) on core.auth_accounts to curestry_member;

drop policy if exists definer_all on core.auth_accounts;
create policy definer_all on core.auth_accounts for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on core.auth_accounts is 'The functions that look past row level security; the grants say what they may.';
grant select, delete on core.auth_accounts to curestry_definer;

select app.personal_table('core.auth_accounts', 'user_id', '{provider_account_id,raw_profile}', 'delete');
select app.audit_table('core.auth_accounts', organization_column => null, secret_columns => '{access_token,refresh_token,raw_profile}');
--! EndIncluded core/tables/auth_accounts.sql
--! Included core/tables/evaluation_metrics.sql
comment on table core.evaluation_metrics is E'@unique id\nA number that a workflow run, or one of its steps, produced.';
comment on column core.evaluation_metrics.id is 'Identifies the number; unique across organizations.';
comment on column core.evaluation_metrics.run_id is 'The run that produced it.';
comment on column core.evaluation_metrics.node_key is 'The step that produced it; null: the run as a whole.';
comment on column core.evaluation_metrics.metric_name is 'What was measured.';
comment on column core.evaluation_metrics.metric_value is 'The number.';
comment on column core.evaluation_metrics.metric_meta is 'More about it, as JSON.';
comment on column core.evaluation_metrics.created_at is 'When it was measured.';
comment on column core.evaluation_metrics.occurred_at is 'The time that it counts for: created_at.';
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

select app.mark_table('core.evaluation_metrics', 'evaluation', time_field => 'created_at');
select app.audit_table('core.evaluation_metrics', summarize_inserts => true);
--! EndIncluded core/tables/evaluation_metrics.sql
--! Included core/tables/prompt_versions.sql
comment on table core.prompt_versions is E'@unique id\nEvery text that a prompt had: version 1 when it was made, another whenever its content changes. Written by a trigger, never changed.';
comment on column core.prompt_versions.id is 'Identifies the version; unique across organizations.';
comment on column core.prompt_versions.organization_id is 'The organization that the row belongs to; given by the request, never by the caller.';
comment on column core.prompt_versions.prompt_id is 'The prompt.';
comment on column core.prompt_versions.version is 'Its number, from 1.';
comment on column core.prompt_versions.content is 'The text of the prompt in this version.';
comment on column core.prompt_versions.format_type is 'auto, text, markdown or xml, when the version was made.';
comment on column core.prompt_versions.language is 'Language code, or auto, when the version was made.';
comment on column core.prompt_versions.user_id is 'Who wrote it, if a request to the API did.';
comment on column core.prompt_versions.api_key_id is 'With which API key.';
comment on column core.prompt_versions.created_at is 'When it was written.';
comment on constraint pk_prompt_versions on core.prompt_versions is 'One row per organization and id.';
comment on constraint unq_prompt_versions_prompt_id_version on core.prompt_versions is 'A version of a prompt stands once.';
comment on constraint fk_prompt_versions_prompt_id on core.prompt_versions is 'prompt_id must name a prompt of the same organization.';
comment on constraint fk_prompt_versions_user_id on core.prompt_versions is 'The user must exist.';
comment on constraint fk_prompt_versions_api_key_id on core.prompt_versions is 'api_key_id must name an API key of the same organization.';
comment on constraint chk_prompt_versions_version on core.prompt_versions is 'version must be at least 1';

alter table core.prompt_versions enable row level security;
alter table core.prompt_versions force row level security;
revoke all on core.prompt_versions from curestry_anonymous, curestry_member, curestry_analyst, curestry_definer;

drop policy if exists select_own on core.prompt_versions;
create policy select_own on core.prompt_versions for select to curestry_member
  using (organization_id = app.organization_if('prompts:read'));
comment on policy select_own on core.prompt_versions is 'Members read the rows of their request''s organization, with prompts:read.';
grant select on core.prompt_versions to curestry_member;

drop policy if exists select_granted on core.prompt_versions;
create policy select_granted on core.prompt_versions for select to curestry_analyst
  using (organization_id = any (app.analyst_organizations()));
comment on policy select_granted on core.prompt_versions is 'Analysts read the organizations granted to them.';
grant select on core.prompt_versions to curestry_analyst;

drop policy if exists definer_all on core.prompt_versions;
create policy definer_all on core.prompt_versions for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on core.prompt_versions is 'The functions that look past row level security; the grants say what they may.';
grant select, insert on core.prompt_versions to curestry_definer;

select app.audit_table('core.prompt_versions');
--! EndIncluded core/tables/prompt_versions.sql
--! Included core/tables/prompts.sql
comment on table core.prompts is E'@unique id\nA prompt: the text that is analysed, under a name.';
comment on column core.prompts.id is 'Identifies the prompt, a UUID as text; unique across organizations.';
comment on column core.prompts.name is 'Display name, at most 255 characters.';
comment on column core.prompts.description is 'What the prompt is for.';
comment on column core.prompts.content is 'The text of the prompt, at most 1 MiB.';
comment on column core.prompts.format_type is 'auto, text, markdown or xml.';
comment on column core.prompts.language is 'Language code such as en or pt-BR; auto: to be detected.';
comment on column core.prompts.tags is 'Labels, a JSON array of strings; search with promptsByTags.';
comment on column core.prompts.extra_metadata is 'Anything else, a JSON object.';
comment on column core.prompts.created_at is 'When the row was written.';
comment on column core.prompts.updated_at is 'When the row was last changed.';
comment on column core.prompts.organization_id is 'The organization that the row belongs to; given by the request, never by the caller.';
comment on constraint pk_prompts on core.prompts is 'One row per organization and id.';
comment on constraint fk_prompts_organization_id on core.prompts is 'The organization must exist.';
comment on constraint chk_prompts_name on core.prompts is 'name must not be blank';
comment on constraint chk_prompts_content on core.prompts is 'content must not be blank, and at most 1 MiB';
comment on constraint chk_prompts_description on core.prompts is 'description must be at most 1 MiB';
comment on constraint chk_prompts_format_type on core.prompts is 'format_type must be auto, text, markdown or xml';
comment on constraint chk_prompts_language on core.prompts is 'language must be a language code such as en or pt-BR, or auto';
comment on constraint chk_prompts_tags on core.prompts is 'tags must be a JSON array of at most 100 strings, each of 1 to 100 characters on one line';
comment on constraint chk_prompts_extra_metadata on core.prompts is 'extra_metadata must be a JSON object of at most 256 KiB, nested at most 32 deep';

alter table core.prompts alter column organization_id set default app.organization_id();

alter table core.prompts enable row level security;
alter table core.prompts force row level security;
revoke all on core.prompts from curestry_anonymous, curestry_member, curestry_analyst, curestry_definer;

drop policy if exists select_own on core.prompts;
create policy select_own on core.prompts for select to curestry_member
  using (organization_id = app.organization_if('prompts:read'));
comment on policy select_own on core.prompts is 'Members read the rows of their request''s organization, with prompts:read.';
grant select on core.prompts to curestry_member;

drop policy if exists insert_own on core.prompts;
create policy insert_own on core.prompts for insert to curestry_member
  with check (organization_id = app.organization_if('prompts:write'));
comment on policy insert_own on core.prompts is 'Members write to their request''s organization, with prompts:write.';
grant insert (name, description, content, format_type, language, tags, extra_metadata) on core.prompts to curestry_member;

drop policy if exists update_own on core.prompts;
create policy update_own on core.prompts for update to curestry_member
  using (organization_id = app.organization_if('prompts:write'));
comment on policy update_own on core.prompts is 'Members change the rows of their request''s organization, with prompts:write.';
grant update (name, description, content, format_type, language, tags, extra_metadata) on core.prompts to curestry_member;

drop policy if exists delete_own on core.prompts;
create policy delete_own on core.prompts for delete to curestry_member
  using (organization_id = app.organization_if('prompts:write'));
comment on policy delete_own on core.prompts is 'Members delete the rows of their request''s organization, with prompts:write.';
grant delete on core.prompts to curestry_member;

drop policy if exists select_granted on core.prompts;
create policy select_granted on core.prompts for select to curestry_analyst
  using (organization_id = any (app.analyst_organizations()));
comment on policy select_granted on core.prompts is 'Analysts read the organizations granted to them.';
grant select on core.prompts to curestry_analyst;

drop policy if exists definer_all on core.prompts;
create policy definer_all on core.prompts for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on core.prompts is 'The functions that look past row level security; the grants say what they may.';
grant select, insert on core.prompts to curestry_definer;

create or replace trigger _100_updated_at before update on core.prompts
  for each row execute function app.tg__updated_at();
create or replace trigger _500_versions_insert after insert on core.prompts
  referencing new table as new_rows for each statement execute function app.tg_prompts__versions();
create or replace trigger _500_versions_update after update on core.prompts
  referencing old table as old_rows new table as new_rows for each statement execute function app.tg_prompts__versions();
select app.audit_table('core.prompts');
--! EndIncluded core/tables/prompts.sql
--! Included core/tables/sessions.sql
comment on table core.sessions is 'A session of a user: a token is accepted as long as its session stands here, unexpired and not revoked.';
comment on column core.sessions.id is 'Identifies the session.';
comment on column core.sessions.user_id is 'Whose session it is.';
comment on column core.sessions.jwt_id is E'@behavior -*\nThe jti of the token; secret.';
comment on column core.sessions.created_at is 'When the row was written.';
comment on column core.sessions.expires_at is 'Until when the token is accepted.';
comment on column core.sessions.revoked_at is 'When the session was ended before its time.';
comment on constraint pk_sessions on core.sessions is 'One row per session.';
comment on constraint unq_sessions_jwt_id on core.sessions is E'@behavior -*\nThe jti of a token is unique.';
comment on constraint fk_sessions_user_id on core.sessions is 'The user must exist.';
comment on constraint chk_sessions_expires_at on core.sessions is 'expires_at must lie after created_at';

alter table core.sessions enable row level security;
alter table core.sessions force row level security;
revoke all on core.sessions from curestry_anonymous, curestry_member, curestry_analyst, curestry_definer;

drop policy if exists select_own on core.sessions;
create policy select_own on core.sessions for select to curestry_member
  using (user_id = app.session_user_id());
comment on policy select_own on core.sessions is 'Users see their own.';
grant select (id, user_id, created_at, expires_at, revoked_at) on core.sessions to curestry_member;

drop policy if exists definer_all on core.sessions;
create policy definer_all on core.sessions for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on core.sessions is 'The functions that look past row level security; the grants say what they may.';
grant select, insert, update (revoked_at), delete on core.sessions to curestry_definer;
grant usage on sequence core.sessions_id_seq to curestry_definer;

select app.personal_table('core.sessions', 'user_id', '{}', 'delete');
select app.audit_table('core.sessions', organization_column => null, secret_columns => '{jwt_id}');
--! EndIncluded core/tables/sessions.sql
--! Included core/tables/users.sql
comment on table core.users is 'A person who can sign in. Persons belong to no organization; memberships say what they may do where.';
comment on column core.users.id is 'Identifies the user.';
comment on column core.users.email is 'E-mail address, unique without regard to case; null for an anonymous user.';
comment on column core.users.name is 'Display name.';
comment on column core.users.avatar_url is 'Address of a picture.';
comment on column core.users.created_at is 'When the row was written.';
comment on column core.users.erased_at is 'When the person was erased; nobody is behind this account any more.';
comment on constraint pk_users on core.users is 'One row per user.';
comment on constraint unq_users_email on core.users is 'There is a user with this e-mail address already.';
comment on constraint chk_users_email on core.users is 'email must be an e-mail address';
comment on constraint chk_users_erased_at on core.users is 'an erased account stays without e-mail address, name and picture';
comment on index core.unq_users_email_lower is 'there is a user with this e-mail address already';

alter table core.users enable row level security;
alter table core.users force row level security;
revoke all on core.users from curestry_anonymous, curestry_member, curestry_analyst, curestry_definer;

drop policy if exists select_own on core.users;
create policy select_own on core.users for select to curestry_member
  using (id = any (app.visible_user_ids()));
comment on policy select_own on core.users is 'Members see themselves and the members of their requests organization.';
grant select on core.users to curestry_member;

drop policy if exists update_own on core.users;
create policy update_own on core.users for update to curestry_member
  using (id = app.session_user_id());
comment on policy update_own on core.users is 'Users change their own row.';
grant update (name, avatar_url) on core.users to curestry_member;

drop policy if exists select_granted on core.users;
create policy select_granted on core.users for select to curestry_analyst
  using (id = any (app.analyst_user_ids()));
comment on policy select_granted on core.users is 'Analysts see the members of the organizations granted to them.';
grant select on core.users to curestry_analyst;

drop policy if exists definer_all on core.users;
create policy definer_all on core.users for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on core.users is 'The functions that look past row level security; the grants say what they may.';
grant select, insert, update (email, name, avatar_url, erased_at) on core.users to curestry_definer;
grant usage on sequence core.users_id_seq to curestry_definer;

select app.personal_table('core.users', 'id', '{email,name,avatar_url}', 'clear');
select app.audit_table('core.users', organization_column => null);
--! EndIncluded core/tables/users.sql
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
--! Included ops/tables/audit_log.sql
comment on table ops.audit_log is E'@unique id\nWho changed what, when: one row for each change of a row of core and ops, written by triggers. Append-only, partitioned by month.';
comment on column ops.audit_log.id is 'Identifies the row; unique across organizations.';
comment on column ops.audit_log.ts is 'When.';
comment on column ops.audit_log.actor_user_id is E'@behavior +filterBy\nWhich user, if a request to the API changed it.';
comment on column ops.audit_log.actor_api_key_id is E'@behavior +filterBy\nWith which API key.';
comment on column ops.audit_log.actor_role is 'Which login of the database.';
comment on column ops.audit_log.request_id is E'@behavior +filterBy\nThe X-Request-Id of the request, as in the log.';
comment on column ops.audit_log.organization_id is 'The organization of the changed row; the nil UUID for rows that belong to none.';
comment on column ops.audit_log.action is E'@behavior +filterBy\ninsert, update, delete or truncate; baseline: the row as it was when its audit began, or when older rows left the log; detach: rows left by retention; erase: that states were taken out of the log.';
comment on column ops.audit_log.entity_type is E'@behavior +filterBy\nThe table, such as core.prompts.';
comment on column ops.audit_log.entity_id is 'The id of the row; for facts that are recorded many at a time, how many rows.';
comment on column ops.audit_log.before_state is 'The row as it was, without secrets.';
comment on column ops.audit_log.after_state is 'The row as it became, without secrets.';
comment on column ops.audit_log.changed_columns is 'Which columns an update changed.';
comment on column ops.audit_log.erasure_id is 'By which erasure its states lost what they had of a person or organization; null: they are whole.';
comment on column ops.audit_log.xid is E'@behavior -*\nThe transaction that made the change; the order of sealing.';
comment on column ops.audit_log.seq is E'@behavior -*\nThe order of the rows within a transaction.';
comment on constraint pk_audit_log on ops.audit_log is 'One row per organization, time and id; in the order of time, which random ids alone would not be.';

alter table ops.audit_log enable row level security;
alter table ops.audit_log force row level security;
revoke all on ops.audit_log from curestry_anonymous, curestry_member, curestry_analyst, curestry_definer;

drop policy if exists select_own on ops.audit_log;
create policy select_own on ops.audit_log for select to curestry_member
  using (organization_id = app.organization_if('audit:read'));
comment on policy select_own on ops.audit_log is 'Members read the rows of their request''s organization, with audit:read.';
grant select on ops.audit_log to curestry_member;

drop policy if exists definer_all on ops.audit_log;
create policy definer_all on ops.audit_log for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on ops.audit_log is 'The functions that look past row level security; the grants say what they may.';
grant select, insert, update (before_state, after_state, erasure_id) on ops.audit_log to curestry_definer;
grant usage on sequence ops.audit_log_seq to curestry_definer;

create or replace trigger _200_append_only before update or delete or truncate on ops.audit_log
  for each statement execute function app.tg_audit_log__append_only('erasable');
create or replace trigger _200_erase before update on ops.audit_log
  for each row execute function app.tg_audit_log__erase();

comment on table app.audit_log_default is 'ops.audit_log of months without a partition.';
select app.guard_partition('app.audit_log_default');
--! EndIncluded ops/tables/audit_log.sql
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
select app.guard_partition('app.feature_event_default');
--! EndIncluded ops/tables/feature_event.sql
--! Included ops/tables/invitation.sql
comment on table ops.invitation is E'@unique id\nAn invitation of a person to an organization. The code that accepts it was shown once; its hash is not in the API.';
comment on column ops.invitation.id is 'Identifies the row; unique across organizations.';
comment on column ops.invitation.organization_id is 'The organization that the row belongs to; given by the request, never by the caller.';
comment on column ops.invitation.organization_user_id is 'The membership that it is to.';
comment on column ops.invitation.code_hash is E'@behavior -*\nSHA-256 of the code, hexadecimal; not in the API.';
comment on column ops.invitation.invited_by_user_id is 'Who invited.';
comment on column ops.invitation.expires_at is 'Until when it can be accepted.';
comment on column ops.invitation.accepted_at is 'When it was accepted.';
comment on column ops.invitation.created_at is 'When the row was written.';
comment on constraint pk_invitation on ops.invitation is 'One row per organization and id.';
comment on constraint unq_invitation_code_hash on ops.invitation is E'@behavior -*\nA code is unique.';
comment on constraint fk_invitation_organization_user_id on ops.invitation is 'organization_user_id must name a membership of the same organization.';
comment on constraint fk_invitation_invited_by_user_id on ops.invitation is 'The user must exist.';
comment on constraint chk_invitation_code_hash on ops.invitation is 'code_hash must be a SHA-256 in hexadecimal';
comment on constraint chk_invitation_expires_at on ops.invitation is 'expires_at must lie after created_at';

alter table ops.invitation enable row level security;
alter table ops.invitation force row level security;
revoke all on ops.invitation from curestry_anonymous, curestry_member, curestry_analyst, curestry_definer;

drop policy if exists select_own on ops.invitation;
create policy select_own on ops.invitation for select to curestry_member
  using (organization_id = app.organization_if('members:read'));
comment on policy select_own on ops.invitation is 'Members read the rows of their request''s organization, with members:read.';
grant select (id, organization_id, organization_user_id, invited_by_user_id, expires_at, accepted_at, created_at) on ops.invitation to curestry_member;

drop policy if exists definer_all on ops.invitation;
create policy definer_all on ops.invitation for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on ops.invitation is 'The functions that look past row level security; the grants say what they may.';
grant select, insert, update (expires_at, accepted_at), delete on ops.invitation to curestry_definer;

select app.audit_table('ops.invitation', secret_columns => '{code_hash}');
--! EndIncluded ops/tables/invitation.sql
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
select app.mark_table('ops.judge_score', 'analysis', trigger_function => 'tg__mart_marks_of_runs');
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
   where q between 0 and 1 and c.below >= q * c.total;
$$;
revoke execute on function mart.quantile(jsonb, numeric) from public;
grant execute on function mart.quantile(jsonb, numeric) to curestry_analyst;
comment on function mart.quantile(jsonb, numeric) is
  'The smallest number that this share of all (0.5: half of them, the median) is at most, as percentile_disc has it, of a sketch, value_json -> ''sketch'' of mart.metric_timeseries; within 1 %. Null outside of 0 to 1, and of an empty sketch.';
--! EndIncluded mart/functions/quantile.sql
--! Included ops/functions/cancel_job.sql
create or replace function ops.cancel_job(id bigint) returns text
language plpgsql volatile security definer set search_path = '' as $$
begin
  perform app.require_operator();
  return app.cancel_job(cancel_job.id);
end;
$$;
alter function ops.cancel_job(bigint) owner to curestry_definer;
revoke execute on function ops.cancel_job(bigint) from public;
grant execute on function ops.cancel_job(bigint) to curestry_member;
comment on function ops.cancel_job(bigint) is 'Takes a job out of the queue; answers its task. For operators, in person.';
--! EndIncluded ops/functions/cancel_job.sql
--! Included ops/functions/entity_as_of.sql
create or replace function ops.entity_as_of(type text, id text, at timestamptz) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  v_organization constant uuid := app.require('audit:read');
  v_table constant text := app.audited_entity(entity_as_of.type);
  v_last ops.audit_log;
begin
  select a.* into v_last
    from app.entity_entries(v_organization, v_table, entity_as_of.id) a
   where a.ts <= entity_as_of.at
   order by a.seq desc
   limit 1;
  return case
    when v_last.action in ('delete', 'truncate') then null
    when v_last.after_state is null and v_last.erasure_id is not null then jsonb_build_object('erased', v_last.erasure_id)
    else v_last.after_state
  end;
end;
$$;
alter function ops.entity_as_of(text, text, timestamptz) owner to curestry_definer;
revoke execute on function ops.entity_as_of(text, text, timestamptz) from public;
grant execute on function ops.entity_as_of(text, text, timestamptz) to curestry_member;
comment on function ops.entity_as_of(text, text, timestamptz) is
  'The state of a row of this organization at a time, without secrets, by the names of its columns; null if it did not exist then, or the audit had not begun. type is a type of the API (Prompt) or a table (core.prompts). A state that was erased is {"erased": the erasure}. Needs audit:read.';
--! EndIncluded ops/functions/entity_as_of.sql
--! Included ops/functions/entity_history.sql
create or replace function ops.entity_history(type text, id text) returns setof ops.entity_change
language plpgsql stable security definer set search_path = '' rows 20 as $$
declare
  v_organization constant uuid := app.require('audit:read');
  v_table constant text := app.audited_entity(entity_history.type);
  -- Of a person, only who may read members learns more than the id.
  v_visible constant integer[] := app.visible_user_ids();
begin
  return query
    select a.ts, a.action::text, a.actor_user_id, u.email::text, a.actor_api_key_id, k.name::text, a.actor_role::text, a.request_id::text,
           c.changes, a.erasure_id,
           case when a.action = 'baseline' then 'It was there when this log begins' else
             coalesce(u.email || coalesce(' (API key "' || k.name || '")', ''), 'the API key "' || k.name || '"', 'user ' || a.actor_user_id,
                      'the login ' || a.actor_role)
             || case a.action
                  when 'insert' then ' created it'
                  when 'delete' then ' removed it'
                  when 'truncate' then ' removed all rows of ' || v_table
                  else ' changed ' || coalesce(s.columns, 'nothing')
                end end
           || case when a.erasure_id is null then '' else ' (the values were erased)' end
      from app.entity_entries(v_organization, v_table, entity_history.id) a
      left join core.users u on u.id = a.actor_user_id and u.id = any (v_visible)
      left join ops.api_key k on k.organization_id = v_organization and k.id = a.actor_api_key_id
      left join lateral (
        select array_agg(row(n.name, a.before_state -> n.name, a.after_state -> n.name)::ops.column_change order by n.name) as changes
          from (select unnest(a.changed_columns) as name
                union
                select j.key from jsonb_each(coalesce(a.after_state, a.before_state)) j
                 where a.action <> 'update' and j.value <> 'null') n) c on true
      left join lateral (
        select case count(*) when 1 then min(w.name)
               else array_to_string((array_agg(w.name order by w.name))[:count(*)::integer - 1], ', ') || ' and ' || max(w.name) end as columns
          from unnest(a.changed_columns) as w (name)
         where w.name <> 'updated_at'
        having count(*) > 0) s on true
     order by a.seq desc;
end;
$$;
alter function ops.entity_history(text, text) owner to curestry_definer;
revoke execute on function ops.entity_history(text, text) from public;
grant execute on function ops.entity_history(text, text) to curestry_member;
comment on function ops.entity_history(text, text) is
  'Who changed a row of this organization, what and when, newest first. type is a type of the API (Prompt) or a table (core.prompts). Empty for an id that the organization never had. Needs audit:read.';
--! EndIncluded ops/functions/entity_history.sql
--! Included ops/functions/failed_jobs.sql
create or replace function ops.failed_jobs() returns setof ops.failed_job
language plpgsql stable security definer set search_path = '' as $$
begin
  perform app.require_operator();
  return query select j.id, j.task, j.attempts, j.max_attempts, j.error, j.created_at, j.updated_at from app.list_jobs(true) j;
end;
$$;
alter function ops.failed_jobs() owner to curestry_definer;
revoke execute on function ops.failed_jobs() from public;
grant execute on function ops.failed_jobs() to curestry_member;
comment on function ops.failed_jobs() is 'The jobs of the worker that failed for good, of all organizations. For operators, in person.';
--! EndIncluded ops/functions/failed_jobs.sql
--! Included ops/functions/finish_analysis_run.sql
create or replace function ops.finish_analysis_run(
  id uuid, result ops.analysis_result_item default null, metrics ops.analysis_metric_item[] default null,
  node_results ops.analysis_node_result_item[] default null, scores ops.judge_score_item[] default null
) returns ops.analysis_run
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_run ops.analysis_run := app.end_analysis_run(id, 'succeeded', null);
  v_content constant text := coalesce(v_run.prompt_content,
    (select p.content from core.prompts p where p.organization_id = v_run.organization_id and p.id = v_run.prompt_id));
  v_item constant ops.analysis_item := row(
    null, v_run.prompt_id, v_content, null, null, null, null, result, metrics, node_results, scores);
  v_problem constant text := (app.analysis_item_problems(v_run.organization_id, array[v_item]))[1];
begin
  if v_problem is not null then
    perform app.refuse('CU004', v_problem, split_part(v_problem, ':', 1));
  end if;
  perform app.store_analysis_facts(v_run.organization_id, array[v_run.id], array[v_content], array[v_run.prompt_version_id],
    array[v_run.occurred_at], array[v_item]);
  return v_run;
end;
$$;
alter function ops.finish_analysis_run(uuid, ops.analysis_result_item, ops.analysis_metric_item[], ops.analysis_node_result_item[], ops.judge_score_item[]) owner to curestry_definer;
revoke execute on function ops.finish_analysis_run(uuid, ops.analysis_result_item, ops.analysis_metric_item[], ops.analysis_node_result_item[], ops.judge_score_item[]) from public;
grant execute on function ops.finish_analysis_run(uuid, ops.analysis_result_item, ops.analysis_metric_item[], ops.analysis_node_result_item[], ops.judge_score_item[]) to curestry_member;
comment on function ops.finish_analysis_run(uuid, ops.analysis_result_item, ops.analysis_metric_item[], ops.analysis_node_result_item[], ops.judge_score_item[]) is
  'Ends a running analysis as succeeded, with its document, metrics, node results and judge scores. Needs analyses:write.';
--! EndIncluded ops/functions/finish_analysis_run.sql
--! Included ops/functions/retry_job.sql
create or replace function ops.retry_job(id bigint) returns text
language plpgsql volatile security definer set search_path = '' as $$
begin
  perform app.require_operator();
  return app.retry_job(retry_job.id);
end;
$$;
alter function ops.retry_job(bigint) owner to curestry_definer;
revoke execute on function ops.retry_job(bigint) from public;
grant execute on function ops.retry_job(bigint) to curestry_member;
comment on function ops.retry_job(bigint) is
  'Lets a job run again at once, with all its attempts; answers its task. For operators, in person.';
--! EndIncluded ops/functions/retry_job.sql
--! Included ops/functions/start_analysis_run.sql
create or replace function ops.start_analysis_run(
  id uuid default null, prompt_id text default null, prompt_content text default null, meta jsonb default '{}', idempotency_key text default null
) returns ops.analysis_run
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_organization constant uuid := app.require('analyses:write');
  v_run ops.analysis_run;
  v_digest constant bytea := sha256(convert_to(jsonb_build_array(start_analysis_run.prompt_id, start_analysis_run.prompt_content, start_analysis_run.meta)::text, 'UTF8'));
begin
  if id is not null then
    update ops.analysis_run r set status = 'running', started_at = now()
     where r.organization_id = v_organization and r.id = start_analysis_run.id
    returning r.* into v_run;
    if not found then
      perform app.refuse('CU003', format('There is no analysis run %s in this organization', id), 'id');
    end if;
    return v_run;
  end if;
  if prompt_id is null and prompt_content is null then
    perform app.refuse('CU004', 'promptId or promptContent is required', 'promptId');
  end if;
  insert into ops.analysis_run (organization_id, user_id, prompt_id, prompt_version_id, prompt_content, status, started_at, meta, idempotency_key, request_digest)
  select v_organization, app.user_id(), start_analysis_run.prompt_id,
         app.prompt_version_of(v_organization, start_analysis_run.prompt_id, start_analysis_run.prompt_content),
         coalesce(start_analysis_run.prompt_content,
                  (select p.content from core.prompts p where p.organization_id = v_organization and p.id = start_analysis_run.prompt_id)),
         'running', now(), coalesce(start_analysis_run.meta, '{}'), start_analysis_run.idempotency_key,
         v_digest
  on conflict on constraint unq_analysis_run_idempotency_key do nothing
  returning * into v_run;
  if not found then
    select r.* into v_run from ops.analysis_run r
     where r.organization_id = v_organization and r.idempotency_key = start_analysis_run.idempotency_key;
    if v_run.request_digest is distinct from v_digest then
      perform app.refuse('CU005', format('idempotencyKey %s was used before, for another content', idempotency_key), 'idempotencyKey', 'unq_analysis_run_idempotency_key');
    end if;
  end if;
  return v_run;
end;
$$;
alter function ops.start_analysis_run(uuid, text, text, jsonb, text) owner to curestry_definer;
revoke execute on function ops.start_analysis_run(uuid, text, text, jsonb, text) from public;
grant execute on function ops.start_analysis_run(uuid, text, text, jsonb, text) to curestry_member;
comment on function ops.start_analysis_run(uuid, text, text, jsonb, text) is
  'Starts an analysis that is worked on elsewhere: a new run of a saved prompt (promptId) or of a text (promptContent), or a queued run (id). A repeated idempotencyKey answers the same run. Needs analyses:write.';
--! EndIncluded ops/functions/start_analysis_run.sql
--! Included ops/functions/task_runs.sql
create or replace function ops.task_runs() returns setof ops.task_run
language plpgsql stable security definer set search_path = '' as $$
begin
  perform app.require_operator();
  return query select r.* from app.task_runs() r;
end;
$$;
alter function ops.task_runs() owner to curestry_definer;
revoke execute on function ops.task_runs() from public;
grant execute on function ops.task_runs() to curestry_member;
comment on function ops.task_runs() is 'The tasks of the worker that run by themselves, and which of them are late. For operators, in person.';
--! EndIncluded ops/functions/task_runs.sql
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

-- The audit triggers of all tables are made anew
select app.audit_table(t.table_name::regclass, t.organization_column, t.id_column, t.secret_columns, t.note_columns, t.summarize_inserts)
  from app.audited_table t;

/*
 * The texts that existing prompts had, as far as the audit log goes back, become their versions; a prompt that it does not
 * know gets version 1. Who wrote them is said if the account is still there.
 */
insert into core.prompt_versions (organization_id, prompt_id, version, content, format_type, language, user_id, api_key_id, created_at)
select p.organization_id, p.id, v.version, v.content, v.format_type, v.language,
       (select u.id from core.users u where u.id = v.actor_user_id),
       (select k.id from ops.api_key k where k.organization_id = p.organization_id and k.id = v.actor_api_key_id),
       case when v.action = 'update' then v.ts else p.created_at end
  from core.prompts p,
       lateral (
         select row_number() over (order by t.seq) as version, t.*
           from (
             select a.seq, a.ts, a.action, a.actor_user_id, a.actor_api_key_id,
                    a.after_state ->> 'content' as content, a.after_state ->> 'format_type' as format_type, a.after_state ->> 'language' as language,
                    lag(a.after_state ->> 'content') over (order by a.seq) as before
               from ops.audit_log a
              where a.organization_id = p.organization_id and a.entity_type = 'core.prompts' and a.entity_id = p.id
                and a.action in ('baseline', 'insert', 'update')
                and a.seq > coalesce((select max(d.seq) from ops.audit_log d
                                       where d.organization_id = p.organization_id and d.entity_type = 'core.prompts' and d.entity_id = p.id
                                         and d.action = 'delete'), 0)
           ) t
          where t.content is distinct from t.before and t.content is not null
       ) v;
insert into core.prompt_versions (organization_id, prompt_id, version, content, format_type, language, created_at)
select p.organization_id, p.id, coalesce(v.version, 0) + 1, p.content, p.format_type, p.language, p.updated_at
  from core.prompts p
  left join lateral (
    select v.version, v.content from core.prompt_versions v
     where v.organization_id = p.organization_id and v.prompt_id = p.id order by v.version desc limit 1) v on true
 where v.content is distinct from p.content;

-- Analyses are linked where the texts agree. That is no change of the analysis, so neither its time of change nor the marts move.
alter table ops.analysis_run disable trigger _100_updated_at;
alter table ops.analysis_run disable trigger _800_mart_marks_update;
alter table core.analysis_results disable trigger _810_run_marks_update;
alter table core.analysis_results disable trigger _500_metrics_update;
update core.analysis_results d
   set prompt_version_id = app.prompt_version_of(d.organization_id, d.prompt_id, d.prompt_content)
 where d.prompt_id is not null and app.prompt_version_of(d.organization_id, d.prompt_id, d.prompt_content) is not null;
update ops.analysis_run r
   set prompt_version_id = v.id
  from (select r.organization_id, r.id as run_id,
               coalesce(d.prompt_version_id, app.prompt_version_of(r.organization_id, r.prompt_id, coalesce(r.prompt_content, d.prompt_content))) as id
          from ops.analysis_run r
          left join core.analysis_results d on d.organization_id = r.organization_id and d.analysis_run_id = r.id
         where r.prompt_id is not null and coalesce(r.prompt_content, d.prompt_content) is not null) v
 where r.organization_id = v.organization_id and r.id = v.run_id and v.id is not null;
alter table ops.analysis_run enable trigger _100_updated_at;
alter table ops.analysis_run enable trigger _800_mart_marks_update;
alter table core.analysis_results enable trigger _810_run_marks_update;
alter table core.analysis_results enable trigger _500_metrics_update;

-- A column that is not null in rows which nobody changed: the log says them again, as they are from now on.
insert into ops.audit_log (request_id, organization_id, action, entity_type, entity_id, after_state)
select 'migration', o.id, 'baseline', 'ops.organization', o.id, to_jsonb(o) from ops.organization o;

/*
 * Statistics before the first row, again: the new indexes made these of the third migration void. See there.
 */
do $$
declare
  v_organization constant uuid := gen_random_uuid();
  v_empty constant boolean := not exists (select from core.prompts) and not exists (select from ops.analysis_run);
  v_table regclass;
  v_tables constant regclass[] := array['ops.organization', 'core.prompts', 'core.prompt_versions', 'ops.analysis_run']::regclass[];
begin
  if v_empty then
    -- These rows were never there: no audit, no marks
    foreach v_table in array v_tables loop
      execute format('alter table %s disable trigger user', v_table);
    end loop;
    insert into ops.organization (id, name, slug) values (v_organization, 'Statistics', 'statistics');
    insert into core.prompts (organization_id, name, content)
    select v_organization, 'Prompt ' || n, 'Content ' || n from generate_series(1, 300) as n;
    insert into core.prompt_versions (organization_id, prompt_id, version, content, format_type, language)
    select v_organization, p.id, 1, p.content, p.format_type, p.language from core.prompts p;
    insert into ops.analysis_run (organization_id, prompt_id, prompt_version_id, status, started_at, finished_at, created_at, idempotency_key)
    select v_organization, v.prompt_id, v.id, 'succeeded', s.at, s.at, s.at, 'key ' || v.id
      from core.prompt_versions v, lateral (select now() - random() * interval '90 days') as s (at);
  end if;
  analyze core.prompts;
  analyze core.prompt_versions;
  analyze ops.analysis_run;
  if v_empty then
    delete from ops.analysis_run where organization_id = v_organization;
    delete from core.prompts where organization_id = v_organization;
    delete from ops.organization where id = v_organization;
    foreach v_table in array v_tables loop
      execute format('alter table %s enable trigger user', v_table);
    end loop;
  end if;
end;
$$;
