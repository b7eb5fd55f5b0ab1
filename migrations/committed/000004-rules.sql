--! Previous: sha1:af2cb68715c206398cc5e19a9cd73d598026ac55
--! Hash: sha1:936f6742a26ed3739042d17a94a71bdbddef5b79
--! Message: rules

/*
 * Phase 3 of the specification: the old names go, and every rule is in force: row level security, grants, triggers, the
 * API's functions.
 */

-- Others wait behind a migration that waits
set local lock_timeout = '30s';
do $$
declare
  v_view record;
begin
  for v_view in
    select c.oid::regclass as name
      from pg_catalog.pg_class c
     where c.relnamespace = 'public'::regnamespace and c.relkind = 'v'
       and c.relname = any (array['users', 'sessions', 'auth_accounts', 'prompts', 'prompt_relations', 'analysis_results',
                                  'workflow_runs', 'workflow_nodes', 'evaluation_metrics'])
       and c.relowner = 'curestry_owner'::regrole
  loop
    execute format('drop view %s', v_view.name);
  end loop;
end;
$$;
drop trigger _100_legacy_run on core.analysis_results;
drop function app.tg_legacy_analysis_results__run();

--! Included all.sql
-- Every re-runnable definition, in dependency order. A definition that is not here is not deployed: a test compares.
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
grant usage, create on schema app, core, ops to curestry_definer;
grant usage on schema mart to curestry_definer;
--! EndIncluded app/schemas.sql
--! Included core/types.sql
comment on type core.tag_match is 'ANY: at least one of the tags. ALL: every one of them.';
grant usage on type core.tag_match to curestry_member, curestry_definer;
--! EndIncluded core/types.sql
--! Included ops/types/keys_and_members.sql
comment on type ops.new_api_key is 'An API key that was just made, with its text, which is shown this once.';
comment on column ops.new_api_key.id is 'Identifies the key.';
comment on column ops.new_api_key.name is 'What it is for.';
comment on column ops.new_api_key.scopes is 'What it may do.';
comment on column ops.new_api_key.key is 'The key itself, for "Authorization: Bearer". Keep it: it is not shown again.';
comment on column ops.new_api_key.expires_at is 'Until when it is accepted; null: no end.';
comment on column ops.new_api_key.created_at is 'When it was made.';

comment on type ops.new_invitation is 'An invitation that was just made, with its code, which is shown this once.';
comment on column ops.new_invitation.organization_user_id is 'The membership, invited until it is accepted.';
comment on column ops.new_invitation.user_id is 'The person who was invited.';
comment on column ops.new_invitation.email is 'The e-mail address that was invited.';
comment on column ops.new_invitation.role is 'What the person will be.';
comment on column ops.new_invitation.code is 'For acceptInvitation. Give it to that person: it is not shown again.';
comment on column ops.new_invitation.expires_at is 'Until when it can be accepted.';
grant usage on type ops.new_api_key, ops.new_invitation to curestry_member, curestry_definer;
--! EndIncluded ops/types/keys_and_members.sql
--! Included ops/types/record_analyses.sql
comment on type ops.analysis_item is 'An analysis to record: what was analysed, how it went, and what came out.';
comment on column ops.analysis_item.idempotency_key is 'Chosen by you: the same key with the same content again changes nothing, so that a call can be repeated.';
comment on column ops.analysis_item.prompt_id is 'The saved prompt that was analysed; this or promptContent is required.';
comment on column ops.analysis_item.prompt_content is 'The text that was analysed; if absent, the text of the prompt as it is now.';
comment on column ops.analysis_item.status is 'queued, running, succeeded (the default), failed or cancelled.';
comment on column ops.analysis_item.started_at is 'When work on it started; if absent, finishedAt.';
comment on column ops.analysis_item.finished_at is 'When it ended; if absent and it has ended, now.';
comment on column ops.analysis_item.meta is 'Anything else, a JSON object.';
comment on column ops.analysis_item.result is 'The document of the analysis.';
comment on column ops.analysis_item.metrics is 'Measured values, each under a key of its own.';
comment on column ops.analysis_item.node_results is 'What the nodes of the pipeline found.';
comment on column ops.analysis_item.scores is 'What judges gave.';

comment on type ops.analysis_result_item is 'The document of an analysis. Its numbers stand as metrics of the run too.';
comment on column ops.analysis_result_item.detected_language is 'Code of the language that was found; required.';
comment on column ops.analysis_result_item.translated is 'Whether the text was translated before it was analysed; false if absent.';
comment on column ops.analysis_result_item.format_valid is 'Whether the text is well formed in its format; true if absent.';
comment on column ops.analysis_result_item.overall_score is 'Overall quality, 0 to 10; required.';
comment on column ops.analysis_result_item.judge_score is 'What the LLM judges gave, 0 to 10; required.';
comment on column ops.analysis_result_item.semantic_entropy is 'Semantic entropy, at least 0; required.';
comment on column ops.analysis_result_item.complexity_score is 'Complexity, 0 to 10; required.';
comment on column ops.analysis_result_item.length_chars is 'Length in characters; counted if absent.';
comment on column ops.analysis_result_item.length_words is 'Length in words; counted if absent.';
comment on column ops.analysis_result_item.contradictions is 'Contradictions found, a JSON array.';
comment on column ops.analysis_result_item.patches is 'Proposed changes, a JSON array.';
comment on column ops.analysis_result_item.clarify_questions is 'Questions that would make the prompt clearer, a JSON array.';
comment on column ops.analysis_result_item.extra_metadata is 'Anything else, a JSON object.';

comment on type ops.analysis_metric_item is 'A measured value: a number, a text or JSON, under a key.';
comment on column ops.analysis_metric_item.key is 'What was measured; once per analysis.';
comment on column ops.analysis_metric_item.value_num is 'The value, if it is a number.';
comment on column ops.analysis_metric_item.value_text is 'The value, if it is a text.';
comment on column ops.analysis_metric_item.value_json is 'The value, if it is JSON.';

comment on type ops.analysis_node_result_item is 'What one node of the pipeline found.';
comment on column ops.analysis_node_result_item.node is 'entropy, llm_judge, rag_oracle, regex_checks or another; once per analysis.';
comment on column ops.analysis_node_result_item.status is 'ok, warn, fail or error.';
comment on column ops.analysis_node_result_item.score is '0 to 10.';
comment on column ops.analysis_node_result_item.details is 'What was found, a JSON object.';

comment on type ops.judge_score_item is 'What a judge gave by one criterion.';
comment on column ops.judge_score_item.rubric is 'Name of the rubric; its newest version is meant.';
comment on column ops.judge_score_item.criterion is 'Key of the criterion.';
comment on column ops.judge_score_item.score is '0 to 10.';
comment on column ops.judge_score_item.comment is 'Why, in the words of the judge.';
comment on column ops.judge_score_item.evidence is 'What the judge goes by, a JSON object.';

comment on type ops.record_outcome is 'What became of an item of recordAnalyses.';
comment on column ops.record_outcome.outcome is 'inserted; unchanged: the key is known with the same content; conflict: the key is known with another content; invalid: not recorded.';
comment on column ops.record_outcome.analysis_run_id is 'The run that was recorded, now or earlier; null if invalid.';
comment on column ops.record_outcome.message is 'Why the item is in conflict or invalid.';
grant usage on type ops.analysis_metric_item to curestry_member, curestry_definer;
grant usage on type ops.analysis_node_result_item to curestry_member, curestry_definer;
grant usage on type ops.judge_score_item to curestry_member, curestry_definer;
grant usage on type ops.analysis_result_item to curestry_member, curestry_definer;
grant usage on type ops.analysis_item to curestry_member, curestry_definer;
grant usage on type ops.record_outcome to curestry_member, curestry_definer;
--! EndIncluded ops/types/record_analyses.sql
--! Included ops/types/record_feature_events.sql
comment on type ops.feature_event_item is 'Uses of a feature.';
comment on column ops.feature_event_item.feature_key is 'Which feature.';
comment on column ops.feature_event_item.occurred_at is 'When; now if absent.';
comment on column ops.feature_event_item.count is 'How many times; once if absent.';
grant usage on type ops.feature_event_item to curestry_member, curestry_definer;
--! EndIncluded ops/types/record_feature_events.sql
--! Included ops/types/viewer.sql
comment on type ops.viewer is 'Who is asking, and what they may do.';
comment on column ops.viewer.user_id is 'The user; with an API key, the user who made it; null for an operator''s key.';
comment on column ops.viewer.email is 'The user''s e-mail address.';
comment on column ops.viewer.name is 'The user''s display name.';
comment on column ops.viewer.api_key_id is 'The API key; null with a session.';
comment on column ops.viewer.organization_id is 'The organization of this request.';
comment on column ops.viewer.organization_slug is 'The slug of the organization of this request.';
comment on column ops.viewer.role is 'The user''s role in the organization of this request.';
comment on column ops.viewer.permissions is 'What this request may do: the role''s permissions, with an API key those of them that are in its scopes.';
comment on column ops.viewer.organizations is 'All organizations of the user; choose one with the header X-Curestry-Organization.';

comment on type ops.viewer_organization is 'An organization that the user is an active member of.';
comment on column ops.viewer_organization.id is 'Identifies the organization.';
comment on column ops.viewer_organization.slug is 'Its short name, for the header X-Curestry-Organization.';
comment on column ops.viewer_organization.name is 'Its display name.';
comment on column ops.viewer_organization.role is 'The user''s role there.';
comment on column ops.viewer_organization.personal is 'Whether it is the user''s personal organization, which requests belong to that name none.';
grant usage on type ops.viewer, ops.viewer_organization to curestry_anonymous, curestry_member, curestry_definer;
--! EndIncluded ops/types/viewer.sql
--! Included app/functions/organization_if.sql
/*
 * What every policy of a member compares with. Plain SQL that reads two settings and no table, so that it becomes the
 * index condition itself; the settings are the ones that app.begin_request made after it had accepted a credential.
 */
create or replace function app.organization_if(permission text) returns uuid
language sql stable parallel safe
return case
  when position(' ' || permission || ' ' in current_setting('curestry.permissions', true)) > 0
  then nullif(current_setting('curestry.organization_id', true), '')::uuid
end;
revoke execute on function app.organization_if(text) from public;
grant execute on function app.organization_if(text) to curestry_member, curestry_anonymous, curestry_definer;
comment on function app.organization_if(text) is
  'The organization of the current request if the request holds this permission, else null.';
--! EndIncluded app/functions/organization_if.sql
--! Included app/functions/organization_id.sql
create or replace function app.organization_id() returns uuid
language sql stable parallel safe
return nullif(current_setting('curestry.organization_id', true), '')::uuid;
revoke execute on function app.organization_id() from public;
grant execute on function app.organization_id() to curestry_member, curestry_anonymous, curestry_definer;
comment on function app.organization_id() is
  'The organization of the current request, else null. Rows that are inserted belong to it.';
--! EndIncluded app/functions/organization_id.sql
--! Included app/functions/user_id.sql
create or replace function app.user_id() returns integer
language sql stable parallel safe
return nullif(current_setting('curestry.user_id', true), '')::integer;
revoke execute on function app.user_id() from public;
grant execute on function app.user_id() to curestry_member, curestry_anonymous, curestry_definer;
comment on function app.user_id() is
  'The user of the current request (with an API key: the user who made it), else null.';
--! EndIncluded app/functions/user_id.sql
--! Included app/functions/session_user_id.sql
create or replace function app.session_user_id() returns integer
language sql stable parallel safe
return case when coalesce(current_setting('curestry.api_key_id', true), '') = '' then app.user_id() end;
revoke execute on function app.session_user_id() from public;
grant execute on function app.session_user_id() to curestry_member, curestry_definer;
comment on function app.session_user_id() is
  'The user who makes the current request in person; null for an API key, which does not act for its maker as a person.';
--! EndIncluded app/functions/session_user_id.sql
--! Included app/functions/role_permissions.sql
create or replace function app.role_permissions(role text) returns text[]
language sql immutable parallel safe
return case role
  when 'viewer' then array['prompts:read', 'analyses:read', 'workflows:read', 'rubrics:read', 'marts:read', 'members:read']
  when 'member' then array['prompts:read', 'analyses:read', 'workflows:read', 'rubrics:read', 'marts:read', 'members:read',
                           'prompts:write', 'analyses:write', 'workflows:write', 'features:write']
  when 'admin'  then array['prompts:read', 'analyses:read', 'workflows:read', 'rubrics:read', 'marts:read', 'members:read',
                           'prompts:write', 'analyses:write', 'workflows:write', 'features:write',
                           'rubrics:write', 'members:write', 'keys:write', 'credentials:write', 'audit:read']
  when 'owner'  then array['prompts:read', 'analyses:read', 'workflows:read', 'rubrics:read', 'marts:read', 'members:read',
                           'prompts:write', 'analyses:write', 'workflows:write', 'features:write',
                           'rubrics:write', 'members:write', 'keys:write', 'credentials:write', 'audit:read',
                           'organization:write']
end;
revoke execute on function app.role_permissions(text) from public;
grant execute on function app.role_permissions(text) to curestry_definer;
comment on function app.role_permissions(text) is
  'The permissions that a member role is the name of. The scopes of API keys are the same words.';
--! EndIncluded app/functions/role_permissions.sql
--! Included app/functions/refuse.sql
/*
 * The one way in which our functions say no. The SQLSTATEs are ours (class CU) and are listed here and in the gateway's
 * src/gateway/errors.ts, which turns them into extensions.code; a test compares the two.
 *
 *   CU001 UNAUTHENTICATED   CU002 FORBIDDEN   CU003 NOT_FOUND   CU004 INVALID   CU005 CONFLICT   CU006 LIMIT   CU007 UNAVAILABLE
 */
create or replace function app.refuse(code text, message text, field text default null, rule text default null) returns void
language plpgsql stable set search_path = '' as $$
begin
  raise exception using errcode = code, message = message, column = coalesce(field, ''), constraint = coalesce(rule, '');
end;
$$;
revoke execute on function app.refuse(text, text, text, text) from public;
grant execute on function app.refuse(text, text, text, text) to curestry_member, curestry_definer;
comment on function app.refuse(text, text, text, text) is
  'Raises an error with one of our SQLSTATEs, a message for the user, and the field and the rule that it is about.';
--! EndIncluded app/functions/refuse.sql
--! Included app/functions/require.sql
create or replace function app.require(permission text) returns uuid
language plpgsql stable set search_path = '' as $$
declare
  v_organization constant uuid := app.organization_if(permission);
begin
  if v_organization is null then
    if app.organization_id() is null then
      perform app.refuse('CU001', 'This needs credentials: send "Authorization: Bearer" with an API key or a session token');
    end if;
    perform app.refuse('CU002', format('This needs the permission %s, which these credentials do not have', permission));
  end if;
  return v_organization;
end;
$$;
revoke execute on function app.require(text) from public;
grant execute on function app.require(text) to curestry_member, curestry_definer;
comment on function app.require(text) is
  'The organization of the current request; refuses (CU001, CU002) a request that does not hold this permission.';
--! EndIncluded app/functions/require.sql
--! Included app/functions/require_person.sql
create or replace function app.require_person() returns integer
language plpgsql stable set search_path = '' as $$
begin
  if app.session_user_id() is null then
    if app.organization_id() is null then
      perform app.refuse('CU001', 'This needs credentials: sign in, and send "Authorization: Bearer" with the session token');
    end if;
    perform app.refuse('CU002', 'This needs a person who has signed in; an API key cannot do it');
  end if;
  return app.session_user_id();
end;
$$;
revoke execute on function app.require_person() from public;
grant execute on function app.require_person() to curestry_member, curestry_definer;
comment on function app.require_person() is 'The user who makes the request in person; refuses (CU001, CU002) anybody else.';
--! EndIncluded app/functions/require_person.sql
--! Included app/functions/constraint_message.sql
create or replace function app.constraint_message(schema_name text, table_name text, constraint_name text) returns text
language sql stable security definer set search_path = '' as $$
  select coalesce(
    (select pg_catalog.obj_description(c.oid, 'pg_constraint')
       from pg_catalog.pg_constraint c
      where c.conrelid = to_regclass(format('%I.%I', schema_name, table_name)) and c.conname = constraint_name),
    (select pg_catalog.obj_description(to_regclass(format('%I.%I', schema_name, constraint_name)), 'pg_class')));
$$;
alter function app.constraint_message(text, text, text) owner to curestry_definer;
revoke execute on function app.constraint_message(text, text, text) from public;
grant execute on function app.constraint_message(text, text, text) to curestry_gateway, curestry_member;
comment on function app.constraint_message(text, text, text) is
  'The rule of a constraint or unique index in plain words: its comment.';
--! EndIncluded app/functions/constraint_message.sql
--! Included app/functions/violation_message.sql
/* For functions that report one bad item and go on: what an error of PostgreSQL means, in the words of our comments. */
create or replace function app.violation_message(state text, message text, schema_name text, table_name text, constraint_name text, column_name text)
returns text
language sql stable set search_path = '' as $$
  select coalesce(
    case
      when state = '23502' then column_name || ' is required'
      when constraint_name <> '' then app.constraint_message(schema_name, table_name, constraint_name)
    end,
    message);
$$;
revoke execute on function app.violation_message(text, text, text, text, text, text) from public;
grant execute on function app.violation_message(text, text, text, text, text, text) to curestry_definer;
comment on function app.violation_message(text, text, text, text, text, text) is
  'What the violation of a constraint means, in plain words.';
--! EndIncluded app/functions/violation_message.sql
--! Included app/functions/key_permissions.sql
/*
 * What an API key may do now: its scopes, as far as its maker may do the same. A key that a person made is bounded by that
 * person's membership as it is today; an operator's key by nothing more; a key that was made with another key by that key's
 * scopes too, as long as that one is in force (one generation: a key that was made with a key cannot have keys:write).
 */
create or replace function app.key_permissions(key ops.api_key) returns text[]
language plpgsql stable security definer set search_path = '' as $$
declare
  v_scopes jsonb := key.scopes;
  v_role text := 'owner';
begin
  if not key.by_operator then
    select m.role into v_role
      from ops.organization_user m
     where m.organization_id = key.organization_id and m.user_id = key.user_id and m.status = 'active';
  end if;
  if key.parent_key_id is not null then
    select jsonb_agg(s) into v_scopes
      from ops.api_key p, jsonb_array_elements_text(p.scopes) as s
     where p.organization_id = key.organization_id and p.id = key.parent_key_id
       and not p.is_revoked and (p.expires_at is null or p.expires_at > now())
       and key.scopes ? s;
  end if;
  return array(select p from unnest(app.role_permissions(v_role)) as p where v_scopes ? p);
end;
$$;
alter function app.key_permissions(ops.api_key) owner to curestry_definer;
revoke execute on function app.key_permissions(ops.api_key) from public;
comment on function app.key_permissions(ops.api_key) is
  'The permissions of an API key: those of its scopes that its maker has too, now.';
--! EndIncluded app/functions/key_permissions.sql
--! Included app/functions/begin_request.sql
/*
 * The first statement of every transaction of the gateway. What it gets is a credential, not a claim: user, organization
 * and permissions are looked up here, each time, so that a revocation or a demotion acts with the next request.
 *
 * The settings are local to the transaction. The gateway sets the role itself afterwards: "set role" is refused inside a
 * definer function.
 */
create or replace function app.begin_request(session_jwt_id text, api_key_hash text, organization_slug text, request_id text) returns void
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_user integer;
  v_session integer;
  v_key uuid;
  v_organization uuid;
  v_permissions text[] := '{}';
begin
  if api_key_hash is not null then
    select k.organization_id, k.id, k.user_id, app.key_permissions(k)
      into v_organization, v_key, v_user, v_permissions
      from ops.api_key k
     where k.key_hash = api_key_hash and not k.is_revoked and (k.expires_at is null or k.expires_at > now());
    if not found then
      perform app.refuse('CU001', 'These credentials are not valid');
    end if;
    if organization_slug is not null
       and not exists (select from ops.organization o where o.id = v_organization and o.slug = organization_slug) then
      perform app.refuse('CU002', 'This API key belongs to another organization than X-Curestry-Organization names');
    end if;

  elsif session_jwt_id is not null then
    select s.id, s.user_id
      into v_session, v_user
      from core.sessions s
     where s.jwt_id = session_jwt_id and s.expires_at > now() and s.revoked_at is null;
    if not found then
      perform app.refuse('CU001', 'These credentials are not valid');
    end if;
    select m.organization_id, app.role_permissions(m.role)
      into v_organization, v_permissions
      from ops.organization o
      join ops.organization_user m on m.organization_id = o.id and m.user_id = v_user and m.status = 'active'
     where case when organization_slug is null then o.personal_user_id = v_user else o.slug = organization_slug end;
    if not found and organization_slug is not null then
      perform app.refuse('CU002', 'You are not an active member of the organization that X-Curestry-Organization names');
    end if;
  end if;

  perform set_config('curestry.user_id', coalesce(v_user::text, ''), true),
          set_config('curestry.session_id', coalesce(v_session::text, ''), true),
          set_config('curestry.api_key_id', coalesce(v_key::text, ''), true),
          set_config('curestry.organization_id', coalesce(v_organization::text, ''), true),
          set_config('curestry.permissions', ' ' || array_to_string(v_permissions, ' ') || ' ', true),
          set_config('curestry.request_id', coalesce(left(request_id, 128), ''), true);
end;
$$;
alter function app.begin_request(text, text, text, text) owner to curestry_definer;
revoke execute on function app.begin_request(text, text, text, text) from public;
grant execute on function app.begin_request(text, text, text, text) to curestry_gateway;
comment on function app.begin_request(text, text, text, text) is
  'Verifies the credential of a request and sets, for this transaction, its user, organization, permissions and request id.';
--! EndIncluded app/functions/begin_request.sql
--! Included app/functions/visible_user_ids.sql
create or replace function app.visible_user_ids() returns integer[]
language sql stable security definer set search_path = '' as $$
  select array(select m.user_id from ops.organization_user m where m.organization_id = app.organization_if('members:read')
               union select app.session_user_id() where app.session_user_id() is not null);
$$;
alter function app.visible_user_ids() owner to curestry_definer;
revoke execute on function app.visible_user_ids() from public;
grant execute on function app.visible_user_ids() to curestry_member;
comment on function app.visible_user_ids() is
  'The users whom the current request may see: the one who makes it in person, and the members of its organization if it may read members.';
--! EndIncluded app/functions/visible_user_ids.sql
--! Included app/functions/analyst_organizations.sql
/* Reads session_user and no setting: whoever has SQL can set settings, nobody can set who has logged in. */
create or replace function app.analyst_organizations() returns uuid[]
language sql stable security definer set search_path = '' as $$
  select array(select g.organization_id from ops.analyst_grant g where g.role_name = session_user);
$$;
alter function app.analyst_organizations() owner to curestry_definer;
revoke execute on function app.analyst_organizations() from public;
grant execute on function app.analyst_organizations() to curestry_analyst;
comment on function app.analyst_organizations() is
  'The organizations that were granted to the analyst who has logged in.';
--! EndIncluded app/functions/analyst_organizations.sql
--! Included app/functions/analyst_user_ids.sql
create or replace function app.analyst_user_ids() returns integer[]
language sql stable security definer set search_path = '' as $$
  select array(select distinct m.user_id
                 from ops.analyst_grant g
                 join ops.organization_user m on m.organization_id = g.organization_id
                where g.role_name = session_user);
$$;
alter function app.analyst_user_ids() owner to curestry_definer;
revoke execute on function app.analyst_user_ids() from public;
grant execute on function app.analyst_user_ids() to curestry_analyst;
comment on function app.analyst_user_ids() is
  'The members of the organizations that were granted to the analyst who has logged in.';
--! EndIncluded app/functions/analyst_user_ids.sql
--! Included app/functions/tg__updated_at.sql
create or replace function app.tg__updated_at() returns trigger
language plpgsql set search_path = '' as $$
begin
  NEW.updated_at := now();
  return NEW;
end;
$$;
revoke execute on function app.tg__updated_at() from public;
comment on function app.tg__updated_at() is 'Trigger: updated_at is the time of the last change.';
--! EndIncluded app/functions/tg__updated_at.sql
--! Included app/functions/tg_audit_log__append_only.sql
create or replace function app.tg_audit_log__append_only() returns trigger
language plpgsql set search_path = '' as $$
begin
  perform app.refuse('CU002', 'The audit log is append-only: nothing in it is changed or removed');
  return null;
