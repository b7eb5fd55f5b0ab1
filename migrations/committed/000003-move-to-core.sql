--! Previous: sha1:9bbe9d4c5377e46563c28bcdafcd3aeadca34d5b
--! Hash: sha1:19426d220ec2ec428e10fc3e558df3c24ce9d3e9
--! Message: move to core

/*
 * Phase 2 of the specification: the current tables move to core, get an organization and the composite keys, and
 * public keeps views under the old names that old code can still read and write.
 *
 * Every row is kept.  A row that a user owns goes to that user's personal organization; one that nobody owns goes to the
 * organization "legacy", made for that.  A row that a new rule would refuse stays as it is: the rule then holds for new
 * and changed rows only (not valid), and app.legacy_account says how many rows do not meet it.
 */

-- Others wait behind a migration that waits
set local lock_timeout = '30s';

-- What there is, counted before anything is touched.
do $$
declare
  v_table text;
  v_found bigint;
begin
  foreach v_table in array array['users', 'sessions', 'auth_accounts', 'prompts', 'prompt_relations', 'analysis_results',
                                 'workflow_runs', 'workflow_nodes', 'evaluation_metrics'] loop
    execute format('select count(*) from public.%I', v_table) into v_found;
    if v_found > 0 then
      insert into app.legacy_account (source_table, rows_found) values (v_table, v_found);
    end if;
  end loop;
end;
$$;

insert into ops.organization (name, slug, personal_user_id, created_at)
select coalesce(nullif(btrim(u.name), ''), nullif(btrim(u.email), ''), 'User ' || u.id), 'user-' || u.id, u.id, u.created_at
  from public.users u;
insert into ops.organization_user (organization_id, user_id, role, created_at)
select o.id, o.personal_user_id, 'owner', o.created_at
  from ops.organization o;
insert into ops.organization (name, slug)
select 'Legacy', 'legacy'
 where exists (select from public.prompts)
    or exists (select from public.analysis_results)
    or exists (select from public.workflow_runs where user_id is null);

-- Old keys and indexes go, whatever an old backend called them; foreign keys first.
do $$
declare
  v_item record;
  v_tables constant regclass[] := array[
    'public.prompts', 'public.prompt_relations', 'public.analysis_results', 'public.users', 'public.sessions',
    'public.auth_accounts', 'public.workflow_runs', 'public.workflow_nodes', 'public.evaluation_metrics']::regclass[];
begin
  for v_item in
    select c.conrelid::regclass as table_name, c.conname
      from pg_catalog.pg_constraint c
     where c.conrelid = any (v_tables) and c.contype in ('f', 'c', 'u', 'p')
     order by array_position(array['f', 'c', 'u', 'p'], c.contype::text)
  loop
    execute format('alter table %s drop constraint %I', v_item.table_name, v_item.conname);
  end loop;
  for v_item in
    select i.indexrelid::regclass as index_name
      from pg_catalog.pg_index i
     where i.indrelid = any (v_tables)
  loop
    execute format('drop index %s', v_item.index_name);
  end loop;
end;
$$;

create schema core;
revoke all on schema core from public;
create type core.tag_match as enum ('ANY', 'ALL');

alter table public.users set schema core;
alter table public.sessions set schema core;
alter table public.auth_accounts set schema core;
alter table public.prompts set schema core;
alter table public.prompt_relations set schema core;
alter table public.analysis_results set schema core;
alter table public.workflow_runs set schema core;
alter table public.workflow_nodes set schema core;
alter table public.evaluation_metrics set schema core;

-- Tenancy.
alter table core.prompts add column organization_id uuid;
alter table core.prompt_relations add column organization_id uuid;
alter table core.analysis_results add column organization_id uuid;
alter table core.analysis_results add column analysis_run_id uuid;
alter table core.analysis_results add column occurred_at timestamptz;
alter table core.analysis_results add column prompt_version_id uuid;
alter table core.workflow_runs add column organization_id uuid;
alter table core.workflow_nodes add column organization_id uuid;
alter table core.evaluation_metrics add column organization_id uuid;
alter table core.evaluation_metrics add column occurred_at timestamptz not null generated always as (created_at) stored;

update core.prompts set organization_id = (select id from ops.organization where slug = 'legacy');
update core.prompt_relations set organization_id = (select id from ops.organization where slug = 'legacy');
update core.analysis_results
   set organization_id = (select o.id from ops.organization o where o.slug = 'legacy'),
       occurred_at = created_at,
       analysis_run_id = case when id ~ '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$' then id::uuid else md5('analysis_results/' || id)::uuid end;
