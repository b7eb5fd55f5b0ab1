--! Previous: sha1:dae518b229668dbd4fa0071338e79bd027043df8
--! Hash: sha1:9bbe9d4c5377e46563c28bcdafcd3aeadca34d5b
--! Message: ops and mart

/*
 * Phase 1 of the specification, second half: ops and mart beside the current tables.
 *
 * Every tenant table has organization_id, not null, first in its primary key, its unique keys and its indexes; foreign
 * keys between tenant tables are composite, so that no row can point into another organization.  Foreign keys to the
 * current tables follow when these have moved to core (the next migration).
 */

-- Others wait behind a migration that waits
set local lock_timeout = '30s';

create schema app;
create schema ops;
create schema mart;
create schema report;
revoke all on schema app, ops, mart, report from public;
alter default privileges revoke execute on functions from public;
alter default privileges revoke usage on types from public;

create extension if not exists pgcrypto with schema public;
create extension if not exists "uuid-ossp" with schema public;
create extension if not exists btree_gin with schema public;

create table ops.organization (
    id uuid not null default gen_random_uuid(),
    name varchar(255) not null,
    slug varchar(100) not null,
    personal_user_id integer,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    audit_retention_months integer,
    raw_retention_days integer,
    time_zone text not null default 'UTC',
    constraint pk_organization primary key (id),
    constraint unq_organization_slug unique (slug),
    constraint unq_organization_personal_user_id unique (personal_user_id),
    constraint chk_organization_name check (name ~ '\S'),
    constraint chk_organization_slug check (slug ~ '^[a-z0-9]([a-z0-9-]*[a-z0-9])?$'),
    constraint chk_organization_audit_retention_months check (audit_retention_months between 1 and 1200),
    constraint chk_organization_raw_retention_days check (raw_retention_days between 1 and 36600),
    constraint chk_organization_time_zone check (time_zone ~ '^[A-Za-z0-9_+/-]{1,64}$')
);

create table ops.organization_user (
    id uuid not null default gen_random_uuid(),
    organization_id uuid not null,
    user_id integer not null,
    role varchar(20) not null,
    status varchar(20) not null default 'active',
    created_at timestamptz not null default now(),
    constraint pk_organization_user primary key (organization_id, id),
    constraint unq_organization_user_user_id unique (organization_id, user_id),
    constraint fk_organization_user_organization_id foreign key (organization_id)
        references ops.organization (id) on delete cascade,
    constraint chk_organization_user_role check (role in ('owner', 'admin', 'member', 'viewer')),
    constraint chk_organization_user_status check (status in ('active', 'invited', 'removed'))
);
create index idx_organization_user_user_id on ops.organization_user (user_id, organization_id);

create table ops.api_key (
    id uuid not null default gen_random_uuid(),
    organization_id uuid not null,
    user_id integer,
    name varchar(255) not null,
    key_hash varchar(255) not null,
    scopes jsonb not null default '[]'::jsonb,
    expires_at timestamptz,
    is_revoked boolean not null default false,
    by_operator boolean not null default false,
    parent_key_id uuid,
    revoked_at timestamptz,
    last_used_at timestamptz,
    created_at timestamptz not null default now(),
    constraint pk_api_key primary key (organization_id, id),
    constraint unq_api_key_key_hash unique (key_hash),
    constraint fk_api_key_organization_id foreign key (organization_id)
        references ops.organization (id) on delete cascade,
    constraint chk_api_key_revoked_at check ((revoked_at is not null) = is_revoked),
    constraint chk_api_key_name check (name ~ '\S'),
    constraint chk_api_key_key_hash check (key_hash ~ '^[0-9a-f]{64}$'),
    constraint chk_api_key_scopes check (
        jsonb_typeof(scopes) = 'array' and scopes <> '[]'::jsonb and scopes <@ '[
            "prompts:read", "prompts:write", "analyses:read", "analyses:write", "workflows:read", "workflows:write",
            "rubrics:read", "rubrics:write", "features:write", "marts:read", "members:read", "members:write",
            "keys:write", "credentials:write", "audit:read", "organization:write"]'::jsonb)
);
alter table ops.api_key add constraint fk_api_key_parent_key_id foreign key (organization_id, parent_key_id)
    references ops.api_key (organization_id, id);