end;
$$;
revoke execute on function app.tg_audit_log__append_only() from public;
comment on function app.tg_audit_log__append_only() is 'Trigger: refuses every update, delete and truncate of the audit log.';
--! EndIncluded app/functions/tg_audit_log__append_only.sql
--! Included app/functions/audit_function_name.sql
create or replace function app.audit_function_name(table_name text) returns text
language sql immutable
return 'tg_' || split_part(table_name, '.', 1) || '_' || split_part(table_name, '.', 2) || '__audit';
revoke execute on function app.audit_function_name(text) from public;
comment on function app.audit_function_name(text) is 'The name of the generated audit function of a table, which is in app.';
--! EndIncluded app/functions/audit_function_name.sql
--! Included app/functions/audit_source.sql
/*
 * Writes the body of a table's audit trigger: with the table's columns spelled out, which costs a third less than to_jsonb
 * of whole rows does. The body is a function of the catalogue and of app.audited_table; app.security_findings compares the
 * one that is deployed with the one that would be made now, so a new column cannot be forgotten.
 */
create or replace function app.audit_source(audited app.audited_table) returns text
language plpgsql stable set search_path = '' as $$
declare
  v_state text;
  v_changed text;
  v_differs text;
  v_organization constant text := coalesce('%1$s.' || quote_ident(audited.organization_column), '''00000000-0000-0000-0000-000000000000''::uuid');
  v_who constant text := E'v_user, v_key, v_request';
begin
  -- jsonb_build_object takes at most 100 arguments: 50 columns at a time.
  select string_agg('jsonb_build_object(' || pairs || ')', ' || ' order by part)
    into v_state
    from (select (n - 1) / 50 as part, string_agg(format('%L, %%1$s.%I', attname, attname), ', ' order by n) as pairs
            from (select a.attname, row_number() over (order by a.attnum) as n
                    from pg_catalog.pg_attribute a
                   where a.attrelid = audited.table_name::regclass and a.attnum > 0 and not a.attisdropped
                     and a.attname <> all (audited.secret_columns)) c
           group by 1) p;
  select string_agg(format('case when n.%1$I is distinct from o.%1$I then %1$L end', a.attname), ', ' order by a.attname),
         string_agg(format('n.%1$I is distinct from o.%1$I', a.attname), ' or ' order by a.attnum)
           filter (where a.attname <> all (audited.note_columns))
    into v_changed, v_differs
    from pg_catalog.pg_attribute a
   where a.attrelid = audited.table_name::regclass and a.attnum > 0 and not a.attisdropped and a.attgenerated = '';

  return format($body$
declare
  v_user constant integer := nullif(current_setting('curestry.user_id', true), '')::integer;
  v_key constant uuid := nullif(current_setting('curestry.api_key_id', true), '')::uuid;
  v_request constant text := nullif(current_setting('curestry.request_id', true), '');
begin
  if TG_OP = 'INSERT' then
    insert into ops.audit_log (actor_user_id, actor_api_key_id, request_id, organization_id, action, entity_type, entity_id, after_state)
    %1$s;
  elsif TG_OP = 'UPDATE' then
    insert into ops.audit_log (actor_user_id, actor_api_key_id, request_id, organization_id, action, entity_type, entity_id,
                               before_state, after_state, changed_columns)
    select v_user, v_key, v_request, %2$s, 'update', %3$L, n.%4$I, %5$s, %6$s,
           array_remove(array[%7$s]::text[], null)
      from new_rows n
      join old_rows o on o.%4$I = n.%4$I%8$s
     where %9$s;
  elsif TG_OP = 'DELETE' then
    insert into ops.audit_log (actor_user_id, actor_api_key_id, request_id, organization_id, action, entity_type, entity_id, before_state)
    select v_user, v_key, v_request, %10$s, 'delete', %3$L, o.%4$I, %5$s
      from old_rows o;
  else -- truncate: no rows are given; the statement itself is the event
    insert into ops.audit_log (actor_user_id, actor_api_key_id, request_id, organization_id, action, entity_type, entity_id)
    values (v_user, v_key, v_request, '00000000-0000-0000-0000-000000000000', 'truncate', %3$L, '*');
  end if;
  return null;
end;
$body$,
    case
      when audited.summarize_inserts then format(
        'select v_user, v_key, v_request, n.organization_id, ''insert'', %L,'
        || E'\n           case when count(*) = 1 then min(n.%2$I::text) else count(*) || '' rows'' end, jsonb_build_object(''rows'', count(*))'
        || E'\n      from new_rows n\n     group by n.organization_id', audited.table_name, audited.id_column)
      else format('select v_user, v_key, v_request, %s, ''insert'', %L, n.%I, %s', format(v_organization, 'n'), audited.table_name,
                  audited.id_column, format(v_state, 'n')) || E'\n      from new_rows n'
    end,
    format(v_organization, 'n'), audited.table_name, audited.id_column, format(v_state, 'o'), format(v_state, 'n'), v_changed,
    case when audited.organization_column <> audited.id_column
         then format(' and o.%1$I = n.%1$I', audited.organization_column) else '' end,
    v_differs, format(v_organization, 'o'));
end;
$$;
revoke execute on function app.audit_source(app.audited_table) from public;
comment on function app.audit_source(app.audited_table) is 'The body of the audit trigger of a table, as it would be made now.';
--! EndIncluded app/functions/audit_source.sql
--! Included app/functions/audit_table.sql
/*
 * Puts the audit triggers on a table; called in the file of each table, and again whenever its columns change. A table's
 * own name stands in the generated function: TG_TABLE_NAME would be the shard's on a distributed table.
 */
create or replace function app.audit_table(
  audited regclass, organization_column text default 'organization_id', id_column text default 'id',
  secret_columns text[] default '{}', note_columns text[] default '{}', summarize_inserts boolean default false
) returns void
language plpgsql set search_path = '' as $$
declare
  v_event text;
  v_table app.audited_table;
  v_function text;
begin
  select n.nspname || '.' || c.relname, audit_table.organization_column, audit_table.id_column, audit_table.secret_columns,
         audit_table.note_columns, audit_table.summarize_inserts
    into v_table
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
   where c.oid = audited;
  insert into app.audited_table select v_table.*
  on conflict on constraint pk_audited_table do update
    set organization_column = excluded.organization_column, id_column = excluded.id_column,
        secret_columns = excluded.secret_columns, note_columns = excluded.note_columns, summarize_inserts = excluded.summarize_inserts;

  v_function := app.audit_function_name(v_table.table_name);
  execute format('create or replace function app.%I() returns trigger language plpgsql security definer set search_path = '''' as %L',
    v_function, app.audit_source(v_table));
  execute format('alter function app.%I() owner to curestry_definer', v_function);
  execute format('revoke execute on function app.%I() from public', v_function);
  execute format('comment on function app.%I() is %L', v_function,
    'Trigger, generated by app.audit_table: records the changes of ' || v_table.table_name || ' in ops.audit_log.');
  foreach v_event in array array['insert', 'update', 'delete', 'truncate'] loop
    execute format('create or replace trigger %I after %I on %s %s for each statement execute function app.%I()',
      '_900_audit_' || v_event, v_event, audited,
      case v_event when 'insert' then 'referencing new table as new_rows'
                   when 'update' then 'referencing old table as old_rows new table as new_rows'
                   when 'delete' then 'referencing old table as old_rows' else '' end,
      v_function);
  end loop;
end;
$$;
revoke execute on function app.audit_table(regclass, text, text, text[], text[], boolean) from public;
comment on function app.audit_table(regclass, text, text, text[], text[], boolean) is
  'Puts the audit triggers on a table, generated for its columns; called in the file of each table.';
--! EndIncluded app/functions/audit_table.sql
--! Included app/functions/tg__mart_marks.sql
/* Marks are written by the statement that changes facts; nothing is queued or notified inside a writer's transaction. */
create or replace function app.tg__mart_marks() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if TG_OP <> 'INSERT' then
    insert into app.mart_mark (organization_id, hour)
    select distinct organization_id, date_trunc('hour', occurred_at, 'UTC') from old_rows;
  end if;
  if TG_OP <> 'DELETE' then
    insert into app.mart_mark (organization_id, hour)
    select distinct organization_id, date_trunc('hour', occurred_at, 'UTC') from new_rows;
  end if;
  return null;
end;
$$;
alter function app.tg__mart_marks() owner to curestry_definer;
revoke execute on function app.tg__mart_marks() from public;
comment on function app.tg__mart_marks() is 'Trigger: marks the hours whose facts changed, for the worker to bring the marts up to date.';
--! EndIncluded app/functions/tg__mart_marks.sql
--! Included app/functions/mark_table.sql
create or replace function app.mark_table(marked regclass) returns void
language plpgsql set search_path = '' as $$
declare
  v_event text;
begin
  foreach v_event in array array['insert', 'update', 'delete'] loop
    execute format('create or replace trigger %I after %s on %s %s for each statement execute function app.tg__mart_marks()',
      '_800_mart_marks_' || v_event, v_event, marked,
      case v_event when 'insert' then 'referencing new table as new_rows'
                   when 'update' then 'referencing old table as old_rows new table as new_rows'
                   else 'referencing old table as old_rows' end);
  end loop;
end;
$$;
revoke execute on function app.mark_table(regclass) from public;
comment on function app.mark_table(regclass) is
  'Puts the triggers on a table that mark what the marts have to take up; called in the file of each table with facts.';
--! EndIncluded app/functions/mark_table.sql
--! Included app/functions/tg_analysis_results__metrics.sql
/*
 * The numbers of a document stand as metrics of its run too, written in the same transaction, so that the two cannot
 * disagree. The keys are reserved: app.analysis_item_problems refuses a metric under one of them that says otherwise.
 */
create or replace function app.tg_analysis_results__metrics() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  insert into ops.analysis_metric (organization_id, analysis_run_id, key, value_num, occurred_at)
  select d.organization_id, d.analysis_run_id, m.key, m.value_num::numeric, d.occurred_at
    from new_rows d,
         lateral (values
           ('overall_score', d.overall_score), ('judge_score', d.judge_score), ('semantic_entropy', d.semantic_entropy),
           ('complexity_score', d.complexity_score), ('length_chars', d.length_chars), ('length_words', d.length_words)
         ) as m (key, value_num)
  on conflict (organization_id, analysis_run_id, key) do update
    set value_num = excluded.value_num, value_text = null, value_json = null;
  return null;
end;
$$;
alter function app.tg_analysis_results__metrics() owner to curestry_definer;
revoke execute on function app.tg_analysis_results__metrics() from public;
comment on function app.tg_analysis_results__metrics() is 'Trigger: mirrors the numbers of an analysis document into the metrics of its run.';
--! EndIncluded app/functions/tg_analysis_results__metrics.sql
--! Included app/functions/tg_analysis_run__life.sql
/* The one place that says which step of a run's life is allowed. */
create or replace function app.tg_analysis_run__life() returns trigger
language plpgsql set search_path = '' as $$
begin
  if NEW.status <> OLD.status and not (OLD.status, NEW.status) in (
       ('queued', 'running'), ('queued', 'cancelled'), ('queued', 'failed'),
       ('running', 'succeeded'), ('running', 'failed'), ('running', 'cancelled')) then
    perform app.refuse('CU005', format('An analysis run that is %s cannot become %s', OLD.status, NEW.status), 'status', 'analysis_run_life');
  end if;
  if OLD.started_at is not null and NEW.started_at is distinct from OLD.started_at then
    perform app.refuse('CU005', format('An analysis run starts once, and this one is %s', OLD.status), 'startedAt', 'analysis_run_life');
  end if;
  if OLD.finished_at is not null and NEW.finished_at is distinct from OLD.finished_at then
    perform app.refuse('CU005', format('An analysis run ends once, and this one is %s', OLD.status), 'finishedAt', 'analysis_run_life');
  end if;
  return NEW;
end;
$$;
revoke execute on function app.tg_analysis_run__life() from public;
comment on function app.tg_analysis_run__life() is
  'Trigger: queued to running, cancelled or failed; running to succeeded, failed or cancelled; nothing else.';
--! EndIncluded app/functions/tg_analysis_run__life.sql
--! Included app/functions/tg_prompt_relations__no_cycle.sql
/*
 * "depends_on" leads nowhere back to where it began. One writer of an organization's relations at a time: two that each add
 * half of a cycle would not see each other's half.
 */
create or replace function app.tg_prompt_relations__no_cycle() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  v_cycle text;
begin
  perform pg_advisory_xact_lock(hashtextextended('curestry prompt relations ' || NEW.organization_id, 0));
  with recursive reached (id, path) as (
    select NEW.target_id, array[NEW.source_id, NEW.target_id]::text[]
    union all
    select r.target_id, d.path || r.target_id::text
      from reached d
      join core.prompt_relations r
        on r.organization_id = NEW.organization_id and r.source_id = d.id and r.relation_type = 'depends_on' and r.id <> NEW.id
     where not d.id = any (d.path[:cardinality(d.path) - 1])
  )
  select array_to_string(d.path, ' → ') into v_cycle from reached d where d.id = NEW.source_id limit 1;
  if found then
    perform app.refuse('CU004', format('This prompt would depend on itself: %s', v_cycle), 'targetId', 'prompt_relations_no_cycle');
  end if;
  return NEW;
end;
$$;
alter function app.tg_prompt_relations__no_cycle() owner to curestry_definer;
revoke execute on function app.tg_prompt_relations__no_cycle() from public;
comment on function app.tg_prompt_relations__no_cycle() is 'Trigger: no prompt depends on itself, over any number of steps.';
--! EndIncluded app/functions/tg_prompt_relations__no_cycle.sql
--! Included app/functions/tg_workflow_runs__end.sql
/* The one place that says which step of a workflow run's life is allowed. */
create or replace function app.tg_workflow_runs__end() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if OLD.status <> 'running' and NEW.status <> OLD.status then
    perform app.refuse('CU005', format('A workflow run that is %s cannot become %s', OLD.status, NEW.status), 'status', 'workflow_run_life');
  end if;
  if NEW.status = 'success' and OLD.status = 'running' then
    -- Nodes that are written now wait, or are seen.
    perform from core.workflow_nodes n where n.organization_id = NEW.organization_id and n.run_id = NEW.id for share;
    if exists (select from core.workflow_nodes n
                where n.organization_id = NEW.organization_id and n.run_id = NEW.id and n.status in ('pending', 'running')) then
      perform app.refuse('CU005', 'A workflow run cannot succeed while a node of it is pending or running', 'status', 'workflow_run_life');
    end if;
  end if;
  return NEW;
end;
$$;
alter function app.tg_workflow_runs__end() owner to curestry_definer;
revoke execute on function app.tg_workflow_runs__end() from public;
comment on function app.tg_workflow_runs__end() is
  'Trigger: running to success, failed or cancelled and nothing else; success only when every node has ended.';
--! EndIncluded app/functions/tg_workflow_runs__end.sql
--! Included app/functions/tg_workflow_nodes__life.sql
create or replace function app.tg_workflow_nodes__life() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  v_status text;
begin
  -- The run's row is locked, so that it cannot end at the same moment.
  select r.status into v_status from core.workflow_runs r
   where r.organization_id = NEW.organization_id and r.id = NEW.run_id for share;
  if found and v_status <> 'running' and NEW.status in ('pending', 'running') then
    perform app.refuse('CU005', format('The workflow run is %s: none of its nodes can be %s', v_status, NEW.status), 'status', 'workflow_node_life');
  end if;
  if TG_OP = 'UPDATE' and NEW.status <> OLD.status and not (OLD.status, NEW.status) in (
       ('pending', 'running'), ('pending', 'success'), ('pending', 'failed'), ('running', 'success'), ('running', 'failed')) then
    perform app.refuse('CU005', format('A workflow node that is %s cannot become %s', OLD.status, NEW.status), 'status', 'workflow_node_life');
  end if;
  return NEW;
end;
$$;
alter function app.tg_workflow_nodes__life() owner to curestry_definer;
revoke execute on function app.tg_workflow_nodes__life() from public;
comment on function app.tg_workflow_nodes__life() is
  'Trigger: pending to running, success or failed; running to success or failed; and no open node in a run that has ended.';
--! EndIncluded app/functions/tg_workflow_nodes__life.sql
--! Included app/functions/tg_judge_rubric__frozen.sql
/*
 * Once a score was given by a rubric, the rubric stays as it is, so that the score always means what it meant: on judge_rubric
 * and judge_criterion. The rubric's row is locked first; a score takes a share lock on its criterion by its foreign key.
 */
create or replace function app.tg_judge_rubric__frozen() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  v_organization constant uuid := case TG_OP when 'INSERT' then NEW.organization_id else OLD.organization_id end;
  v_rubric uuid;
begin
  if TG_TABLE_NAME = 'judge_rubric' then
    v_rubric := OLD.id;
  else
    -- By name, because this function serves two types of rows
    v_rubric := to_jsonb(case TG_OP when 'INSERT' then NEW else OLD end) ->> 'rubric_id';
  end if;
  if TG_TABLE_NAME = 'judge_criterion' then
    perform from ops.judge_rubric r where r.organization_id = v_organization and r.id = v_rubric for no key update;
  end if;
  if exists (select from ops.judge_criterion c
               join ops.judge_score s on s.organization_id = c.organization_id and s.criterion_id = c.id
              where c.organization_id = v_organization and c.rubric_id = v_rubric)
     -- What goes with its organization goes.
     and exists (select from ops.organization o where o.id = v_organization) then
    perform app.refuse('CU005', 'Scores were given by this rubric, so it stays as it is: make a new version of it (reviseJudgeRubric)', 'id', 'judge_rubric_frozen');
  end if;
  return case TG_OP when 'DELETE' then OLD else NEW end;
end;
$$;
alter function app.tg_judge_rubric__frozen() owner to curestry_definer;
revoke execute on function app.tg_judge_rubric__frozen() from public;
comment on function app.tg_judge_rubric__frozen() is 'Trigger: a rubric by which scores were given, and its criteria, do not change.';
--! EndIncluded app/functions/tg_judge_rubric__frozen.sql
--! Included app/functions/tg_judge_score__rubric.sql
/*
 * A score and a change of its rubric come one after the other: whichever is second waits, and a change that comes second is
 * refused. Many scores at once do not wait for each other.
 */
create or replace function app.tg_judge_score__rubric() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  perform from ops.judge_rubric r
    where (r.organization_id, r.id) in (
      select c.organization_id, c.rubric_id
        from new_rows s
        join ops.judge_criterion c on c.organization_id = s.organization_id and c.id = s.criterion_id)
      for share;
  return null;
end;
$$;
alter function app.tg_judge_score__rubric() owner to curestry_definer;
revoke execute on function app.tg_judge_score__rubric() from public;
comment on function app.tg_judge_score__rubric() is 'Trigger: locks the rubrics of new scores against change until the scores are there or not.';
--! EndIncluded app/functions/tg_judge_score__rubric.sql
--! Included app/functions/tg_api_key__life.sql
create or replace function app.tg_api_key__life() returns trigger
language plpgsql set search_path = '' as $$
begin
  if OLD.is_revoked and (not NEW.is_revoked or NEW.revoked_at is distinct from OLD.revoked_at) then
    perform app.refuse('CU005', 'A revoked API key stays revoked', 'isRevoked', 'api_key_life');
  end if;
  if (NEW.key_hash, NEW.scopes, NEW.user_id, NEW.by_operator, NEW.parent_key_id)
     is distinct from (OLD.key_hash, OLD.scopes, OLD.user_id, OLD.by_operator, OLD.parent_key_id)
     -- What "on delete set null" does to the keys of a deleted user; they then may nothing.
     and (NEW.key_hash, NEW.scopes, NEW.user_id, NEW.by_operator, NEW.parent_key_id)
         is distinct from (OLD.key_hash, OLD.scopes, null, OLD.by_operator, OLD.parent_key_id) then
    perform app.refuse('CU005', 'What an API key is and may do cannot change; make another one', 'id', 'api_key_life');
  end if;
  return NEW;
end;
$$;
revoke execute on function app.tg_api_key__life() from public;
comment on function app.tg_api_key__life() is
  'Trigger: revocation cannot be undone, and a key''s secret, scopes and maker cannot change.';
--! EndIncluded app/functions/tg_api_key__life.sql
--! Included app/functions/tg_organization_user__owner.sql
/*
 * An organization keeps an active owner, whichever door the change comes through. The organization's row is locked before
 * the owners are counted: of two owners who leave at the same instant, the second waits, and then is the last.
 */
create or replace function app.tg_organization_user__owner() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if OLD.role = 'owner' and OLD.status = 'active' then
    perform from ops.organization o where o.id = OLD.organization_id for no key update;
    -- An organization that is itself deleted needs none.
    if found and not exists (
         select from ops.organization_user m
          where m.organization_id = OLD.organization_id and m.role = 'owner' and m.status = 'active') then
      perform app.refuse('CU005', 'An organization keeps an active owner: make somebody else an owner first', 'role', 'organization_owner');
    end if;
  end if;
  return null;
end;
$$;
alter function app.tg_organization_user__owner() owner to curestry_definer;
revoke execute on function app.tg_organization_user__owner() from public;
comment on function app.tg_organization_user__owner() is 'Trigger: the last active owner of an organization stays.';
--! EndIncluded app/functions/tg_organization_user__owner.sql
--! Included app/functions/resolve_scores.sql
/* The judge scores of items, one row each, with the criterion that rubric name and key mean; null if there is none. */
create or replace function app.resolve_scores(organization uuid, items ops.analysis_item[])
returns table (n bigint, rubric text, criterion text, criterion_id uuid, score numeric, comment text, evidence jsonb)
language sql stable security definer set search_path = '' as $$
  select i.ordinality, s.rubric, s.criterion, c.id, s.score, s.comment, s.evidence
    from unnest(items) with ordinality as i, lateral unnest(i.scores) as s
    left join lateral (
      select c.id
        from ops.judge_rubric r
        join ops.judge_criterion c on c.organization_id = r.organization_id and c.rubric_id = r.id
       where r.organization_id = organization and r.name = s.rubric and c.key = s.criterion
       order by r.version desc
       limit 1) c on true;
$$;
alter function app.resolve_scores(uuid, ops.analysis_item[]) owner to curestry_definer;
revoke execute on function app.resolve_scores(uuid, ops.analysis_item[]) from public;
comment on function app.resolve_scores(uuid, ops.analysis_item[]) is
  'The judge scores of items with the criterion that they mean: of the newest version of the rubric with that name.';
--! EndIncluded app/functions/resolve_scores.sql
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
 * statement a table for any number of runs. The arrays go together: items[n] belongs to run_ids[n], whose text is contents[n]
 * and whose time is times[n].
 */