update core.workflow_runs r
   set organization_id = coalesce(
         (select o.id from ops.organization o where o.personal_user_id = r.user_id),
         (select o.id from ops.organization o where o.slug = 'legacy'));
update core.workflow_nodes n set organization_id = r.organization_id from core.workflow_runs r where r.id = n.run_id;
update core.evaluation_metrics m set organization_id = r.organization_id from core.workflow_runs r where r.id = m.run_id;

-- Absent JSON becomes the specification's default.
update core.prompts set tags = coalesce(tags, '[]'), extra_metadata = coalesce(extra_metadata, '{}') where tags is null or extra_metadata is null;
update core.prompt_relations set extra_metadata = '{}' where extra_metadata is null;
update core.analysis_results
   set contradictions = coalesce(contradictions, '[]'), patches = coalesce(patches, '[]'),
       clarify_questions = coalesce(clarify_questions, '[]'), analysis_extra_metadata = coalesce(analysis_extra_metadata, '{}')
 where contradictions is null or patches is null or clarify_questions is null or analysis_extra_metadata is null;
update core.workflow_runs set meta = '{}' where meta is null;

-- Before the primary keys: see the migration before this one.
create index idx_prompts_created_at on core.prompts (organization_id, created_at, id);
create index idx_prompts_updated_at on core.prompts (organization_id, updated_at, id);
create index idx_prompts_name on core.prompts (organization_id, name);
create index idx_prompts_tags_gin on core.prompts using gin (organization_id, tags);
create index idx_workflow_runs_started_at on core.workflow_runs (organization_id, started_at);
create index idx_workflow_runs_organization_status on core.workflow_runs (organization_id, status, started_at);
create index idx_workflow_runs_user_status on core.workflow_runs (user_id, status);

alter table core.prompts
  alter column id set default gen_random_uuid()::text,
  alter column organization_id set not null,
  alter column tags set not null,
  alter column extra_metadata set not null,
  add constraint pk_prompts primary key (organization_id, id),
  add constraint fk_prompts_organization_id foreign key (organization_id)
      references ops.organization (id) on delete cascade;
alter table core.prompt_relations
  alter column id set default gen_random_uuid()::text,
  alter column organization_id set not null,
  alter column extra_metadata set not null,
  add constraint pk_prompt_relations primary key (organization_id, id),
  add constraint fk_prompt_relations_source_id foreign key (organization_id, source_id)
      references core.prompts (organization_id, id) on delete cascade,
  add constraint fk_prompt_relations_target_id foreign key (organization_id, target_id)
      references core.prompts (organization_id, id) on delete cascade;
-- Who was erased stays erased, whatever a request that began before writes after.
alter table core.users
  add column erased_at timestamptz,
  add constraint pk_users primary key (id),
  add constraint unq_users_email unique (email),
  add constraint chk_users_erased_at check (
      erased_at is null or (email is null and name is null and avatar_url is null));
alter table core.sessions
  add column revoked_at timestamptz,
  add constraint pk_sessions primary key (id),
  add constraint unq_sessions_jwt_id unique (jwt_id),
  add constraint fk_sessions_user_id foreign key (user_id) references core.users (id) on delete cascade;
alter table core.auth_accounts
  add column encryption_key_id varchar(100),
  add constraint pk_auth_accounts primary key (id),
  add constraint unq_auth_accounts_provider_account_id unique (provider, provider_account_id),
  add constraint fk_auth_accounts_user_id foreign key (user_id) references core.users (id) on delete cascade;
alter table core.workflow_runs
  alter column organization_id set not null,
  alter column meta set not null,
  add constraint pk_workflow_runs primary key (organization_id, id),
  add constraint fk_workflow_runs_organization_id foreign key (organization_id)
      references ops.organization (id) on delete cascade,
  add constraint fk_workflow_runs_user_id foreign key (user_id) references core.users (id);
alter table core.workflow_nodes
  alter column organization_id set not null,
  add constraint pk_workflow_nodes primary key (organization_id, id),
  add constraint unq_workflow_nodes_key unique (organization_id, run_id, key),
  add constraint fk_workflow_nodes_run_id foreign key (organization_id, run_id)
      references core.workflow_runs (organization_id, id) on delete cascade;