create index idx_api_key_parent_key_id on ops.api_key (organization_id, parent_key_id);
create index idx_api_key_organization_id on ops.api_key (organization_id, created_at, id);
create index idx_api_key_user_id on ops.api_key (user_id);

create table ops.invitation (
    id uuid not null default gen_random_uuid(),
    organization_id uuid not null,
    organization_user_id uuid not null,
    code_hash varchar(64) not null,
    invited_by_user_id integer,
    expires_at timestamptz not null,
    accepted_at timestamptz,
    created_at timestamptz not null default now(),
    constraint pk_invitation primary key (organization_id, id),
    constraint unq_invitation_code_hash unique (organization_id, code_hash),
    constraint fk_invitation_organization_user_id foreign key (organization_id, organization_user_id)
        references ops.organization_user (organization_id, id) on delete cascade,
    constraint chk_invitation_code_hash check (code_hash ~ '^[0-9a-f]{64}$'),
    constraint chk_invitation_expires_at check (expires_at > created_at)
);
create index idx_invitation_organization_user_id on ops.invitation (organization_id, organization_user_id);
create index idx_invitation_invited_by_user_id on ops.invitation (invited_by_user_id);

create table ops.provider_credential (
    id uuid not null default gen_random_uuid(),
    organization_id uuid not null,
    provider varchar(50) not null,
    name varchar(100) not null default 'default',
    credential_ref varchar(255) not null,
    encryption_key_id varchar(100),
    meta jsonb not null default '{}'::jsonb,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint pk_provider_credential primary key (organization_id, id),
    constraint unq_provider_credential_provider_name unique (organization_id, provider, name),
    constraint fk_provider_credential_organization_id foreign key (organization_id)
        references ops.organization (id) on delete cascade,
    constraint chk_provider_credential_provider check (provider ~ '^[a-z0-9][a-z0-9_.-]*$'),
    constraint chk_provider_credential_name check (name ~ '\S'),
    constraint chk_provider_credential_meta check (
        jsonb_typeof(meta) = 'object' and octet_length(meta::text) <= 262144 and not jsonb_path_exists(meta, '$.**{33}'))
);

