--! Previous: sha1:280a822e757f8cc2c5c03629e6127c43338734bb
--! Hash: sha1:544bd09cdac32ca1c9bc8434afaf7905979747b5
--! Message: versions of prompts, history of entities, erasure with receipts, legal holds

/*
 * History that can be read and, where it is a person's, taken out: versions of prompts, the state of an entity at a time,
 * erasure with receipts, legal holds.
 */

-- Others wait behind a migration that waits
set local lock_timeout = '30s';

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

alter table ops.audit_log
  add column erasure_id uuid,
  drop constraint chk_audit_log_action,
  add constraint chk_audit_log_action check (action in ('baseline', 'insert', 'update', 'delete', 'truncate', 'detach', 'erase'));
create index idx_audit_log_erasure_id on ops.audit_log (organization_id, erasure_id) where erasure_id is not null;

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

-- It gets the versions of the prompts
drop function app.store_analysis_facts(uuid, uuid[], text[], timestamptz[], ops.analysis_item[]);

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
                                                              'app.drop_detached_audit(interval)'))
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
        select distinct on (a.organization_id, a.entity_id) a.organization_id, a.entity_id, a.action, %8$L::jsonb || a.after_state as after_state
          from ops.audit_log a
         where a.entity_type = %1$L and a.action in ('baseline', 'insert', 'update', 'delete') and a.seq > %9$s
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
               when p.entity_id is null then l.action <> 'delete' and not (%6$L and l.after_state ? 'rows')
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
                            sum(case a.action when 'insert' then (a.after_state ->> 'rows')::bigint when 'baseline' then coalesce((a.after_state ->> 'rows')::bigint, 1) when 'delete' then -1 else 0 end) as n
                       from ops.audit_log a where a.entity_type = %2$L and a.seq > %3$s group by 1) l
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
     and not (a.before_state is null and a.after_state ? 'rows' and a.after_state - 'rows' = '{}');
  return v_counts;
end;
$$;
alter function app.erase_rows(uuid, uuid) owner to curestry_definer;
revoke execute on function app.erase_rows(uuid, uuid) from public;
comment on function app.erase_rows(uuid, uuid) is
  'Removes an organization with every row of it, and takes the states out of its audit log; answers how many rows of each table there were.';