alter table core.evaluation_metrics
  alter column organization_id set not null,
  add constraint pk_evaluation_metrics primary key (organization_id, id),
  add constraint fk_evaluation_metrics_run_id foreign key (organization_id, run_id)
      references core.workflow_runs (organization_id, id) on delete cascade;

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
-- The primary key comes last: see the migration before this one.
alter table core.prompt_versions add constraint pk_prompt_versions primary key (organization_id, id);

-- What there is of the past of an old prompt is its text: version 1. An analysis of that very text was one of the version.
insert into core.prompt_versions (organization_id, prompt_id, version, content, format_type, language, created_at)
select p.organization_id, p.id, 1, p.content, p.format_type, p.language, p.created_at
  from core.prompts p;
update core.analysis_results d
   set prompt_version_id = v.id
  from core.prompt_versions v
 where v.organization_id = d.organization_id and v.prompt_id = d.prompt_id and v.content = d.prompt_content;

-- Each analysis of the old backend becomes the document of a run, and its numbers become the run's metrics.
insert into ops.analysis_run
  (id, organization_id, prompt_id, prompt_version_id, status, started_at, finished_at, created_at, updated_at, meta)
select r.analysis_run_id, r.organization_id, r.prompt_id, r.prompt_version_id, 'succeeded', r.created_at, r.created_at, r.created_at, r.created_at,
       jsonb_build_object('legacy', true)
  from core.analysis_results r;
insert into ops.analysis_metric (organization_id, analysis_run_id, key, value_num, occurred_at, created_at)
select r.organization_id, r.analysis_run_id, m.key, m.value_num::numeric, r.created_at, r.created_at
  from core.analysis_results r,
       lateral (values
         ('overall_score', r.overall_score), ('judge_score', r.judge_score), ('semantic_entropy', r.semantic_entropy),
         ('complexity_score', r.complexity_score), ('length_chars', r.length_chars), ('length_words', r.length_words)
       ) as m (key, value_num)
 where m.value_num > '-Infinity' and m.value_num < 'Infinity';
-- All that was ever measured is counted: a whole organization at a time costs less than hour by hour.
insert into app.mart_change (organization_id, source, hour)
select o.id, s.source, '-infinity'
  from ops.organization o, unnest(array['metric', 'analysis', 'evaluation']) as s (source);

alter table core.analysis_results
  alter column id set default gen_random_uuid()::text,
  alter column organization_id set not null,
  alter column analysis_run_id set not null,
  alter column occurred_at set default now(),
  alter column occurred_at set not null,
  alter column contradictions set not null,
  alter column patches set not null,
  alter column clarify_questions set not null,
  alter column analysis_extra_metadata set not null,
  add constraint pk_analysis_results primary key (organization_id, id),
  add constraint unq_analysis_results_analysis_run_id unique (organization_id, analysis_run_id),
  add constraint fk_analysis_results_analysis_run_id foreign key (organization_id, analysis_run_id)
      references ops.analysis_run (organization_id, id) on delete cascade,
  add constraint fk_analysis_results_prompt_id foreign key (organization_id, prompt_id)
      references core.prompts (organization_id, id),
  add constraint fk_analysis_results_prompt_version_id foreign key (organization_id, prompt_version_id)
      references core.prompt_versions (organization_id, id);

-- What ops could not point to until now.
alter table ops.organization
  add constraint fk_organization_personal_user_id foreign key (personal_user_id) references core.users (id);
alter table ops.organization_user
  add constraint fk_organization_user_user_id foreign key (user_id) references core.users (id) on delete cascade;
alter table ops.api_key
  add constraint fk_api_key_user_id foreign key (user_id) references core.users (id) on delete set null;
alter table ops.invitation
  add constraint fk_invitation_invited_by_user_id foreign key (invited_by_user_id)
      references core.users (id) on delete set null;
alter table ops.analysis_run
  add constraint fk_analysis_run_user_id foreign key (user_id) references core.users (id),
  add constraint fk_analysis_run_prompt_id foreign key (organization_id, prompt_id)
      references core.prompts (organization_id, id),
  add constraint fk_analysis_run_prompt_version_id foreign key (organization_id, prompt_version_id)
      references core.prompt_versions (organization_id, id);
alter table ops.feature_event
  add constraint fk_feature_event_user_id foreign key (user_id) references core.users (id) on delete set null;
alter table app.platform_admin
  add constraint fk_platform_admin_user_id foreign key (user_id) references core.users (id) on delete cascade;

-- Rules that rows of the old backends may not meet.
do $$
declare
  v_rule record;
  v_refused bigint;