create table ops.analysis_run (
    id uuid not null default gen_random_uuid(),
    organization_id uuid not null,
    user_id integer,
    prompt_id varchar,
    prompt_content text,
    status varchar(20) not null default 'queued',
    started_at timestamptz,
    finished_at timestamptz,
    meta jsonb not null default '{}'::jsonb,
    idempotency_key varchar(255),
    request_digest bytea,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    occurred_at timestamptz not null generated always as (coalesce(finished_at, started_at, created_at)) stored,
    prompt_version_id uuid,
    constraint unq_analysis_run_idempotency_key unique (organization_id, idempotency_key),
    constraint fk_analysis_run_organization_id foreign key (organization_id)
        references ops.organization (id) on delete cascade,
    constraint chk_analysis_run_status check (status in ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
    constraint chk_analysis_run_started_at check (
        case status when 'queued' then started_at is null when 'cancelled' then true else started_at is not null end),
    constraint chk_analysis_run_finished_at check (
        (finished_at is not null) = (status in ('succeeded', 'failed', 'cancelled'))),
    constraint chk_analysis_run_times check (finished_at >= started_at),
    constraint chk_analysis_run_plausible_times check (
        started_at >= '2000-01-01Z' and started_at < '2100-01-01Z'
        and finished_at >= '2000-01-01Z' and finished_at < '2100-01-01Z'),
    constraint chk_analysis_run_prompt_content check (octet_length(prompt_content) <= 1048576),
    constraint chk_analysis_run_meta check (
        jsonb_typeof(meta) = 'object' and octet_length(meta::text) <= 262144 and not jsonb_path_exists(meta, '$.**{33}')),
    constraint chk_analysis_run_idempotency_key check (idempotency_key <> '')
);
create index idx_analysis_run_organization_id on ops.analysis_run (organization_id, created_at, id);
create index idx_analysis_run_occurred_at on ops.analysis_run (organization_id, occurred_at);
create index idx_analysis_run_prompt_id on ops.analysis_run (organization_id, prompt_id);
create index idx_analysis_run_status on ops.analysis_run (organization_id, status, created_at);
create index idx_analysis_run_user_id on ops.analysis_run (user_id);
create index idx_analysis_run_prompt_version_id on ops.analysis_run (organization_id, prompt_version_id);
-- The primary key comes last: while a new table has no statistics, the planner finds several indexes equally good for the
-- checks of foreign keys, takes the youngest, and keeps that plan while the table grows.
alter table ops.analysis_run add constraint pk_analysis_run primary key (organization_id, id);

create table ops.analysis_metric (
    id uuid not null default gen_random_uuid(),
    organization_id uuid not null,
    analysis_run_id uuid not null,
    key varchar(100) not null,
    value_num numeric,
    value_text text,
    value_json jsonb,
    occurred_at timestamptz not null default now(),
    created_at timestamptz not null default now(),
    constraint pk_analysis_metric primary key (organization_id, id),
    constraint unq_analysis_metric_key unique (organization_id, analysis_run_id, key),
    constraint fk_analysis_metric_analysis_run_id foreign key (organization_id, analysis_run_id)
        references ops.analysis_run (organization_id, id) on delete cascade,
    constraint chk_analysis_metric_key check (key ~ '\S'),
    constraint chk_analysis_metric_has_value check (
        value_num is not null or value_text is not null or value_json is not null),
    constraint chk_analysis_metric_value_num check (value_num > '-Infinity' and value_num < 'Infinity'),
    constraint chk_analysis_metric_value_text check (octet_length(value_text) <= 1048576),
    constraint chk_analysis_metric_value_json check (
        octet_length(value_json::text) <= 1048576 and not jsonb_path_exists(value_json, '$.**{33}'))
);
create index idx_analysis_metric_key on ops.analysis_metric (organization_id, key, occurred_at);
create index idx_analysis_metric_occurred_at on ops.analysis_metric (organization_id, occurred_at);

create table ops.analysis_node_result (
    id uuid not null default gen_random_uuid(),
    organization_id uuid not null,
    analysis_run_id uuid not null,
    node varchar(50) not null,
    status varchar(20) not null,
    score numeric,
    details jsonb not null default '{}'::jsonb,
    occurred_at timestamptz not null default now(),
    created_at timestamptz not null default now(),
    constraint pk_analysis_node_result primary key (organization_id, id),
    constraint unq_analysis_node_result_node unique (organization_id, analysis_run_id, node),
    constraint fk_analysis_node_result_analysis_run_id foreign key (organization_id, analysis_run_id)
        references ops.analysis_run (organization_id, id) on delete cascade,
    constraint chk_analysis_node_result_node check (node ~ '\S'),
    constraint chk_analysis_node_result_status check (status in ('ok', 'warn', 'fail', 'error')),
    constraint chk_analysis_node_result_score check (score >= 0 and score <= 10),
    constraint chk_analysis_node_result_details check (
        jsonb_typeof(details) = 'object' and octet_length(details::text) <= 1048576 and not jsonb_path_exists(details, '$.**{33}'))
);
create index idx_analysis_node_result_node on ops.analysis_node_result (organization_id, node, status);
create index idx_analysis_node_result_occurred_at on ops.analysis_node_result (organization_id, occurred_at);

create table ops.judge_rubric (
    id uuid not null default gen_random_uuid(),
    organization_id uuid not null,
    name varchar(255) not null,
    version integer not null default 1,
    description text,
    meta jsonb not null default '{}'::jsonb,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint unq_judge_rubric_name_version unique (organization_id, name, version),
    constraint fk_judge_rubric_organization_id foreign key (organization_id)
        references ops.organization (id) on delete cascade,
    constraint chk_judge_rubric_name check (name ~ '\S'),
    constraint chk_judge_rubric_description check (octet_length(description) <= 1048576),
    constraint chk_judge_rubric_version check (version >= 1),
    constraint chk_judge_rubric_meta check (
        jsonb_typeof(meta) = 'object' and octet_length(meta::text) <= 262144 and not jsonb_path_exists(meta, '$.**{33}'))
);
create index idx_judge_rubric_created_at on ops.judge_rubric (organization_id, created_at, id);
alter table ops.judge_rubric add constraint pk_judge_rubric primary key (organization_id, id);

create table ops.judge_criterion (
    id uuid not null default gen_random_uuid(),
    organization_id uuid not null,
    rubric_id uuid not null,
    key varchar(100) not null,
    title varchar(255) not null,
    description text,
    weight numeric not null default 1.0,
    created_at timestamptz not null default now(),
    constraint unq_judge_criterion_key unique (organization_id, rubric_id, key),
    constraint fk_judge_criterion_rubric_id foreign key (organization_id, rubric_id)
        references ops.judge_rubric (organization_id, id) on delete cascade,
    constraint chk_judge_criterion_key check (key ~ '\S'),
    constraint chk_judge_criterion_title check (title ~ '\S'),
    constraint chk_judge_criterion_description check (octet_length(description) <= 1048576),
    constraint chk_judge_criterion_weight check (weight >= 0 and weight <= 1000000)
);
alter table ops.judge_criterion add constraint pk_judge_criterion primary key (organization_id, id);

create table ops.judge_score (
    id uuid not null default gen_random_uuid(),
    organization_id uuid not null,
    analysis_run_id uuid not null,
    criterion_id uuid not null,
    score numeric not null,
    comment text,
    evidence jsonb not null default '{}'::jsonb,
    occurred_at timestamptz not null default now(),
    created_at timestamptz not null default now(),
    constraint pk_judge_score primary key (organization_id, id),
    constraint unq_judge_score_criterion_id unique (organization_id, analysis_run_id, criterion_id),
    constraint fk_judge_score_analysis_run_id foreign key (organization_id, analysis_run_id)
        references ops.analysis_run (organization_id, id) on delete cascade,
    constraint fk_judge_score_criterion_id foreign key (organization_id, criterion_id)
        references ops.judge_criterion (organization_id, id),
    constraint chk_judge_score_score check (score >= 0 and score <= 10),
    constraint chk_judge_score_comment check (octet_length(comment) <= 1048576),
    constraint chk_judge_score_evidence check (
        jsonb_typeof(evidence) = 'object' and octet_length(evidence::text) <= 1048576 and not jsonb_path_exists(evidence, '$.**{33}'))
);
create index idx_judge_score_criterion_id on ops.judge_score (organization_id, criterion_id, occurred_at);
create index idx_judge_score_occurred_at on ops.judge_score (organization_id, occurred_at);

/* Partitioned by month, so that whole months can leave; app.partition_make_all makes the partitions. */
create table ops.feature_event (
    id uuid not null default gen_random_uuid(),
    organization_id uuid not null,
    user_id integer,
    feature_key varchar(100) not null,
    occurred_at timestamptz not null default now(),
    event_count integer not null default 1,
    created_at timestamptz not null default now(),
    constraint pk_feature_event primary key (organization_id, occurred_at, id),
    constraint fk_feature_event_organization_id foreign key (organization_id)
        references ops.organization (id) on delete cascade,
    constraint chk_feature_event_feature_key check (feature_key ~ '\S'),
    constraint chk_feature_event_occurred_at check (occurred_at >= '2000-01-01Z' and occurred_at < '2100-01-01Z'),
    constraint chk_feature_event_event_count check (event_count between 1 and 1000000)
) partition by range (occurred_at);
create index idx_feature_event_user_id on ops.feature_event (user_id);
create table app.feature_event_default partition of ops.feature_event default;

/*
 * Partitioned by month, too. No foreign key to users or organizations: people are erased, history stays.
 */
create sequence ops.audit_log_seq as bigint;
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
create index idx_audit_log_actor_user_id
  on ops.audit_log (organization_id, actor_user_id, ts) where actor_user_id is not null;
create table app.audit_log_default partition of ops.audit_log default;

create table ops.analyst_grant (
    organization_id uuid not null,
    role_name name not null,
    created_at timestamptz not null default now(),
    constraint pk_analyst_grant primary key (organization_id, role_name),
    constraint fk_analyst_grant_organization_id foreign key (organization_id)
        references ops.organization (id) on delete cascade
);
create index idx_analyst_grant_role_name on ops.analyst_grant (role_name, organization_id);

create table mart.metric_timeseries (
    id uuid not null default gen_random_uuid(),
    organization_id uuid not null,
    metric_key varchar(100) not null,
    granularity varchar(10) not null,
    ts_bucket timestamptz not null,
    value_num numeric,
    value_json jsonb,
    sample_count bigint not null,
    numeric_count bigint not null default 0,
    value_sum numeric,
    value_min numeric,
    value_max numeric,
    source varchar(20) not null,
    constraint pk_metric_timeseries primary key (organization_id, id),
    constraint unq_metric_timeseries_bucket unique (organization_id, source, metric_key, granularity, ts_bucket),
    constraint chk_metric_timeseries_source check (source in ('metric', 'node', 'judge', 'evaluation')),
    constraint fk_metric_timeseries_organization_id foreign key (organization_id)
        references ops.organization (id) on delete cascade,
    constraint chk_metric_timeseries_granularity check (granularity in ('hour', 'day')),
    constraint chk_metric_timeseries_sample_count check (sample_count > 0),
    constraint chk_metric_timeseries_numeric_count check (numeric_count between 0 and sample_count)
);
create index idx_metric_timeseries_ts_bucket on mart.metric_timeseries (organization_id, granularity, ts_bucket);

create table mart.feature_daily (
    id uuid not null default gen_random_uuid(),
    organization_id uuid not null,
    day date not null,
    feature_key varchar(100) not null,
    events integer not null default 0,
    unique_users integer not null default 0,
    constraint pk_feature_daily primary key (organization_id, id),
    constraint unq_feature_daily_day_feature_key unique (organization_id, day, feature_key),
    constraint fk_feature_daily_organization_id foreign key (organization_id)
        references ops.organization (id) on delete cascade,
    constraint chk_feature_daily_events check (events >= 0),
    constraint chk_feature_daily_unique_users check (unique_users >= 0 and unique_users <= events)
);

create table mart.analysis_daily (
    id uuid not null default gen_random_uuid(),
    organization_id uuid not null,
    day date not null,
    analyses integer not null default 0,
    avg_overall numeric,
    avg_entropy numeric,
    scored integer not null default 0,
    sum_overall numeric,
    sum_entropy numeric,
    constraint pk_analysis_daily primary key (organization_id, id),
    constraint unq_analysis_daily_day unique (organization_id, day),
    constraint fk_analysis_daily_organization_id foreign key (organization_id)
        references ops.organization (id) on delete cascade,
    constraint chk_analysis_daily_analyses check (analyses >= 0),
    constraint chk_analysis_daily_scored check (scored between 0 and analyses)
);

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
    constraint fk_analysis_hourly_organization_id foreign key (organization_id)
        references ops.organization (id) on delete cascade,
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
    constraint fk_analysis_daily_by_organization_id foreign key (organization_id)
        references ops.organization (id) on delete cascade,
    constraint chk_analysis_daily_by_dimension check (dimension in ('status', 'language', 'rubric')),
    constraint chk_analysis_daily_by_analyses check (analyses > 0),
    constraint chk_analysis_daily_by_scored check (scored between 0 and analyses and judged between 0 and analyses)
);
create index idx_analysis_daily_by_dimension on mart.analysis_daily_by (organization_id, dimension, value, day);