create or replace function app.store_analysis_facts(organization uuid, run_ids uuid[], contents text[], times timestamptz[], items ops.analysis_item[])
returns void
language plpgsql volatile security definer set search_path = '' as $$
begin
  insert into core.analysis_results
    (organization_id, analysis_run_id, prompt_id, prompt_content, detected_language, translated, format_valid,
     overall_score, judge_score, semantic_entropy, complexity_score, length_chars, length_words,
     contradictions, patches, clarify_questions, analysis_extra_metadata, occurred_at)
  select organization, i.run_id, i.prompt_id, i.content,
         (i.result).detected_language, coalesce((i.result).translated, false), coalesce((i.result).format_valid, true),
         (i.result).overall_score, (i.result).judge_score, (i.result).semantic_entropy, (i.result).complexity_score,
         coalesce((i.result).length_chars, char_length(i.content)),
         coalesce((i.result).length_words, (select count(*) from regexp_matches(i.content, '\S+', 'g'))),
         coalesce((i.result).contradictions, '[]'), coalesce((i.result).patches, '[]'),
         coalesce((i.result).clarify_questions, '[]'), coalesce((i.result).extra_metadata, '{}'), i.occurred_at
    from rows from (unnest(run_ids), unnest(contents), unnest(times), unnest(items))
           as i (run_id, content, occurred_at, idempotency_key, prompt_id, prompt_content, status, started_at, finished_at, meta,
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
alter function app.store_analysis_facts(uuid, uuid[], text[], timestamptz[], ops.analysis_item[]) owner to curestry_definer;
revoke execute on function app.store_analysis_facts(uuid, uuid[], text[], timestamptz[], ops.analysis_item[]) from public;
comment on function app.store_analysis_facts(uuid, uuid[], text[], timestamptz[], ops.analysis_item[]) is
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
  v_new uuid[];
  v_new_at integer[];
  v_times timestamptz[];
  v_answer ops.record_outcome[];
begin
  select array_agg(gen_random_uuid() order by i.ordinality),
         array_agg(sha256(convert_to((to_jsonb(i) - 'ordinality' - 'idempotency_key')::text, 'UTF8')) order by i.ordinality),
         array_agg(coalesce(i.prompt_content,
                            (select p.content from core.prompts p where p.organization_id = organization and p.id = i.prompt_id))
                   order by i.ordinality)
    into v_ids, v_digests, v_contents
    from unnest(items) with ordinality as i;

  with run as (
    insert into ops.analysis_run (id, organization_id, user_id, prompt_id, prompt_content, status, started_at, finished_at, meta,
                                  idempotency_key, request_digest)
    select i.id, organization, store_analyses.user_id, i.prompt_id,
           -- The document holds the content; a run without one holds it itself.
           case when i.result is not distinct from null then i.content end,
           s.status,
           case when s.status <> 'queued' then coalesce(i.started_at, i.finished_at, now()) else i.started_at end,
           case when s.status in ('succeeded', 'failed', 'cancelled') then coalesce(i.finished_at, now()) else i.finished_at end,
           coalesce(i.meta, '{}'), i.idempotency_key, i.digest
      from rows from (unnest(v_ids), unnest(v_contents), unnest(v_digests), unnest(items))
             as i (id, content, digest, idempotency_key, prompt_id, prompt_content, status, started_at, finished_at, meta,
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
      perform app.store_analysis_facts(organization, v_new, v_contents, v_times, items);
    else
      perform app.store_analysis_facts(organization, v_new,
        array(select v_contents[at] from unnest(v_new_at) as at), v_times, array(select items[at] from unnest(v_new_at) as at));
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
--! Included app/functions/record_analyses.sql
create or replace function app.record_analyses(organization uuid, user_id integer, items ops.analysis_item[])
returns ops.record_outcome[]
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_problems constant text[] := app.analysis_item_problems(organization, items);
  v_answer ops.record_outcome[];
  v_state text; v_message text; v_schema text; v_table text; v_constraint text; v_column text;
begin
  -- The whole batch at once, if it looks good: no known problem, no key twice.
  if array_remove(v_problems, null) = '{}'
     and not exists (select from unnest(items) as i where i.idempotency_key is not null group by i.idempotency_key having count(*) > 1) then
    begin
      return app.store_analyses(organization, record_analyses.user_id, items);
    exception
      when integrity_constraint_violation or data_exception then null; -- one of them is bad: find out which
    end;
  end if;

  for n in 1 .. cardinality(items) loop
    begin
      if v_problems[n] is not null then
        v_answer[n] := row('invalid', null, v_problems[n])::ops.record_outcome;
      else
        v_answer[n] := (app.store_analyses(organization, record_analyses.user_id, items[n:n]))[1];
      end if;
    exception when integrity_constraint_violation or data_exception then
      get stacked diagnostics v_state = returned_sqlstate, v_message = message_text, v_schema = schema_name,
        v_table = table_name, v_constraint = constraint_name, v_column = column_name;
      v_answer[n] := row('invalid', null,
        app.violation_message(v_state, v_message, v_schema, v_table, v_constraint, v_column))::ops.record_outcome;
    end;
  end loop;
  return v_answer;
end;
$$;
alter function app.record_analyses(uuid, integer, ops.analysis_item[]) owner to curestry_definer;
revoke execute on function app.record_analyses(uuid, integer, ops.analysis_item[]) from public;
comment on function app.record_analyses(uuid, integer, ops.analysis_item[]) is
  'Records analyses of an organization; one bad item does not stop the others. Behind ops.record_analyses and the import.';
--! EndIncluded app/functions/record_analyses.sql
--! Included app/functions/end_analysis_run.sql
create or replace function app.end_analysis_run(run_id uuid, end_status text, note jsonb) returns ops.analysis_run
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_organization constant uuid := app.require('analyses:write');
  v_run ops.analysis_run;
begin
  update ops.analysis_run r
     set status = end_status, finished_at = now(),
         started_at = case when end_status = 'cancelled' then r.started_at else coalesce(r.started_at, now()) end,
         meta = r.meta || coalesce(note, '{}')
   where r.organization_id = v_organization and r.id = run_id
  returning r.* into v_run;
  if not found then
    perform app.refuse('CU003', format('There is no analysis run %s in this organization', run_id), 'id');
  end if;
  return v_run;
end;
$$;
alter function app.end_analysis_run(uuid, text, jsonb) owner to curestry_definer;
revoke execute on function app.end_analysis_run(uuid, text, jsonb) from public;
comment on function app.end_analysis_run(uuid, text, jsonb) is
  'Ends a run of the request''s organization; the life of a run decides whether it may.';
--! EndIncluded app/functions/end_analysis_run.sql
--! Included app/functions/check_rank.sql
/* Owners alone hold organization:write; so who lacks it may not touch admins and owners, nor make any. */
create or replace function app.check_rank(variadic roles text[]) returns void
language plpgsql stable set search_path = '' as $$
begin
  if ('admin' = any (roles) or 'owner' = any (roles)) and app.organization_if('organization:write') is null then
    perform app.refuse('CU002', 'Only an owner manages admins and owners', 'role');
  end if;
end;
$$;
revoke execute on function app.check_rank(text[]) from public;
grant execute on function app.check_rank(text[]) to curestry_definer;
comment on function app.check_rank(text[]) is 'Refuses (CU002) who is no owner, if one of these roles is admin or owner.';
--! EndIncluded app/functions/check_rank.sql
--! Included app/functions/lock_member.sql
/* The organization's row is locked first, by everything that changes its members: so they are changed one after the other. */
create or replace function app.lock_member(organization uuid, member_user_id integer) returns ops.organization_user
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_member ops.organization_user;
begin
  perform from ops.organization o where o.id = organization for no key update;
  select m.* into v_member from ops.organization_user m
   where m.organization_id = organization and m.user_id = member_user_id and m.status <> 'removed';
  if not found then
    perform app.refuse('CU003', format('There is no member %s in this organization', member_user_id), 'userId');
  end if;
  return v_member;
end;
$$;
alter function app.lock_member(uuid, integer) owner to curestry_definer;
revoke execute on function app.lock_member(uuid, integer) from public;
comment on function app.lock_member(uuid, integer) is
  'A member, active or invited, of an organization whose members nobody else can change until the transaction ends.';
--! EndIncluded app/functions/lock_member.sql
--! Included app/functions/organization_by_slug.sql
create or replace function app.organization_by_slug(organization_slug text) returns uuid
language plpgsql stable security definer set search_path = '' as $$
declare
  v_organization uuid;
begin
  select o.id into v_organization from ops.organization o where o.slug = organization_slug;
  if not found then
    perform app.refuse('CU003', format('There is no organization with the slug %L', organization_slug), 'organization');
  end if;
  return v_organization;
end;
$$;
alter function app.organization_by_slug(text) owner to curestry_definer;
revoke execute on function app.organization_by_slug(text) from public;
grant execute on function app.organization_by_slug(text) to curestry_owner;
comment on function app.organization_by_slug(text) is 'The id of the organization with this slug; refuses an unknown one. For operators.';
--! EndIncluded app/functions/organization_by_slug.sql
--! Included app/functions/ensure_user.sql
create or replace function app.ensure_user(user_email text) returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_user integer;
  v_organization uuid;
begin
  select u.id into v_user from core.users u where lower(u.email) = lower(user_email);
  if found then
    return v_user;
  end if;
  insert into core.users (email) values (user_email)
  on conflict do nothing
  returning id into v_user;
  if not found then -- made at the same moment by another connection
    select u.id into strict v_user from core.users u where lower(u.email) = lower(user_email);
    return v_user;
  end if;
  insert into ops.organization (name, slug, personal_user_id) values (user_email, 'user-' || v_user, v_user)
  returning id into v_organization;
  insert into ops.organization_user (organization_id, user_id, role) values (v_organization, v_user, 'owner');
  return v_user;
end;
$$;
alter function app.ensure_user(text) owner to curestry_definer;
revoke execute on function app.ensure_user(text) from public;
comment on function app.ensure_user(text) is
  'The user with this e-mail address; made, with a personal organization, if there is none.';
--! EndIncluded app/functions/ensure_user.sql
--! Included app/functions/create_organization.sql
create or replace function app.create_organization(organization_slug text, organization_name text, owner_email text)
returns table (id uuid, slug text, name text, owner_user_id integer)
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_user integer;
  v_organization ops.organization;
begin
  if exists (select from ops.organization o where o.slug = organization_slug) then
    -- An organization that nobody owns (the one for ownerless rows of the old backends) can be taken over.
    select o.* into v_organization from ops.organization o
     where o.slug = organization_slug
       and not exists (select from ops.organization_user m where m.organization_id = o.id and m.role = 'owner' and m.status = 'active')
       for update;
    if not found then
      perform app.refuse('CU005', format('There is an organization with the slug %L already', organization_slug), 'slug', 'unq_organization_slug');
    end if;
    update ops.organization o set name = organization_name where o.id = v_organization.id returning o.* into v_organization;
  else
    insert into ops.organization (name, slug) values (organization_name, organization_slug) returning * into v_organization;
  end if;
  v_user := app.ensure_user(owner_email);
  insert into ops.organization_user (organization_id, user_id, role) values (v_organization.id, v_user, 'owner')
  on conflict on constraint unq_organization_user_user_id do update set role = 'owner', status = 'active';
  return query select v_organization.id, v_organization.slug::text, v_organization.name::text, v_user;
end;
$$;
alter function app.create_organization(text, text, text) owner to curestry_definer;
revoke execute on function app.create_organization(text, text, text) from public;
grant execute on function app.create_organization(text, text, text) to curestry_owner;
comment on function app.create_organization(text, text, text) is
  'Makes an organization and, if new, the account of its owner. For operators.';
--! EndIncluded app/functions/create_organization.sql
--! Included app/functions/create_api_key.sql
/*
 * cur_<key id>_<secret><checksum>: the id tells a leaked key's owner which one it is, the secret has 256 bits, and the
 * checksum (the start of the SHA-256 of what stands before it) lets a gateway refuse a mistyped key without asking. Stored
 * is the SHA-256 of the whole: a fast hash is right for a random secret of this length, which nobody can guess.
 */
create or replace function app.create_api_key(
  organization uuid, creator_user_id integer, key_name text, key_scopes text[], valid_until timestamptz, parent_key uuid default null)
returns table (id uuid, key text, name text, scopes jsonb, expires_at timestamptz, created_at timestamptz)
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_id constant uuid := gen_random_uuid();
  v_secret constant text := encode(sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())), 'hex');
  v_start constant text := 'cur_' || replace(v_id::text, '-', '') || '_' || v_secret;
  v_key constant text := v_start || left(encode(sha256(convert_to(v_start, 'UTF8')), 'hex'), 8);
  v_unknown text;
begin
  select s into v_unknown from unnest(key_scopes) as s where s <> all (app.role_permissions('owner')) limit 1;
  if found then
    perform app.refuse('CU004', format('scopes: %L is not a permission; these are: %s', v_unknown,
      array_to_string(app.role_permissions('owner'), ', ')), 'scopes', 'chk_api_key_scopes');
  end if;
  if valid_until <= now() then
    perform app.refuse('CU004', 'expiresAt: must lie in the future', 'expiresAt');
  end if;
  return query
    insert into ops.api_key as k (id, organization_id, user_id, by_operator, parent_key_id, name, key_hash, scopes, expires_at)
    values (v_id, organization, creator_user_id, creator_user_id is null, parent_key, key_name, encode(sha256(convert_to(v_key, 'UTF8')), 'hex'),
            (select coalesce(jsonb_agg(distinct s order by s), '[]') from unnest(key_scopes) as s), valid_until)
    returning k.id, v_key, k.name::text, k.scopes, k.expires_at, k.created_at;
end;
$$;
alter function app.create_api_key(uuid, integer, text, text[], timestamptz, uuid) owner to curestry_definer;
revoke execute on function app.create_api_key(uuid, integer, text, text[], timestamptz, uuid) from public;
grant execute on function app.create_api_key(uuid, integer, text, text[], timestamptz, uuid) to curestry_owner;
comment on function app.create_api_key(uuid, integer, text, text[], timestamptz, uuid) is
  'Makes an API key of an organization and answers it, once: only its hash is stored. Without a creator it is an operator''s.';
--! EndIncluded app/functions/create_api_key.sql
--! Included app/functions/own_api_key.sql
create or replace function app.own_api_key(key_id uuid) returns ops.api_key
language plpgsql stable security definer set search_path = '' as $$
declare
  v_organization constant uuid := app.require('keys:write');
  v_key ops.api_key;
begin
  select k.* into v_key from ops.api_key k where k.organization_id = v_organization and k.id = key_id;
  if not found then
    perform app.refuse('CU003', format('There is no API key %s in this organization', key_id), 'id');
  end if;
  return v_key;
end;
$$;
alter function app.own_api_key(uuid) owner to curestry_definer;
revoke execute on function app.own_api_key(uuid) from public;
comment on function app.own_api_key(uuid) is 'The API key with this id of the request''s organization; needs keys:write.';
--! EndIncluded app/functions/own_api_key.sql
--! Included app/functions/touch_api_key.sql
create or replace function app.touch_api_key(api_key_hash text) returns void
language sql volatile security definer set search_path = '' as $$
  update ops.api_key k set last_used_at = now()
   where k.key_hash = api_key_hash and (k.last_used_at is null or k.last_used_at < now() - interval '1 minute');
$$;
alter function app.touch_api_key(text) owner to curestry_definer;
revoke execute on function app.touch_api_key(text) from public;
grant execute on function app.touch_api_key(text) to curestry_gateway;
comment on function app.touch_api_key(text) is
  'Notes that an API key was used, at most once a minute. The gateway calls it beside the request, not in it.';
--! EndIncluded app/functions/touch_api_key.sql
--! Included app/functions/list_api_keys.sql
create or replace function app.list_api_keys(organization uuid default null)
returns table (id uuid, organization text, name text, scopes jsonb, created_by text, created_at timestamptz, expires_at timestamptz, is_revoked boolean)
language sql stable security definer set search_path = '' as $$
  select k.id, o.slug::text, k.name::text, k.scopes, coalesce(u.email::text, case when k.by_operator then 'operator' end),
         k.created_at, k.expires_at, k.is_revoked
    from ops.api_key k
    join ops.organization o on o.id = k.organization_id
    left join core.users u on u.id = k.user_id
   where list_api_keys.organization is null or k.organization_id = list_api_keys.organization
   order by o.slug, k.created_at, k.id;
$$;
alter function app.list_api_keys(uuid) owner to curestry_definer;
revoke execute on function app.list_api_keys(uuid) from public;
grant execute on function app.list_api_keys(uuid) to curestry_owner;
comment on function app.list_api_keys(uuid) is 'The API keys of one or all organizations, without what could be used. For operators.';
--! EndIncluded app/functions/list_api_keys.sql
--! Included app/functions/revoke_api_key.sql
create or replace function app.revoke_api_key(key_id uuid) returns table (id uuid, name text, revoked_at timestamptz)
language plpgsql volatile security definer set search_path = '' as $$
begin
  if not exists (select from ops.api_key k where k.id = key_id) then
    perform app.refuse('CU003', format('There is no API key %s', key_id), 'id');
  end if;
  update ops.api_key k set is_revoked = true, revoked_at = now() where k.id = key_id and not k.is_revoked;
  return query select k.id, k.name::text, k.revoked_at from ops.api_key k where k.id = key_id;
end;
$$;
alter function app.revoke_api_key(uuid) owner to curestry_definer;
revoke execute on function app.revoke_api_key(uuid) from public;
grant execute on function app.revoke_api_key(uuid) to curestry_owner;
comment on function app.revoke_api_key(uuid) is 'Revokes an API key, for good; from the next request on it is refused. For operators.';
--! EndIncluded app/functions/revoke_api_key.sql
--! Included app/functions/open_session.sql
create or replace function app.open_session(user_email text, lifetime interval)
returns table (user_id integer, jwt_id text, expires_at timestamptz)
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_user integer;
begin
  if lifetime <= interval '0' then
    perform app.refuse('CU004', 'expires: must be more than nothing', 'expires');
  end if;
  select u.id into v_user from core.users u where lower(u.email) = lower(user_email);
  if not found then
    perform app.refuse('CU003', format('There is no user with the e-mail address %L', user_email), 'user');
  end if;
  return query
    insert into core.sessions as s (user_id, jwt_id, expires_at)
    values (v_user, replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), date_trunc('second', now() + lifetime))
    returning s.user_id, s.jwt_id::text, s.expires_at;
end;
$$;
alter function app.open_session(text, interval) owner to curestry_definer;
revoke execute on function app.open_session(text, interval) from public;
grant execute on function app.open_session(text, interval) to curestry_owner;
comment on function app.open_session(text, interval) is 'Opens a session of a user; the token that names its jwt_id is signed outside. For operators.';
--! EndIncluded app/functions/open_session.sql
--! Included app/functions/refresh_session.sql
/* The new session lives as long as the old one was meant to, and the old one ends: a stolen token shows when its owner is refused. */
create or replace function app.refresh_session(session_jwt_id text) returns table (user_id integer, jwt_id text, expires_at timestamptz)
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_old core.sessions;
begin
  update core.sessions s set revoked_at = now()
   where s.jwt_id = session_jwt_id and s.revoked_at is null and s.expires_at > now()
  returning s.* into v_old;
  if not found then
    perform app.refuse('CU001', 'These credentials are not valid');
  end if;
  return query
    insert into core.sessions as s (user_id, jwt_id, expires_at)
    values (v_old.user_id, replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''),
            date_trunc('second', now() + (v_old.expires_at - v_old.created_at)))
    returning s.user_id, s.jwt_id::text, s.expires_at;
end;
$$;
alter function app.refresh_session(text) owner to curestry_definer;
revoke execute on function app.refresh_session(text) from public;
grant execute on function app.refresh_session(text) to curestry_gateway;
comment on function app.refresh_session(text) is 'Ends a session and opens its successor. Behind POST /auth/refresh.';
--! EndIncluded app/functions/refresh_session.sql
--! Included app/functions/grant_analyst.sql
create or replace function app.grant_analyst(analyst name, organization uuid) returns void
language plpgsql volatile security definer set search_path = '' as $$
begin
  if not exists (select from app.list_analysts() a where a.name = analyst) then
    perform app.refuse('CU003', format('There is no analyst named %s', analyst), 'name');
  end if;
  insert into ops.analyst_grant (organization_id, role_name) values (organization, analyst) on conflict do nothing;
end;
$$;
alter function app.grant_analyst(name, uuid) owner to curestry_definer;
revoke execute on function app.grant_analyst(name, uuid) from public;
grant execute on function app.grant_analyst(name, uuid) to curestry_owner;
comment on function app.grant_analyst(name, uuid) is
  'Lets an analyst''s login read an organization, from the next statement on; refuses a role that is no analyst. For operators.';
--! EndIncluded app/functions/grant_analyst.sql
--! Included app/functions/create_analyst.sql
/* Runs with the rights of the administrator who calls it: making a login takes the right to make roles. */
create or replace function app.create_analyst(analyst name, analyst_password text, organization_slugs text[]) returns void
language plpgsql volatile set search_path = '' as $$
declare
  v_organizations uuid[];
begin
  if analyst !~ '^[a-z][a-z0-9_]{0,62}$' then
    perform app.refuse('CU004', 'name: lower-case letters, digits and underscores, starting with a letter, at most 63', 'name');
  end if;
  if analyst ~ '^(curestry|pg)_' then
    perform app.refuse('CU004', 'name: must not start with curestry_ or pg_', 'name');
  end if;
  if coalesce(cardinality(organization_slugs), 0) = 0 then
    perform app.refuse('CU004', 'organization: at least one is required', 'organization');
  end if;
  v_organizations := array(select app.organization_by_slug(s) from unnest(organization_slugs) as s);
  if exists (select from pg_catalog.pg_roles where rolname = analyst) then
    perform app.refuse('CU005', format('There is a role named %s already', analyst), 'name');
  end if;
  execute format('create role %I login connection limit 8 password %L in role curestry_analyst', analyst, analyst_password);
  execute format('alter role %I set default_transaction_read_only = on', analyst);
  execute format('alter role %I set statement_timeout = %L', analyst, '60s');
  execute format('alter role %I set idle_in_transaction_session_timeout = %L', analyst, '10min');
  execute format('comment on role %I is %L', analyst, 'An analyst of Curestry');
  -- What was granted to an earlier login of this name, one that somebody dropped by hand, is not this one's
  perform app.revoke_analyst(analyst, app.organization_by_slug(o))
     from app.list_analysts() a, unnest(a.organizations) as o
    where a.name = analyst;
  perform app.grant_analyst(analyst, o) from unnest(v_organizations) as o;
end;
$$;
revoke execute on function app.create_analyst(name, text, text[]) from public;
comment on function app.create_analyst(name, text, text[]) is
  'Makes an analyst''s login, read-only, on these organizations. For operators who may make roles.';
--! EndIncluded app/functions/create_analyst.sql
--! Included app/functions/revoke_analyst.sql
/* What a login that is gone had been granted can still be revoked; only a name that means nothing is refused. */
create or replace function app.revoke_analyst(analyst name, organization uuid) returns boolean
language plpgsql volatile security definer set search_path = '' as $$
begin
  delete from ops.analyst_grant g where g.organization_id = organization and g.role_name = analyst;
  if found then
    return true;
  end if;
  if not exists (select from app.list_analysts() a where a.name = analyst) then
    perform app.refuse('CU003', format('There is no analyst named %s', analyst), 'name');
  end if;
  return false;
end;
$$;
alter function app.revoke_analyst(name, uuid) owner to curestry_definer;
revoke execute on function app.revoke_analyst(name, uuid) from public;
grant execute on function app.revoke_analyst(name, uuid) to curestry_owner;
comment on function app.revoke_analyst(name, uuid) is
  'Takes an organization away from an analyst''s login, from the next statement on; says whether it had been granted. For operators.';
--! EndIncluded app/functions/revoke_analyst.sql
--! Included app/functions/list_analysts.sql
create or replace function app.list_analysts() returns table (name text, organizations text[], connections bigint)
language sql stable security definer set search_path = '' as $$
  select r.rolname::text,
         coalesce(array_agg(o.slug::text order by o.slug) filter (where o.id is not null), '{}'),
         (select count(*) from pg_catalog.pg_stat_activity a where a.usename = r.rolname)
    from pg_catalog.pg_roles r
    join pg_catalog.pg_auth_members m on m.member = r.oid and m.roleid = 'curestry_analyst'::regrole
    left join ops.analyst_grant g on g.role_name = r.rolname
    left join ops.organization o on o.id = g.organization_id
   where r.rolcanlogin
   group by r.rolname
   order by r.rolname;
$$;
alter function app.list_analysts() owner to curestry_definer;
revoke execute on function app.list_analysts() from public;
grant execute on function app.list_analysts() to curestry_owner;
comment on function app.list_analysts() is 'The analysts'' logins of this server, what each may read in this database, and who is connected. For operators.';
--! EndIncluded app/functions/list_analysts.sql
--! Included app/functions/drop_analyst.sql
/*
 * Runs with the rights of the administrator who calls it. PostgreSQL itself drops a login that is connected, and leaves its
 * sessions in a state that nothing defines: so this refuses to.
 */
create or replace function app.drop_analyst(analyst name) returns void
language plpgsql volatile set search_path = '' as $$
declare
  v_connections bigint;