begin
  for v_rule in
    select * from (values
      ('prompts', 'name', $c$name ~ '\S'$c$),
      ('prompts', 'content', $c$content ~ '\S' and octet_length(content) <= 1048576$c$),
      ('prompts', 'description', $c$octet_length(description) <= 1048576$c$),
      ('prompts', 'format_type', $c$format_type in ('auto', 'text', 'markdown', 'xml')$c$),
      ('prompts', 'language', $c$language ~ '^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$'$c$),
      ('prompts', 'tags', $c$jsonb_typeof(tags) = 'array' and jsonb_array_length(tags) <= 100 and not jsonb_path_exists(tags, '$[*] ? (@.type() != "string" || !(@ like_regex "^.{1,100}$"))')$c$),
      ('prompts', 'extra_metadata', $c$jsonb_typeof(extra_metadata) = 'object' and octet_length(extra_metadata::text) <= 262144 and not jsonb_path_exists(extra_metadata, '$.**{33}')$c$),
      ('prompt_relations', 'relation_type', $c$relation_type in ('depends_on', 'overrides', 'conflicts_with')$c$),
      ('prompt_relations', 'target_id', $c$target_id <> source_id$c$),
      ('prompt_relations', 'extra_metadata', $c$jsonb_typeof(extra_metadata) = 'object' and octet_length(extra_metadata::text) <= 262144 and not jsonb_path_exists(extra_metadata, '$.**{33}')$c$),
      ('analysis_results', 'prompt_content', $c$octet_length(prompt_content) <= 1048576$c$),
      ('analysis_results', 'overall_score', $c$overall_score >= 0 and overall_score <= 10$c$),
      ('analysis_results', 'judge_score', $c$judge_score >= 0 and judge_score <= 10$c$),
      ('analysis_results', 'semantic_entropy', $c$semantic_entropy >= 0 and semantic_entropy < 'Infinity'$c$),
      ('analysis_results', 'complexity_score', $c$complexity_score >= 0 and complexity_score <= 10$c$),
      ('analysis_results', 'length_chars', $c$length_chars >= 0$c$),
      ('analysis_results', 'length_words', $c$length_words >= 0$c$),
      ('analysis_results', 'contradictions', $c$jsonb_typeof(contradictions) = 'array' and octet_length(contradictions::text) <= 1048576 and not jsonb_path_exists(contradictions, '$.**{33}')$c$),
      ('analysis_results', 'patches', $c$jsonb_typeof(patches) = 'array' and octet_length(patches::text) <= 1048576 and not jsonb_path_exists(patches, '$.**{33}')$c$),
      ('analysis_results', 'clarify_questions', $c$jsonb_typeof(clarify_questions) = 'array' and octet_length(clarify_questions::text) <= 1048576 and not jsonb_path_exists(clarify_questions, '$.**{33}')$c$),
      ('analysis_results', 'analysis_extra_metadata', $c$jsonb_typeof(analysis_extra_metadata) = 'object' and octet_length(analysis_extra_metadata::text) <= 1048576 and not jsonb_path_exists(analysis_extra_metadata, '$.**{33}')$c$),
      ('users', 'email', $c$email ~ '^[^@\s]+@[^@\s]+$'$c$),
      ('sessions', 'expires_at', $c$expires_at > created_at$c$),
      ('workflow_runs', 'status', $c$status in ('running', 'success', 'failed', 'cancelled')$c$),
      ('workflow_runs', 'finished_at', $c$(finished_at is not null) = (status <> 'running')$c$),
      ('workflow_runs', 'times', $c$finished_at >= started_at$c$),
      ('workflow_runs', 'plausible_times', $c$started_at >= '2000-01-01Z' and started_at < '2100-01-01Z' and finished_at >= '2000-01-01Z' and finished_at < '2100-01-01Z'$c$),
      ('workflow_nodes', 'plausible_times', $c$started_at >= '2000-01-01Z' and started_at < '2100-01-01Z' and finished_at >= '2000-01-01Z' and finished_at < '2100-01-01Z'$c$),
      ('evaluation_metrics', 'created_at', $c$created_at >= '2000-01-01Z' and created_at < '2100-01-01Z'$c$),
      ('workflow_runs', 'meta', $c$jsonb_typeof(meta) = 'object' and octet_length(meta::text) <= 262144 and not jsonb_path_exists(meta, '$.**{33}')$c$),
      ('prompt_relations', 'description', $c$octet_length(description) <= 1048576$c$),
      ('workflow_nodes', 'result', $c$octet_length(result::text) <= 1048576 and not jsonb_path_exists(result, '$.**{33}')$c$),
      ('evaluation_metrics', 'metric_meta', $c$octet_length(metric_meta::text) <= 262144 and not jsonb_path_exists(metric_meta, '$.**{33}')$c$),
      ('workflow_nodes', 'key', $c$key ~ '\S'$c$),
      ('workflow_nodes', 'status', $c$status in ('pending', 'running', 'success', 'failed')$c$),
      ('workflow_nodes', 'times', $c$finished_at >= started_at$c$),
      ('evaluation_metrics', 'metric_name', $c$metric_name ~ '\S'$c$),
      ('evaluation_metrics', 'metric_value', $c$metric_value > '-Infinity' and metric_value < 'Infinity'$c$)
    ) as r (table_name, column_name, expression)
  loop
    execute format('alter table core.%1$I add constraint %2$I check (%3$s) not valid',
      v_rule.table_name, 'chk_' || v_rule.table_name || '_' || v_rule.column_name, v_rule.expression);
    execute format('select count(*) from core.%I where not (%s)', v_rule.table_name, v_rule.expression) into v_refused;
    if v_refused = 0 then
      execute format('alter table core.%I validate constraint %I', v_rule.table_name, 'chk_' || v_rule.table_name || '_' || v_rule.column_name);
    else
      update app.legacy_account
         set note = concat_ws('; ', note, format('%s rows do not meet %s and are kept as they are', v_refused, 'chk_' || v_rule.table_name || '_' || v_rule.column_name))
       where source_table = v_rule.table_name;
    end if;
  end loop;