/*
 * What the worker has to bring up to date: an hour of an organization whose facts changed.  Append-only and without a
 * unique key: with one, and "on conflict do nothing", the rows of a writer that has not committed yet would be lost.
 */
create table app.mart_change (
    id bigint not null generated always as identity,
    organization_id uuid not null,
    hour timestamptz not null,
    created_at timestamptz not null default now(),
    source varchar(20) not null,
    constraint pk_mart_change primary key (organization_id, id),
    constraint chk_mart_change_source check (
        source in ('metric', 'node', 'judge', 'evaluation', 'analysis', 'feature', 'zone'))
);

/* How far the marts of an organization are: in which time zone they are, and what of them can never be computed again. */
create table app.mart_state (
    organization_id uuid not null,
    time_zone text not null,
    marts_immutable_before timestamptz not null default '-infinity',
    facts_immutable_before timestamptz,
    facts_immutable_xid bigint,
    constraint pk_mart_state primary key (organization_id),
    constraint fk_mart_state_organization_id foreign key (organization_id)
        references ops.organization (id) on delete cascade
);

create table app.mart_rebuild (
    organization_id uuid not null,
    from_ts timestamptz not null,
    to_ts timestamptz not null,
    next_ts timestamptz not null,
    last_ts timestamptz not null,
    created_at timestamptz not null default now(),
    constraint pk_mart_rebuild primary key (organization_id, from_ts, to_ts),
    constraint fk_mart_rebuild_organization_id foreign key (organization_id)
        references ops.organization (id) on delete cascade
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

/* What became of the rows of the old backends' tables: counted before they were moved, and after. */
create table app.legacy_account (
    source_table text not null,
    rows_found bigint not null,
    rows_kept bigint not null default 0,
    organizations integer not null default 0,
    note text,
    created_at timestamptz not null default now(),
    constraint pk_legacy_account primary key (source_table)
);

-- The shapes that ops.record_analyses takes and answers.
create type ops.analysis_metric_item as (key text, value_num numeric, value_text text, value_json jsonb);
create type ops.analysis_node_result_item as (node text, status text, score numeric, details jsonb);
create type ops.judge_score_item as (rubric text, criterion text, score numeric, comment text, evidence jsonb);
create type ops.analysis_result_item as (
    detected_language text,
    translated boolean,
    format_valid boolean,
    overall_score double precision,
    judge_score double precision,
    semantic_entropy double precision,
    complexity_score double precision,
    length_chars integer,
    length_words integer,
    contradictions jsonb,
    patches jsonb,
    clarify_questions jsonb,
    extra_metadata jsonb
);
create type ops.analysis_item as (
    idempotency_key text,
    prompt_id text,
    prompt_content text,
    status text,
    started_at timestamptz,
    finished_at timestamptz,
    meta jsonb,
    result ops.analysis_result_item,
    metrics ops.analysis_metric_item[],
    node_results ops.analysis_node_result_item[],
    scores ops.judge_score_item[]
);
create type ops.record_outcome as (outcome text, analysis_run_id uuid, message text);
create type ops.feature_event_item as (feature_key text, occurred_at timestamptz, count integer);
create type ops.viewer_organization as (id uuid, slug text, name text, role text, personal boolean);
create type ops.viewer as (
    user_id integer,
    email text,
    name text,
    api_key_id uuid,
    organization_id uuid,
    organization_slug text,
    role text,
    permissions text[],
    organizations ops.viewer_organization[]
);
create type ops.new_api_key as (id uuid, name text, scopes text[], key text, expires_at timestamptz, created_at timestamptz);
create type ops.new_invitation as (organization_user_id uuid, user_id integer, email text, role text, code text, expires_at timestamptz);

/* Which tables are audited, and how. */
create table app.audited_table (
    table_name text not null,
    organization_column text,
    id_column text not null,
    secret_columns text[] not null default '{}',
    note_columns text[] not null default '{}',
    summarize_inserts boolean not null default false,
    constraint pk_audited_table primary key (table_name)
);

/* The hash chain of the audit log: who changes a row, removes one, or removes a seal, breaks it. */
create table app.audit_seal (
    organization_id uuid not null,
    seq integer not null,
    from_xid bigint not null,
    through_xid bigint not null,
    entry_ids uuid[] not null,
    state_digests bytea[] not null,
    entry_digests bytea[] not null,
    previous_hash bytea not null,
    hash bytea not null,
    sealed_at timestamptz not null default now(),
    constraint pk_audit_seal primary key (organization_id, seq),
    constraint chk_audit_seal_seq check (seq >= 1),
    constraint chk_audit_seal_entry_ids check (
        cardinality(entry_ids) between 1 and 1000 and cardinality(state_digests) = cardinality(entry_ids)
        and cardinality(entry_digests) = cardinality(entry_ids))
);

/* How far the audit log is sealed: every row of a transaction before this one. */
create table app.audit_sealer (
    singleton boolean not null default true,
    through_xid bigint not null,
    xid_offset bigint not null default 0,
    constraint pk_audit_sealer primary key (singleton),
    constraint chk_audit_sealer_singleton check (singleton)
);
insert into app.audit_sealer (through_xid) values (0);

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

/* Which tables are partitioned by month. */
create table app.partitioned_table (
    table_name text not null,
    time_column text not null,
    months_ahead integer not null default 3,
    constraint pk_partitioned_table primary key (table_name),
    constraint chk_partitioned_table_months_ahead check (months_ahead between 1 and 24)
);

/* The records of erasures: that one happened, and how much it was; not who it was about. */
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

/* Who works, what runs by itself, and who may look at it through the API. */
create table app.worker_heartbeat (
    worker_id text not null,
    started_at timestamptz not null default clock_timestamp(),
    heartbeat_at timestamptz not null default clock_timestamp(),
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

create table app.platform_admin (
    user_id integer not null,
    granted_at timestamptz not null default now(),
    constraint pk_platform_admin primary key (user_id)
);

-- The shapes that history, jobs and series answer in.
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