--! EndIncluded app/functions/erase_rows.sql
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
    ), last as (
      select distinct on (l.organization_id, l.entity_type, l.entity_id) l.*
        from leaving l
       where not (l.summarize_inserts and l.action in ('baseline', 'insert') and l.after_state ? 'rows')
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
                               when 'delete' then -1 else 0 end)
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
    select c.relname as name, b.bounds[1]::timestamptz as from_ts, b.bounds[2]::timestamptz as to_ts
      from pg_catalog.pg_inherits i
      join pg_catalog.pg_class c on c.oid = i.inhrelid,
           lateral regexp_match(pg_catalog.pg_get_expr(c.relpartbound, c.oid), 'FROM \(''([^'']+)''\) TO \(''([^'']+)''\)') as b (bounds)
     where i.inhparent = 'ops.audit_log'::regclass and b.bounds is not null
     order by 2
  loop
    execute format($query$
      select array_agg(o.id)
        from (select o.id, o.audit_retention_months as months from ops.organization o
              union all
              select distinct a.organization_id, %2$L::integer
                from app.%1$I a
               where %2$L is not null and not exists (select from ops.organization o where o.id = a.organization_id)) o
       where %3$L::timestamptz <= now() - make_interval(months => o.months)
         and not app.is_held(o.id)
         and exists (select from app.%1$I a where a.organization_id = o.id)
    $query$, v_partition.name, v_for_all, v_partition.to_ts) into v_organizations;
    continue when v_organizations is null;
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
      execute format('alter table app.%I enable row level security', v_retention.table_name);
      execute format('alter table app.%I force row level security', v_retention.table_name);
      execute format('create policy definer_all on app.%I for all to curestry_definer using (true) with check (true)', v_retention.table_name);
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
    if v_table.treatment = 'delete' then
      execute format('delete from %s t where t.%I = $1', v_table.table_name::regclass, v_table.person_column) using person;
    else
      execute format('update %s t set %s where t.%I = $1', v_table.table_name::regclass,
        (select string_agg(format('%I = null', c), ', ') from unnest(v_table.personal_columns) as c), v_table.person_column) using person;
    end if;
    get diagnostics v_rows = row_count;
    v_counts := v_counts || jsonb_build_object(v_table.table_name, v_rows + coalesce((v_counts ->> v_table.table_name)::bigint, 0));
  end loop;
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
select app.mark_table('core.analysis_results');
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
select app.mark_table('ops.analysis_run');
select app.audit_table('ops.analysis_run', secret_columns => '{request_digest}');
--! EndIncluded ops/tables/analysis_run.sql
--! Included ops/tables/audit_log.sql
comment on table ops.audit_log is E'@unique id\nWho changed what, when: one row for each change of a row of core and ops, written by triggers. Append-only, partitioned by month.';
comment on column ops.audit_log.id is 'Identifies the row; unique across organizations.';
comment on column ops.audit_log.ts is 'When.';
comment on column ops.audit_log.actor_user_id is E'@behavior +filterBy\nWhich user, if a request to the API changed it.';
comment on column ops.audit_log.actor_api_key_id is 'With which API key.';
comment on column ops.audit_log.actor_role is 'Which login of the database.';
comment on column ops.audit_log.request_id is 'The X-Request-Id of the request, as in the log.';
comment on column ops.audit_log.organization_id is 'The organization of the changed row; the nil UUID for rows that belong to none.';
comment on column ops.audit_log.action is 'insert, update, delete or truncate; baseline: the row as it was when its audit began, or when older rows left the log; detach: rows left by retention; erase: that states were taken out of the log.';
comment on column ops.audit_log.entity_type is E'@behavior +filterBy\nThe table, such as core.prompts.';
comment on column ops.audit_log.entity_id is 'The id of the row; for facts that are recorded many at a time, how many rows.';
comment on column ops.audit_log.before_state is 'The row as it was, without secrets.';
comment on column ops.audit_log.after_state is 'The row as it became, without secrets.';
comment on column ops.audit_log.changed_columns is 'Which columns an update changed.';
comment on column ops.audit_log.erasure_id is 'By which erasure its states lost what they had of a person or organization; null: they are whole.';
comment on column ops.audit_log.xid is E'@behavior -*\nThe transaction that made the change; the order of sealing.';
comment on column ops.audit_log.seq is E'@behavior -*\nThe order of the rows within a transaction.';
comment on constraint pk_audit_log on ops.audit_log is 'One row per organization, time and id; in the order of time, which random ids alone would not be.';
comment on constraint chk_audit_log_action on ops.audit_log is 'action must be baseline, insert, update, delete, truncate, detach or erase';

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
comment on index ops.idx_audit_log_erasure_id is 'Finds the rows of an erasure.';

comment on table app.audit_log_default is 'ops.audit_log of months without a partition.';
alter table app.audit_log_default enable row level security;
alter table app.audit_log_default force row level security;
drop policy if exists definer_all on app.audit_log_default;
create policy definer_all on app.audit_log_default for all to curestry_definer
  using (true)
  with check (true);
--! EndIncluded ops/tables/audit_log.sql
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
--! Included ops/tables/organization.sql
comment on table ops.organization is 'A tenant: a team or company, or the personal organization of a user.';
comment on column ops.organization.id is 'Identifies the organization.';
comment on column ops.organization.name is 'Display name.';
comment on column ops.organization.slug is 'Short name for addresses and headers: lower-case letters, digits and hyphens; unique.';
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
grant update (name, slug, audit_retention_months, raw_retention_days) on ops.organization to curestry_member;

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
select app.audit_table('ops.organization', organization_column => 'id');
--! EndIncluded ops/tables/organization.sql
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
alter table core.analysis_results disable trigger _800_mart_marks_update;
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
alter table core.analysis_results enable trigger _800_mart_marks_update;
alter table core.analysis_results enable trigger _500_metrics_update;

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