end;
$$;

-- Natural keys that the specification's nullable keys did not hold, where the old rows allow them.
do $$
declare
  v_doubles bigint;
begin
  select count(*) into v_doubles
    from (select from core.prompt_relations group by organization_id, source_id, target_id, relation_type having count(*) > 1) d;
  if v_doubles = 0 then
    alter table core.prompt_relations
      add constraint unq_prompt_relations_source_target_type unique (organization_id, source_id, target_id, relation_type);
  else
    -- The doubled rows are kept; what is new is held to the rule by this index, which leaves the old ones out.
    execute format('create unique index unq_prompt_relations_source_target_type on core.prompt_relations (organization_id, source_id, target_id, relation_type) where created_at > %L', now());
    update app.legacy_account
       set note = concat_ws('; ', note, format('%s relations stand more than once and are kept; unq_prompt_relations_source_target_type holds for newer rows', v_doubles))
     where source_table = 'prompt_relations';
  end if;
  select count(*) into v_doubles
    from (select from core.evaluation_metrics group by organization_id, run_id, node_key, metric_name, created_at having count(*) > 1) d;
  if v_doubles = 0 then
    alter table core.evaluation_metrics
      add constraint unq_evaluation_metrics_run_node_metric unique nulls not distinct (organization_id, run_id, node_key, metric_name, created_at);
  else
    execute format('create unique index unq_evaluation_metrics_run_node_metric on core.evaluation_metrics (organization_id, run_id, node_key, metric_name, created_at) nulls not distinct where created_at > %L', now());
    update app.legacy_account
       set note = concat_ws('; ', note, format('%s metrics stand more than once and are kept; unq_evaluation_metrics_run_node_metric holds for newer rows', v_doubles))
     where source_table = 'evaluation_metrics';
  end if;
end;
$$;
do $$
declare
  v_doubles bigint;
begin
  select count(*) into v_doubles from (select from core.users group by lower(email) having count(*) > 1 and lower(email) is not null) d;
  if v_doubles = 0 then
    create unique index unq_users_email_lower on core.users (lower(email));
  else
    execute format('create unique index unq_users_email_lower on core.users (lower(email)) where created_at > %L', now());
    create index idx_users_email_lower on core.users (lower(email));
    update app.legacy_account
       set note = concat_ws('; ', note, format('%s e-mail addresses stand more than once but for case and are kept; unq_users_email_lower holds for newer users', v_doubles))
     where source_table = 'users';
  end if;
end;
$$;