begin
  select a.connections into v_connections from app.list_analysts() a where a.name = analyst;
  if not found then
    perform app.refuse('CU003', format('There is no analyst named %s', analyst), 'name');
  end if;
  if v_connections > 0 then
    perform app.refuse('CU005',
      format('%s is connected (%s): wait until that ends, or end it with "select pg_terminate_backend(pid) from pg_stat_activity where usename = %L", then drop it again',
             analyst, v_connections, analyst), 'name');
  end if;
  perform app.revoke_analyst(analyst, app.organization_by_slug(o))
     from app.list_analysts() a, unnest(a.organizations) as o
    where a.name = analyst;
  -- What the login may have left behind (default privileges, for one) must not keep it. Acting for a role takes being its member.
  if not pg_catalog.pg_has_role(current_user, analyst, 'usage') then
    execute format('grant %I to %I', analyst, current_user);
  end if;
  execute format('drop owned by %I', analyst);
  execute format('drop role %I', analyst);
end;
$$;
revoke execute on function app.drop_analyst(name) from public;
comment on function app.drop_analyst(name) is 'Removes an analyst''s login and what it was granted. For operators who may drop roles.';
--! EndIncluded app/functions/drop_analyst.sql
--! Included app/functions/import_prompts.sql
/*
 * lines: [{"line": 2, "record": {…}}, …]. The fields of a record may bear the names of the API or the ones that prompt
 * collections use: name, act or title; content, prompt or text; tags, or a category, which becomes a tag. Fields that are
 * none of ours are kept in extra_metadata. A prompt with the same name and content is not imported again.
 */
create or replace function app.import_prompts(organization uuid, lines jsonb)
returns table (line integer, outcome text, prompt_id text, reason text)
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_line jsonb;
  v_record jsonb;
  v_name text;
  v_content text;
  v_state text; v_message text; v_schema text; v_table text; v_constraint text; v_column text;
begin
  -- Two imports of the same file at once must not double it.
  perform pg_advisory_xact_lock(hashtextextended('curestry import prompts ' || organization, 0));
  for v_line in select * from jsonb_array_elements(lines) loop
    line := (v_line ->> 'line')::integer;
    v_record := v_line -> 'record';
    outcome := 'refused';
    prompt_id := null;
    reason := null;
    begin
      v_content := coalesce(v_record ->> 'content', v_record ->> 'prompt', v_record ->> 'text');
      v_name := coalesce(v_record ->> 'name', v_record ->> 'act', v_record ->> 'title',
                         btrim(left(split_part(btrim(v_content, E' \t\r\n'), E'\n', 1), 80)));
      if jsonb_typeof(v_record) <> 'object' then
        reason := 'is not an object';
      elsif v_content is null then
        reason := 'content (or prompt, or text) is required';
      elsif char_length(v_name) > 255 then
        reason := 'name must be at most 255 characters';
      elsif char_length(coalesce(v_record ->> 'language', '')) > 10 then
        reason := 'language must be at most 10 characters';
      elsif v_record ? 'tags' and jsonb_typeof(v_record -> 'tags') <> 'array' then
        reason := 'tags must be an array of strings';
      else
        select p.id into prompt_id from core.prompts p
         where p.organization_id = organization and p.name = v_name and p.content = v_content limit 1;
        if found then
          outcome := 'unchanged';
        else
          insert into core.prompts (organization_id, name, description, content, format_type, language, tags, extra_metadata)
          values (organization, v_name, v_record ->> 'description', v_content,
                  coalesce(v_record ->> 'formatType', v_record ->> 'format_type', 'auto'), coalesce(v_record ->> 'language', 'auto'),
                  coalesce(v_record -> 'tags', case when v_record ->> 'category' <> '' then jsonb_build_array(v_record ->> 'category') end, '[]'),
                  coalesce(v_record -> 'extraMetadata', v_record -> 'extra_metadata', '{}')
                    || v_record - '{name,act,title,content,prompt,text,description,formatType,format_type,language,tags,category,extraMetadata,extra_metadata}'::text[])
          returning id into prompt_id;
          outcome := 'inserted';
        end if;
      end if;
    exception
      when integrity_constraint_violation or data_exception then
        get stacked diagnostics v_state = returned_sqlstate, v_message = message_text, v_schema = schema_name,
          v_table = table_name, v_constraint = constraint_name, v_column = column_name;
        outcome := 'refused';
        prompt_id := null;
        reason := app.violation_message(v_state, v_message, v_schema, v_table, v_constraint, v_column);
    end;
    return next;
  end loop;
end;
$$;
alter function app.import_prompts(uuid, jsonb) owner to curestry_definer;
revoke execute on function app.import_prompts(uuid, jsonb) from public;
grant execute on function app.import_prompts(uuid, jsonb) to curestry_owner;
comment on function app.import_prompts(uuid, jsonb) is
  'Imports prompts line by line and answers what became of each; a bad line does not stop the others. For operators.';
--! EndIncluded app/functions/import_prompts.sql
--! Included app/functions/analysis_item_from_json.sql
/* The item of a line of JSON, with the field names of the API; refuses a field that it does not know. */
create or replace function app.analysis_item_from_json(record jsonb) returns ops.analysis_item
language plpgsql stable set search_path = '' as $$
declare
  v_field text;
  v_result constant jsonb := record -> 'result';
begin
  if jsonb_typeof(record) <> 'object' then
    perform app.refuse('CU004', 'is not an object');
  end if;
  select f into v_field from jsonb_object_keys(record) as f
   where f not in ('idempotencyKey', 'promptId', 'promptContent', 'status', 'startedAt', 'finishedAt', 'meta', 'result', 'metrics', 'nodeResults', 'scores')
   limit 1;
  if found then
    perform app.refuse('CU004', format('%s: is not a field of an analysis', v_field), v_field);
  end if;
  select f into v_field from unnest(array['metrics', 'nodeResults', 'scores']) as f
   where record ? f and jsonb_typeof(record -> f) not in ('array', 'null') limit 1;
  if found then
    perform app.refuse('CU004', format('%s: must be an array', v_field), v_field);
  end if;
  select f into v_field from unnest(array['result', 'meta']) as f
   where record ? f and jsonb_typeof(record -> f) not in ('object', 'null') limit 1;
  if found then
    perform app.refuse('CU004', format('%s: must be an object', v_field), v_field);
  end if;
  if jsonb_typeof(v_result) = 'object' then
    select f into v_field from jsonb_object_keys(v_result) as f
     where f not in ('detectedLanguage', 'translated', 'formatValid', 'overallScore', 'judgeScore', 'semanticEntropy', 'complexityScore',
                     'lengthChars', 'lengthWords', 'contradictions', 'patches', 'clarifyQuestions', 'extraMetadata')
     limit 1;
    if found then
      perform app.refuse('CU004', format('result.%s: is not a field of a result', v_field), v_field);
    end if;
  end if;
  return row(
    record ->> 'idempotencyKey', record ->> 'promptId', record ->> 'promptContent', record ->> 'status',
    (record ->> 'startedAt')::timestamptz, (record ->> 'finishedAt')::timestamptz, nullif(record -> 'meta', 'null'),
    case when jsonb_typeof(v_result) = 'object' then row(
      v_result ->> 'detectedLanguage', (v_result ->> 'translated')::boolean, (v_result ->> 'formatValid')::boolean,
      (v_result ->> 'overallScore')::float8, (v_result ->> 'judgeScore')::float8, (v_result ->> 'semanticEntropy')::float8,
      (v_result ->> 'complexityScore')::float8, (v_result ->> 'lengthChars')::integer, (v_result ->> 'lengthWords')::integer,
      v_result -> 'contradictions', v_result -> 'patches', v_result -> 'clarifyQuestions', v_result -> 'extraMetadata')::ops.analysis_result_item end,
    (select array_agg(row(m ->> 'key', (m ->> 'valueNum')::numeric, m ->> 'valueText', nullif(m -> 'valueJson', 'null'))::ops.analysis_metric_item order by n)
       from jsonb_array_elements(nullif(record -> 'metrics', 'null')) with ordinality as e (m, n)),
    (select array_agg(row(m ->> 'node', m ->> 'status', (m ->> 'score')::numeric, nullif(m -> 'details', 'null'))::ops.analysis_node_result_item order by n)
       from jsonb_array_elements(nullif(record -> 'nodeResults', 'null')) with ordinality as e (m, n)),
    (select array_agg(row(m ->> 'rubric', m ->> 'criterion', (m ->> 'score')::numeric, m ->> 'comment', nullif(m -> 'evidence', 'null'))::ops.judge_score_item order by n)
       from jsonb_array_elements(nullif(record -> 'scores', 'null')) with ordinality as e (m, n))
  )::ops.analysis_item;
end;
$$;
revoke execute on function app.analysis_item_from_json(jsonb) from public;
grant execute on function app.analysis_item_from_json(jsonb) to curestry_definer;
comment on function app.analysis_item_from_json(jsonb) is 'Reads an item of recordAnalyses from JSON.';
--! EndIncluded app/functions/analysis_item_from_json.sql
--! Included app/functions/import_analyses.sql
/*
 * lines: [{"line": 1, "record": {…}}, …]. A record without an idempotencyKey gets one from its own content, so that a second
 * import of a file changes nothing.
 */
create or replace function app.import_analyses(organization uuid, lines jsonb)
returns table (line integer, outcome text, analysis_run_id uuid, reason text)
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_line jsonb;
  v_item ops.analysis_item;
  v_items ops.analysis_item[] := '{}';
  v_lines integer[] := '{}';
  v_answer ops.record_outcome[] := '{}';
begin
  for v_line in select * from jsonb_array_elements(lines) loop
    begin
      v_item := app.analysis_item_from_json(v_line -> 'record');
      v_item.idempotency_key := coalesce(v_item.idempotency_key,
        'import:' || encode(sha256(convert_to((v_line -> 'record')::text, 'UTF8')), 'hex'));
      v_items := v_items || v_item;
      v_lines := v_lines || (v_line ->> 'line')::integer;
    exception when data_exception or sqlstate 'CU004' then
      line := (v_line ->> 'line')::integer;
      outcome := 'refused';
      analysis_run_id := null;
      reason := sqlerrm;
      return next;
    end;
  end loop;
  if cardinality(v_items) > 0 then
    v_answer := app.record_analyses(organization, null, v_items);
  end if;
  return query
    select v_lines[a.ordinality], case when a.outcome in ('invalid', 'conflict') then 'refused' else a.outcome end,
           a.analysis_run_id, a.message
      from unnest(v_answer) with ordinality as a;
end;
$$;
alter function app.import_analyses(uuid, jsonb) owner to curestry_definer;
revoke execute on function app.import_analyses(uuid, jsonb) from public;
grant execute on function app.import_analyses(uuid, jsonb) to curestry_owner;
comment on function app.import_analyses(uuid, jsonb) is
  'Imports analyses line by line and answers what became of each; a bad line does not stop the others. For operators.';
--! EndIncluded app/functions/import_analyses.sql
--! Included app/functions/compute_metric_timeseries.sql
/* The one definition of the mart: what a refresh writes, and what a check compares with. */
create or replace function app.compute_metric_timeseries(organization uuid, bucket_size text, from_ts timestamptz, to_ts timestamptz)
returns table (metric_key text, ts_bucket timestamptz, value_num numeric, value_json jsonb, sample_count bigint, numeric_count bigint,
               value_sum numeric, value_min numeric, value_max numeric)
language sql stable security definer set search_path = '' as $$
  with sample as (
    select m.key, date_trunc(bucket_size, m.occurred_at, 'UTC') as bucket, m.value_num,
           case when m.value_num is null then left(coalesce(m.value_text, m.value_json::text), 200) end as word
      from ops.analysis_metric m
     where m.organization_id = organization and m.occurred_at >= from_ts and m.occurred_at < to_ts
  ), word as (
    select key, bucket, jsonb_object_agg(word, n) as counts
      from (select key, bucket, word, count(*) as n from sample where word is not null group by key, bucket, word) w
     group by key, bucket
  )
  select s.key, s.bucket, avg(s.value_num), (select jsonb_build_object('counts', w.counts) from word w where w.key = s.key and w.bucket = s.bucket),
         count(*), count(s.value_num), sum(s.value_num), min(s.value_num), max(s.value_num)
    from sample s
   group by s.key, s.bucket;
$$;
alter function app.compute_metric_timeseries(uuid, text, timestamptz, timestamptz) owner to curestry_definer;
revoke execute on function app.compute_metric_timeseries(uuid, text, timestamptz, timestamptz) from public;
comment on function app.compute_metric_timeseries(uuid, text, timestamptz, timestamptz) is
  'mart.metric_timeseries of an organization and a span of time, computed from ops.analysis_metric.';
--! EndIncluded app/functions/compute_metric_timeseries.sql
--! Included app/functions/compute_analysis_daily.sql
/*
 * A run counts on the day (UTC) on which it ended, whatever its end. Averages are over the runs with a document; a number
 * of the old backends that is none (NaN, Infinity) is left out.
 */
create or replace function app.compute_analysis_daily(organization uuid, from_day date, to_day date)
returns table (day date, analyses bigint, avg_overall numeric, avg_entropy numeric, scored bigint, sum_overall numeric, sum_entropy numeric)
language sql stable security definer set search_path = '' as $$
  select (r.occurred_at at time zone 'UTC')::date as day, count(*),
         avg(d.overall_score::numeric) filter (where d.overall_score < 'Infinity'),
         avg(d.semantic_entropy::numeric) filter (where d.semantic_entropy < 'Infinity'),
         count(d.id),
         sum(d.overall_score::numeric) filter (where d.overall_score < 'Infinity'),
         sum(d.semantic_entropy::numeric) filter (where d.semantic_entropy < 'Infinity')
    from ops.analysis_run r
    left join core.analysis_results d on d.organization_id = r.organization_id and d.analysis_run_id = r.id
   where r.organization_id = organization and r.finished_at is not null
     and r.occurred_at >= from_day::timestamp at time zone 'UTC' and r.occurred_at < to_day::timestamp at time zone 'UTC'
   group by 1;
$$;
alter function app.compute_analysis_daily(uuid, date, date) owner to curestry_definer;
revoke execute on function app.compute_analysis_daily(uuid, date, date) from public;
comment on function app.compute_analysis_daily(uuid, date, date) is
  'mart.analysis_daily of an organization from one day to before another, computed from the runs and their documents.';
--! EndIncluded app/functions/compute_analysis_daily.sql
--! Included app/functions/compute_feature_daily.sql
create or replace function app.compute_feature_daily(organization uuid, from_day date, to_day date)
returns table (day date, feature_key text, events bigint, unique_users bigint)
language sql stable security definer set search_path = '' as $$
  select (e.occurred_at at time zone 'UTC')::date as day, e.feature_key, sum(e.event_count), count(distinct e.user_id)
    from ops.feature_event e
   where e.organization_id = organization
     and e.occurred_at >= from_day::timestamp at time zone 'UTC' and e.occurred_at < to_day::timestamp at time zone 'UTC'
   group by 1, 2;
$$;
alter function app.compute_feature_daily(uuid, date, date) owner to curestry_definer;
revoke execute on function app.compute_feature_daily(uuid, date, date) from public;
comment on function app.compute_feature_daily(uuid, date, date) is
  'mart.feature_daily of an organization from one day to before another, computed from the feature events.';
--! EndIncluded app/functions/compute_feature_daily.sql
--! Included app/functions/refresh_metric_timeseries.sql
create or replace function app.refresh_metric_timeseries(organization uuid, bucket_size text, buckets timestamptz[]) returns void
language sql volatile security definer set search_path = '' as $$
  with computed as materialized (
    select c.*
      from unnest(buckets) as b (bucket),
           lateral app.compute_metric_timeseries(organization, bucket_size, b.bucket, b.bucket + ('1 ' || bucket_size)::interval) as c
  ), gone as (
    delete from mart.metric_timeseries m
     where m.organization_id = organization and m.granularity = bucket_size and m.ts_bucket = any (buckets)
       and not exists (select from computed c where c.metric_key = m.metric_key and c.ts_bucket = m.ts_bucket)
  )
  insert into mart.metric_timeseries as m
    (organization_id, metric_key, granularity, ts_bucket, value_num, value_json, sample_count, numeric_count, value_sum, value_min, value_max)
  select organization, c.metric_key, bucket_size, c.ts_bucket, c.value_num, c.value_json, c.sample_count, c.numeric_count, c.value_sum, c.value_min, c.value_max
    from computed c
  on conflict (organization_id, metric_key, granularity, ts_bucket) do update
    set value_num = excluded.value_num, value_json = excluded.value_json, sample_count = excluded.sample_count,
        numeric_count = excluded.numeric_count, value_sum = excluded.value_sum, value_min = excluded.value_min, value_max = excluded.value_max
  where (m.value_num, m.value_json, m.sample_count, m.numeric_count, m.value_sum, m.value_min, m.value_max)
        is distinct from (excluded.value_num, excluded.value_json, excluded.sample_count, excluded.numeric_count, excluded.value_sum, excluded.value_min, excluded.value_max);
$$;
alter function app.refresh_metric_timeseries(uuid, text, timestamptz[]) owner to curestry_definer;
revoke execute on function app.refresh_metric_timeseries(uuid, text, timestamptz[]) from public;
comment on function app.refresh_metric_timeseries(uuid, text, timestamptz[]) is
  'Recomputes these buckets (hours or days, UTC) of mart.metric_timeseries.';
--! EndIncluded app/functions/refresh_metric_timeseries.sql
--! Included app/functions/refresh_days.sql
create or replace function app.refresh_days(organization uuid, days date[]) returns void
language sql volatile security definer set search_path = '' as $$
  with computed as materialized (
    select c.* from unnest(days) as d (day), lateral app.compute_analysis_daily(organization, d.day, d.day + 1) as c
  ), gone as (
    delete from mart.analysis_daily m
     where m.organization_id = organization and m.day = any (days) and not exists (select from computed c where c.day = m.day)
  )
  insert into mart.analysis_daily as m (organization_id, day, analyses, avg_overall, avg_entropy, scored, sum_overall, sum_entropy)
  select organization, c.* from computed c
  on conflict (organization_id, day) do update
    set analyses = excluded.analyses, avg_overall = excluded.avg_overall, avg_entropy = excluded.avg_entropy,
        scored = excluded.scored, sum_overall = excluded.sum_overall, sum_entropy = excluded.sum_entropy
  where (m.analyses, m.avg_overall, m.avg_entropy, m.scored, m.sum_overall, m.sum_entropy)
        is distinct from (excluded.analyses, excluded.avg_overall, excluded.avg_entropy, excluded.scored, excluded.sum_overall, excluded.sum_entropy);

  with computed as materialized (
    select c.* from unnest(days) as d (day), lateral app.compute_feature_daily(organization, d.day, d.day + 1) as c
  ), gone as (
    delete from mart.feature_daily m
     where m.organization_id = organization and m.day = any (days)
       and not exists (select from computed c where c.day = m.day and c.feature_key = m.feature_key)
  )
  insert into mart.feature_daily as m (organization_id, day, feature_key, events, unique_users)
  select organization, c.* from computed c
  on conflict (organization_id, day, feature_key) do update
    set events = excluded.events, unique_users = excluded.unique_users
  where (m.events, m.unique_users) is distinct from (excluded.events, excluded.unique_users);
$$;
alter function app.refresh_days(uuid, date[]) owner to curestry_definer;
revoke execute on function app.refresh_days(uuid, date[]) from public;
comment on function app.refresh_days(uuid, date[]) is
  'Recomputes these days (UTC) of mart.analysis_daily and mart.feature_daily.';
--! EndIncluded app/functions/refresh_days.sql
--! Included app/functions/refresh_hours.sql
create or replace function app.refresh_hours(organization uuid, hours timestamptz[]) returns void
language sql volatile security definer set search_path = '' as $$
  select app.refresh_metric_timeseries(organization, 'hour', hours);
  select app.refresh_metric_timeseries(organization, 'day', array(select distinct date_trunc('day', h, 'UTC') from unnest(hours) as h));
  select app.refresh_days(organization, array(select distinct (h at time zone 'UTC')::date from unnest(hours) as h));
$$;
alter function app.refresh_hours(uuid, timestamptz[]) owner to curestry_definer;
revoke execute on function app.refresh_hours(uuid, timestamptz[]) from public;
comment on function app.refresh_hours(uuid, timestamptz[]) is 'Recomputes all marts for these hours and for the days that they lie in.';
--! EndIncluded app/functions/refresh_hours.sql
--! Included app/functions/refresh_organization.sql
/*
 * Takes the marks of one organization and recomputes exactly their hours and days, in one transaction: a crash leaves the
 * marks in place. The lock comes before the statement that takes the marks, whose snapshot then sees all that an earlier
 * worker has written.
 */
create or replace function app.refresh_organization(organization uuid) returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_hours timestamptz[];
begin
  perform pg_advisory_xact_lock(hashtextextended('curestry marts ' || organization, 0));
  with taken as (
    delete from app.mart_mark m where m.organization_id = organization returning m.hour
  )
  select array_agg(distinct hour order by hour) into v_hours from taken;
  if v_hours is null then
    return 0;
  end if;
  perform app.refresh_hours(organization, v_hours);
  return cardinality(v_hours);
end;
$$;
alter function app.refresh_organization(uuid) owner to curestry_definer;
revoke execute on function app.refresh_organization(uuid) from public;
comment on function app.refresh_organization(uuid) is
  'Brings the marts of one organization up to date; answers how many hours had changed.';
--! EndIncluded app/functions/refresh_organization.sql
--! Included app/functions/refresh_marts.sql
create or replace function app.refresh_marts() returns table (organization_id uuid, hours integer)
language plpgsql volatile security definer set search_path = '' as $$
begin
  -- In one order, so that two workers wait for each other instead of against each other.
  for organization_id in select distinct m.organization_id from app.mart_mark m order by 1 loop
    hours := app.refresh_organization(organization_id);
    return next;
  end loop;
end;
$$;
alter function app.refresh_marts() owner to curestry_definer;
revoke execute on function app.refresh_marts() from public;
grant execute on function app.refresh_marts() to curestry_worker, curestry_owner;
comment on function app.refresh_marts() is
  'Brings the marts of all organizations up to date with what was recorded. The job of the worker, every minute; also "curestry rollup".';
--! EndIncluded app/functions/refresh_marts.sql
--! Included app/functions/rebuild_marts.sql
create or replace function app.rebuild_marts(from_ts timestamptz, to_ts timestamptz) returns table (organization_id uuid, hours integer)
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_hours timestamptz[];
begin
  if from_ts >= to_ts then
    perform app.refuse('CU004', 'to: must lie after from', 'to');
  end if;
  for organization_id in select o.id from ops.organization o order by 1 loop
    perform pg_advisory_xact_lock(hashtextextended('curestry marts ' || organization_id, 0));
    -- Hours with facts, and hours that the marts speak of.
    select array_agg(distinct h) into v_hours
      from (select date_trunc('hour', r.occurred_at, 'UTC') as h from ops.analysis_run r
             where r.organization_id = rebuild_marts.organization_id and r.occurred_at >= from_ts and r.occurred_at < to_ts
            union select date_trunc('hour', m.occurred_at, 'UTC') from ops.analysis_metric m
             where m.organization_id = rebuild_marts.organization_id and m.occurred_at >= from_ts and m.occurred_at < to_ts
            union select date_trunc('hour', e.occurred_at, 'UTC') from ops.feature_event e
             where e.organization_id = rebuild_marts.organization_id and e.occurred_at >= from_ts and e.occurred_at < to_ts
            union select t.ts_bucket from mart.metric_timeseries t
             where t.organization_id = rebuild_marts.organization_id and t.ts_bucket >= date_trunc('day', from_ts, 'UTC') and t.ts_bucket < to_ts
            union select d.day::timestamp at time zone 'UTC' from mart.analysis_daily d
             where d.organization_id = rebuild_marts.organization_id and d.day >= (from_ts at time zone 'UTC')::date and d.day < (to_ts at time zone 'UTC')
            union select d.day::timestamp at time zone 'UTC' from mart.feature_daily d
             where d.organization_id = rebuild_marts.organization_id and d.day >= (from_ts at time zone 'UTC')::date and d.day < (to_ts at time zone 'UTC')) s;
    hours := coalesce(cardinality(v_hours), 0);
    if hours > 0 then
      perform app.refresh_hours(organization_id, v_hours);
    end if;
    return next;
  end loop;
