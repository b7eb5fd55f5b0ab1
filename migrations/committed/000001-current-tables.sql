--! Previous: -
--! Hash: sha1:dae518b229668dbd4fa0071338e79bd027043df8
--! Message: current tables

/*
 * Phase 1 of the specification, first half: its current tables in public, exactly as it has them, and only where they
 * are absent.  A database of the old backends has some or all of them already, with rows.
 */

-- Others wait behind a migration that waits
set local lock_timeout = '30s';

create table if not exists public.prompts (
    id varchar primary key,
    name varchar(255) not null,
    description text,
    content text not null,
    format_type varchar(50) not null default 'auto',
    language varchar(10) not null default 'auto',
    tags jsonb default '[]'::jsonb,
    extra_metadata jsonb default '{}'::jsonb,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);

create table if not exists public.prompt_relations (
    id varchar primary key,
    source_id varchar not null references public.prompts (id),
    target_id varchar not null references public.prompts (id),
    relation_type varchar(50) not null,
    description text,
    extra_metadata jsonb default '{}'::jsonb,
    created_at timestamptz not null default now(),
    constraint valid_relation_type check (relation_type in ('depends_on', 'overrides', 'conflicts_with'))
);

create table if not exists public.analysis_results (
    id varchar primary key,
    prompt_id varchar references public.prompts (id),
    prompt_content text not null,
    detected_language varchar(10) not null,
    translated boolean not null default false,
    format_valid boolean not null default true,
    overall_score float not null check (overall_score >= 0 and overall_score <= 10),
    judge_score float not null check (judge_score >= 0 and judge_score <= 10),
    semantic_entropy float not null,
    complexity_score float not null check (complexity_score >= 0 and complexity_score <= 10),
    length_chars integer not null check (length_chars >= 0),
    length_words integer not null check (length_words >= 0),
    contradictions jsonb default '[]'::jsonb,
    patches jsonb default '[]'::jsonb,
    clarify_questions jsonb default '[]'::jsonb,
    analysis_extra_metadata jsonb default '{}'::jsonb,
    created_at timestamptz not null default now()
);

create table if not exists public.users (
    id serial primary key,
    email varchar(255) unique,
    name varchar(255),
    avatar_url varchar(512),
    created_at timestamptz not null default now()
);

create table if not exists public.sessions (
    id serial primary key,
    user_id integer not null references public.users (id) on delete cascade,
    jwt_id varchar(64) unique not null,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null
);

create table if not exists public.auth_accounts (
    id serial primary key,
    user_id integer not null references public.users (id) on delete cascade,
    provider varchar(32) not null,
    provider_account_id varchar(255) not null,
    access_token text,
    refresh_token text,
    raw_profile jsonb,
    created_at timestamptz not null default now(),
    unique (provider, provider_account_id)
);

create table if not exists public.workflow_runs (
    id serial primary key,
    user_id integer references public.users (id),
    started_at timestamptz not null default now(),
    finished_at timestamptz,
    status varchar(32) not null default 'running',
    meta jsonb default '{}'::jsonb,
    constraint valid_status check (status in ('running', 'success', 'failed', 'cancelled'))
);

create table if not exists public.workflow_nodes (
    id serial primary key,
    run_id integer not null references public.workflow_runs (id) on delete cascade,
    key varchar(64) not null,
    status varchar(32) not null default 'pending',
    started_at timestamptz,
    finished_at timestamptz,
    result jsonb,
    unique (run_id, key)
);

create table if not exists public.evaluation_metrics (
    id serial primary key,
    run_id integer not null references public.workflow_runs (id) on delete cascade,
    node_key varchar(64),
    metric_name varchar(64) not null,
    metric_value float not null,
    metric_meta jsonb,
    created_at timestamptz not null default now(),
    unique (run_id, node_key, metric_name, created_at)
);

create index if not exists idx_analysis_results_prompt_id on public.analysis_results (prompt_id);
create index if not exists idx_sessions_user_id on public.sessions (user_id);
create index if not exists idx_analysis_results_created_at on public.analysis_results (created_at);
create index if not exists idx_workflow_runs_started_at on public.workflow_runs (started_at);
create index if not exists idx_prompts_tags_gin on public.prompts using gin (tags);
create index if not exists idx_analysis_results_metadata_gin
  on public.analysis_results using gin (analysis_extra_metadata);
create index if not exists idx_workflow_runs_user_status on public.workflow_runs (user_id, status);
create index if not exists idx_evaluation_metrics_run_metric on public.evaluation_metrics (run_id, metric_name);

-- A table that was there already has to be the specification's: say what is missing before anything is moved.
do $$
declare
  v_missing text;
begin
  select string_agg(format('public.%s.%s', t, c), ', ' order by t, c)
    into v_missing
    from (values
      ('prompts', '{id,name,description,content,format_type,language,tags,extra_metadata,created_at,updated_at}'::text[]),
      ('prompt_relations', '{id,source_id,target_id,relation_type,description,extra_metadata,created_at}'),
      ('analysis_results', '{id,prompt_id,prompt_content,detected_language,translated,format_valid,overall_score,judge_score,semantic_entropy,complexity_score,length_chars,length_words,contradictions,patches,clarify_questions,analysis_extra_metadata,created_at}'),
      ('users', '{id,email,name,avatar_url,created_at}'),
      ('sessions', '{id,user_id,jwt_id,created_at,expires_at}'),
      ('auth_accounts', '{id,user_id,provider,provider_account_id,access_token,refresh_token,raw_profile,created_at}'),
      ('workflow_runs', '{id,user_id,started_at,finished_at,status,meta}'),
      ('workflow_nodes', '{id,run_id,key,status,started_at,finished_at,result}'),
      ('evaluation_metrics', '{id,run_id,node_key,metric_name,metric_value,metric_meta,created_at}')
    ) as expected (t, columns), unnest(columns) as c
   where not exists (
     select from pg_catalog.pg_attribute a
      where a.attrelid = to_regclass('public.' || quote_ident(t)) and a.attname = c and not a.attisdropped);
  if v_missing is not null then
    raise exception 'Tables of the old backends lack columns that the specification has: %', v_missing
      using hint = 'Add them (the specification gives their types), then migrate again. Nothing was changed.';
  end if;
end;
$$;