create index idx_prompt_relations_source_id on core.prompt_relations (organization_id, source_id, relation_type);
create index idx_prompt_relations_target_id on core.prompt_relations (organization_id, target_id, relation_type);
create index idx_analysis_results_prompt_id on core.analysis_results (organization_id, prompt_id);
create index idx_analysis_results_prompt_version_id on core.analysis_results (organization_id, prompt_version_id);
create index idx_analysis_results_created_at on core.analysis_results (organization_id, created_at, id);
create index idx_analysis_results_occurred_at on core.analysis_results (organization_id, occurred_at);
create index idx_analysis_results_overall_score on core.analysis_results (organization_id, overall_score);
create index idx_analysis_results_semantic_entropy on core.analysis_results (organization_id, semantic_entropy);
create index idx_analysis_results_detected_language on core.analysis_results (organization_id, detected_language);
create index idx_analysis_results_metadata_gin
  on core.analysis_results using gin (organization_id, analysis_extra_metadata);
create index idx_sessions_user_id on core.sessions (user_id, expires_at);
create index idx_auth_accounts_user_id on core.auth_accounts (user_id);
create index idx_evaluation_metrics_run_metric on core.evaluation_metrics (organization_id, run_id, metric_name);
create index idx_evaluation_metrics_metric_name on core.evaluation_metrics (organization_id, metric_name, created_at);
create index idx_evaluation_metrics_occurred_at on core.evaluation_metrics (organization_id, occurred_at);

-- The account: every row that was found is there.
do $$
declare
  v_account record;
  v_kept bigint;
  v_organizations integer;
begin
  for v_account in select source_table, rows_found from app.legacy_account loop
    if v_account.source_table in ('users', 'sessions', 'auth_accounts') then
      execute format('select count(*), 0 from core.%I', v_account.source_table) into v_kept, v_organizations;
    else
      execute format('select count(*), count(distinct organization_id) from core.%I', v_account.source_table) into v_kept, v_organizations;
    end if;
    if v_kept <> v_account.rows_found then
      raise exception 'The table % had % rows and has % after the move', v_account.source_table, v_account.rows_found, v_kept;
    end if;
    update app.legacy_account set rows_kept = v_kept, organizations = v_organizations where source_table = v_account.source_table;
  end loop;
end;
$$;

/*
 * The old names, for code of the old backends that still runs: views that can be read and written as the tables could.
 * What is written through them belongs to the organization "legacy"; an analysis gets a run of its own.
 */
create function app.tg_legacy_analysis_results__run() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if new.analysis_run_id is null then
    insert into ops.analysis_run (organization_id, prompt_id, status, started_at, finished_at, meta)
    values (new.organization_id, new.prompt_id, 'succeeded', new.created_at, new.created_at, '{"legacy": true}')
    returning id into new.analysis_run_id;
  end if;
  return new;
end;
$$;
create trigger _100_legacy_run before insert on core.analysis_results
  for each row execute function app.tg_legacy_analysis_results__run();

do $$
declare
  v_table regclass;
  v_name text;
  v_columns text;
  v_legacy constant uuid := (select id from ops.organization where slug = 'legacy');
  v_grant record;
begin
  if not exists (select from app.legacy_account) then
    return; -- a database without a past needs no old names
  end if;
  foreach v_table in array array['core.users', 'core.sessions', 'core.auth_accounts', 'core.prompts', 'core.prompt_relations',
      'core.analysis_results', 'core.workflow_runs', 'core.workflow_nodes', 'core.evaluation_metrics']::regclass[] loop
    select relname into v_name from pg_catalog.pg_class where oid = v_table;
    select string_agg(quote_ident(attname), ', ' order by attnum) into v_columns
      from pg_catalog.pg_attribute where attrelid = v_table and attnum > 0 and not attisdropped;
    execute format('create view public.%I as select %s from %s', v_name, v_columns, v_table);
    if v_legacy is not null and v_name not in ('users', 'sessions', 'auth_accounts') then
      execute format('alter view public.%I alter column organization_id set default %L', v_name, v_legacy);
    end if;
    for v_grant in
      select distinct a.grantee::regrole as grantee, a.privilege_type
        from pg_catalog.pg_class c, lateral aclexplode(c.relacl) a
       where c.oid = v_table and a.grantee <> 0 and a.grantee <> c.relowner
         and a.privilege_type in ('SELECT', 'INSERT', 'UPDATE', 'DELETE')
    loop
      execute format('grant %s on public.%I to %s', v_grant.privilege_type, v_name, v_grant.grantee);
    end loop;
    for v_grant in
      select distinct a.grantee as grantee_oid
        from pg_catalog.pg_class c, lateral aclexplode(c.relacl) a
       where c.oid = v_table and a.grantee <> c.relowner
    loop
      execute format('revoke all on %s from %s', v_table, case v_grant.grantee_oid when 0 then 'public' else v_grant.grantee_oid::regrole::text end);
    end loop;
  end loop;
end;
$$;