end;
$$;
alter function app.rebuild_marts(timestamptz, timestamptz) owner to curestry_definer;
revoke execute on function app.rebuild_marts(timestamptz, timestamptz) from public;
grant execute on function app.rebuild_marts(timestamptz, timestamptz) to curestry_owner;
comment on function app.rebuild_marts(timestamptz, timestamptz) is
  'Recomputes the marts of all organizations for a span of time, changed or not. For operators.';
--! EndIncluded app/functions/rebuild_marts.sql
--! Included app/functions/check_marts.sql
create or replace function app.check_marts(from_ts timestamptz default '-infinity', to_ts timestamptz default 'infinity')
returns table (organization text, mart text, bucket text, key text, expected jsonb, actual jsonb)
language sql stable security definer set search_path = '' as $$
  with span as (
    select date_trunc('day', greatest(from_ts, '1900-01-01Z'), 'UTC') as low,
           case when to_ts >= '3000-01-01Z' then '3000-01-01Z'::timestamptz
                else date_trunc('day', to_ts - interval '1 microsecond', 'UTC') + interval '1 day' end as high
  ), expected as (
    select o.slug, 'metric_timeseries' as mart, g.size || ' ' || to_char(c.ts_bucket at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI"Z"') as bucket, c.metric_key as key,
           jsonb_build_object('value_num', c.value_num, 'value_json', c.value_json, 'sample_count', c.sample_count, 'numeric_count', c.numeric_count,
                              'value_sum', c.value_sum, 'value_min', c.value_min, 'value_max', c.value_max) as state
      from ops.organization o, span s, unnest(array['hour', 'day']) as g (size),
           lateral app.compute_metric_timeseries(o.id, g.size, s.low, s.high) as c
    union all
    select o.slug, 'analysis_daily', c.day::text, '', to_jsonb(c) - 'day'
      from ops.organization o, span s,
           lateral app.compute_analysis_daily(o.id, (s.low at time zone 'UTC')::date, (s.high at time zone 'UTC')::date) as c
    union all
    select o.slug, 'feature_daily', c.day::text, c.feature_key, to_jsonb(c) - 'day' - 'feature_key'
      from ops.organization o, span s,
           lateral app.compute_feature_daily(o.id, (s.low at time zone 'UTC')::date, (s.high at time zone 'UTC')::date) as c
  ), actual as (
    select o.slug, 'metric_timeseries' as mart, m.granularity || ' ' || to_char(m.ts_bucket at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI"Z"') as bucket, m.metric_key as key,
           to_jsonb(m) - '{id,organization_id,metric_key,granularity,ts_bucket}'::text[] as state
      from span s, mart.metric_timeseries m join ops.organization o on o.id = m.organization_id
     where m.ts_bucket >= s.low and m.ts_bucket < s.high
    union all
    select o.slug, 'analysis_daily', m.day::text, '', to_jsonb(m) - '{id,organization_id,day}'::text[]
      from span s, mart.analysis_daily m join ops.organization o on o.id = m.organization_id
     where m.day >= (s.low at time zone 'UTC')::date and m.day < (s.high at time zone 'UTC')::date
    union all
    select o.slug, 'feature_daily', m.day::text, m.feature_key, to_jsonb(m) - '{id,organization_id,day,feature_key}'::text[]
      from span s, mart.feature_daily m join ops.organization o on o.id = m.organization_id
     where m.day >= (s.low at time zone 'UTC')::date and m.day < (s.high at time zone 'UTC')::date
  )
  select slug, mart, bucket, key, e.state, a.state
    from expected e
    full join actual a using (slug, mart, bucket, key)
   where e.state is distinct from a.state
   order by 1, 2, 3, 4;
$$;
alter function app.check_marts(timestamptz, timestamptz) owner to curestry_definer;
revoke execute on function app.check_marts(timestamptz, timestamptz) from public;
grant execute on function app.check_marts(timestamptz, timestamptz) to curestry_owner;
comment on function app.check_marts(timestamptz, timestamptz) is
  'Recomputes the marts of a span of days from their source and lists every difference; none is what it should say. For operators.';
--! EndIncluded app/functions/check_marts.sql
--! Included app/functions/health.sql
create or replace function app.health() returns jsonb
language sql stable security definer set search_path = '' as $$
  select jsonb_build_object(
    'status', 'healthy',
    'recent_analyses_24h',
      (select coalesce(sum(r.n), 0)
         from ops.organization o,
              lateral (select count(*) as n from core.analysis_results r
                        where r.organization_id = o.id and r.created_at > now() - interval '24 hours') r),
    'timestamp', to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
    'database', jsonb_build_object('version', current_setting('server_version'), 'migrated', true),
    'marts', jsonb_build_object(
      'oldest_change_seconds', (select round(extract(epoch from clock_timestamp() - min(m.created_at)), 1) from app.mart_mark m),
      'waiting', (select count(*) from app.mart_mark m)));
$$;
alter function app.health() owner to curestry_definer;
revoke execute on function app.health() from public;
grant execute on function app.health() to curestry_gateway, curestry_owner;
comment on function app.health() is
  'The health report of the specification: status, analyses of the last 24 hours, the time; and how far the marts are behind.';
--! EndIncluded app/functions/health.sql
--! Included app/functions/legacy_report.sql
create or replace function app.legacy_report() returns table (source_table text, rows_found bigint, rows_kept bigint, organizations integer, note text)
language sql stable set search_path = '' as $$
  select a.source_table, a.rows_found, a.rows_kept, a.organizations, a.note from app.legacy_account a order by 1;
$$;
revoke execute on function app.legacy_report() from public;
comment on function app.legacy_report() is 'What became of the rows of the old backends'' tables when they were taken over. For operators.';
--! EndIncluded app/functions/legacy_report.sql
--! Included app/functions/security_findings.sql
/*
 * Looks at the live database for what would make it unsafe, or unlike the rest of it, and says how to cure it: one query a
 * rule. A breach that somebody made by hand is found as much as one that a migration brought.
 */
create or replace function app.security_findings() returns table (rule text, object text, cure text)
language sql stable set search_path = 'pg_catalog' as $$
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
                   and not starts_with(c.conname, case c.contype when 'p' then 'pk' when 'u' then 'unq' when 'f' then 'fk' when 'c' then 'chk' end
                                         || '_' || (select relname from pg_class where oid = c.conrelid))
                   and c.contype in ('p', 'u', 'f', 'c')
                union all
                select i.indexrelid::regclass::text
                  from pg_index i join pg_class x on x.oid = i.indexrelid
                  join pg_class c on c.oid = i.indrelid join pg_namespace n on n.oid = c.relnamespace
                 where n.nspname in ('app', 'core', 'ops', 'mart', 'report') and c.relkind in ('r', 'p')
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
                   and obj_description(c.oid, 'pg_constraint') is null and obj_description(c.conindid, 'pg_class') is null
                union all
                select p.polname::text from pg_policy p join pg_class c on c.oid = p.polrelid join pg_namespace n on n.oid = c.relnamespace
                 where n.nspname in ('app', 'core', 'ops', 'mart', 'report') and obj_description(p.oid, 'pg_policy') is null
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
--! Included app/functions/audit_seal_hash.sql
create or replace function app.audit_seal_hash(seal app.audit_seal) returns bytea
language sql stable
return sha256(convert_to(jsonb_build_array(seal.organization_id, seal.seq, seal.from_xid, seal.through_xid,
                                           extract(epoch from seal.sealed_at), seal.entry_ids)::text, 'UTF8')
              || (select string_agg(d, ''::bytea order by n) from unnest(seal.entry_digests) with ordinality as e (d, n)) || seal.previous_hash);
revoke execute on function app.audit_seal_hash(app.audit_seal) from public;
grant execute on function app.audit_seal_hash(app.audit_seal) to curestry_definer;
comment on function app.audit_seal_hash(app.audit_seal) is 'SHA-256 of a seal and the one before it.';
--! EndIncluded app/functions/audit_seal_hash.sql
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
  v_batch record;
  v_seal app.audit_seal;
begin
  if not pg_try_advisory_xact_lock(hashtextextended('curestry audit seal', 0)) then
    return;
  end if;
  select s.through_xid into v_from from app.audit_sealer s;
  v_through := pg_snapshot_xmin(pg_current_snapshot())::text::bigint;
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
--! Included app/functions/audit_baseline.sql
/* Once, when the audit begins: what was there before it. Rows that the log knows are passed over. */
create or replace function app.audit_baseline() returns void
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_table app.audited_table;
  v_of regclass;
begin
  for v_table in select * from app.audited_table order by table_name loop
    v_of := v_table.table_name;
    execute format($query$
      insert into ops.audit_log (request_id, organization_id, action, entity_type, entity_id, after_state)
      select 'migration', o.id, 'baseline', %1$L, t.%3$I, to_jsonb(t) - %4$L::text[]
        from %5$s t,
             lateral (select (case when %7$L then t.%2$I::text else '00000000-0000-0000-0000-000000000000' end)::uuid as id) as o
       where not exists (select from ops.audit_log a
                          where a.organization_id = o.id and a.entity_type = %1$L and a.entity_id = t.%3$I::text)
         and not (%6$L and exists (select from ops.audit_log a where a.organization_id = o.id and a.entity_type = %1$L))
    $query$, v_table.table_name,
      coalesce(v_table.organization_column, v_table.id_column), v_table.id_column, v_table.secret_columns, v_of,
      v_table.summarize_inserts, v_table.organization_column is not null);
  end loop;
end;
$$;
alter function app.audit_baseline() owner to curestry_definer;
revoke execute on function app.audit_baseline() from public;
grant execute on function app.audit_baseline() to curestry_owner;
comment on function app.audit_baseline() is 'Records, as the beginning of the audit, the rows that the audit log does not know yet. For migrations.';
--! EndIncluded app/functions/audit_baseline.sql
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
       where a.id is null
          or app.audit_state_digest(a) <> v_seal.state_digests[i.n]
          or app.audit_entry_digest(a, v_seal.state_digests[i.n]) <> v_seal.entry_digests[i.n]
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
begin
  for v_table in select * from app.audited_table order by table_name loop
    v_of := v_table.table_name;
    v_left_out := v_table.secret_columns || v_table.note_columns;
    return query execute format($query$
      with last as (
        select distinct on (a.organization_id, a.entity_id) a.organization_id, a.entity_id, a.action, a.after_state
          from ops.audit_log a
         where a.entity_type = %1$L and a.action in ('baseline', 'insert', 'update', 'delete')
         order by a.organization_id, a.entity_id, a.xid desc, a.seq desc
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
      v_table.summarize_inserts, v_table.organization_column is not null);
    if v_table.summarize_inserts then
      return query execute format($query$
        select coalesce(p.organization_id, l.organization_id), 'number differs from the log', %2$L, null::text,
               coalesce(p.n, 0) || ' rows, and by the log ' || coalesce(l.n, 0)
          from (select t.organization_id, count(*) as n from %1$s t group by 1) p
          full join (select a.organization_id,
                            sum(case a.action when 'insert' then (a.after_state ->> 'rows')::bigint when 'baseline' then 1 when 'delete' then -1 else 0 end) as n
                       from ops.audit_log a where a.entity_type = %2$L group by 1) l
            on l.organization_id = p.organization_id
         where coalesce(p.n, 0) <> coalesce(l.n, 0)
      $query$, v_of, v_table.table_name);
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
--! Included app/functions/audit_heads.sql
create or replace function app.audit_heads() returns table (organization_id uuid, seq integer, hash text, sealed_at timestamptz)
language sql stable security definer set search_path = '' as $$
  select distinct on (s.organization_id) s.organization_id, s.seq, encode(s.hash, 'hex'), s.sealed_at
    from app.audit_seal s
   order by s.organization_id, s.seq desc;
$$;
alter function app.audit_heads() owner to curestry_definer;
revoke execute on function app.audit_heads() from public;
grant execute on function app.audit_heads() to curestry_owner;
comment on function app.audit_heads() is 'The newest seal of each chain of the audit log. For operators.';
--! EndIncluded app/functions/audit_heads.sql
--! Included app/functions/compare_checkpoints.sql
create or replace function app.compare_checkpoints(checkpoints jsonb)
returns table (organization uuid, seq integer, at text, line integer, found text)
language sql stable security definer set search_path = '' as $$
  select c.organization, c.seq, c.at, c.line, encode(s.hash, 'hex')
    from jsonb_to_recordset(checkpoints) as c (organization uuid, seq integer, hash text, at text, line integer)
    left join app.audit_seal s on s.organization_id = c.organization and s.seq = c.seq
   where encode(s.hash, 'hex') is distinct from c.hash
   order by c.line;
$$;
alter function app.compare_checkpoints(jsonb) owner to curestry_definer;
revoke execute on function app.compare_checkpoints(jsonb) from public;
grant execute on function app.compare_checkpoints(jsonb) to curestry_owner;
comment on function app.compare_checkpoints(jsonb) is
  'The checkpoints, as [{organization, seq, hash, at, line}], whose seal is not there or is another. For operators.';
--! EndIncluded app/functions/compare_checkpoints.sql
--! Included app/tables/audit_seal.sql
comment on table app.audit_seal is 'The hash chain of the audit log, one per organization: each seal covers up to 1000 rows and the seal before it. Append-only.';
comment on column app.audit_seal.organization_id is 'Whose log it seals; the nil UUID for rows of no organization.';
comment on column app.audit_seal.seq is 'Its place in the chain, from 1.';
comment on column app.audit_seal.from_xid is 'It covers rows of transactions from this one on,';
comment on column app.audit_seal.through_xid is 'and before this one: all of them had ended when it was made.';
comment on column app.audit_seal.entry_ids is 'The rows, in order: so that a missing one can be named.';
comment on column app.audit_seal.state_digests is 'SHA-256 of the before and after state of each row: the part that can be erased without breaking the chain.';
comment on column app.audit_seal.entry_digests is 'SHA-256 of each row, its states by their digest.';
comment on column app.audit_seal.previous_hash is 'The hash of the seal before it; zeros for the first.';
comment on column app.audit_seal.hash is 'SHA-256 of all of the above.';
comment on column app.audit_seal.sealed_at is 'When it was made.';
comment on constraint pk_audit_seal on app.audit_seal is 'One row per organization and place.';
comment on constraint chk_audit_seal_seq on app.audit_seal is 'seq must be at least 1';
comment on constraint chk_audit_seal_entry_ids on app.audit_seal is 'a seal covers 1 to 1000 rows, each with its digests';

alter table app.audit_seal enable row level security;
alter table app.audit_seal force row level security;

drop policy if exists definer_all on app.audit_seal;
create policy definer_all on app.audit_seal for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on app.audit_seal is 'The functions that look past row level security; the grants say what they may.';
grant select, insert on app.audit_seal to curestry_definer;

create or replace trigger _200_append_only before update or delete or truncate on app.audit_seal
  for each statement execute function app.tg_audit_log__append_only();
--! EndIncluded app/tables/audit_seal.sql
--! Included app/tables/audit_sealer.sql
comment on table app.audit_sealer is 'How far the audit log is sealed; one row.';
comment on column app.audit_sealer.singleton is 'There is one row.';
comment on column app.audit_sealer.through_xid is 'Every row of a transaction before this one is sealed.';
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
--! Included app/tables/audited_table.sql
comment on table app.audited_table is 'Which tables are audited, and how; written by app.audit_table, read by the generator of the audit triggers.';
comment on column app.audited_table.table_name is 'The table, with its schema.';
comment on column app.audited_table.organization_column is 'The column with the organization; null: rows of no organization, which stand under the nil one.';
comment on column app.audited_table.id_column is 'The column that identifies a row.';
comment on column app.audited_table.secret_columns is 'Columns that are left out of the log.';
comment on column app.audited_table.note_columns is 'Columns whose change alone is a note and no event.';
comment on column app.audited_table.summarize_inserts is 'Append-only facts: one row of the log for all that a statement inserts.';
comment on constraint pk_audited_table on app.audited_table is 'One row per table.';

alter table app.audited_table enable row level security;
alter table app.audited_table force row level security;

drop policy if exists owner_all on app.audited_table;
create policy owner_all on app.audited_table for all to curestry_owner
  using (true)
  with check (true);
comment on policy owner_all on app.audited_table is 'Migrations say which tables are audited.';

drop policy if exists definer_read on app.audited_table;
create policy definer_read on app.audited_table for select to curestry_definer
  using (true);
comment on policy definer_read on app.audited_table is 'The audit log is compared with the tables.';
grant select on app.audited_table to curestry_definer;
--! EndIncluded app/tables/audited_table.sql
--! Included app/tables/legacy_account.sql
comment on table app.legacy_account is 'What became of the rows of the old backends'' tables when they were taken over; empty in a database without a past.';
comment on column app.legacy_account.source_table is 'The old table.';
comment on column app.legacy_account.rows_found is 'How many rows it had.';
comment on column app.legacy_account.rows_kept is 'How many rows there were after the move.';
comment on column app.legacy_account.organizations is 'How many organizations they went to.';
comment on column app.legacy_account.note is 'Rules that some of the rows do not meet.';
comment on column app.legacy_account.created_at is 'When they were counted.';
comment on constraint pk_legacy_account on app.legacy_account is 'One row per table.';

alter table app.legacy_account enable row level security;
alter table app.legacy_account force row level security;

drop policy if exists owner_read on app.legacy_account;
create policy owner_read on app.legacy_account for select to curestry_owner
  using (true);
comment on policy owner_read on app.legacy_account is 'Operators read the account.';
--! EndIncluded app/tables/legacy_account.sql
--! Included app/tables/mart_mark.sql
comment on table app.mart_mark is 'What the worker has to bring up to date: an hour of an organization whose facts changed. Append-only and without a unique key, so that no writer waits for another and no mark of a writer that has not committed yet is lost.';
comment on column app.mart_mark.id is 'Tells marks apart.';
comment on column app.mart_mark.organization_id is 'Whose facts changed.';
comment on column app.mart_mark.hour is 'Start of the hour that the facts count for, UTC.';
comment on column app.mart_mark.created_at is 'When the facts changed; the age of the oldest mark is how far the marts are behind.';
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
comment on constraint pk_analysis_results on core.analysis_results is 'One row per organization and id.';
comment on constraint unq_analysis_results_analysis_run_id on core.analysis_results is 'A run has one document.';
comment on constraint fk_analysis_results_analysis_run_id on core.analysis_results is 'analysis_run_id must name an analysis run of the same organization.';
comment on constraint fk_analysis_results_prompt_id on core.analysis_results is 'prompt_id must name a prompt of the same organization.';
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
grant select on core.auth_accounts to curestry_definer;

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

select app.audit_table('core.evaluation_metrics', summarize_inserts => true);
--! EndIncluded core/tables/evaluation_metrics.sql
--! Included core/tables/prompt_relations.sql
comment on table core.prompt_relations is E'@unique id\nHow one prompt relates to another: it depends on it, overrides it or conflicts with it.';
comment on column core.prompt_relations.id is 'Identifies the relation, a UUID as text; unique across organizations.';
comment on column core.prompt_relations.source_id is 'The prompt that has the relation.';
comment on column core.prompt_relations.target_id is 'The prompt that it has it to.';
comment on column core.prompt_relations.relation_type is 'depends_on, overrides or conflicts_with.';
comment on column core.prompt_relations.description is 'Why the relation holds.';
comment on column core.prompt_relations.extra_metadata is 'Anything else, a JSON object.';
comment on column core.prompt_relations.created_at is 'When the row was written.';
comment on column core.prompt_relations.organization_id is 'The organization that the row belongs to; given by the request, never by the caller.';
comment on constraint pk_prompt_relations on core.prompt_relations is 'One row per organization and id.';
comment on constraint fk_prompt_relations_source_id on core.prompt_relations is 'source_id must name a prompt of the same organization.';
comment on constraint fk_prompt_relations_target_id on core.prompt_relations is 'target_id must name a prompt of the same organization.';
comment on constraint chk_prompt_relations_relation_type on core.prompt_relations is 'relation_type must be depends_on, overrides or conflicts_with';
comment on constraint chk_prompt_relations_target_id on core.prompt_relations is 'a prompt cannot have a relation to itself';
comment on constraint chk_prompt_relations_extra_metadata on core.prompt_relations is 'extra_metadata must be a JSON object of at most 256 KiB, nested at most 32 deep';
comment on constraint chk_prompt_relations_description on core.prompt_relations is 'description must be at most 1 MiB';
comment on index core.unq_prompt_relations_source_target_type is 'this relation between the two prompts exists already';

alter table core.prompt_relations alter column organization_id set default app.organization_id();

alter table core.prompt_relations enable row level security;
alter table core.prompt_relations force row level security;
revoke all on core.prompt_relations from curestry_anonymous, curestry_member, curestry_analyst, curestry_definer;

drop policy if exists select_own on core.prompt_relations;
create policy select_own on core.prompt_relations for select to curestry_member
  using (organization_id = app.organization_if('prompts:read'));
comment on policy select_own on core.prompt_relations is 'Members read the rows of their request''s organization, with prompts:read.';
grant select on core.prompt_relations to curestry_member;

drop policy if exists insert_own on core.prompt_relations;
create policy insert_own on core.prompt_relations for insert to curestry_member
  with check (organization_id = app.organization_if('prompts:write'));
comment on policy insert_own on core.prompt_relations is 'Members write to their request''s organization, with prompts:write.';
grant insert (source_id, target_id, relation_type, description, extra_metadata) on core.prompt_relations to curestry_member;

drop policy if exists update_own on core.prompt_relations;
create policy update_own on core.prompt_relations for update to curestry_member
  using (organization_id = app.organization_if('prompts:write'));
comment on policy update_own on core.prompt_relations is 'Members change the rows of their request''s organization, with prompts:write.';
grant update (relation_type, description, extra_metadata) on core.prompt_relations to curestry_member;

drop policy if exists delete_own on core.prompt_relations;
create policy delete_own on core.prompt_relations for delete to curestry_member
  using (organization_id = app.organization_if('prompts:write'));
comment on policy delete_own on core.prompt_relations is 'Members delete the rows of their request''s organization, with prompts:write.';
grant delete on core.prompt_relations to curestry_member;

drop policy if exists select_granted on core.prompt_relations;
create policy select_granted on core.prompt_relations for select to curestry_analyst
  using (organization_id = any (app.analyst_organizations()));
comment on policy select_granted on core.prompt_relations is 'Analysts read the organizations granted to them.';
grant select on core.prompt_relations to curestry_analyst;

drop policy if exists definer_all on core.prompt_relations;
create policy definer_all on core.prompt_relations for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on core.prompt_relations is 'The functions that look past row level security; the grants say what they may.';
grant select on core.prompt_relations to curestry_definer;

create or replace trigger _200_no_cycle before insert or update of source_id, target_id, relation_type on core.prompt_relations
  for each row when (NEW.relation_type = 'depends_on') execute function app.tg_prompt_relations__no_cycle();
select app.audit_table('core.prompt_relations');
--! EndIncluded core/tables/prompt_relations.sql
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
grant select, insert, update (revoked_at) on core.sessions to curestry_definer;
grant usage on sequence core.sessions_id_seq to curestry_definer;

select app.audit_table('core.sessions', organization_column => null, secret_columns => '{jwt_id}');
--! EndIncluded core/tables/sessions.sql
--! Included core/tables/users.sql
comment on table core.users is 'A person who can sign in. Persons belong to no organization; memberships say what they may do where.';
comment on column core.users.id is 'Identifies the user.';
comment on column core.users.email is 'E-mail address, unique without regard to case; null for an anonymous user.';
comment on column core.users.name is 'Display name.';
comment on column core.users.avatar_url is 'Address of a picture.';
comment on column core.users.created_at is 'When the row was written.';
comment on constraint pk_users on core.users is 'One row per user.';
comment on constraint unq_users_email on core.users is 'There is a user with this e-mail address already.';
comment on constraint chk_users_email on core.users is 'email must be an e-mail address';
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
grant select, insert on core.users to curestry_definer;
grant usage on sequence core.users_id_seq to curestry_definer;

select app.audit_table('core.users', organization_column => null);
--! EndIncluded core/tables/users.sql
--! Included core/tables/workflow_nodes.sql
comment on table core.workflow_nodes is E'@unique id\nOne step of a workflow run.';
comment on column core.workflow_nodes.id is 'Identifies the step; unique across organizations.';
comment on column core.workflow_nodes.run_id is 'The run that it is a step of.';
comment on column core.workflow_nodes.key is 'Name of the step, such as detect_language; unique within the run.';
comment on column core.workflow_nodes.status is 'pending, running, success or failed.';
comment on column core.workflow_nodes.started_at is 'When it started.';
comment on column core.workflow_nodes.finished_at is 'When it ended.';
comment on column core.workflow_nodes.result is 'What came out, as JSON.';
comment on column core.workflow_nodes.organization_id is 'The organization that the row belongs to; given by the request, never by the caller.';
comment on constraint pk_workflow_nodes on core.workflow_nodes is 'One row per organization and id.';
comment on constraint unq_workflow_nodes_key on core.workflow_nodes is 'a run has one node per key';
comment on constraint fk_workflow_nodes_run_id on core.workflow_nodes is 'run_id must name a workflow run of the same organization.';
comment on constraint chk_workflow_nodes_key on core.workflow_nodes is 'key must not be blank';
comment on constraint chk_workflow_nodes_status on core.workflow_nodes is 'status must be pending, running, success or failed';
comment on constraint chk_workflow_nodes_times on core.workflow_nodes is 'finished_at must not lie before started_at';
comment on constraint chk_workflow_nodes_result on core.workflow_nodes is 'result must be JSON of at most 1 MiB, nested at most 32 deep';
comment on constraint chk_workflow_nodes_plausible_times on core.workflow_nodes is 'started_at and finished_at must be times from 2000 to 2099';

alter table core.workflow_nodes alter column organization_id set default app.organization_id();

alter table core.workflow_nodes enable row level security;
alter table core.workflow_nodes force row level security;
revoke all on core.workflow_nodes from curestry_anonymous, curestry_member, curestry_analyst, curestry_definer;

drop policy if exists select_own on core.workflow_nodes;
create policy select_own on core.workflow_nodes for select to curestry_member
  using (organization_id = app.organization_if('workflows:read'));
comment on policy select_own on core.workflow_nodes is 'Members read the rows of their request''s organization, with workflows:read.';
grant select on core.workflow_nodes to curestry_member;

drop policy if exists insert_own on core.workflow_nodes;
create policy insert_own on core.workflow_nodes for insert to curestry_member
  with check (organization_id = app.organization_if('workflows:write'));
comment on policy insert_own on core.workflow_nodes is 'Members write to their request''s organization, with workflows:write.';
grant insert (run_id, key, status, started_at, finished_at, result) on core.workflow_nodes to curestry_member;

drop policy if exists update_own on core.workflow_nodes;
create policy update_own on core.workflow_nodes for update to curestry_member
  using (organization_id = app.organization_if('workflows:write'));
comment on policy update_own on core.workflow_nodes is 'Members change the rows of their request''s organization, with workflows:write.';
grant update (status, started_at, finished_at, result) on core.workflow_nodes to curestry_member;

drop policy if exists delete_own on core.workflow_nodes;
create policy delete_own on core.workflow_nodes for delete to curestry_member
  using (organization_id = app.organization_if('workflows:write'));
comment on policy delete_own on core.workflow_nodes is 'Members delete the rows of their request''s organization, with workflows:write.';
grant delete on core.workflow_nodes to curestry_member;
grant usage on sequence core.workflow_nodes_id_seq to curestry_member;

drop policy if exists select_granted on core.workflow_nodes;
create policy select_granted on core.workflow_nodes for select to curestry_analyst
  using (organization_id = any (app.analyst_organizations()));
comment on policy select_granted on core.workflow_nodes is 'Analysts read the organizations granted to them.';
grant select on core.workflow_nodes to curestry_analyst;

drop policy if exists definer_all on core.workflow_nodes;
create policy definer_all on core.workflow_nodes for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on core.workflow_nodes is 'The functions that look past row level security; the grants say what they may.';
grant select, update (status) on core.workflow_nodes to curestry_definer;

create or replace trigger _200_life before insert or update of status on core.workflow_nodes
  for each row execute function app.tg_workflow_nodes__life();
select app.audit_table('core.workflow_nodes');
--! EndIncluded core/tables/workflow_nodes.sql
--! Included core/tables/workflow_runs.sql
comment on table core.workflow_runs is E'@unique id\nOne execution of a workflow.';
comment on column core.workflow_runs.id is 'Identifies the run; unique across organizations.';
comment on column core.workflow_runs.user_id is 'Who started it.';
comment on column core.workflow_runs.started_at is 'When it started.';
comment on column core.workflow_runs.finished_at is 'When it ended; null while it runs.';
comment on column core.workflow_runs.status is 'running, success, failed or cancelled.';
comment on column core.workflow_runs.meta is 'Anything else, a JSON object.';
comment on column core.workflow_runs.organization_id is 'The organization that the row belongs to; given by the request, never by the caller.';
comment on constraint pk_workflow_runs on core.workflow_runs is 'One row per organization and id.';
comment on constraint fk_workflow_runs_organization_id on core.workflow_runs is 'The organization must exist.';
comment on constraint fk_workflow_runs_user_id on core.workflow_runs is 'The user must exist.';
comment on constraint chk_workflow_runs_status on core.workflow_runs is 'status must be running, success, failed or cancelled';
comment on constraint chk_workflow_runs_finished_at on core.workflow_runs is 'finished_at must be given when the run has ended, and not while it is running';
comment on constraint chk_workflow_runs_times on core.workflow_runs is 'finished_at must not lie before started_at';
comment on constraint chk_workflow_runs_meta on core.workflow_runs is 'meta must be a JSON object of at most 256 KiB, nested at most 32 deep';
comment on constraint chk_workflow_runs_plausible_times on core.workflow_runs is 'started_at and finished_at must be times from 2000 to 2099';

alter table core.workflow_runs alter column organization_id set default app.organization_id();

alter table core.workflow_runs enable row level security;
alter table core.workflow_runs force row level security;
revoke all on core.workflow_runs from curestry_anonymous, curestry_member, curestry_analyst, curestry_definer;

drop policy if exists select_own on core.workflow_runs;
create policy select_own on core.workflow_runs for select to curestry_member
  using (organization_id = app.organization_if('workflows:read'));
comment on policy select_own on core.workflow_runs is 'Members read the rows of their request''s organization, with workflows:read.';
grant select on core.workflow_runs to curestry_member;

drop policy if exists insert_own on core.workflow_runs;
create policy insert_own on core.workflow_runs for insert to curestry_member
  with check (organization_id = app.organization_if('workflows:write'));
comment on policy insert_own on core.workflow_runs is 'Members write to their request''s organization, with workflows:write.';
grant insert (started_at, finished_at, status, meta) on core.workflow_runs to curestry_member;

drop policy if exists update_own on core.workflow_runs;
create policy update_own on core.workflow_runs for update to curestry_member
  using (organization_id = app.organization_if('workflows:write'));
comment on policy update_own on core.workflow_runs is 'Members change the rows of their request''s organization, with workflows:write.';
grant update (finished_at, status, meta) on core.workflow_runs to curestry_member;

drop policy if exists delete_own on core.workflow_runs;
create policy delete_own on core.workflow_runs for delete to curestry_member
  using (organization_id = app.organization_if('workflows:write'));
comment on policy delete_own on core.workflow_runs is 'Members delete the rows of their request''s organization, with workflows:write.';
grant delete on core.workflow_runs to curestry_member;
grant usage on sequence core.workflow_runs_id_seq to curestry_member;

drop policy if exists select_granted on core.workflow_runs;
create policy select_granted on core.workflow_runs for select to curestry_analyst
  using (organization_id = any (app.analyst_organizations()));
comment on policy select_granted on core.workflow_runs is 'Analysts read the organizations granted to them.';
grant select on core.workflow_runs to curestry_analyst;

drop policy if exists definer_all on core.workflow_runs;
create policy definer_all on core.workflow_runs for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on core.workflow_runs is 'The functions that look past row level security; the grants say what they may.';
grant select, update (status) on core.workflow_runs to curestry_definer;

create or replace trigger _200_end before update of status on core.workflow_runs
  for each row execute function app.tg_workflow_runs__end();
select app.audit_table('core.workflow_runs');
--! EndIncluded core/tables/workflow_runs.sql
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

select app.mark_table('ops.analysis_metric');
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

select app.audit_table('ops.analysis_node_result', summarize_inserts => true);
--! EndIncluded ops/tables/analysis_node_result.sql
--! Included ops/tables/analysis_run.sql
comment on table ops.analysis_run is E'@unique id\nThe life of an analysis: queued, running, and how it ended. Recorded by recordAnalyses, or step by step by startAnalysisRun and the like.';
comment on column ops.analysis_run.id is 'Identifies the row; unique across organizations.';
comment on column ops.analysis_run.organization_id is 'The organization that the row belongs to; given by the request, never by the caller.';
comment on column ops.analysis_run.user_id is 'Who started it.';
comment on column ops.analysis_run.prompt_id is 'The prompt that is analysed; null if the text is not a saved prompt.';
comment on column ops.analysis_run.prompt_content is 'The text that is analysed, if no document holds it.';
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
--! Included ops/tables/analyst_grant.sql
comment on table ops.analyst_grant is 'Which analyst''s login may read which organization.';
comment on column ops.analyst_grant.organization_id is 'The organization that may be read.';
comment on column ops.analyst_grant.role_name is 'The analyst''s login.';
comment on column ops.analyst_grant.created_at is 'When the row was written.';
comment on constraint pk_analyst_grant on ops.analyst_grant is 'An organization is granted to an analyst once.';
comment on constraint fk_analyst_grant_organization_id on ops.analyst_grant is 'The organization must exist.';

alter table ops.analyst_grant enable row level security;
alter table ops.analyst_grant force row level security;
revoke all on ops.analyst_grant from curestry_anonymous, curestry_member, curestry_analyst, curestry_definer;

drop policy if exists select_granted on ops.analyst_grant;
create policy select_granted on ops.analyst_grant for select to curestry_analyst
  using (role_name = session_user);
comment on policy select_granted on ops.analyst_grant is 'Analysts see what was granted to them.';
grant select on ops.analyst_grant to curestry_analyst;

drop policy if exists definer_all on ops.analyst_grant;
create policy definer_all on ops.analyst_grant for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on ops.analyst_grant is 'The functions that look past row level security; the grants say what they may.';
grant select, insert, delete on ops.analyst_grant to curestry_definer;

select app.audit_table('ops.analyst_grant', id_column => 'role_name');
--! EndIncluded ops/tables/analyst_grant.sql
--! Included ops/tables/api_key.sql
comment on table ops.api_key is E'@unique id\nA key for programs. Its text is shown once, when it is made; only its hash is stored, and that is not in the API.';
comment on column ops.api_key.id is 'Identifies the key; it is part of the key''s text.';
comment on column ops.api_key.organization_id is 'The organization that the row belongs to; given by the request, never by the caller.';
comment on column ops.api_key.user_id is 'Who made it; it never may more than this user.';
comment on column ops.api_key.name is 'What it is for.';
comment on column ops.api_key.key_hash is E'@behavior -*\nSHA-256 of the key, hexadecimal; not in the API.';
comment on column ops.api_key.scopes is 'What it may do: a JSON array of permissions.';
comment on column ops.api_key.expires_at is 'Until when it is accepted; null: no end.';
comment on column ops.api_key.is_revoked is 'Whether it was revoked.';
comment on column ops.api_key.by_operator is 'Whether an operator made it, on the command line, on behalf of no user.';
comment on column ops.api_key.parent_key_id is 'The key that it was made with, if it was made with a key; it never may more than that one.';
comment on column ops.api_key.revoked_at is 'When it was revoked.';
comment on column ops.api_key.last_used_at is 'When it was last used, about.';
comment on column ops.api_key.created_at is 'When the row was written.';
comment on constraint pk_api_key on ops.api_key is 'One row per organization and id.';
comment on constraint unq_api_key_key_hash on ops.api_key is E'@behavior -*\nA key is unique.';
comment on constraint fk_api_key_organization_id on ops.api_key is 'The organization must exist.';
comment on constraint fk_api_key_user_id on ops.api_key is 'The user must exist.';
comment on constraint fk_api_key_parent_key_id on ops.api_key is 'parent_key_id must name an API key of the same organization.';
comment on constraint chk_api_key_revoked_at on ops.api_key is 'revoked_at is set when the key is revoked';
comment on constraint chk_api_key_name on ops.api_key is 'name must not be blank';
comment on constraint chk_api_key_key_hash on ops.api_key is 'key_hash must be a SHA-256 in hexadecimal';
comment on constraint chk_api_key_scopes on ops.api_key is 'scopes must be a non-empty array of known permissions';

alter table ops.api_key enable row level security;
alter table ops.api_key force row level security;
revoke all on ops.api_key from curestry_anonymous, curestry_member, curestry_analyst, curestry_definer;

drop policy if exists select_own on ops.api_key;
create policy select_own on ops.api_key for select to curestry_member
  using (organization_id = app.organization_if('keys:write'));
comment on policy select_own on ops.api_key is 'Members read the rows of their request''s organization, with keys:write.';
grant select (id, organization_id, user_id, name, scopes, expires_at, is_revoked, by_operator, parent_key_id, revoked_at, last_used_at, created_at) on ops.api_key to curestry_member;

drop policy if exists definer_all on ops.api_key;
create policy definer_all on ops.api_key for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on ops.api_key is 'The functions that look past row level security; the grants say what they may.';
grant select, insert, update (is_revoked, revoked_at, expires_at, last_used_at) on ops.api_key to curestry_definer;

create or replace trigger _200_life before update on ops.api_key
  for each row execute function app.tg_api_key__life();
select app.audit_table('ops.api_key', secret_columns => '{key_hash}', note_columns => '{last_used_at}');
--! EndIncluded ops/tables/api_key.sql
--! Included ops/tables/audit_log.sql
comment on table ops.audit_log is E'@unique id\nWho changed what, when: one row for each change of a row of core and ops, written by triggers. Append-only.';
comment on column ops.audit_log.id is 'Identifies the row; unique across organizations.';
comment on column ops.audit_log.ts is 'When.';
comment on column ops.audit_log.actor_user_id is 'Which user, if a request to the API changed it.';
comment on column ops.audit_log.actor_api_key_id is 'With which API key.';
comment on column ops.audit_log.actor_role is 'Which login of the database.';
comment on column ops.audit_log.request_id is 'The X-Request-Id of the request, as in the log.';
comment on column ops.audit_log.organization_id is 'The organization of the changed row; the nil UUID for rows that belong to none.';
comment on column ops.audit_log.action is 'insert, update, delete or truncate; baseline: the row as it was when its audit began.';
comment on column ops.audit_log.entity_type is 'The table, such as core.prompts.';
comment on column ops.audit_log.entity_id is 'The id of the row; for facts that are recorded many at a time, how many rows.';
comment on column ops.audit_log.before_state is 'The row as it was, without secrets.';
comment on column ops.audit_log.after_state is 'The row as it became, without secrets.';
comment on column ops.audit_log.changed_columns is 'Which columns an update changed.';
comment on column ops.audit_log.xid is E'@behavior -*\nThe transaction that made the change; the order of sealing.';
comment on column ops.audit_log.seq is E'@behavior -*\nThe order of the rows within a transaction.';
comment on constraint pk_audit_log on ops.audit_log is 'One row per organization, time and id; in the order of time, which random ids alone would not be.';
comment on constraint chk_audit_log_action on ops.audit_log is 'action must be baseline, insert, update, delete or truncate';

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
grant select, insert on ops.audit_log to curestry_definer;

create or replace trigger _200_append_only before update or delete or truncate on ops.audit_log
  for each statement execute function app.tg_audit_log__append_only();
--! EndIncluded ops/tables/audit_log.sql
--! Included ops/tables/feature_event.sql
comment on table ops.feature_event is E'@unique id\nThat a feature was used.';
comment on column ops.feature_event.id is 'Identifies the row; unique across organizations.';
comment on column ops.feature_event.organization_id is 'The organization that the row belongs to; given by the request, never by the caller.';
comment on column ops.feature_event.user_id is 'Who used it.';
comment on column ops.feature_event.feature_key is 'Which feature.';
comment on column ops.feature_event.occurred_at is 'When.';
comment on column ops.feature_event.event_count is 'How many times.';
comment on column ops.feature_event.created_at is 'When the row was written.';
comment on constraint pk_feature_event on ops.feature_event is 'One row per organization and id.';
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

select app.mark_table('ops.feature_event');
select app.audit_table('ops.feature_event', summarize_inserts => true);
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
grant select, insert, update (expires_at, accepted_at) on ops.invitation to curestry_definer;

select app.audit_table('ops.invitation', secret_columns => '{code_hash}');
--! EndIncluded ops/tables/invitation.sql
--! Included ops/tables/judge_criterion.sql
comment on table ops.judge_criterion is E'@unique id\nOne criterion of a rubric.';
comment on column ops.judge_criterion.id is 'Identifies the row; unique across organizations.';
comment on column ops.judge_criterion.organization_id is 'The organization that the row belongs to; given by the request, never by the caller.';
comment on column ops.judge_criterion.rubric_id is 'The rubric that it belongs to.';
comment on column ops.judge_criterion.key is 'Short name, unique within the rubric; scores name the criterion by it.';
comment on column ops.judge_criterion.title is 'Display name.';
comment on column ops.judge_criterion.description is 'What is judged, and how.';
comment on column ops.judge_criterion.weight is 'Its share in the total, at least 0.';
comment on column ops.judge_criterion.created_at is 'When the row was written.';
comment on constraint pk_judge_criterion on ops.judge_criterion is 'One row per organization and id.';
comment on constraint unq_judge_criterion_key on ops.judge_criterion is 'the rubric has a criterion with this key already';
comment on constraint fk_judge_criterion_rubric_id on ops.judge_criterion is 'rubric_id must name a rubric of the same organization.';
comment on constraint chk_judge_criterion_key on ops.judge_criterion is 'key must not be blank';
comment on constraint chk_judge_criterion_title on ops.judge_criterion is 'title must not be blank';
comment on constraint chk_judge_criterion_weight on ops.judge_criterion is 'weight must be from 0 to 1000000';
comment on constraint chk_judge_criterion_description on ops.judge_criterion is 'description must be at most 1 MiB';

alter table ops.judge_criterion alter column organization_id set default app.organization_id();

alter table ops.judge_criterion enable row level security;
alter table ops.judge_criterion force row level security;
revoke all on ops.judge_criterion from curestry_anonymous, curestry_member, curestry_analyst, curestry_definer;

drop policy if exists select_own on ops.judge_criterion;
create policy select_own on ops.judge_criterion for select to curestry_member
  using (organization_id = app.organization_if('rubrics:read'));
comment on policy select_own on ops.judge_criterion is 'Members read the rows of their request''s organization, with rubrics:read.';
grant select on ops.judge_criterion to curestry_member;

drop policy if exists insert_own on ops.judge_criterion;
create policy insert_own on ops.judge_criterion for insert to curestry_member
  with check (organization_id = app.organization_if('rubrics:write'));
comment on policy insert_own on ops.judge_criterion is 'Members write to their request''s organization, with rubrics:write.';
grant insert (rubric_id, key, title, description, weight) on ops.judge_criterion to curestry_member;

drop policy if exists update_own on ops.judge_criterion;
create policy update_own on ops.judge_criterion for update to curestry_member
  using (organization_id = app.organization_if('rubrics:write'));
comment on policy update_own on ops.judge_criterion is 'Members change the rows of their request''s organization, with rubrics:write.';
grant update (key, title, description, weight) on ops.judge_criterion to curestry_member;

drop policy if exists delete_own on ops.judge_criterion;
create policy delete_own on ops.judge_criterion for delete to curestry_member
  using (organization_id = app.organization_if('rubrics:write'));
comment on policy delete_own on ops.judge_criterion is 'Members delete the rows of their request''s organization, with rubrics:write.';
grant delete on ops.judge_criterion to curestry_member;

drop policy if exists select_granted on ops.judge_criterion;
create policy select_granted on ops.judge_criterion for select to curestry_analyst
  using (organization_id = any (app.analyst_organizations()));
comment on policy select_granted on ops.judge_criterion is 'Analysts read the organizations granted to them.';
grant select on ops.judge_criterion to curestry_analyst;

drop policy if exists definer_all on ops.judge_criterion;
create policy definer_all on ops.judge_criterion for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on ops.judge_criterion is 'The functions that look past row level security; the grants say what they may.';
grant select, insert on ops.judge_criterion to curestry_definer;

create or replace trigger _200_frozen before insert or update or delete on ops.judge_criterion
  for each row execute function app.tg_judge_rubric__frozen();
select app.audit_table('ops.judge_criterion');
--! EndIncluded ops/tables/judge_criterion.sql
--! Included ops/tables/judge_rubric.sql
comment on table ops.judge_rubric is E'@unique id\nWhat judges go by: a named set of criteria.';
comment on column ops.judge_rubric.id is 'Identifies the row; unique across organizations.';
comment on column ops.judge_rubric.organization_id is 'The organization that the row belongs to; given by the request, never by the caller.';
comment on column ops.judge_rubric.name is 'Display name; scores name the rubric by it.';
comment on column ops.judge_rubric.version is 'Several versions may bear one name; scores go to the newest.';
comment on column ops.judge_rubric.description is 'What it is for.';
comment on column ops.judge_rubric.meta is 'Anything else, a JSON object.';
comment on column ops.judge_rubric.created_at is 'When the row was written.';
comment on column ops.judge_rubric.updated_at is 'When the row was last changed.';
comment on constraint pk_judge_rubric on ops.judge_rubric is 'One row per organization and id.';
comment on constraint unq_judge_rubric_name_version on ops.judge_rubric is 'there is a rubric with this name and version already';
comment on constraint fk_judge_rubric_organization_id on ops.judge_rubric is 'The organization must exist.';
comment on constraint chk_judge_rubric_name on ops.judge_rubric is 'name must not be blank';
comment on constraint chk_judge_rubric_version on ops.judge_rubric is 'version must be at least 1';
comment on constraint chk_judge_rubric_meta on ops.judge_rubric is 'meta must be a JSON object of at most 256 KiB, nested at most 32 deep';
comment on constraint chk_judge_rubric_description on ops.judge_rubric is 'description must be at most 1 MiB';

alter table ops.judge_rubric alter column organization_id set default app.organization_id();

alter table ops.judge_rubric enable row level security;
alter table ops.judge_rubric force row level security;
revoke all on ops.judge_rubric from curestry_anonymous, curestry_member, curestry_analyst, curestry_definer;

drop policy if exists select_own on ops.judge_rubric;
create policy select_own on ops.judge_rubric for select to curestry_member
  using (organization_id = app.organization_if('rubrics:read'));
comment on policy select_own on ops.judge_rubric is 'Members read the rows of their request''s organization, with rubrics:read.';
grant select on ops.judge_rubric to curestry_member;

drop policy if exists insert_own on ops.judge_rubric;
create policy insert_own on ops.judge_rubric for insert to curestry_member
  with check (organization_id = app.organization_if('rubrics:write'));
comment on policy insert_own on ops.judge_rubric is 'Members write to their request''s organization, with rubrics:write.';
grant insert (name, version, description, meta) on ops.judge_rubric to curestry_member;

drop policy if exists update_own on ops.judge_rubric;
create policy update_own on ops.judge_rubric for update to curestry_member
  using (organization_id = app.organization_if('rubrics:write'));
comment on policy update_own on ops.judge_rubric is 'Members change the rows of their request''s organization, with rubrics:write.';
grant update (name, description, meta) on ops.judge_rubric to curestry_member;

drop policy if exists delete_own on ops.judge_rubric;
create policy delete_own on ops.judge_rubric for delete to curestry_member
  using (organization_id = app.organization_if('rubrics:write'));
comment on policy delete_own on ops.judge_rubric is 'Members delete the rows of their request''s organization, with rubrics:write.';
grant delete on ops.judge_rubric to curestry_member;

drop policy if exists select_granted on ops.judge_rubric;
create policy select_granted on ops.judge_rubric for select to curestry_analyst
  using (organization_id = any (app.analyst_organizations()));
comment on policy select_granted on ops.judge_rubric is 'Analysts read the organizations granted to them.';
grant select on ops.judge_rubric to curestry_analyst;

drop policy if exists definer_all on ops.judge_rubric;
create policy definer_all on ops.judge_rubric for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on ops.judge_rubric is 'The functions that look past row level security; the grants say what they may.';
grant select, insert, update (updated_at) on ops.judge_rubric to curestry_definer;

create or replace trigger _100_updated_at before update on ops.judge_rubric
  for each row execute function app.tg__updated_at();
create or replace trigger _200_frozen before update of name, version, description or delete on ops.judge_rubric
  for each row execute function app.tg_judge_rubric__frozen();
select app.audit_table('ops.judge_rubric');
--! EndIncluded ops/tables/judge_rubric.sql
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
select app.audit_table('ops.judge_score');
--! EndIncluded ops/tables/judge_score.sql
--! Included ops/tables/organization.sql
comment on table ops.organization is 'A tenant: a team or company, or the personal organization of a user.';
comment on column ops.organization.id is 'Identifies the organization.';
comment on column ops.organization.name is 'Display name.';
comment on column ops.organization.slug is 'Short name for addresses and headers: lower-case letters, digits and hyphens; unique.';
comment on column ops.organization.personal_user_id is 'The user whose personal organization this is; null for teams.';
comment on column ops.organization.created_at is 'When the row was written.';
comment on column ops.organization.updated_at is 'When the row was last changed.';
comment on constraint pk_organization on ops.organization is 'One row per organization.';
comment on constraint unq_organization_slug on ops.organization is 'there is an organization with this slug already';
comment on constraint unq_organization_personal_user_id on ops.organization is 'A user has one personal organization.';
comment on constraint chk_organization_name on ops.organization is 'name must not be blank';
comment on constraint chk_organization_slug on ops.organization is 'slug must be lower-case letters, digits and hyphens, and begin and end with a letter or digit';
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
comment on policy update_own on ops.organization is 'The organization is renamed with organization:write.';
grant update (name, slug) on ops.organization to curestry_member;

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
grant select, insert, update (name) on ops.organization to curestry_definer;

create or replace trigger _100_updated_at before update on ops.organization
  for each row execute function app.tg__updated_at();
select app.audit_table('ops.organization', organization_column => 'id');
--! EndIncluded ops/tables/organization.sql
--! Included ops/tables/organization_user.sql
comment on table ops.organization_user is E'@unique id\nA membership: a user, an organization, and what the user may do there.';
comment on column ops.organization_user.id is 'Identifies the row; unique across organizations.';
comment on column ops.organization_user.organization_id is 'The organization that the row belongs to; given by the request, never by the caller.';
comment on column ops.organization_user.user_id is 'The member.';
comment on column ops.organization_user.role is 'owner, admin, member or viewer.';
comment on column ops.organization_user.status is 'active, invited or removed; only active has rights.';
comment on column ops.organization_user.created_at is 'When the row was written.';
comment on constraint pk_organization_user on ops.organization_user is 'One row per organization and id.';
comment on constraint unq_organization_user_user_id on ops.organization_user is 'a user is a member of an organization once';
comment on constraint fk_organization_user_organization_id on ops.organization_user is 'The organization must exist.';
comment on constraint fk_organization_user_user_id on ops.organization_user is 'The user must exist.';
comment on constraint chk_organization_user_role on ops.organization_user is 'role must be owner, admin, member or viewer';
comment on constraint chk_organization_user_status on ops.organization_user is 'status must be active, invited or removed';

alter table ops.organization_user enable row level security;
alter table ops.organization_user force row level security;
revoke all on ops.organization_user from curestry_anonymous, curestry_member, curestry_analyst, curestry_definer;

drop policy if exists select_own on ops.organization_user;
create policy select_own on ops.organization_user for select to curestry_member
  using (organization_id = app.organization_if('members:read'));
comment on policy select_own on ops.organization_user is 'Members read the rows of their request''s organization, with members:read.';
grant select on ops.organization_user to curestry_member;

drop policy if exists select_granted on ops.organization_user;
create policy select_granted on ops.organization_user for select to curestry_analyst
  using (organization_id = any (app.analyst_organizations()));
comment on policy select_granted on ops.organization_user is 'Analysts read the organizations granted to them.';
grant select on ops.organization_user to curestry_analyst;

drop policy if exists definer_all on ops.organization_user;
create policy definer_all on ops.organization_user for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on ops.organization_user is 'The functions that look past row level security; the grants say what they may.';
grant select, insert, update (role, status) on ops.organization_user to curestry_definer;

create or replace trigger _200_owner_update after update of role, status, user_id on ops.organization_user
  for each row execute function app.tg_organization_user__owner();
create or replace trigger _200_owner_delete after delete on ops.organization_user
  for each row execute function app.tg_organization_user__owner();
select app.audit_table('ops.organization_user');
--! EndIncluded ops/tables/organization_user.sql
--! Included ops/tables/provider_credential.sql
comment on table ops.provider_credential is E'@unique id\nA credential for an LLM provider or an integration. The secret itself is encrypted and not in the API.';
comment on column ops.provider_credential.id is 'Identifies the row; unique across organizations.';
comment on column ops.provider_credential.organization_id is 'The organization that the row belongs to; given by the request, never by the caller.';
comment on column ops.provider_credential.provider is 'openai, anthropic, slack, github or another.';
comment on column ops.provider_credential.name is 'Tells several credentials for one provider apart.';
comment on column ops.provider_credential.credential_ref is E'@behavior -*\nThe encrypted credential, or a reference to it; not in the API.';
comment on column ops.provider_credential.encryption_key_id is E'@behavior -*\nWhich key it is encrypted with.';
comment on column ops.provider_credential.meta is 'Anything else, a JSON object.';
comment on column ops.provider_credential.created_at is 'When the row was written.';
comment on column ops.provider_credential.updated_at is 'When the row was last changed.';
comment on constraint pk_provider_credential on ops.provider_credential is 'One row per organization and id.';
comment on constraint unq_provider_credential_provider_name on ops.provider_credential is 'there is a credential with this name for this provider already';
comment on constraint fk_provider_credential_organization_id on ops.provider_credential is 'The organization must exist.';
comment on constraint chk_provider_credential_provider on ops.provider_credential is 'provider must be lower-case letters, digits, dots, hyphens and underscores';
comment on constraint chk_provider_credential_name on ops.provider_credential is 'name must not be blank';
comment on constraint chk_provider_credential_meta on ops.provider_credential is 'meta must be a JSON object of at most 256 KiB, nested at most 32 deep';

alter table ops.provider_credential alter column organization_id set default app.organization_id();

alter table ops.provider_credential enable row level security;
alter table ops.provider_credential force row level security;
revoke all on ops.provider_credential from curestry_anonymous, curestry_member, curestry_analyst, curestry_definer;

drop policy if exists select_own on ops.provider_credential;
create policy select_own on ops.provider_credential for select to curestry_member
  using (organization_id = app.organization_if('credentials:write'));
comment on policy select_own on ops.provider_credential is 'Members read the rows of their request''s organization, with credentials:write.';
grant select (id, organization_id, provider, name, meta, created_at, updated_at) on ops.provider_credential to curestry_member;

drop policy if exists definer_all on ops.provider_credential;
create policy definer_all on ops.provider_credential for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on ops.provider_credential is 'The functions that look past row level security; the grants say what they may.';
grant select on ops.provider_credential to curestry_definer;

create or replace trigger _100_updated_at before update on ops.provider_credential
  for each row execute function app.tg__updated_at();
select app.audit_table('ops.provider_credential', secret_columns => '{credential_ref}');
--! EndIncluded ops/tables/provider_credential.sql
--! Included mart/tables/analysis_daily.sql
comment on table mart.analysis_daily is E'@unique id\nThe analyses of each day (UTC) on which they ended, and their quality.';
comment on column mart.analysis_daily.id is 'Identifies the row; unique across organizations.';
comment on column mart.analysis_daily.organization_id is 'The organization that the row belongs to; given by the request, never by the caller.';
comment on column mart.analysis_daily.day is 'The day, UTC.';
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
--! Included mart/tables/feature_daily.sql
comment on table mart.feature_daily is E'@unique id\nThe use of features by day (UTC).';
comment on column mart.feature_daily.id is 'Identifies the row; unique across organizations.';
comment on column mart.feature_daily.organization_id is 'The organization that the row belongs to; given by the request, never by the caller.';
comment on column mart.feature_daily.day is 'The day, UTC.';
comment on column mart.feature_daily.feature_key is 'The feature.';
comment on column mart.feature_daily.events is 'How many times it was used.';
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
comment on table mart.metric_timeseries is E'@unique id\nThe metrics of analyses by hour and by day (UTC).';
comment on column mart.metric_timeseries.id is 'Identifies the row; unique across organizations.';
comment on column mart.metric_timeseries.organization_id is 'The organization that the row belongs to; given by the request, never by the caller.';
comment on column mart.metric_timeseries.metric_key is 'The key of the metric.';
comment on column mart.metric_timeseries.granularity is 'hour or day.';
comment on column mart.metric_timeseries.ts_bucket is 'Start of the hour or day.';
comment on column mart.metric_timeseries.value_num is 'Mean of the numbers.';
comment on column mart.metric_timeseries.value_json is 'For texts and JSON: how often each value occurred, under "counts".';
comment on column mart.metric_timeseries.sample_count is 'How many values.';
comment on column mart.metric_timeseries.numeric_count is 'How many of them are numbers.';
comment on column mart.metric_timeseries.value_sum is 'Sum of the numbers.';
comment on column mart.metric_timeseries.value_min is 'Smallest number.';
comment on column mart.metric_timeseries.value_max is 'Largest number.';
comment on constraint pk_metric_timeseries on mart.metric_timeseries is 'One row per organization and id.';
comment on constraint unq_metric_timeseries_bucket on mart.metric_timeseries is 'One row per metric, granularity and bucket.';
comment on constraint fk_metric_timeseries_organization_id on mart.metric_timeseries is 'The organization must exist.';
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
--! Included core/functions/high_entropy_analyses.sql
create or replace function core.high_entropy_analyses(threshold double precision) returns setof core.analysis_results
language plpgsql stable security definer set search_path = '' rows 100 as $$
declare
  v_organization constant uuid := app.organization_if('analyses:read');
begin
  return query
    select r.* from core.analysis_results r
     where r.organization_id = v_organization and r.semantic_entropy > threshold
     order by r.semantic_entropy desc, r.created_at desc;
end;
$$;
alter function core.high_entropy_analyses(double precision) owner to curestry_definer;
revoke execute on function core.high_entropy_analyses(double precision) from public;
grant execute on function core.high_entropy_analyses(double precision) to curestry_member;
comment on function core.high_entropy_analyses(double precision) is
  'The analyses whose semantic entropy is above the threshold, highest first. Needs analyses:read.';
--! EndIncluded core/functions/high_entropy_analyses.sql
--! Included core/functions/prompts_by_tags.sql
/*
 * A definer function that filters by organization itself: jsonb operators are not leakproof, and under row level security
 * they do not use their index. plpgsql, so that each of the two conditions gets the plan with the index.
 */
create or replace function core.prompts_by_tags(tags text[], match core.tag_match default 'ANY') returns setof core.prompts
language plpgsql stable security definer set search_path = '' rows 100 as $$
declare
  v_organization constant uuid := app.organization_if('prompts:read');
begin
  if match = 'ALL' then
    return query
      select p.* from core.prompts p
       where p.organization_id = v_organization and p.tags operator(pg_catalog.@>) to_jsonb(prompts_by_tags.tags)
       order by p.created_at desc, p.id desc;
  else
    return query
      select p.* from core.prompts p
       where p.organization_id = v_organization and p.tags operator(pg_catalog.?|) prompts_by_tags.tags
       order by p.created_at desc, p.id desc;
  end if;
end;
$$;
alter function core.prompts_by_tags(text[], core.tag_match) owner to curestry_definer;
revoke execute on function core.prompts_by_tags(text[], core.tag_match) from public;
grant execute on function core.prompts_by_tags(text[], core.tag_match) to curestry_member;
comment on function core.prompts_by_tags(text[], core.tag_match) is
  'The prompts that bear any (ANY) or all (ALL) of these tags, newest first. Needs prompts:read.';
--! EndIncluded core/functions/prompts_by_tags.sql
--! Included core/functions/prompts_dependents.sql
create or replace function core.prompts_dependents(prompt core.prompts) returns setof core.prompts
language sql stable set search_path = '' rows 10 as $$
  with recursive dependent (id) as (
    select r.source_id
      from core.prompt_relations r
     where r.organization_id = prompt.organization_id and r.target_id = prompt.id and r.relation_type = 'depends_on'
    union
    select r.source_id
      from dependent d
      join core.prompt_relations r
        on r.organization_id = prompt.organization_id and r.target_id = d.id and r.relation_type = 'depends_on'
  )
  select p.*
    from dependent d
    join core.prompts p on p.organization_id = prompt.organization_id and p.id = d.id
   order by p.name, p.id;
$$;
revoke execute on function core.prompts_dependents(core.prompts) from public;
grant execute on function core.prompts_dependents(core.prompts) to curestry_member, curestry_analyst;
comment on function core.prompts_dependents(core.prompts) is
  'The prompts that depend on this one, over any number of steps.';
--! EndIncluded core/functions/prompts_dependents.sql
--! Included core/functions/sign_out.sql
create or replace function core.sign_out() returns boolean
language plpgsql volatile security definer set search_path = '' as $$
begin
  perform app.require_person();
  update core.sessions s set revoked_at = now()
   where s.id = nullif(current_setting('curestry.session_id', true), '')::integer and s.revoked_at is null;
  return found;
end;
$$;
alter function core.sign_out() owner to curestry_definer;
revoke execute on function core.sign_out() from public;
grant execute on function core.sign_out() to curestry_member;
comment on function core.sign_out() is 'Ends the session of this request: its token is refused from the next request on.';
--! EndIncluded core/functions/sign_out.sql
--! Included core/functions/sign_out_everywhere.sql
create or replace function core.sign_out_everywhere() returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_user constant integer := app.require_person();
  v_count integer;
begin
  update core.sessions s set revoked_at = now()
   where s.user_id = v_user and s.revoked_at is null and s.expires_at > now();
  get diagnostics v_count = row_count;
  return v_count;
end;
$$;
alter function core.sign_out_everywhere() owner to curestry_definer;
revoke execute on function core.sign_out_everywhere() from public;
grant execute on function core.sign_out_everywhere() to curestry_member;
comment on function core.sign_out_everywhere() is 'Ends all of your sessions, this one too; answers how many they were.';
--! EndIncluded core/functions/sign_out_everywhere.sql
--! Included ops/functions/accept_invitation.sql
create or replace function ops.accept_invitation(code text) returns ops.organization_user
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_user constant integer := app.require_person();
  v_invitation ops.invitation;
  v_member ops.organization_user;
begin
  select i.* into v_invitation
    from ops.organization_user m
    join ops.invitation i on i.organization_id = m.organization_id and i.organization_user_id = m.id
   where m.user_id = v_user and m.status = 'invited'
     and i.code_hash = encode(sha256(convert_to(accept_invitation.code, 'UTF8')), 'hex')
     and i.accepted_at is null and i.expires_at > now();
  if not found then
    -- The same for a wrong, an old and a used code, and for somebody else's.
    perform app.refuse('CU003', 'There is no such invitation for you, or it has expired', 'code');
  end if;
  perform from ops.organization o where o.id = v_invitation.organization_id for no key update;
  update ops.invitation i set accepted_at = now()
   where i.organization_id = v_invitation.organization_id and i.id = v_invitation.id;
  update ops.organization_user m set status = 'active'
   where m.organization_id = v_invitation.organization_id and m.id = v_invitation.organization_user_id and m.status = 'invited'
  returning m.* into v_member;
  if not found then
    perform app.refuse('CU003', 'There is no such invitation for you, or it has expired', 'code');
  end if;
  return v_member;
end;
$$;
alter function ops.accept_invitation(text) owner to curestry_definer;
revoke execute on function ops.accept_invitation(text) from public;
grant execute on function ops.accept_invitation(text) to curestry_member;
comment on function ops.accept_invitation(text) is
  'Accepts an invitation with its code: you are a member from the next request on. Needs the person who was invited, signed in.';
--! EndIncluded ops/functions/accept_invitation.sql
--! Included ops/functions/analysis_run_weighted_score.sql
/* Only of a complete judgement: with a criterion missing, the mean would be of something else. */
create or replace function ops.analysis_run_weighted_score(run ops.analysis_run, rubric_id uuid default null) returns numeric
language sql stable set search_path = '' as $$
  select case when count(*) = count(s.id) and sum(c.weight) > 0 then sum(c.weight * s.score) / sum(c.weight) end
    from ops.judge_criterion c
    left join ops.judge_score s
      on s.organization_id = c.organization_id and s.criterion_id = c.id and s.analysis_run_id = run.id
   where c.organization_id = run.organization_id
     and c.rubric_id = coalesce(
           analysis_run_weighted_score.rubric_id,
           (select case when count(distinct k.rubric_id) = 1 then min(k.rubric_id::text)::uuid end
              from ops.judge_score j
              join ops.judge_criterion k on k.organization_id = j.organization_id and k.id = j.criterion_id
             where j.organization_id = run.organization_id and j.analysis_run_id = run.id));
$$;
revoke execute on function ops.analysis_run_weighted_score(ops.analysis_run, uuid) from public;
grant execute on function ops.analysis_run_weighted_score(ops.analysis_run, uuid) to curestry_member, curestry_analyst;
comment on function ops.analysis_run_weighted_score(ops.analysis_run, uuid) is
  'The mean of what judges gave by a rubric, weighted by its criteria, 0 to 10; null unless every criterion of it has a score. Without rubricId: the rubric by which the run was judged, if it is one.';
--! EndIncluded ops/functions/analysis_run_weighted_score.sql
--! Included ops/functions/cancel_analysis_run.sql
create or replace function ops.cancel_analysis_run(id uuid, reason text default null) returns ops.analysis_run
language sql volatile security definer set search_path = '' as $$
  select * from app.end_analysis_run(id, 'cancelled', case when reason is not null then jsonb_build_object('reason', reason) end);
$$;
alter function ops.cancel_analysis_run(uuid, text) owner to curestry_definer;
revoke execute on function ops.cancel_analysis_run(uuid, text) from public;
grant execute on function ops.cancel_analysis_run(uuid, text) to curestry_member;
comment on function ops.cancel_analysis_run(uuid, text) is
  'Ends a queued or running analysis as cancelled; the reason is kept in meta.reason. Needs analyses:write.';
--! EndIncluded ops/functions/cancel_analysis_run.sql
--! Included ops/functions/change_member_role.sql
create or replace function ops.change_member_role(user_id integer, role text) returns ops.organization_user
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_organization constant uuid := app.require('members:write');
  v_member ops.organization_user := app.lock_member(v_organization, change_member_role.user_id);
begin
  perform app.check_rank(v_member.role, change_member_role.role);
  update ops.organization_user m set role = change_member_role.role
   where m.organization_id = v_organization and m.id = v_member.id
  returning m.* into v_member;
  return v_member;
end;
$$;
alter function ops.change_member_role(integer, text) owner to curestry_definer;
revoke execute on function ops.change_member_role(integer, text) from public;
grant execute on function ops.change_member_role(integer, text) to curestry_member;
comment on function ops.change_member_role(integer, text) is
  'Changes what a member may do, from their next request on. Needs members:write; only an owner changes, or makes, admins and owners. The last owner cannot be changed.';
--! EndIncluded ops/functions/change_member_role.sql
--! Included ops/functions/create_api_key.sql
create or replace function ops.create_api_key(name text, scopes text[], expires_at timestamptz default null) returns ops.new_api_key
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_organization constant uuid := app.require('keys:write');
  v_parent constant uuid := nullif(current_setting('curestry.api_key_id', true), '')::uuid;
  v_beyond text;
  v_answer ops.new_api_key;
begin
  select s into v_beyond from unnest(scopes) as s
   where s = any (app.role_permissions('owner')) and app.organization_if(s) is null limit 1;
  if found then
    perform app.refuse('CU002', format('scopes: %s is beyond your own permissions', v_beyond), 'scopes');
  end if;
  if v_parent is not null and 'keys:write' = any (scopes) then
    perform app.refuse('CU002', 'scopes: a key that is made with a key cannot have keys:write; sign in to make it', 'scopes');
  end if;
  select k.id, k.name, array(select jsonb_array_elements_text(k.scopes)), k.key, k.expires_at, k.created_at
    into v_answer
    from app.create_api_key(v_organization, app.user_id(), create_api_key.name, create_api_key.scopes, create_api_key.expires_at, v_parent) as k;
  return v_answer;
end;
$$;
alter function ops.create_api_key(text, text[], timestamptz) owner to curestry_definer;
revoke execute on function ops.create_api_key(text, text[], timestamptz) from public;
grant execute on function ops.create_api_key(text, text[], timestamptz) to curestry_member;
comment on function ops.create_api_key(text, text[], timestamptz) is
  'Makes an API key and answers its text, once. Its scopes are permissions that you have, and it never may more than you. Needs keys:write.';
--! EndIncluded ops/functions/create_api_key.sql
--! Included ops/functions/create_organization.sql
create or replace function ops.create_organization(slug text, name text) returns ops.organization
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_user constant integer := app.require_person();
  v_organization ops.organization;
begin
  insert into ops.organization (name, slug) values (create_organization.name, create_organization.slug) returning * into v_organization;
  insert into ops.organization_user (organization_id, user_id, role) values (v_organization.id, v_user, 'owner');
  return v_organization;
end;
$$;
alter function ops.create_organization(text, text) owner to curestry_definer;
revoke execute on function ops.create_organization(text, text) from public;
grant execute on function ops.create_organization(text, text) to curestry_member;
comment on function ops.create_organization(text, text) is
  'Makes an organization that you own. Choose it for a request with the header X-Curestry-Organization. Needs a person who has signed in.';
--! EndIncluded ops/functions/create_organization.sql
--! Included ops/functions/fail_analysis_run.sql
create or replace function ops.fail_analysis_run(id uuid, message text default null) returns ops.analysis_run
language sql volatile security definer set search_path = '' as $$
  select * from app.end_analysis_run(id, 'failed', case when message is not null then jsonb_build_object('error', message) end);
$$;
alter function ops.fail_analysis_run(uuid, text) owner to curestry_definer;
revoke execute on function ops.fail_analysis_run(uuid, text) from public;
grant execute on function ops.fail_analysis_run(uuid, text) to curestry_member;
comment on function ops.fail_analysis_run(uuid, text) is
  'Ends a queued or running analysis as failed; the message is kept in meta.error. Needs analyses:write.';
--! EndIncluded ops/functions/fail_analysis_run.sql
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
  perform app.store_analysis_facts(v_run.organization_id, array[v_run.id], array[v_content], array[v_run.occurred_at], array[v_item]);
  return v_run;
end;
$$;
alter function ops.finish_analysis_run(uuid, ops.analysis_result_item, ops.analysis_metric_item[], ops.analysis_node_result_item[], ops.judge_score_item[]) owner to curestry_definer;
revoke execute on function ops.finish_analysis_run(uuid, ops.analysis_result_item, ops.analysis_metric_item[], ops.analysis_node_result_item[], ops.judge_score_item[]) from public;
grant execute on function ops.finish_analysis_run(uuid, ops.analysis_result_item, ops.analysis_metric_item[], ops.analysis_node_result_item[], ops.judge_score_item[]) to curestry_member;
comment on function ops.finish_analysis_run(uuid, ops.analysis_result_item, ops.analysis_metric_item[], ops.analysis_node_result_item[], ops.judge_score_item[]) is
  'Ends a running analysis as succeeded, with its document, metrics, node results and judge scores. Needs analyses:write.';
--! EndIncluded ops/functions/finish_analysis_run.sql
--! Included ops/functions/invite_member.sql
create or replace function ops.invite_member(email text, role text default 'member') returns ops.new_invitation
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_organization constant uuid := app.require('members:write');
  v_code constant text := encode(sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())), 'hex');
  v_user integer;
  v_member ops.organization_user;
  v_expires constant timestamptz := now() + interval '7 days';
begin
  perform app.check_rank(role);
  perform from ops.organization o where o.id = v_organization for no key update;
  v_user := app.ensure_user(btrim(email));
  select m.* into v_member from ops.organization_user m where m.organization_id = v_organization and m.user_id = v_user;
  if v_member.status = 'active' then
    perform app.refuse('CU005', 'This person is a member already; change the role instead', 'email', 'unq_organization_user_user_id');
  end if;
  if v_member.status = 'invited' then
    perform app.check_rank(v_member.role);
  end if;
  insert into ops.organization_user as m (organization_id, user_id, role, status)
  values (v_organization, v_user, invite_member.role, 'invited')
  on conflict on constraint unq_organization_user_user_id do update set role = excluded.role, status = 'invited'
  returning m.* into v_member;
  -- A new invitation takes the place of earlier ones.
  update ops.invitation i set expires_at = least(i.expires_at, greatest(now(), i.created_at + interval '1 microsecond'))
   where i.organization_id = v_organization and i.organization_user_id = v_member.id and i.accepted_at is null;
  insert into ops.invitation (organization_id, organization_user_id, code_hash, invited_by_user_id, expires_at)
  values (v_organization, v_member.id, encode(sha256(convert_to(v_code, 'UTF8')), 'hex'), app.user_id(), v_expires);
  return row(v_member.id, v_user, btrim(email), v_member.role, v_code, v_expires)::ops.new_invitation;
end;
$$;
alter function ops.invite_member(text, text) owner to curestry_definer;
revoke execute on function ops.invite_member(text, text) from public;
grant execute on function ops.invite_member(text, text) to curestry_member;
comment on function ops.invite_member(text, text) is
  'Invites a person by e-mail address, as viewer, member, admin or owner, and answers a code, once: give it to that person, who accepts with it within 7 days. Needs members:write; only an owner invites admins and owners.';
--! EndIncluded ops/functions/invite_member.sql
--! Included ops/functions/leave_organization.sql
create or replace function ops.leave_organization() returns ops.organization_user
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_user constant integer := app.require_person();
  v_organization constant uuid := app.organization_id();
  v_member ops.organization_user := app.lock_member(v_organization, v_user);
begin
  if exists (select from ops.organization o where o.id = v_organization and o.personal_user_id is not null) then
    perform app.refuse('CU005', 'Nobody leaves a personal organization', 'organization', 'organization_owner');
  end if;
  update ops.organization_user m set status = 'removed'
   where m.organization_id = v_organization and m.id = v_member.id
  returning m.* into v_member;
  return v_member;
end;
$$;
alter function ops.leave_organization() owner to curestry_definer;
revoke execute on function ops.leave_organization() from public;
grant execute on function ops.leave_organization() to curestry_member;
comment on function ops.leave_organization() is
  'Leaves the organization of this request. Its last owner cannot leave. Needs a person who has signed in.';
--! EndIncluded ops/functions/leave_organization.sql
--! Included ops/functions/record_analyses.sql
create or replace function ops.record_analyses(items ops.analysis_item[]) returns setof ops.record_outcome
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_organization constant uuid := app.require('analyses:write');
begin
  if coalesce(cardinality(items), 0) = 0 then
    perform app.refuse('CU004', 'items: at least one is required', 'items', 'record_analyses_items');
  end if;
  if cardinality(items) > 1000 then
    perform app.refuse('CU006', format('items: at most 1000 in one call, and these are %s; send them in batches', cardinality(items)), 'items', 'record_analyses_items');
  end if;
  if array_position(items, null) is not null then
    perform app.refuse('CU004', 'items: null is not an item', 'items', 'record_analyses_items');
  end if;
  return query select * from unnest(app.record_analyses(v_organization, app.user_id(), items));
end;
$$;
alter function ops.record_analyses(ops.analysis_item[]) owner to curestry_definer;
revoke execute on function ops.record_analyses(ops.analysis_item[]) from public;
grant execute on function ops.record_analyses(ops.analysis_item[]) to curestry_member;
comment on function ops.record_analyses(ops.analysis_item[]) is
  'Records analyses in one transaction: run, result document, metrics, node results and judge scores. Answers, in the order of the items, whether each was inserted, unchanged (its idempotencyKey is known with the same content), in conflict (known with another content) or invalid (with the reason). Needs analyses:write; at most 1000 items.';
--! EndIncluded ops/functions/record_analyses.sql
--! Included ops/functions/record_feature_events.sql
create or replace function ops.record_feature_events(events ops.feature_event_item[]) returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_organization constant uuid := app.require('features:write');
  v_count integer;
begin
  if coalesce(cardinality(events), 0) not between 1 and 10000 then
    perform app.refuse('CU006', 'events: from 1 to 10000 in one call', 'events', 'record_feature_events_events');
  end if;
  insert into ops.feature_event (organization_id, user_id, feature_key, occurred_at, event_count)
  select v_organization, app.user_id(), e.feature_key, coalesce(e.occurred_at, now()), coalesce(e.count, 1)
    from unnest(events) as e;
  get diagnostics v_count = row_count;
  return v_count;
end;
$$;
alter function ops.record_feature_events(ops.feature_event_item[]) owner to curestry_definer;
revoke execute on function ops.record_feature_events(ops.feature_event_item[]) from public;
grant execute on function ops.record_feature_events(ops.feature_event_item[]) to curestry_member;
comment on function ops.record_feature_events(ops.feature_event_item[]) is
  'Records uses of features, all or nothing; answers how many rows were written. Needs features:write.';
--! EndIncluded ops/functions/record_feature_events.sql
--! Included ops/functions/remove_member.sql
create or replace function ops.remove_member(user_id integer) returns ops.organization_user
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_organization constant uuid := app.require('members:write');
  v_member ops.organization_user := app.lock_member(v_organization, remove_member.user_id);
begin
  perform app.check_rank(v_member.role);
  update ops.organization_user m set status = 'removed'
   where m.organization_id = v_organization and m.id = v_member.id
  returning m.* into v_member;
  return v_member;
end;
$$;
alter function ops.remove_member(integer) owner to curestry_definer;
revoke execute on function ops.remove_member(integer) from public;
grant execute on function ops.remove_member(integer) to curestry_member;
comment on function ops.remove_member(integer) is
  'Removes a member, or takes an invitation back, from their next request on; the API keys that they made for this organization stop working. Needs members:write; only an owner removes admins and owners. The last owner cannot be removed.';
--! EndIncluded ops/functions/remove_member.sql
--! Included ops/functions/revise_judge_rubric.sql
create or replace function ops.revise_judge_rubric(id uuid) returns ops.judge_rubric
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_organization constant uuid := app.require('rubrics:write');
  v_old ops.judge_rubric;
  v_new ops.judge_rubric;
begin
  select r.* into v_old from ops.judge_rubric r where r.organization_id = v_organization and r.id = revise_judge_rubric.id;
  if not found then
    perform app.refuse('CU003', format('There is no rubric %s in this organization', id), 'id');
  end if;
  insert into ops.judge_rubric (organization_id, name, version, description, meta)
  select v_organization, v_old.name, max(r.version) + 1, v_old.description, v_old.meta
    from ops.judge_rubric r where r.organization_id = v_organization and r.name = v_old.name
  returning * into v_new;
  insert into ops.judge_criterion (organization_id, rubric_id, key, title, description, weight)
  select v_organization, v_new.id, c.key, c.title, c.description, c.weight
    from ops.judge_criterion c where c.organization_id = v_organization and c.rubric_id = v_old.id;
  return v_new;
end;
$$;
alter function ops.revise_judge_rubric(uuid) owner to curestry_definer;
revoke execute on function ops.revise_judge_rubric(uuid) from public;
grant execute on function ops.revise_judge_rubric(uuid) to curestry_member;
comment on function ops.revise_judge_rubric(uuid) is
  'Makes a new version of a rubric, with copies of its criteria, that can be changed until scores are given by it. Scores that name the rubric go to the newest version. Needs rubrics:write.';
--! EndIncluded ops/functions/revise_judge_rubric.sql
--! Included ops/functions/revoke_api_key.sql
create or replace function ops.revoke_api_key(id uuid) returns ops.api_key
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_key ops.api_key := app.own_api_key(id);
begin
  if not v_key.is_revoked then
    update ops.api_key k set is_revoked = true, revoked_at = now()
     where k.organization_id = v_key.organization_id and k.id = v_key.id
    returning k.* into v_key;
  end if;
  return v_key;
end;
$$;
alter function ops.revoke_api_key(uuid) owner to curestry_definer;
revoke execute on function ops.revoke_api_key(uuid) from public;
grant execute on function ops.revoke_api_key(uuid) to curestry_member;
comment on function ops.revoke_api_key(uuid) is
  'Revokes an API key, for good: from the next request on it is refused. Needs keys:write.';
--! EndIncluded ops/functions/revoke_api_key.sql
--! Included ops/functions/rotate_api_key.sql
create or replace function ops.rotate_api_key(id uuid, overlap_seconds integer default 86400) returns ops.new_api_key
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_old constant ops.api_key := app.own_api_key(id);
  v_parent constant uuid := nullif(current_setting('curestry.api_key_id', true), '')::uuid;
  v_beyond text;
  v_answer ops.new_api_key;
begin
  if overlap_seconds not between 0 and 30 * 86400 then
    perform app.refuse('CU004', 'overlapSeconds: from 0 to 2592000 (30 days)', 'overlapSeconds');
  end if;
  if v_old.is_revoked or v_old.expires_at <= now() then
    perform app.refuse('CU005', 'This API key is revoked or has expired; make a new one', 'id');
  end if;
  -- Who rotates a key holds its successor, which therefore is theirs: bounded by what they may, now and later.
  select s into v_beyond from jsonb_array_elements_text(v_old.scopes) as s where app.organization_if(s) is null limit 1;
  if found then
    perform app.refuse('CU002', format('This API key may %s, which is beyond your own permissions', v_beyond), 'id');
  end if;
  if v_parent is not null and v_old.scopes ? 'keys:write' then
    perform app.refuse('CU002', 'A key that is made with a key cannot have keys:write; sign in to rotate it', 'id');
  end if;
  select k.id, k.name, array(select jsonb_array_elements_text(k.scopes)), k.key, k.expires_at, k.created_at
    into v_answer
    from app.create_api_key(v_old.organization_id, app.user_id(), v_old.name, array(select jsonb_array_elements_text(v_old.scopes)),
           case when v_old.expires_at is not null then now() + (v_old.expires_at - v_old.created_at) end, v_parent) as k;
  update ops.api_key k
     set expires_at = least(k.expires_at, now() + make_interval(secs => overlap_seconds))
   where k.organization_id = v_old.organization_id and k.id = v_old.id;
  return v_answer;
end;
$$;
alter function ops.rotate_api_key(uuid, integer) owner to curestry_definer;
revoke execute on function ops.rotate_api_key(uuid, integer) from public;
grant execute on function ops.rotate_api_key(uuid, integer) to curestry_member;
comment on function ops.rotate_api_key(uuid, integer) is
  'Makes a successor of an API key, with the same name and scopes, and answers its text, once; the successor is yours, and never may more than you. The old key works for the overlap (a day, if not given) and then no more. Needs keys:write.';
--! EndIncluded ops/functions/rotate_api_key.sql
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
  insert into ops.analysis_run (organization_id, user_id, prompt_id, prompt_content, status, started_at, meta, idempotency_key, request_digest)
  select v_organization, app.user_id(), start_analysis_run.prompt_id,
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
--! Included ops/functions/viewer.sql
create or replace function ops.viewer() returns ops.viewer
language sql stable security definer set search_path = '' as $$
  select row(
           u.id, u.email::text, u.name::text, nullif(current_setting('curestry.api_key_id', true), '')::uuid,
           o.id, o.slug::text,
           (select m.role::text from ops.organization_user m where m.organization_id = o.id and m.user_id = u.id and m.status = 'active'),
           string_to_array(nullif(btrim(current_setting('curestry.permissions', true)), ''), ' '),
           -- A key sees its own organization only.
           (select array_agg(row(i.id, i.slug::text, i.name::text, m.role::text, i.personal_user_id is not distinct from u.id)::ops.viewer_organization order by i.slug)
              from ops.organization_user m
              join ops.organization i on i.id = m.organization_id
             where m.user_id = u.id and m.status = 'active'
               and (nullif(current_setting('curestry.api_key_id', true), '') is null or i.id = o.id)))::ops.viewer
    from (values (1)) as one (row)
    left join core.users u on u.id = app.user_id()
    left join ops.organization o on o.id = app.organization_id()
   where app.user_id() is not null or app.organization_id() is not null;
$$;
alter function ops.viewer() owner to curestry_definer;
revoke execute on function ops.viewer() from public;
grant execute on function ops.viewer() to curestry_member, curestry_anonymous;
comment on function ops.viewer() is
  'Who am I: the user or API key of this request, its organization, role and permissions, and all organizations of the user. Null without credentials.';
--! EndIncluded ops/functions/viewer.sql
--! Included report/views/analyses.sql
create or replace view report.analyses with (security_invoker = true) as
select o.slug as organization, r.id as analysis_run_id, r.status, r.prompt_id, p.name as prompt_name, u.email as user_email,
       r.started_at, r.finished_at, extract(epoch from r.finished_at - r.started_at)::numeric as duration_seconds, r.occurred_at,
       d.detected_language, d.translated, d.format_valid, d.overall_score, d.judge_score, d.semantic_entropy, d.complexity_score,
       d.length_chars, d.length_words, jsonb_array_length(d.contradictions) as contradictions, r.meta, r.created_at
  from ops.analysis_run r
  join ops.organization o on o.id = r.organization_id
  left join core.analysis_results d on d.organization_id = r.organization_id and d.analysis_run_id = r.id
  left join core.prompts p on p.organization_id = r.organization_id and p.id = r.prompt_id
  left join core.users u on u.id = r.user_id;
grant select on report.analyses to curestry_analyst;
comment on view report.analyses is 'The analyses, one row a run, with the numbers of its document and the name of its prompt.';
comment on column report.analyses.organization is 'Slug of the organization.';
comment on column report.analyses.analysis_run_id is 'Identifies the run; joins to report.judge_scores and report.metrics.';
comment on column report.analyses.status is 'queued, running, succeeded, failed or cancelled.';
comment on column report.analyses.prompt_id is 'The prompt; null if the text was not a saved prompt.';
comment on column report.analyses.prompt_name is 'Name of the prompt, as it is now.';
comment on column report.analyses.user_email is 'Who started it.';
comment on column report.analyses.started_at is 'When work on it started.';
comment on column report.analyses.finished_at is 'When it ended.';
comment on column report.analyses.duration_seconds is 'From start to end, in seconds.';
comment on column report.analyses.occurred_at is 'The time that it counts for in the marts.';
comment on column report.analyses.detected_language is 'Code of the language that was found.';
comment on column report.analyses.translated is 'Whether the text was translated first.';
comment on column report.analyses.format_valid is 'Whether the text is well formed in its format.';
comment on column report.analyses.overall_score is 'Overall quality, 0 to 10.';
comment on column report.analyses.judge_score is 'What the LLM judges gave, 0 to 10.';
comment on column report.analyses.semantic_entropy is 'Semantic entropy, at least 0.';
comment on column report.analyses.complexity_score is 'Complexity, 0 to 10.';
comment on column report.analyses.length_chars is 'Length in characters.';
comment on column report.analyses.length_words is 'Length in words.';
comment on column report.analyses.contradictions is 'How many contradictions were found.';
comment on column report.analyses.meta is 'Anything else, a JSON object.';
comment on column report.analyses.created_at is 'When it was recorded.';
--! EndIncluded report/views/analyses.sql
--! Included report/views/analysis_daily.sql
create or replace view report.analysis_daily with (security_invoker = true) as
select o.slug as organization, m.day, m.analyses, m.scored, m.avg_overall, m.avg_entropy, m.sum_overall, m.sum_entropy
  from mart.analysis_daily m
  join ops.organization o on o.id = m.organization_id;
grant select on report.analysis_daily to curestry_analyst;
comment on view report.analysis_daily is 'The analyses of each day (UTC) on which they ended, and their quality.';
comment on column report.analysis_daily.organization is 'Slug of the organization.';
comment on column report.analysis_daily.day is 'The day, UTC.';
comment on column report.analysis_daily.analyses is 'How many runs ended.';
comment on column report.analysis_daily.scored is 'How many have a document.';
comment on column report.analysis_daily.avg_overall is 'Mean overall score of those.';
comment on column report.analysis_daily.avg_entropy is 'Mean semantic entropy of those.';
comment on column report.analysis_daily.sum_overall is 'Sum of the overall scores: divide a sum over days by the sum of scored, never average averages.';
comment on column report.analysis_daily.sum_entropy is 'Sum of the semantic entropies.';
--! EndIncluded report/views/analysis_daily.sql
--! Included report/views/feature_daily.sql
create or replace view report.feature_daily with (security_invoker = true) as
select o.slug as organization, m.day, m.feature_key as feature, m.events, m.unique_users
  from mart.feature_daily m
  join ops.organization o on o.id = m.organization_id;
grant select on report.feature_daily to curestry_analyst;
comment on view report.feature_daily is 'The use of features by day (UTC).';
comment on column report.feature_daily.organization is 'Slug of the organization.';
comment on column report.feature_daily.day is 'The day, UTC.';
comment on column report.feature_daily.feature is 'The feature.';
comment on column report.feature_daily.events is 'How many times it was used.';
comment on column report.feature_daily.unique_users is 'By how many users.';
--! EndIncluded report/views/feature_daily.sql
--! Included report/views/judge_scores.sql
create or replace view report.judge_scores with (security_invoker = true) as
select o.slug as organization, s.id as judge_score_id, s.analysis_run_id, r.prompt_id, p.name as prompt_name,
       b.name as rubric, b.version as rubric_version, c.key as criterion, c.title as criterion_title, c.weight,
       s.score, s.comment, s.occurred_at
  from ops.judge_score s
  join ops.organization o on o.id = s.organization_id
  join ops.analysis_run r on r.organization_id = s.organization_id and r.id = s.analysis_run_id
  join ops.judge_criterion c on c.organization_id = s.organization_id and c.id = s.criterion_id
  join ops.judge_rubric b on b.organization_id = c.organization_id and b.id = c.rubric_id
  left join core.prompts p on p.organization_id = r.organization_id and p.id = r.prompt_id;
grant select on report.judge_scores to curestry_analyst;
comment on view report.judge_scores is 'What judges gave, one row a score, with rubric, criterion and prompt by name.';
comment on column report.judge_scores.organization is 'Slug of the organization.';
comment on column report.judge_scores.judge_score_id is 'Identifies the score.';
comment on column report.judge_scores.analysis_run_id is 'The run that was judged; joins to report.analyses.';
comment on column report.judge_scores.prompt_id is 'The prompt of the run.';
comment on column report.judge_scores.prompt_name is 'Its name, as it is now.';
comment on column report.judge_scores.rubric is 'Name of the rubric.';
comment on column report.judge_scores.rubric_version is 'Its version.';
comment on column report.judge_scores.criterion is 'Key of the criterion.';
comment on column report.judge_scores.criterion_title is 'Its display name.';
comment on column report.judge_scores.weight is 'Its share in the total.';
comment on column report.judge_scores.score is '0 to 10.';
comment on column report.judge_scores.comment is 'Why, in the words of the judge.';
comment on column report.judge_scores.occurred_at is 'The time that it counts for.';
--! EndIncluded report/views/judge_scores.sql
--! Included report/views/members.sql
create or replace view report.members with (security_invoker = true) as
select o.slug as organization, o.name as organization_name, m.user_id, u.email, u.name, m.role, m.status, m.created_at as member_since
  from ops.organization_user m
  join ops.organization o on o.id = m.organization_id
  join core.users u on u.id = m.user_id;
grant select on report.members to curestry_analyst;
comment on view report.members is 'The members of the organizations, one row a membership.';
comment on column report.members.organization is 'Slug of the organization.';
comment on column report.members.organization_name is 'Its display name.';
comment on column report.members.user_id is 'Identifies the user.';
comment on column report.members.email is 'E-mail address.';
comment on column report.members.name is 'Display name.';
comment on column report.members.role is 'owner, admin, member or viewer.';
comment on column report.members.status is 'active, invited or removed.';
comment on column report.members.member_since is 'When the membership was made.';
--! EndIncluded report/views/members.sql
--! Included report/views/metric_timeseries.sql
create or replace view report.metric_timeseries with (security_invoker = true) as
select o.slug as organization, m.metric_key as metric, m.granularity, m.ts_bucket as bucket, m.sample_count, m.numeric_count,
       m.value_num as mean, m.value_sum as sum, m.value_min as min, m.value_max as max, m.value_json -> 'counts' as counts
  from mart.metric_timeseries m
  join ops.organization o on o.id = m.organization_id;
grant select on report.metric_timeseries to curestry_analyst;
comment on view report.metric_timeseries is 'The metrics of analyses by hour and by day (UTC). Choose a granularity: each value counts in an hour and in a day.';
comment on column report.metric_timeseries.organization is 'Slug of the organization.';
comment on column report.metric_timeseries.metric is 'The key of the metric.';
comment on column report.metric_timeseries.granularity is 'hour or day.';
comment on column report.metric_timeseries.bucket is 'Start of the hour or day.';
comment on column report.metric_timeseries.sample_count is 'How many values.';
comment on column report.metric_timeseries.numeric_count is 'How many of them are numbers.';
comment on column report.metric_timeseries.mean is 'Mean of the numbers.';
comment on column report.metric_timeseries.sum is 'Sum of the numbers.';
comment on column report.metric_timeseries.min is 'Smallest number.';
comment on column report.metric_timeseries.max is 'Largest number.';
comment on column report.metric_timeseries.counts is 'For texts and JSON: how often each value occurred.';
--! EndIncluded report/views/metric_timeseries.sql
--! Included report/views/metrics.sql
create or replace view report.metrics with (security_invoker = true) as
select o.slug as organization, m.analysis_run_id, m.key as metric, m.value_num, m.value_text, m.value_json, m.occurred_at
  from ops.analysis_metric m
  join ops.organization o on o.id = m.organization_id;
grant select on report.metrics to curestry_analyst;
comment on view report.metrics is 'The measured values of analyses, one row a value.';
comment on column report.metrics.organization is 'Slug of the organization.';
comment on column report.metrics.analysis_run_id is 'The run; joins to report.analyses.';
comment on column report.metrics.metric is 'What was measured.';
comment on column report.metrics.value_num is 'The value, if it is a number.';
comment on column report.metrics.value_text is 'The value, if it is a text.';
comment on column report.metrics.value_json is 'The value, if it is JSON.';
comment on column report.metrics.occurred_at is 'The time that it counts for.';
--! EndIncluded report/views/metrics.sql
--! Included report/views/prompts.sql
create or replace view report.prompts with (security_invoker = true) as
select o.slug as organization, p.id as prompt_id, p.name, p.description, p.content, p.format_type, p.language,
       array(select jsonb_array_elements_text(case when jsonb_typeof(p.tags) = 'array' then p.tags else '[]' end)) as tags,
       p.extra_metadata, p.created_at, p.updated_at
  from core.prompts p
  join ops.organization o on o.id = p.organization_id;
grant select on report.prompts to curestry_analyst;
comment on view report.prompts is 'The prompts, one row each, with their tags as an array.';
comment on column report.prompts.organization is 'Slug of the organization.';
comment on column report.prompts.prompt_id is 'Identifies the prompt; joins to report.analyses.';
comment on column report.prompts.name is 'Display name.';
comment on column report.prompts.description is 'What the prompt is for.';
comment on column report.prompts.content is 'The text of the prompt.';
comment on column report.prompts.format_type is 'auto, text, markdown or xml.';
comment on column report.prompts.language is 'Language code, or auto.';
comment on column report.prompts.tags is 'Labels.';
comment on column report.prompts.extra_metadata is 'Anything else, a JSON object.';
comment on column report.prompts.created_at is 'When the prompt was written.';
comment on column report.prompts.updated_at is 'When it was last changed.';
--! EndIncluded report/views/prompts.sql
--! EndIncluded all.sql

-- The audit of rows that were there before it begins with what they are.
select app.audit_baseline();
