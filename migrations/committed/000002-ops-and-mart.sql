--! Previous: sha1:76daae3bc0cc0fb66c33d7914ef0e1a4d8c7c983
--! Hash: sha1:00956fc7663218130686890fbffd9482ef1b8e9e
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
    constraint pk_organization primary key (id),
    constraint unq_organization_slug unique (slug),
    constraint unq_organization_personal_user_id unique (personal_user_id),
    constraint chk_organization_name check (name ~ '\S'),
    constraint chk_organization_slug check (slug ~ '^[a-z0-9]([a-z0-9-]*[a-z0-9])?$')
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
    constraint fk_organization_user_organization_id foreign key (organization_id) references ops.organization (id) on delete cascade,
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
    constraint fk_api_key_organization_id foreign key (organization_id) references ops.organization (id) on delete cascade,
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
    constraint fk_provider_credential_organization_id foreign key (organization_id) references ops.organization (id) on delete cascade,
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
    constraint unq_analysis_run_idempotency_key unique (organization_id, idempotency_key),
    constraint fk_analysis_run_organization_id foreign key (organization_id) references ops.organization (id) on delete cascade,
    constraint chk_analysis_run_status check (status in ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
    constraint chk_analysis_run_started_at check (
        case status when 'queued' then started_at is null when 'cancelled' then true else started_at is not null end),
    constraint chk_analysis_run_finished_at check ((finished_at is not null) = (status in ('succeeded', 'failed', 'cancelled'))),
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
    constraint chk_analysis_metric_has_value check (value_num is not null or value_text is not null or value_json is not null),
    constraint chk_analysis_metric_value_num check (value_num > '-Infinity' and value_num < 'Infinity'),
    constraint chk_analysis_metric_value_text check (octet_length(value_text) <= 1048576),
    constraint chk_analysis_metric_value_json check (octet_length(value_json::text) <= 1048576 and not jsonb_path_exists(value_json, '$.**{33}'))
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
    constraint fk_judge_rubric_organization_id foreign key (organization_id) references ops.organization (id) on delete cascade,
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

create table ops.feature_event (
    id uuid not null default gen_random_uuid(),
    organization_id uuid not null,
    user_id integer,
    feature_key varchar(100) not null,
    occurred_at timestamptz not null default now(),
    event_count integer not null default 1,
    created_at timestamptz not null default now(),
    constraint pk_feature_event primary key (organization_id, id),
    constraint fk_feature_event_organization_id foreign key (organization_id) references ops.organization (id) on delete cascade,
    constraint chk_feature_event_feature_key check (feature_key ~ '\S'),
    constraint chk_feature_event_occurred_at check (occurred_at >= '2000-01-01Z' and occurred_at < '2100-01-01Z'),
    constraint chk_feature_event_event_count check (event_count between 1 and 1000000)
);
create index idx_feature_event_occurred_at on ops.feature_event (organization_id, occurred_at);
create index idx_feature_event_user_id on ops.feature_event (user_id);

-- No foreign key from the audit log to users or organizations: people are erased, history stays.
create table ops.audit_log (
    id uuid not null default gen_random_uuid(),
    ts timestamptz not null default now(),
    actor_user_id integer,
    actor_api_key_id uuid,
    actor_role name not null default session_user,
    request_id varchar(128),
    organization_id uuid not null,
    action varchar(100) not null,
    entity_type varchar(100) not null,
    entity_id varchar(255) not null,
    before_state jsonb,
    after_state jsonb,
    changed_columns text[],
    xid bigint not null default pg_current_xact_id()::text::bigint,
    seq bigint not null generated always as identity,
    constraint pk_audit_log primary key (organization_id, ts, id),
    constraint chk_audit_log_action check (action in ('baseline', 'insert', 'update', 'delete', 'truncate'))
);
create index idx_audit_log_entity on ops.audit_log (organization_id, entity_type, entity_id, ts);
-- Rows come in about the order of their transactions, so a few pages tell where to look; a B-tree would cost every writer.
create index idx_audit_log_xid on ops.audit_log using brin (xid) with (pages_per_range = 16);
create index idx_audit_log_actor_user_id on ops.audit_log (organization_id, actor_user_id, ts);

create table ops.analyst_grant (
    organization_id uuid not null,
    role_name name not null,
    created_at timestamptz not null default now(),
    constraint pk_analyst_grant primary key (organization_id, role_name),
    constraint fk_analyst_grant_organization_id foreign key (organization_id) references ops.organization (id) on delete cascade
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
    constraint pk_metric_timeseries primary key (organization_id, id),
    constraint unq_metric_timeseries_bucket unique (organization_id, metric_key, granularity, ts_bucket),
    constraint fk_metric_timeseries_organization_id foreign key (organization_id) references ops.organization (id) on delete cascade,
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
    constraint fk_feature_daily_organization_id foreign key (organization_id) references ops.organization (id) on delete cascade,
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
    constraint fk_analysis_daily_organization_id foreign key (organization_id) references ops.organization (id) on delete cascade,
    constraint chk_analysis_daily_analyses check (analyses >= 0),
    constraint chk_analysis_daily_scored check (scored between 0 and analyses)
);

/*
 * What the worker has to bring up to date: an hour of an organization whose facts changed.  Append-only and without a
 * unique key: with one, and "on conflict do nothing", the rows of a writer that has not committed yet would be lost.
 */
create table app.mart_mark (
    id bigint not null generated always as identity,
    organization_id uuid not null,
    hour timestamptz not null,
    created_at timestamptz not null default now(),
    constraint pk_mart_mark primary key (organization_id, id)
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
    constraint chk_audit_seal_entry_ids check (cardinality(entry_ids) between 1 and 1000 and cardinality(state_digests) = cardinality(entry_ids)
        and cardinality(entry_digests) = cardinality(entry_ids))
);

/* How far the audit log is sealed: every row of a transaction before this one. */
create table app.audit_sealer (
    singleton boolean not null default true,
    through_xid bigint not null,
    constraint pk_audit_sealer primary key (singleton),
    constraint chk_audit_sealer_singleton check (singleton)
);
insert into app.audit_sealer (through_xid) values (0);
