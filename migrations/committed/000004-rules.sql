--! Previous: sha1:19426d220ec2ec428e10fc3e558df3c24ce9d3e9
--! Hash: sha1:38d45ddbcf49d77c285b8cfd9847ba7d50f38ead
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

/*
 * What came through the old names: its texts become versions, its documents are linked to them, and their numbers become
 * metrics, as the migration before this one did for the rows that it found.
 */
insert into core.prompt_versions (organization_id, prompt_id, version, content, format_type, language, created_at)
select p.organization_id, p.id, coalesce(v.version, 0) + 1, p.content, p.format_type, p.language, p.updated_at
  from core.prompts p
  left join lateral (
    select v.version, v.content from core.prompt_versions v
     where v.organization_id = p.organization_id and v.prompt_id = p.id
     order by v.version desc
     limit 1) v on true
 where v.content is distinct from p.content;
update core.analysis_results d
   set prompt_version_id = v.id
  from core.prompt_versions v
 where d.prompt_version_id is null and v.organization_id = d.organization_id and v.prompt_id = d.prompt_id
   and v.content = d.prompt_content;
update ops.analysis_run r
   set prompt_version_id = d.prompt_version_id
  from core.analysis_results d
 where r.prompt_version_id is null and d.prompt_version_id is not null
   and r.organization_id = d.organization_id and r.id = d.analysis_run_id;
insert into ops.analysis_metric (organization_id, analysis_run_id, key, value_num, occurred_at, created_at)
select r.organization_id, r.analysis_run_id, m.key, m.value_num::numeric, r.occurred_at, r.created_at
  from core.analysis_results r,
       lateral (values
         ('overall_score', r.overall_score), ('judge_score', r.judge_score), ('semantic_entropy', r.semantic_entropy),
         ('complexity_score', r.complexity_score), ('length_chars', r.length_chars), ('length_words', r.length_words)
       ) as m (key, value_num)
 where m.value_num > '-Infinity' and m.value_num < 'Infinity'
   and not exists (select from ops.analysis_metric k
                    where k.organization_id = r.organization_id and k.analysis_run_id = r.analysis_run_id);

--! Included all.sql
-- Every re-runnable definition, in dependency order. A definition that is not here is not deployed: a test compares.
--! Included app/schemas.sql
comment on schema app is
  'Private helpers of Curestry: context and permissions of a request, trigger functions, jobs, functions for '
  'operators. Not in the API.';
comment on schema core is
  'Prompts, their analyses, users and workflows: the tables of the specification''s current backends.';
comment on schema ops is
  'Organizations, keys and credentials, analysis runs with their metrics, rubrics and judge scores, the audit log.';
comment on schema mart is 'Numbers rolled up by hour and by day, for dashboards; written by the worker only.';
comment on schema report is
  'A stable face of the tables for analysts and BI tools: names joined, one row a thing. Its columns change only '
  'with a note in docs/report.md.';

grant usage on schema app to curestry_gateway, curestry_anonymous, curestry_member, curestry_analyst, curestry_worker;
grant usage on schema report to curestry_analyst;
grant usage on schema core, ops, mart to curestry_anonymous, curestry_member, curestry_analyst;
-- The definer owns functions, so it has to be allowed to have them here.
grant usage, create on schema app, core, ops, mart to curestry_definer;
--! EndIncluded app/schemas.sql
--! Included core/types.sql
comment on type core.tag_match is 'ANY: at least one of the tags. ALL: every one of them.';
grant usage on type core.tag_match to curestry_member, curestry_definer;
--! EndIncluded core/types.sql
--! Included ops/types/keys_and_members.sql
comment on type ops.new_api_key is 'An API key that was just created, with its text, which is shown this once.';
comment on column ops.new_api_key.id is 'Identifies the key.';
comment on column ops.new_api_key.name is 'What it is for.';
comment on column ops.new_api_key.scopes is 'What it may do.';
comment on column ops.new_api_key.key is 'The key itself, for "Authorization: Bearer". Keep it: it is not shown again.';
comment on column ops.new_api_key.expires_at is 'Until when it is accepted; null: no end.';
comment on column ops.new_api_key.created_at is 'When it was created.';

comment on type ops.new_invitation is 'An invitation that was just created, with its code, which is shown this once.';
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
comment on column ops.analysis_item.idempotency_key is
  'Chosen by you: the same key with the same content again changes nothing, so that a call can be repeated.';
comment on column ops.analysis_item.prompt_id is
  'The saved prompt that was analysed; this or promptContent is required.';
comment on column ops.analysis_item.prompt_content is
  'The text that was analysed; if absent, the text of the prompt as it is now.';
comment on column ops.analysis_item.status is 'queued, running, succeeded (the default), failed or cancelled.';
comment on column ops.analysis_item.started_at is 'When work on it started; if absent, finishedAt.';
comment on column ops.analysis_item.finished_at is 'When it ended; if absent and it has ended, now.';
comment on column ops.analysis_item.meta is 'Anything else, a JSON object.';
comment on column ops.analysis_item.result is 'The document of the analysis.';
comment on column ops.analysis_item.metrics is 'Measured values, each under a key of its own.';
comment on column ops.analysis_item.node_results is 'What the nodes of the pipeline found.';
comment on column ops.analysis_item.scores is 'What judges gave.';

comment on type ops.analysis_result_item is 'The document of an analysis. Its numbers are metrics of the run too.';
comment on column ops.analysis_result_item.detected_language is 'Code of the language that was found; required.';
comment on column ops.analysis_result_item.translated is
  'Whether the text was translated before it was analysed; false if absent.';
comment on column ops.analysis_result_item.format_valid is
  'Whether the text is well formed in its format; true if absent.';
comment on column ops.analysis_result_item.overall_score is 'Overall quality, 0 to 10; required.';
comment on column ops.analysis_result_item.judge_score is 'What the LLM judges gave, 0 to 10; required.';
comment on column ops.analysis_result_item.semantic_entropy is 'Semantic entropy, at least 0; required.';
comment on column ops.analysis_result_item.complexity_score is 'Complexity, 0 to 10; required.';
comment on column ops.analysis_result_item.length_chars is 'Length in characters; counted if absent.';
comment on column ops.analysis_result_item.length_words is 'Length in words; counted if absent.';
comment on column ops.analysis_result_item.contradictions is 'Contradictions found, a JSON array.';
comment on column ops.analysis_result_item.patches is 'Proposed changes, a JSON array.';
comment on column ops.analysis_result_item.clarify_questions is
  'Questions that would make the prompt clearer, a JSON array.';
comment on column ops.analysis_result_item.extra_metadata is 'Anything else, a JSON object.';

comment on type ops.analysis_metric_item is 'A measured value: a number, a text or JSON, under a key.';
comment on column ops.analysis_metric_item.key is 'What was measured; once per analysis.';
comment on column ops.analysis_metric_item.value_num is 'The value, if it is a number.';
comment on column ops.analysis_metric_item.value_text is 'The value, if it is a text.';
comment on column ops.analysis_metric_item.value_json is 'The value, if it is JSON.';

comment on type ops.analysis_node_result_item is 'What one node of the pipeline found.';
comment on column ops.analysis_node_result_item.node is
  'entropy, llm_judge, rag_oracle, regex_checks or another; once per analysis.';
comment on column ops.analysis_node_result_item.status is 'ok, warn, fail or error.';
comment on column ops.analysis_node_result_item.score is '0 to 10.';
comment on column ops.analysis_node_result_item.details is 'What was found, a JSON object.';

comment on type ops.judge_score_item is 'What a judge gave by one criterion.';
comment on column ops.judge_score_item.rubric is 'Name of the rubric; its newest version is meant.';
comment on column ops.judge_score_item.criterion is 'Key of the criterion.';
comment on column ops.judge_score_item.score is '0 to 10.';
comment on column ops.judge_score_item.comment is 'Why, in the words of the judge.';
comment on column ops.judge_score_item.evidence is 'What the judge goes by, a JSON object.';

comment on type ops.record_outcome is 'The outcome of an item of recordAnalyses.';
comment on column ops.record_outcome.outcome is
  'inserted; unchanged: the key is known with the same content; conflict: the key is known with another content; '
  'invalid: not recorded.';
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
comment on column ops.viewer.user_id is
  'The user; with an API key, the user who created it; null for an operator''s key.';
comment on column ops.viewer.email is 'The user''s e-mail address.';
comment on column ops.viewer.name is 'The user''s display name.';
comment on column ops.viewer.api_key_id is 'The API key; null with a session.';
comment on column ops.viewer.organization_id is 'The organization of this request.';
comment on column ops.viewer.organization_slug is 'The slug of the organization of this request.';
comment on column ops.viewer.role is 'The user''s role in the organization of this request.';
comment on column ops.viewer.permissions is
  'What this request may do: the role''s permissions, with an API key those of them that are in its scopes.';
comment on column ops.viewer.organizations is
  'All organizations of the user; choose one with the header X-Curestry-Organization.';

comment on type ops.viewer_organization is 'An organization that the user is an active member of.';
comment on column ops.viewer_organization.id is 'Identifies the organization.';
comment on column ops.viewer_organization.slug is 'Its short name, for the header X-Curestry-Organization.';
comment on column ops.viewer_organization.name is 'Its display name.';
comment on column ops.viewer_organization.role is 'The user''s role there.';
comment on column ops.viewer_organization.personal is
  'Whether it is the user''s personal organization, which requests belong to that name none.';
grant usage on type ops.viewer, ops.viewer_organization to curestry_anonymous, curestry_member, curestry_definer;
--! EndIncluded ops/types/viewer.sql
--! Included ops/types/jobs.sql
comment on type ops.failed_job is 'A job of the worker that failed permanently. Its payload is not in the API.';
comment on column ops.failed_job.id is 'Identifies the job.';
comment on column ops.failed_job.task is 'What was to be done.';
comment on column ops.failed_job.attempts is 'How often it was tried.';
comment on column ops.failed_job.max_attempts is 'How often it was to be tried at most.';
comment on column ops.failed_job.error is 'Why it failed the last time.';
comment on column ops.failed_job.created_at is 'When it was queued.';
comment on column ops.failed_job.failed_at is 'When it failed the last time.';

comment on type ops.task_run is 'A scheduled or polling task of the worker, and when it last ran.';
comment on column ops.task_run.task is 'Which task.';
comment on column ops.task_run.kind is 'schedule: a line of the crontab; poll: checked all the time.';
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
comment on column ops.entity_change.action is
  'insert, update, delete or truncate; baseline: the row as it was when the log begins.';
comment on column ops.entity_change.actor_user_id is 'Which user, if a request to the API changed it.';
comment on column ops.entity_change.actor_email is
  'The user''s e-mail address, if the account is still there and you may read members.';
comment on column ops.entity_change.actor_api_key_id is 'With which API key.';
comment on column ops.entity_change.actor_api_key_name is 'The name of the key.';
comment on column ops.entity_change.actor_role is 'Which login of the database.';
comment on column ops.entity_change.request_id is 'The X-Request-Id of the request.';
comment on column ops.entity_change.changes is
  'The columns that changed; of a new or a removed row, those that have a value.';
comment on column ops.entity_change.erasure_id is 'Which erasure removed values; null: they are complete.';
comment on column ops.entity_change.sentence is 'All that in a sentence: "anna@example.org changed content and tags".';

comment on type ops.column_change is 'The change of a column.';
comment on column ops.column_change."column" is 'The column.';
comment on column ops.column_change.before is 'Its value before; null if there was none, or it is a secret.';
comment on column ops.column_change.after is 'Its value after; null if there is none, or it is a secret.';
grant usage on type ops.column_change, ops.entity_change to curestry_member, curestry_definer;
--! EndIncluded ops/types/entity_history.sql
--! Included mart/types/series.sql
comment on type mart.series_bucket is 'How long a point is, in the organization''s time zone; a week begins on Monday.';
comment on type mart.series_fill is
  'What a bucket without values becomes. NONE: no point. ZERO: zeros. NULL: a point with count 0 and nothing else. '
  'PREVIOUS: count and sum 0, and the mean, bounds and quantiles of the last point that has any, back to the start '
  'of the previous period.';
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
comment on column mart.series_point.bucket_start is 'Start.';
comment on column mart.series_point.bucket_end is 'End; the start of the next one.';
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
comment on column mart.series_point.previous_start is
  'Start of the bucket at the same place of the previous period, which is as many buckets long and ends where the '
  'first point begins.';
comment on column mart.series_point.previous is 'What was measured in that; null if nothing was, unless it is filled.';
comment on type mart.analysis_values is 'The analyses that ended in a bucket.';
comment on column mart.analysis_values.analyses is
  'How many runs ended; by rubric: how many of them were judged by it.';
comment on column mart.analysis_values.scored is 'How many of them have a document.';
comment on column mart.analysis_values.avg_overall is 'Mean overall score of those with a document.';
comment on column mart.analysis_values.avg_entropy is 'Mean semantic entropy of those with a document.';
comment on column mart.analysis_values.judged is 'By rubric: how many judgements are complete.';
comment on column mart.analysis_values.avg_judged is
  'By rubric: mean of the weighted means of the complete judgements.';
comment on type mart.analysis_point is 'A point of the series of analyses.';
comment on column mart.analysis_point.bucket_start is 'Start.';
comment on column mart.analysis_point.bucket_end is 'End; the start of the next one.';
comment on column mart.analysis_point.analyses is 'How many runs ended; by rubric: how many of them were judged by it.';
comment on column mart.analysis_point.scored is 'How many of them have a document.';
comment on column mart.analysis_point.avg_overall is 'Mean overall score of those with a document.';
comment on column mart.analysis_point.avg_entropy is 'Mean semantic entropy of those with a document.';
comment on column mart.analysis_point.judged is 'By rubric: how many judgements are complete.';
comment on column mart.analysis_point.avg_judged is 'By rubric: mean of the weighted means of the complete judgements.';
comment on column mart.analysis_point.previous_start is
  'Start of the bucket at the same place of the previous period, which is as many buckets long and ends where the '
  'first point begins.';
comment on column mart.analysis_point.previous is 'The analyses of that; null if there were none, unless it is filled.';
comment on type mart.freshness is 'How far a mart is behind.';
comment on column mart.freshness.mart is 'Which mart.';
comment on column mart.freshness.oldest_change_seconds is
  'Age of the oldest change that it has not processed yet; null: none.';
comment on column mart.freshness.waiting is 'How many changes it has not processed yet.';
grant usage on type mart.series_bucket, mart.series_fill, mart.series_values, mart.series_point,
                    mart.analysis_values, mart.analysis_point, mart.freshness
  to curestry_member, curestry_definer;
--! EndIncluded mart/types/series.sql
--! Included app/request/organization_if.sql
/*
 * What every policy of a member compares with. Plain SQL that reads two settings and no table, so that it becomes the
 * index condition itself; app.begin_request makes the settings after it has verified a credential.
 */
create or replace function app.organization_if(permission text) returns uuid
language sql stable parallel safe
return case
  when position(' ' || permission || ' ' in current_setting('curestry.permissions', true)) > 0
  then nullif(current_setting('curestry.organization_id', true), '')::uuid
end;
revoke execute on function app.organization_if from public;
grant execute on function app.organization_if to curestry_member, curestry_anonymous, curestry_definer;
comment on function app.organization_if is
  'The organization of the current request if the request holds this permission, else null.';
--! EndIncluded app/request/organization_if.sql
--! Included app/request/organization_id.sql
create or replace function app.organization_id() returns uuid
language sql stable parallel safe
return nullif(current_setting('curestry.organization_id', true), '')::uuid;
revoke execute on function app.organization_id from public;
grant execute on function app.organization_id to curestry_member, curestry_anonymous, curestry_definer;
comment on function app.organization_id is
  'The organization of the current request, else null. Inserted rows belong to it.';
--! EndIncluded app/request/organization_id.sql
--! Included app/request/user_id.sql
create or replace function app.user_id() returns integer
language sql stable parallel safe
return nullif(current_setting('curestry.user_id', true), '')::integer;
revoke execute on function app.user_id from public;
grant execute on function app.user_id to curestry_member, curestry_anonymous, curestry_definer;
comment on function app.user_id is
  'The user of the current request (with an API key: the user who created it), else null.';
--! EndIncluded app/request/user_id.sql
--! Included app/request/session_user_id.sql
create or replace function app.session_user_id() returns integer
language sql stable parallel safe
return case when coalesce(current_setting('curestry.api_key_id', true), '') = '' then app.user_id() end;
revoke execute on function app.session_user_id from public;
grant execute on function app.session_user_id to curestry_member, curestry_definer;
comment on function app.session_user_id is
  'The user who makes the current request in person; null for an API key, which does not act for its creator as a '
  'person.';
--! EndIncluded app/request/session_user_id.sql
--! Included app/access/role_permissions.sql
create or replace function app.role_permissions(role text) returns text[]
language sql immutable parallel safe
return case role
  when 'viewer' then array['prompts:read', 'analyses:read', 'workflows:read',
                           'rubrics:read', 'marts:read', 'members:read']
  when 'member' then array['prompts:read', 'analyses:read', 'workflows:read',
                           'rubrics:read', 'marts:read', 'members:read',
                           'prompts:write', 'analyses:write', 'workflows:write', 'features:write']
  when 'admin'  then array['prompts:read', 'analyses:read', 'workflows:read',
                           'rubrics:read', 'marts:read', 'members:read',
                           'prompts:write', 'analyses:write', 'workflows:write', 'features:write',
                           'rubrics:write', 'members:write', 'keys:write', 'credentials:write', 'audit:read']
  when 'owner'  then array['prompts:read', 'analyses:read', 'workflows:read',
                           'rubrics:read', 'marts:read', 'members:read',
                           'prompts:write', 'analyses:write', 'workflows:write', 'features:write',
                           'rubrics:write', 'members:write', 'keys:write', 'credentials:write', 'audit:read',
                           'organization:write']
end;
revoke execute on function app.role_permissions from public;
grant execute on function app.role_permissions to curestry_definer;
comment on function app.role_permissions is
  'The permissions of a member role. The scopes of API keys are the same words.';
--! EndIncluded app/access/role_permissions.sql
--! Included app/access/table_usual_comments.sql
/* Comments that follow from the definition, so that the file of a table says only what is its own. */
create or replace function app.table_usual_comments(commented regclass) returns void
language plpgsql volatile set search_path = '' as $$
declare
  v_item record;
begin
  for v_item in
    select a.attname as name, s.sentence
      from pg_catalog.pg_attribute a
      join (values
        ('id', 'Identifies the row; unique across organizations.'),
        ('organization_id', 'The organization that the row belongs to; given by the request, never by the caller.'),
        ('created_at', 'When the row was written.'),
        ('updated_at', 'When the row was last changed.')) as s (name, sentence) on s.name = a.attname
     where a.attrelid = commented and not a.attisdropped
  loop
    execute format('comment on column %s.%I is %L', commented, v_item.name, v_item.sentence);
  end loop;
  for v_item in
    select c.conname as name,
           case when c.contype = 'p' then 'One row per organization and id.'
                when c.confrelid = 'ops.organization'::regclass then 'The organization must exist.'
                else 'The user must exist.' end as sentence
      from pg_catalog.pg_constraint c
     where c.conrelid = commented
       and (c.contype = 'p' and pg_catalog.pg_get_constraintdef(c.oid) = 'PRIMARY KEY (organization_id, id)'
            or c.contype = 'f' and cardinality(c.conkey) = 1
               and c.confrelid in ('ops.organization'::regclass, 'core.users'::regclass))
  loop
    execute format('comment on constraint %I on %s is %L', v_item.name, commented, v_item.sentence);
  end loop;
end;
$$;
revoke execute on function app.table_usual_comments from public;
comment on function app.table_usual_comments is
  'Comments what is the same in every table: id, organization, times, primary key, foreign keys to organizations and '
  'users. Called first in the file of each table, whose own comments then replace these where there is more to say.';
--! EndIncluded app/access/table_usual_comments.sql
--! Included app/access/table_protect.sql
/*
 * The first of the sentences about rights in the file of each table: nobody has any but those that the file then
 * grants.
 */
create or replace function app.table_protect(guarded regclass) returns void
language plpgsql volatile set search_path = '' set client_min_messages = warning as $$
begin
  execute format('alter table %s enable row level security', guarded);
  execute format('alter table %s force row level security', guarded);
  execute format('revoke all on %s from curestry_anonymous, curestry_member, curestry_analyst, curestry_definer',
                 guarded);
  execute format('drop policy if exists definer_all on %s', guarded);
  execute format('create policy definer_all on %s for all to curestry_definer using (true) with check (true)', guarded);
  execute format('comment on policy definer_all on %s is %L', guarded,
                 'The functions that look past row level security; the grants say what they may.');
end;
$$;
revoke execute on function app.table_protect from public;
comment on function app.table_protect is
  'Turns row level security on for a table, owners included, takes every right away, and lets the functions that look '
  'past it see all rows: what they may do with them, the grants say. Called in the file of each table.';
--! EndIncluded app/access/table_protect.sql
--! Included app/access/table_policies_for_members.sql
/*
 * One comparison with the request's organization, which becomes the index condition: see sql/README.md. Only
 * policies: the file of the table grants what a member may do, column by column.
 */
create or replace function app.table_policies_for_members(
  guarded regclass, to_read text, to_write text default null, writes text[] default '{insert,update,delete}'
) returns void
language plpgsql volatile set search_path = '' set client_min_messages = warning as $$
declare
  v_command text;
  v_permission text;
begin
  foreach v_command in array array['select'] || case when to_write is not null then writes end loop
    v_permission := case v_command when 'select' then to_read else to_write end;
    execute format('drop policy if exists %I on %s', v_command || '_own', guarded);
    execute format('create policy %I on %s for %s to curestry_member ', v_command || '_own', guarded, v_command)
            || format(case v_command when 'insert' then 'with check' else 'using' end
                      || ' (organization_id = app.organization_if(%L))', v_permission);
    execute format('comment on policy %I on %s is %L', v_command || '_own', guarded,
      case v_command when 'select' then 'Members read the rows of their request''s organization, with '
                     when 'insert' then 'Members write to their request''s organization, with '
                     when 'update' then 'Members change the rows of their request''s organization, with '
                     when 'delete' then 'Members delete the rows of their request''s organization, with ' end
      || v_permission || '.');
  end loop;
end;
$$;
revoke execute on function app.table_policies_for_members from public;
comment on function app.table_policies_for_members is
  'Creates the policies of members on a table with an organization_id: which permission it takes to read the rows of '
  'the request''s organization, and which to write them. Called in the file of each such table.';
--! EndIncluded app/access/table_policies_for_members.sql
--! Included app/access/table_policy_for_analysts.sql
/* Reads who has logged in and no setting: whoever has SQL can set settings. */
create or replace function app.table_policy_for_analysts(guarded regclass) returns void
language plpgsql volatile set search_path = '' set client_min_messages = warning as $$
begin
  execute format('drop policy if exists select_granted on %s', guarded);
  execute format('create policy select_granted on %s for select to curestry_analyst'
                 ' using (organization_id = any (app.analyst_organizations()))', guarded);
  execute format('comment on policy select_granted on %s is %L', guarded,
                 'Analysts read the organizations granted to them.');
end;
$$;
revoke execute on function app.table_policy_for_analysts from public;
comment on function app.table_policy_for_analysts is
  'Creates the policy of analysts on a table with an organization_id: the organizations granted to their login. '
  'Called in the file of each such table.';
--! EndIncluded app/access/table_policy_for_analysts.sql
--! Included app/request/refuse.sql
/*
 * Every refusal of our functions. The SQLSTATEs are ours (class CU) and are listed here and in
 * src/shared/error_codes.ts, from which the gateway makes extensions.code; a test compares the two.
 *
 *   CU001 UNAUTHENTICATED   CU002 FORBIDDEN   CU003 NOT_FOUND   CU004 INVALID
 *   CU005 CONFLICT          CU006 LIMIT       CU007 UNAVAILABLE
 */
create or replace function app.refuse(code text, message text, field text default null, rule text default null)
returns void
language plpgsql stable set search_path = '' as $$
begin
  raise exception using
    errcode = code, message = message, column = coalesce(field, ''), constraint = coalesce(rule, '');
end;
$$;
revoke execute on function app.refuse from public;
grant execute on function app.refuse to curestry_member, curestry_definer;
comment on function app.refuse is
  'Raises an error with one of our SQLSTATEs, a message for the user, and the field and the rule that it is about.';
--! EndIncluded app/request/refuse.sql
--! Included app/request/require.sql
create or replace function app.require(permission text) returns uuid
language plpgsql stable set search_path = '' as $$
declare
  v_organization constant uuid := app.organization_if(permission);
begin
  if v_organization is null then
    if app.organization_id() is null then
      perform app.refuse('CU001',
        'This needs credentials: send "Authorization: Bearer" with an API key or a session token');
    end if;
    perform app.refuse('CU002',
      format('This needs the permission %s, which these credentials do not have', permission));
  end if;
  return v_organization;
end;
$$;
revoke execute on function app.require from public;
grant execute on function app.require to curestry_member, curestry_definer;
comment on function app.require is
  'The organization of the current request; refuses (CU001, CU002) a request that does not hold this permission.';
--! EndIncluded app/request/require.sql
--! Included app/request/require_person.sql
create or replace function app.require_person() returns integer
language plpgsql stable set search_path = '' as $$
begin
  if app.session_user_id() is null then
    if app.organization_id() is null then
      perform app.refuse('CU001',
        'This needs credentials: sign in, and send "Authorization: Bearer" with the session token');
    end if;
    perform app.refuse('CU002', 'This needs a person who has signed in; an API key cannot do it');
  end if;
  return app.session_user_id();
end;
$$;
revoke execute on function app.require_person from public;
grant execute on function app.require_person to curestry_member, curestry_definer;
comment on function app.require_person is
  'The user who makes the request in person; refuses (CU001, CU002) anybody else.';
--! EndIncluded app/request/require_person.sql
--! Included app/request/constraint_message.sql
create or replace function app.constraint_message(schema_name text, table_name text, constraint_name text) returns text
language sql stable security definer set search_path = '' as $$
  select coalesce(
    (select pg_catalog.obj_description(c.oid, 'pg_constraint')
       from pg_catalog.pg_constraint c
      where c.conrelid = to_regclass(format('%I.%I', schema_name, table_name)) and c.conname = constraint_name),
    (select pg_catalog.obj_description(to_regclass(format('%I.%I', schema_name, constraint_name)), 'pg_class')));
$$;
alter function app.constraint_message owner to curestry_definer;
revoke execute on function app.constraint_message from public;
grant execute on function app.constraint_message to curestry_gateway, curestry_member;
comment on function app.constraint_message is
  'The rule of a constraint or unique index in plain words: its comment.';
--! EndIncluded app/request/constraint_message.sql
--! Included app/request/constraint_violation_message.sql
/* For functions that report one bad item and go on: what an error of PostgreSQL means, in the words of our comments. */
create or replace function app.constraint_violation_message(
  state text, message text, schema_name text, table_name text, constraint_name text, column_name text
)
returns text
language sql stable set search_path = '' as $$
  select coalesce(
    case
      when state = '23502' then column_name || ' is required'
      when constraint_name <> '' then app.constraint_message(schema_name, table_name, constraint_name)
    end,
    message);
$$;
revoke execute on function app.constraint_violation_message from public;
grant execute on function app.constraint_violation_message to curestry_definer;
comment on function app.constraint_violation_message is
  'What the violation of a constraint means, in plain words.';
--! EndIncluded app/request/constraint_violation_message.sql
--! Included app/access/api_key_permissions.sql
/*
 * What an API key may do now: its scopes, limited by what its creator may do. A key that a person created is limited
 * by that person's current membership; an operator's key is not limited further; a key created with another key is
 * also limited by that key's scopes, and valid only while that key is (one generation: a key created with a key
 * cannot have keys:write).
 */
create or replace function app.api_key_permissions(key ops.api_key) returns text[]
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
alter function app.api_key_permissions owner to curestry_definer;
revoke execute on function app.api_key_permissions from public;
comment on function app.api_key_permissions is
  'The current permissions of an API key: those of its scopes that its creator has too.';
--! EndIncluded app/access/api_key_permissions.sql
--! Included app/request/begin_request.sql
/*
 * The first statement of every transaction of the gateway. It receives a credential, not a claim: user, organization
 * and permissions are looked up here, each time, so that a revocation or a demotion takes effect with the next
 * request.
 *
 * The settings are local to the transaction. The gateway sets the role itself afterwards: "set role" is refused
 * inside a definer function.
 */
create or replace function app.begin_request(
  session_jwt_id text, api_key_hash text, organization_slug text, request_id text) returns void
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_user integer;
  v_session integer;
  v_key uuid;
  v_organization uuid;
  v_permissions text[] := '{}';
begin
  if api_key_hash is not null then
    select k.organization_id, k.id, k.user_id, app.api_key_permissions(k)
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
      perform app.refuse('CU002',
        'You are not an active member of the organization that X-Curestry-Organization names');
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
alter function app.begin_request owner to curestry_definer;
revoke execute on function app.begin_request from public;
grant execute on function app.begin_request to curestry_gateway;
comment on function app.begin_request is
  'Verifies the credential of a request and sets, for this transaction, its user, organization, permissions and '
  'request id.';
--! EndIncluded app/request/begin_request.sql
--! Included app/members/member_visible_user_ids.sql
create or replace function app.member_visible_user_ids() returns integer[]
language sql stable security definer set search_path = '' as $$
  select array(select m.user_id from ops.organization_user m
                where m.organization_id = app.organization_if('members:read')
               union select app.session_user_id() where app.session_user_id() is not null);
$$;
alter function app.member_visible_user_ids owner to curestry_definer;
revoke execute on function app.member_visible_user_ids from public;
grant execute on function app.member_visible_user_ids to curestry_member;
comment on function app.member_visible_user_ids is
  'The users whom the current request may see: the user who makes it in person, and the members of its organization '
  'if it may read members.';
--! EndIncluded app/members/member_visible_user_ids.sql
--! Included app/analysts/analyst_organizations.sql
/* Reads session_user and no setting: SQL can change settings, but not who has logged in. */
create or replace function app.analyst_organizations() returns uuid[]
language sql stable security definer set search_path = '' as $$
  select array(select g.organization_id from ops.analyst_grant g where g.role_name = session_user);
$$;
alter function app.analyst_organizations owner to curestry_definer;
revoke execute on function app.analyst_organizations from public;
grant execute on function app.analyst_organizations to curestry_analyst;
comment on function app.analyst_organizations is
  'The organizations that were granted to the analyst who has logged in.';
--! EndIncluded app/analysts/analyst_organizations.sql
--! Included app/analysts/analyst_user_ids.sql
create or replace function app.analyst_user_ids() returns integer[]
language sql stable security definer set search_path = '' as $$
  select array(select distinct m.user_id
                 from ops.analyst_grant g
                 join ops.organization_user m on m.organization_id = g.organization_id
                where g.role_name = session_user);
$$;
alter function app.analyst_user_ids owner to curestry_definer;
revoke execute on function app.analyst_user_ids from public;
grant execute on function app.analyst_user_ids to curestry_analyst;
comment on function app.analyst_user_ids is
  'The members of the organizations that were granted to the analyst who has logged in.';
--! EndIncluded app/analysts/analyst_user_ids.sql
--! Included app/request/tg__updated_at.sql
create or replace function app.tg__updated_at() returns trigger
language plpgsql set search_path = '' as $$
begin
  NEW.updated_at := now();
  return NEW;
end;
$$;
revoke execute on function app.tg__updated_at from public;
comment on function app.tg__updated_at is 'Trigger: updated_at is the time of the last change.';
--! EndIncluded app/request/tg__updated_at.sql
--! Included app/audit/tg_audit_log__append_only.sql
create or replace function app.tg_audit_log__append_only() returns trigger
language plpgsql set search_path = '' as $$
begin
  -- The row trigger limits what an erasure may change.
  if TG_OP = 'UPDATE' and TG_NARGS > 0 and nullif(current_setting('curestry.erasure_id', true), '') is not null then
    return null;
  end if;
  perform app.refuse('CU002', 'The audit log is append-only: nothing in it is changed or removed');
  return null;
end;
$$;
revoke execute on function app.tg_audit_log__append_only from public;
comment on function app.tg_audit_log__append_only is
  'Trigger: refuses every update, delete and truncate of the audit log; with the argument "erasable", leaves updates '
  'by an erasure to the row trigger.';
--! EndIncluded app/audit/tg_audit_log__append_only.sql
--! Included app/privacy/erasure_only_removes.sql
create or replace function app.erasure_only_removes(before jsonb, after jsonb) returns boolean
language sql immutable
return after is null or (before is not null and not exists (
  select from jsonb_each(after) n
   where n.value is distinct from before -> n.key and (n.value <> 'null' or not before ? n.key)));
revoke execute on function app.erasure_only_removes from public;
grant execute on function app.erasure_only_removes to curestry_definer;
comment on function app.erasure_only_removes is
  'Whether a state equals another one except for removed values.';
--! EndIncluded app/privacy/erasure_only_removes.sql
--! Included app/audit/tg_audit_log__erase.sql
/*
 * The only change that a row of the log can undergo: an erasure, whose record was written in this transaction,
 * removes values from its states.
 */
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
     or not app.erasure_only_removes(OLD.before_state, NEW.before_state)
     or not app.erasure_only_removes(OLD.after_state, NEW.after_state)
     or not exists (select from app.erasure e
                     where e.id = v_erasure and e.counts is null and e.xid = pg_current_xact_id()::text::bigint) then
    perform app.refuse('CU002', 'The audit log is append-only: nothing in it is changed or removed');
  end if;
  return NEW;
end;
$$;
alter function app.tg_audit_log__erase owner to curestry_definer;
revoke execute on function app.tg_audit_log__erase from public;
comment on function app.tg_audit_log__erase is
  'Trigger: in the transaction of an erasure, an update of the audit log may remove values from states, and nothing '
  'else.';
--! EndIncluded app/audit/tg_audit_log__erase.sql
--! Included app/privacy/tg_erasure__append_only.sql
create or replace function app.tg_erasure__append_only() returns trigger
language plpgsql set search_path = '' as $$
begin
  -- The counts are known at the end of the erasure.
  if TG_OP = 'UPDATE' and OLD.counts is null and OLD.xid = pg_current_xact_id()::text::bigint
     and to_jsonb(NEW) - 'counts' = to_jsonb(OLD) - 'counts' then
    return NEW;
  end if;
  perform app.refuse('CU002', 'Erasure records are append-only');
  return null;
end;
$$;
revoke execute on function app.tg_erasure__append_only from public;
comment on function app.tg_erasure__append_only is
  'Trigger: an erasure record gets its counts in its own transaction, and cannot change otherwise.';
--! EndIncluded app/privacy/tg_erasure__append_only.sql
--! Included app/audit/audit_trigger_function_name.sql
create or replace function app.audit_trigger_function_name(table_name text) returns text
language sql immutable
return 'tg_' || split_part(table_name, '.', 1) || '_' || split_part(table_name, '.', 2) || '__audit';
revoke execute on function app.audit_trigger_function_name from public;
comment on function app.audit_trigger_function_name is
  'The name of the generated audit function of a table, which is in app.';
--! EndIncluded app/audit/audit_trigger_function_name.sql
--! Included app/audit/audit_trigger_source.sql
/*
 * Generates the body of a table's audit trigger. It lists the columns that may be logged: to_jsonb of a row of those
 * costs a third less than jsonb_build_object with each name. The body depends only on the catalogue and on
 * app.audited_table; app.security_findings compares the deployed one with the one that would be generated now, so a
 * new column cannot be forgotten.
 */
create or replace function app.audit_trigger_source(audited app.audited_table) returns text
language plpgsql stable set search_path = '' as $$
declare
  v_into constant text :=
    E'insert into ops.audit_log\n      (actor_user_id, actor_api_key_id, request_id, organization_id, action, '
    'entity_type, entity_id';
  -- The query itself reads the settings, for each row. Variables would be parameters, for which the query is planned
  -- again and again; a join with a row that has them costs more.
  v_who constant text := $who$nullif(current_setting('curestry.user_id', true), '')::integer,
           nullif(current_setting('curestry.api_key_id', true), '')::uuid,
           nullif(current_setting('curestry.request_id', true), '')$who$;
  v_nil constant text := quote_literal('00000000-0000-0000-0000-000000000000');
  v_organization_column constant text := quote_ident(audited.organization_column);
  v_new_owner constant text := coalesce('n.' || v_organization_column, v_nil || '::uuid');
  v_old_owner constant text := coalesce('o.' || v_organization_column, v_nil || '::uuid');
  v_new_entity constant text := format('%L, n.%I', audited.table_name, audited.id_column);
  v_old_entity constant text := format('%L, o.%I', audited.table_name, audited.id_column);
  v_same_row text := format('o.%1$I = n.%1$I', audited.id_column);
  v_new_state text;
  v_old_state text;
  v_changed text;
  v_differs text;
  v_insert text;
  v_update text;
  v_update_from text;
  v_removal_by_age text;
  v_delete text;
  v_truncate text;
begin
  if audited.organization_column <> audited.id_column then
    v_same_row := v_same_row || format(' and o.%1$I = n.%1$I', audited.organization_column);
  end if;
  select format('lateral (select %s) n_state', string_agg(format('n.%I', a.attname), ', ' order by a.attnum)),
         format('lateral (select %s) o_state', string_agg(format('o.%I', a.attname), ', ' order by a.attnum))
    into v_new_state, v_old_state
    from pg_catalog.pg_attribute a
   where a.attrelid = audited.table_name::regclass and a.attnum > 0 and not a.attisdropped
     and a.attname <> all (audited.secret_columns);
  select string_agg(format('case when n.%1$I is distinct from o.%1$I then %1$L end', a.attname),
                    E',\n                              ' order by a.attname),
         string_agg(format('n.%1$I is distinct from o.%1$I', a.attname), E'\n        or ' order by a.attnum)
           filter (where a.attname <> all (audited.note_columns))
    into v_changed, v_differs
    from pg_catalog.pg_attribute a
   where a.attrelid = audited.table_name::regclass and a.attnum > 0 and not a.attisdropped and a.attgenerated = '';

  if audited.summarize_inserts then
    v_insert := format($insert$
    select %s,
           n.organization_id, 'insert', %L,
           case when count(*) = 1 then min(n.%I::text) else count(*) || ' rows' end,
           jsonb_build_object('rows', count(*))
      from new_rows n
     group by n.organization_id;$insert$, v_who, audited.table_name, audited.id_column);
    v_removal_by_age := format($delete$
    select %s,
           o.organization_id, 'delete', %L, count(*) || ' rows', jsonb_build_object('rows', count(*))
      from old_rows o
     group by o.organization_id;$delete$, v_who, audited.table_name);
  else
    v_insert := format($insert$
    select %s,
           %s, 'insert', %s, to_jsonb(n_state)
      from new_rows n,
           %s;$insert$, v_who, v_new_owner, v_new_entity, v_new_state);
    v_removal_by_age := format($delete$
    select %s,
           %s, 'delete', %s, null::jsonb
      from old_rows o;$delete$, v_who, v_old_owner, v_old_entity);
  end if;
  v_update := format($update$
    select %s,
           %s, 'update', %s, to_jsonb(o_state), to_jsonb(n_state),
           array_remove(array[%s]::text[], null)$update$, v_who, v_new_owner, v_new_entity, v_changed);
  v_update_from := format($update$
      from new_rows n
      join old_rows o on %s,
           %s,
           %s
     where %s;$update$, v_same_row, v_old_state, v_new_state, v_differs);
  v_delete := format($delete$
    select %s,
           %s, 'delete', %s, to_jsonb(o_state)
      from old_rows o,
           %s;$delete$, v_who, v_old_owner, v_old_entity, v_old_state);
  v_truncate := format($truncate$
    select %s,
           %s, 'truncate', %L, '*';$truncate$, v_who, v_nil, audited.table_name);

  return concat(E'\nbegin',
    E'\n  if TG_OP = ''INSERT'' then',
    E'\n    ', v_into, ', after_state)', v_insert,
    E'\n  elsif TG_OP = ''UPDATE'' then',
    E'\n    ', v_into, E',\n       before_state, after_state, changed_columns)', v_update, v_update_from,
    E'\n  elsif TG_OP = ''DELETE'' and coalesce(current_setting(''curestry.retention'', true), '''') = ''on'' then',
    E'\n    -- removed by age: not to be kept here instead',
    E'\n    ', v_into, ', before_state)', v_removal_by_age,
    E'\n  elsif TG_OP = ''DELETE'' then',
    E'\n    ', v_into, ', before_state)', v_delete,
    E'\n  else -- truncate: no rows are given; the statement itself is the event',
    E'\n    ', v_into, ')', v_truncate,
    E'\n  end if;',
    E'\n  return null;',
    E'\nend;\n');
end;
$$;
revoke execute on function app.audit_trigger_source from public;
comment on function app.audit_trigger_source is
  'The body of the audit trigger of a table, as it would be generated now.';
--! EndIncluded app/audit/audit_trigger_source.sql
--! Included app/audit/audit_table.sql
/*
 * Puts the audit triggers on a table; called in the file of each table, and again whenever its columns change. The
 * generated function contains the name of the table: TG_TABLE_NAME would be the shard's on a distributed table.
 */
create or replace function app.audit_table(
  audited regclass, organization_column text default 'organization_id', id_column text default 'id',
  secret_columns text[] default '{}', note_columns text[] default '{}', summarize_inserts boolean default false
) returns void
language plpgsql volatile set search_path = '' as $$
declare
  v_event text;
  v_rows text;
  v_table app.audited_table;
  v_function text;
begin
  select n.nspname || '.' || c.relname,
         audit_table.organization_column, audit_table.id_column, audit_table.secret_columns,
         audit_table.note_columns, audit_table.summarize_inserts
    into v_table
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
   where c.oid = audited;
  insert into app.audited_table select v_table.*
  on conflict on constraint pk_audited_table do update
    set organization_column = excluded.organization_column, id_column = excluded.id_column,
        secret_columns = excluded.secret_columns, note_columns = excluded.note_columns,
        summarize_inserts = excluded.summarize_inserts;

  v_function := app.audit_trigger_function_name(v_table.table_name);
  execute format('create or replace function app.%I() returns trigger '
                 'language plpgsql security definer set search_path = '''' as %L',
    v_function, app.audit_trigger_source(v_table));
  execute format('alter function app.%I() owner to curestry_definer', v_function);
  execute format('revoke execute on function app.%I() from public', v_function);
  execute format('comment on function app.%I() is %L', v_function,
    'Trigger, generated by app.audit_table: records the changes of ' || v_table.table_name || ' in ops.audit_log.');
  foreach v_event in array array['insert', 'update', 'delete', 'truncate'] loop
    v_rows := case v_event when 'insert' then 'referencing new table as new_rows'
                           when 'update' then 'referencing old table as old_rows new table as new_rows'
                           when 'delete' then 'referencing old table as old_rows' else '' end;
    execute format('create or replace trigger %I after %s on %s ', '_900_audit_' || v_event, v_event, audited)
            || v_rows || format(' for each statement execute function app.%I()', v_function);
  end loop;
end;
$$;
revoke execute on function app.audit_table from public;
comment on function app.audit_table is
  'Puts the audit triggers on a table, generated for its columns; called in the file of each table.';
--! EndIncluded app/audit/audit_table.sql
--! Included app/privacy/personal_table.sql
create or replace function app.personal_table(
  personal regclass, person_column text, personal_columns text[], treatment text) returns void
language sql volatile set search_path = '' as $$
  insert into app.personal_data (table_name, person_column, personal_columns, treatment)
  select n.nspname || '.' || c.relname, person_column, personal_columns, treatment
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
   where c.oid = personal
  on conflict on constraint pk_personal_data do update
    set person_column = excluded.person_column, personal_columns = excluded.personal_columns,
        treatment = excluded.treatment;
$$;
revoke execute on function app.personal_table from public;
comment on function app.personal_table is
  'Declares which columns of a table are personal data, whose, and what the erasure of that user does to the row; '
  'called in the file of the table.';
--! EndIncluded app/privacy/personal_table.sql
--! Included app/retention/partition_list.sql
create or replace function app.partition_list(parent regclass)
returns table (name name, from_ts timestamptz, to_ts timestamptz)
language sql stable set search_path = '' as $$
  select c.relname, b.bounds[1]::timestamptz, b.bounds[2]::timestamptz
    from pg_catalog.pg_inherits i
    join pg_catalog.pg_class c on c.oid = i.inhrelid,
         lateral regexp_match(pg_catalog.pg_get_expr(c.relpartbound, c.oid),
                              'FROM \(''([^'']+)''\) TO \(''([^'']+)''\)') as b (bounds)
   where i.inhparent = parent and b.bounds is not null
   order by 2;
$$;
revoke execute on function app.partition_list from public;
comment on function app.partition_list is
  'The monthly partitions of a table, which are in app, with start and end, in order; without the default.';
--! EndIncluded app/retention/partition_list.sql
--! Included app/retention/partition_make_all.sql
/*
 * Creates monthly partitions before they are needed. A row of a month without one goes to the default partition, so
 * no row is refused; when the partition is created, such rows move there. Months of the last five years that turn out
 * to have rows get one too. Only the owner of a table can attach a partition: this is one of the few functions that
 * act as curestry_owner.
 */
create or replace function app.partition_make_all() returns setof text
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
      select month
        from generate_series(date_trunc('month', now()), date_trunc('month', now()) + %s * interval '1 month',
                             interval '1 month') as month
      union
      select date_trunc('month', %I) from app.%I where %2$I < now() and %2$I >= now() - interval '5 years'
      order by 1
    $query$, v_table.months_ahead, v_table.time_column, v_parent || '_default') loop
      v_name := v_parent || to_char(v_month, '_YYYY_MM');
      continue when to_regclass(format('app.%I', v_name)) is not null;
      execute format('create table app.%I (like %s including defaults including constraints)', v_name, v_of);
      execute format('comment on table app.%I is %L', v_name, v_table.table_name || to_char(v_month, '" of "YYYY-MM'));
      perform app.table_protect(format('app.%I', v_name)::regclass);
      execute format($query$
        with moved as (delete from app.%1$I where %2$I >= $1 and %2$I < $2 returning *)
        insert into app.%3$I select * from moved
      $query$, v_parent || '_default', v_table.time_column, v_name) using v_month, v_month + interval '1 month';
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
revoke execute on function app.partition_make_all from public;
grant execute on function app.partition_make_all to curestry_worker;
comment on function app.partition_make_all is
  'Creates the partitions of the coming months, and of months that have rows but no partition; returns which. A job '
  'of the worker.';
--! EndIncluded app/retention/partition_make_all.sql
--! Included app/retention/retention_refusal.sql
create or replace function app.retention_refusal(field text, earliest timestamptz) returns text
language sql stable
return format(
  '%s: lies before %s; this organization does not keep what is older (raw_retention_days)', field, earliest);
revoke execute on function app.retention_refusal from public;
grant execute on function app.retention_refusal to curestry_definer;
comment on function app.retention_refusal is
  'Why a fact is refused that lies before the time from which an organization keeps facts.';
--! EndIncluded app/retention/retention_refusal.sql
--! Included app/retention/retention_refuse_facts.sql
create or replace function app.retention_refuse_facts(field text, organization uuid, earliest timestamptz) returns void
language plpgsql stable set search_path = '' as $$
declare
  v_immutable_before timestamptz;
begin
  select s.facts_immutable_before into v_immutable_before from app.mart_state s where s.organization_id = organization;
  if earliest < v_immutable_before then
    perform app.refuse('CU004', app.retention_refusal(field, v_immutable_before), field, 'raw_retention');
  end if;
end;
$$;
revoke execute on function app.retention_refuse_facts from public;
grant execute on function app.retention_refuse_facts to curestry_definer;
comment on function app.retention_refuse_facts is
  'Refuses facts of a time that the organization no longer keeps: the marts could not count them.';
--! EndIncluded app/retention/retention_refuse_facts.sql
--! Included app/marts/tg__mart_changes.sql
/*
 * The statement that changes facts records the changes; nothing is queued or notified inside a writer's transaction.
 * The arguments are the source, and the name by which callers know the time field.
 */
create or replace function app.tg__mart_changes() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if TG_OP <> 'INSERT' then
    insert into app.mart_change (organization_id, source, hour)
    select distinct organization_id, TG_ARGV[0], date_trunc('hour', occurred_at, 'UTC') from old_rows;
  end if;
  if TG_OP <> 'DELETE' then
    insert into app.mart_change (organization_id, source, hour)
    select distinct organization_id, TG_ARGV[0], date_trunc('hour', occurred_at, 'UTC') from new_rows;
  end if;
  if TG_OP = 'INSERT' then
    perform app.retention_refuse_facts(TG_ARGV[1], n.organization_id, min(n.occurred_at))
       from new_rows n
      group by n.organization_id;
  elsif TG_OP = 'UPDATE' then
    perform app.retention_refuse_facts(TG_ARGV[1], n.organization_id, min(n.occurred_at))
       from new_rows n
       join old_rows o on o.organization_id = n.organization_id and o.id = n.id
      where n.occurred_at <> o.occurred_at
      group by n.organization_id;
  end if;
  return null;
end;
$$;
alter function app.tg__mart_changes owner to curestry_definer;
revoke execute on function app.tg__mart_changes from public;
comment on function app.tg__mart_changes is
  'Trigger: records the hours whose facts changed, for the worker to bring the marts up to date; refuses facts of '
  'times that are not kept.';
--! EndIncluded app/marts/tg__mart_changes.sql
--! Included app/marts/tg__mart_changes_truncate.sql
create or replace function app.tg__mart_changes_truncate() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  insert into app.mart_change (organization_id, source, hour)
  select o.id, TG_ARGV[0], '-infinity' from ops.organization o;
  return null;
end;
$$;
alter function app.tg__mart_changes_truncate owner to curestry_definer;
revoke execute on function app.tg__mart_changes_truncate from public;
comment on function app.tg__mart_changes_truncate is
  'Trigger: records a change of all hours of all organizations when a table of facts is truncated.';
--! EndIncluded app/marts/tg__mart_changes_truncate.sql
--! Included app/marts/tg__mart_changes_of_runs.sql
/*
 * A document and a judgement count when their run ended, whatever their own time is. While a run is unfinished, a
 * transaction that changes what belongs to it and one that ends it wait for each other, so that the recorded hour is
 * the one in which it will count.
 */
create or replace function app.tg__mart_changes_of_runs() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if TG_OP <> 'INSERT' then
    perform from ops.analysis_run r
      where (r.organization_id, r.id) in (select organization_id, analysis_run_id from old_rows)
        and r.finished_at is null
        for share;
    insert into app.mart_change (organization_id, source, hour)
    select distinct r.organization_id, TG_ARGV[0], date_trunc('hour', r.occurred_at, 'UTC')
      from old_rows o join ops.analysis_run r on r.organization_id = o.organization_id and r.id = o.analysis_run_id;
  end if;
  if TG_OP <> 'DELETE' then
    perform from ops.analysis_run r
      where (r.organization_id, r.id) in (select organization_id, analysis_run_id from new_rows)
        and r.finished_at is null
        for share;
    insert into app.mart_change (organization_id, source, hour)
    select distinct r.organization_id, TG_ARGV[0], date_trunc('hour', r.occurred_at, 'UTC')
      from new_rows n join ops.analysis_run r on r.organization_id = n.organization_id and r.id = n.analysis_run_id;
  end if;
  return null;
end;
$$;
alter function app.tg__mart_changes_of_runs owner to curestry_definer;
revoke execute on function app.tg__mart_changes_of_runs from public;
comment on function app.tg__mart_changes_of_runs is
  'Trigger: records the hours of the runs whose document or judgements changed.';
--! EndIncluded app/marts/tg__mart_changes_of_runs.sql
--! Included app/marts/tg_organization__mart_changes.sql
create or replace function app.tg_organization__mart_changes() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  insert into app.mart_change (organization_id, source, hour) values (NEW.id, 'zone', '-infinity');
  return null;
end;
$$;
alter function app.tg_organization__mart_changes owner to curestry_definer;
revoke execute on function app.tg_organization__mart_changes from public;
comment on function app.tg_organization__mart_changes is
  'Trigger: the marts of an organization are rebuilt when its time zone changes.';
--! EndIncluded app/marts/tg_organization__mart_changes.sql
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
  if NEW.time_zone !~ '^(posix/|right/|Factory$|localtime$|posixrules$)'
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
--! Included app/marts/mart_source_table.sql
create or replace function app.mart_source_table(
  facts regclass, source text, time_field text default 'occurred_at', trigger_function text default 'tg__mart_changes'
) returns void
language plpgsql volatile set search_path = '' as $$
declare
  v_event text;
  v_name text;
  v_rows text;
  v_function text;
begin
  foreach v_event in array array['insert', 'update', 'delete', 'truncate'] loop
    v_name := case trigger_function when 'tg__mart_changes_of_runs' then '_810_run_changes_'
                                    else '_800_mart_changes_' end || v_event;
    v_rows := case v_event when 'insert' then 'referencing new table as new_rows'
                           when 'update' then 'referencing old table as old_rows new table as new_rows'
                           when 'delete' then 'referencing old table as old_rows' else '' end;
    v_function := case v_event when 'truncate' then 'tg__mart_changes_truncate' else trigger_function end;
    execute format('create or replace trigger %I after %s on %s ', v_name, v_event, facts)
            || v_rows || format(' for each statement execute function app.%I(%L, %L)', v_function, source, time_field);
  end loop;
end;
$$;
revoke execute on function app.mart_source_table from public;
comment on function app.mart_source_table is
  'Puts the triggers on a table of facts that record which hours of this source changed, for the marts; called in '
  'the file of each such table.';
--! EndIncluded app/marts/mart_source_table.sql
--! Included app/analyses/analysis_document_metrics.sql
/*
 * A document's numbers are metrics of its run too: the one list of which, and under which keys. The keys are reserved:
 * a metric of that name is the document's, or says the same.
 */
create or replace function app.analysis_document_metrics(
  overall_score double precision, judge_score double precision, semantic_entropy double precision,
  complexity_score double precision, length_chars integer, length_words integer
) returns table (key text, value numeric)
language sql immutable
begin atomic
  select m.key, m.value
    from (values
      ('overall_score', overall_score::numeric), ('judge_score', judge_score::numeric),
      ('semantic_entropy', semantic_entropy::numeric), ('complexity_score', complexity_score::numeric),
      ('length_chars', length_chars::numeric), ('length_words', length_words::numeric)) as m (key, value);
end;
revoke execute on function app.analysis_document_metrics from public;
grant execute on function app.analysis_document_metrics to curestry_definer;
comment on function app.analysis_document_metrics is
  'The numbers of an analysis document as metrics: key and value.';
--! EndIncluded app/analyses/analysis_document_metrics.sql
--! Included app/analyses/tg_analysis_results__metrics.sql
/*
 * Written in the same transaction as the document, so that the two cannot disagree. app.analysis_item_problems refuses
 * a metric under one of these keys that says otherwise.
 */
create or replace function app.tg_analysis_results__metrics() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  insert into ops.analysis_metric (organization_id, analysis_run_id, key, value_num, occurred_at)
  select d.organization_id, d.analysis_run_id, m.key, m.value, d.occurred_at
    from new_rows d,
         lateral app.analysis_document_metrics(d.overall_score, d.judge_score, d.semantic_entropy, d.complexity_score,
                                               d.length_chars, d.length_words) as m
  on conflict (organization_id, analysis_run_id, key) do update
    set value_num = excluded.value_num, value_text = null, value_json = null;
  return null;
end;
$$;
alter function app.tg_analysis_results__metrics owner to curestry_definer;
revoke execute on function app.tg_analysis_results__metrics from public;
comment on function app.tg_analysis_results__metrics is
  'Trigger: mirrors the numbers of an analysis document into the metrics of its run.';
--! EndIncluded app/analyses/tg_analysis_results__metrics.sql
--! Included app/analyses/tg_analysis_run__life.sql
/* The one place that says which step of a run's life is allowed. */
create or replace function app.tg_analysis_run__life() returns trigger
language plpgsql set search_path = '' as $$
begin
  if NEW.status <> OLD.status and not (OLD.status, NEW.status) in (
       ('queued', 'running'), ('queued', 'cancelled'), ('queued', 'failed'),
       ('running', 'succeeded'), ('running', 'failed'), ('running', 'cancelled')) then
    perform app.refuse('CU005', format('An analysis run that is %s cannot become %s', OLD.status, NEW.status),
                       'status', 'analysis_run_life');
  end if;
  if OLD.started_at is not null and NEW.started_at is distinct from OLD.started_at then
    perform app.refuse('CU005', format('An analysis run starts once, and this one is %s', OLD.status),
                       'startedAt', 'analysis_run_life');
  end if;
  if OLD.finished_at is not null and NEW.finished_at is distinct from OLD.finished_at then
    perform app.refuse('CU005', format('An analysis run ends once, and this one is %s', OLD.status),
                       'finishedAt', 'analysis_run_life');
  end if;
  return NEW;
end;
$$;
revoke execute on function app.tg_analysis_run__life from public;
comment on function app.tg_analysis_run__life is
  'Trigger: queued to running, cancelled or failed; running to succeeded, failed or cancelled; nothing else.';
--! EndIncluded app/analyses/tg_analysis_run__life.sql
--! Included app/prompts/tg_prompt_relations__no_cycle.sql
/*
 * "depends_on" has no cycles. Relations of an organization are written one at a time: two transactions that each add
 * half of a cycle would not see each other.
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
        on r.organization_id = NEW.organization_id and r.source_id = d.id
       and r.relation_type = 'depends_on' and r.id <> NEW.id
     where not d.id = any (d.path[:cardinality(d.path) - 1])
  )
  select array_to_string(d.path, ' → ') into v_cycle from reached d where d.id = NEW.source_id limit 1;
  if found then
    perform app.refuse('CU004', format('This prompt would depend on itself: %s', v_cycle),
                       'targetId', 'prompt_relations_no_cycle');
  end if;
  return NEW;
end;
$$;
alter function app.tg_prompt_relations__no_cycle owner to curestry_definer;
revoke execute on function app.tg_prompt_relations__no_cycle from public;
comment on function app.tg_prompt_relations__no_cycle is
  'Trigger: no prompt depends on itself, directly or indirectly.';
--! EndIncluded app/prompts/tg_prompt_relations__no_cycle.sql
--! Included app/analyses/tg_workflow_runs__end.sql
/* The one place that says which step of a workflow run's life is allowed. */
create or replace function app.tg_workflow_runs__end() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if OLD.status <> 'running' and NEW.status <> OLD.status then
    perform app.refuse('CU005', format('A workflow run that is %s cannot become %s', OLD.status, NEW.status),
                       'status', 'workflow_run_life');
  end if;
  if NEW.status = 'success' and OLD.status = 'running' then
    -- Nodes that are written now wait, or are seen.
    perform from core.workflow_nodes n where n.organization_id = NEW.organization_id and n.run_id = NEW.id for share;
    if exists (select from core.workflow_nodes n
                where n.organization_id = NEW.organization_id and n.run_id = NEW.id
                  and n.status in ('pending', 'running')) then
      perform app.refuse('CU005', 'A workflow run cannot succeed while a node of it is pending or running',
                         'status', 'workflow_run_life');
    end if;
  end if;
  return NEW;
end;
$$;
alter function app.tg_workflow_runs__end owner to curestry_definer;
revoke execute on function app.tg_workflow_runs__end from public;
comment on function app.tg_workflow_runs__end is
  'Trigger: running to success, failed or cancelled and nothing else; success only when every node has ended.';
--! EndIncluded app/analyses/tg_workflow_runs__end.sql
--! Included app/analyses/tg_workflow_nodes__life.sql
create or replace function app.tg_workflow_nodes__life() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  v_status text;
begin
  -- The run's row is locked, so that it cannot end at the same moment.
  select r.status into v_status from core.workflow_runs r
   where r.organization_id = NEW.organization_id and r.id = NEW.run_id for share;
  if found and v_status <> 'running' and NEW.status in ('pending', 'running') then
    perform app.refuse('CU005', format('The workflow run is %s: none of its nodes can be %s', v_status, NEW.status),
                       'status', 'workflow_node_life');
  end if;
  if TG_OP = 'UPDATE' and NEW.status <> OLD.status and not (OLD.status, NEW.status) in (
       ('pending', 'running'), ('pending', 'success'), ('pending', 'failed'),
       ('running', 'success'), ('running', 'failed')) then
    perform app.refuse('CU005', format('A workflow node that is %s cannot become %s', OLD.status, NEW.status),
                       'status', 'workflow_node_life');
  end if;
  return NEW;
end;
$$;
alter function app.tg_workflow_nodes__life owner to curestry_definer;
revoke execute on function app.tg_workflow_nodes__life from public;
comment on function app.tg_workflow_nodes__life is
  'Trigger: pending to running, success or failed; running to success or failed; and no open node in a run that has '
  'ended.';
--! EndIncluded app/analyses/tg_workflow_nodes__life.sql
--! Included app/analyses/tg_judge_rubric__immutable.sql
/*
 * Once a score was given by a rubric, the rubric stays as it is, so that the score always means what it meant: on
 * judge_rubric and judge_criterion. The rubric's row is locked first; a score takes a share lock on its criterion by
 * its foreign key.
 */
create or replace function app.tg_judge_rubric__immutable() returns trigger
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
    perform app.refuse('CU005', 'Scores were given by this rubric, so it stays as it is: '
                                'make a new version of it (reviseJudgeRubric)', 'id', 'judge_rubric_immutable');
  end if;
  return case TG_OP when 'DELETE' then OLD else NEW end;
end;
$$;
alter function app.tg_judge_rubric__immutable owner to curestry_definer;
revoke execute on function app.tg_judge_rubric__immutable from public;
comment on function app.tg_judge_rubric__immutable is
  'Trigger: a rubric by which scores were given, and its criteria, do not change.';
--! EndIncluded app/analyses/tg_judge_rubric__immutable.sql
--! Included app/analyses/tg_judge_score__rubric.sql
/*
 * A score and a change of its rubric come one after the other: whichever is second waits, and a change that comes
 * second is refused. Many scores at once do not wait for each other.
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
alter function app.tg_judge_score__rubric owner to curestry_definer;
revoke execute on function app.tg_judge_score__rubric from public;
comment on function app.tg_judge_score__rubric is
  'Trigger: locks the rubrics of new scores against change until the scores are there or not.';
--! EndIncluded app/analyses/tg_judge_score__rubric.sql
--! Included app/access/tg_api_key__life.sql
create or replace function app.tg_api_key__life() returns trigger
language plpgsql set search_path = '' as $$
begin
  if OLD.is_revoked and (not NEW.is_revoked or NEW.revoked_at is distinct from OLD.revoked_at) then
    perform app.refuse('CU005', 'A revoked API key stays revoked', 'isRevoked', 'api_key_life');
  end if;
  if (NEW.key_hash, NEW.scopes, NEW.user_id, NEW.by_operator, NEW.parent_key_id)
     is distinct from (OLD.key_hash, OLD.scopes, OLD.user_id, OLD.by_operator, OLD.parent_key_id)
     -- What "on delete set null" does to the keys of a deleted user; they then have no permissions.
     and (NEW.key_hash, NEW.scopes, NEW.user_id, NEW.by_operator, NEW.parent_key_id)
         is distinct from (OLD.key_hash, OLD.scopes, null, OLD.by_operator, OLD.parent_key_id) then
    perform app.refuse('CU005', 'What an API key is and may do cannot change; make another one', 'id', 'api_key_life');
  end if;
  return NEW;
end;
$$;
revoke execute on function app.tg_api_key__life from public;
comment on function app.tg_api_key__life is
  'Trigger: revocation is permanent, and a key''s secret, scopes and creator cannot change.';
--! EndIncluded app/access/tg_api_key__life.sql
--! Included app/members/tg_organization_user__owner.sql
/*
 * An organization keeps an active owner, however the change is made. The organization's row is locked before the
 * owners are counted: if two owners leave at the same time, the second one waits, and is then the last.
 */
create or replace function app.tg_organization_user__owner() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if OLD.role = 'owner' and OLD.status = 'active' then
    perform from ops.organization o where o.id = OLD.organization_id for no key update;
    -- An organization that is being deleted needs none.
    if found and not exists (
         select from ops.organization_user m
          where m.organization_id = OLD.organization_id and m.role = 'owner' and m.status = 'active') then
      perform app.refuse('CU005', 'An organization keeps an active owner: make somebody else an owner first',
                         'role', 'organization_owner');
    end if;
  end if;
  return null;
end;
$$;
alter function app.tg_organization_user__owner owner to curestry_definer;
revoke execute on function app.tg_organization_user__owner from public;
comment on function app.tg_organization_user__owner is
  'Trigger: the last active owner of an organization cannot be removed.';
--! EndIncluded app/members/tg_organization_user__owner.sql
--! Included app/privacy/legal_hold_of.sql
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
alter function app.legal_hold_of owner to curestry_definer;
revoke execute on function app.legal_hold_of from public;
comment on function app.legal_hold_of is
  'The oldest hold in force of an organization: its own, or that of the user whose personal organization it is.';
--! EndIncluded app/privacy/legal_hold_of.sql
--! Included app/privacy/legal_hold_exists.sql
create or replace function app.legal_hold_exists(organization uuid) returns boolean
language sql stable security definer set search_path = '' as $$
  select (app.legal_hold_of(organization)).id is not null;
$$;
alter function app.legal_hold_exists owner to curestry_definer;
revoke execute on function app.legal_hold_exists from public;
comment on function app.legal_hold_exists is
  'Whether an organization is under legal hold, so that nothing of it is erased, deleted or removed by age.';
--! EndIncluded app/privacy/legal_hold_exists.sql
--! Included app/privacy/legal_hold_refuse.sql
create or replace function app.legal_hold_refuse(hold app.legal_hold, subject text) returns void
language plpgsql stable set search_path = '' as $$
begin
  if hold.id is not null then
    perform app.refuse('CU005',
                       format('%s is under legal hold %s (%s): an operator has to release it first',
                              subject, hold.id, hold.reason),
                       null, 'legal_hold');
  end if;
end;
$$;
revoke execute on function app.legal_hold_refuse from public;
grant execute on function app.legal_hold_refuse to curestry_definer;
comment on function app.legal_hold_refuse is
  'Refuses (CU005) with the hold and its reason, if there is one.';
--! EndIncluded app/privacy/legal_hold_refuse.sql
--! Included app/privacy/tg_organization__legal_hold.sql
create or replace function app.tg_organization__legal_hold() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  perform app.legal_hold_refuse(app.legal_hold_of(OLD.id), 'The organization ' || OLD.slug);
  return OLD;
end;
$$;
alter function app.tg_organization__legal_hold owner to curestry_definer;
revoke execute on function app.tg_organization__legal_hold from public;
comment on function app.tg_organization__legal_hold is
  'Trigger: an organization under legal hold cannot be deleted.';
--! EndIncluded app/privacy/tg_organization__legal_hold.sql
--! Included core/functions/prompts_version.sql
create or replace function core.prompts_version(prompt core.prompts) returns integer
language sql stable set search_path = '' as $$
  select max(v.version) from core.prompt_versions v
   where v.organization_id = prompt.organization_id and v.prompt_id = prompt.id;
$$;
revoke execute on function core.prompts_version from public;
grant execute on function core.prompts_version to curestry_member, curestry_analyst;
comment on function core.prompts_version is
  'The number of its current version: how often its content was written.';
--! EndIncluded core/functions/prompts_version.sql
--! Included app/prompts/tg_prompts__versions.sql
/*
 * The new texts of a statement become versions. Changing a prompt locks its row, so its versions are numbered one
 * after the other.
 */
create or replace function app.tg_prompts__versions() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  v_user constant integer := app.user_id();
  v_key constant uuid := nullif(current_setting('curestry.api_key_id', true), '')::uuid;
begin
  if TG_OP = 'INSERT' then
    insert into core.prompt_versions
      (organization_id, prompt_id, version, content, format_type, language, user_id, api_key_id)
    select n.organization_id, n.id, 1, n.content, n.format_type, n.language, v_user, v_key
      from new_rows n;
  else
    insert into core.prompt_versions
      (organization_id, prompt_id, version, content, format_type, language, user_id, api_key_id)
    select n.organization_id, n.id,
           coalesce((select max(v.version) from core.prompt_versions v
                      where v.organization_id = n.organization_id and v.prompt_id = n.id), 0) + 1,
           n.content, n.format_type, n.language, v_user, v_key
      from new_rows n
      join old_rows o on o.organization_id = n.organization_id and o.id = n.id
     where n.content is distinct from o.content;
  end if;
  return null;
end;
$$;
alter function app.tg_prompts__versions owner to curestry_definer;
revoke execute on function app.tg_prompts__versions from public;
comment on function app.tg_prompts__versions is 'Trigger: keeps every text of a prompt in core.prompt_versions.';
--! EndIncluded app/prompts/tg_prompts__versions.sql
--! Included app/prompts/prompt_version_of.sql
create or replace function app.prompt_version_of(organization uuid, prompt text, analysed text) returns uuid
language sql stable set search_path = '' as $$
  select v.id from core.prompt_versions v
   where v.organization_id = organization and v.prompt_id = prompt and (analysed is null or v.content = analysed)
   order by v.version desc
   limit 1;
$$;
revoke execute on function app.prompt_version_of from public;
grant execute on function app.prompt_version_of to curestry_definer;
comment on function app.prompt_version_of is
  'The newest version of a prompt with this text, or its current one if no text is given; null if it never had that '
  'text.';
--! EndIncluded app/prompts/prompt_version_of.sql
--! Included app/analyses/analysis_resolve_scores.sql
/* The judge scores of items, one row each, with the criterion that rubric name and key mean; null if there is none. */
create or replace function app.analysis_resolve_scores(organization uuid, items ops.analysis_item[])
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
alter function app.analysis_resolve_scores owner to curestry_definer;
revoke execute on function app.analysis_resolve_scores from public;
comment on function app.analysis_resolve_scores is
  'The judge scores of items with the criterion that they mean: of the newest version of the rubric with that name.';
--! EndIncluded app/analyses/analysis_resolve_scores.sql
--! Included app/analyses/analysis_item_problems.sql
/*
 * What constraints cannot say, or not in words that name the field: an array as long as items, null where nothing is
 * wrong. The bounds of numbers, lengths and statuses are the constraints' own, and are reported with the constraint's
 * comment.
 */
create or replace function app.analysis_item_problems(organization uuid, items ops.analysis_item[])
returns text[]
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
        values ('idempotencyKey', i.idempotency_key, 255), ('status', i.status, 20),
               ('result.detectedLanguage', (i.result).detected_language, 10)
        union all select 'metrics: key', m.key, 100 from unnest(i.metrics) as m
        union all select 'nodeResults: node', r.node, 50 from unnest(i.node_results) as r
        union all select 'nodeResults: status', r.status, 20 from unnest(i.node_results) as r
      ) as t (field, text, longest)
     where char_length(t.text) > t.longest
    union all
    select i.ordinality, format('promptId: there is no prompt %s in this organization', i.prompt_id)
      from item i
     where i.prompt_id is not null
       and not exists (select from core.prompts p where p.organization_id = organization and p.id = i.prompt_id)
    union all
    select i.ordinality,
           format('status must be queued, running, succeeded, failed or cancelled, and is %s', left(i.status, 50))
      from item i
     where i.status not in ('queued', 'running', 'succeeded', 'failed', 'cancelled')
    union all
    select i.ordinality, app.retention_refusal('finishedAt', s.facts_immutable_before)
      from item i
      join app.mart_state s on s.organization_id = organization
     where coalesce(i.finished_at, case when i.status in ('queued', 'running') then i.started_at end)
           < s.facts_immutable_before
    union all
    select i.ordinality, format('result: an analysis that is %s has none yet', i.status)
      from item i
     where i.status in ('queued', 'running') and i.result is distinct from null
    union all
    select i.ordinality, format('metrics: %s must be %s, as result has it', m.key, d.value)
      from item i, lateral unnest(i.metrics) as m,
           lateral app.analysis_document_metrics(
             (i.result).overall_score, (i.result).judge_score, (i.result).semantic_entropy, (i.result).complexity_score,
             (i.result).length_chars, (i.result).length_words) as d
     where d.key = m.key and d.value is not null
       and (m.value_num is distinct from d.value or m.value_text is not null or m.value_json is not null)
    union all
    select s.n,
           case
             when s.rubric is null or s.criterion is null then 'scores: rubric and criterion are required'
             when not exists (select from ops.judge_rubric r
                               where r.organization_id = organization and r.name = s.rubric)
               then format('scores: there is no rubric %L in this organization', s.rubric)
             else format('scores: the rubric %L has no criterion %L', s.rubric, s.criterion)
           end
      from app.analysis_resolve_scores(organization, items) as s
     where s.criterion_id is null
  )
  select array_agg(p.problem order by i.ordinality)
    from item i
    left join lateral (select min(p.problem) as problem from problem p where p.n = i.ordinality) p
      -- A known key is unchanged or in conflict, whatever has become of the prompt since.
      on not exists (select from ops.analysis_run r
                      where r.organization_id = organization and r.idempotency_key = i.idempotency_key);
$$;
alter function app.analysis_item_problems owner to curestry_definer;
revoke execute on function app.analysis_item_problems from public;
comment on function app.analysis_item_problems is
  'What is wrong with each item of recordAnalyses, in words that name the field; null where nothing is.';
--! EndIncluded app/analyses/analysis_item_problems.sql
--! Included app/analyses/analysis_key_conflict.sql
create or replace function app.analysis_key_conflict(idempotency_key text) returns text
language sql immutable
return format('idempotencyKey %s was used before, for another content', idempotency_key);
revoke execute on function app.analysis_key_conflict from public;
grant execute on function app.analysis_key_conflict to curestry_definer;
comment on function app.analysis_key_conflict is 'What is said of a key that was used before for another content.';
--! EndIncluded app/analyses/analysis_key_conflict.sql
--! Included app/analyses/analysis_store_facts.sql
/*
 * The facts of runs that are in ops.analysis_run already: document, metrics, node results, judge scores. Set-based:
 * one statement a table for any number of runs. The arrays go together: items[n] belongs to run_ids[n], whose text is
 * contents[n], a version of its prompt if versions[n] says which, and whose time is times[n].
 */
create or replace function app.analysis_store_facts(
  organization uuid, run_ids uuid[], contents text[], versions uuid[], times timestamptz[], items ops.analysis_item[]
) returns void
language plpgsql volatile security definer set search_path = '' as $$
begin
  insert into core.analysis_results
    (organization_id, analysis_run_id, prompt_id, prompt_version_id, prompt_content, detected_language, translated,
     format_valid, overall_score, judge_score, semantic_entropy, complexity_score, length_chars, length_words,
     contradictions, patches, clarify_questions, analysis_extra_metadata, occurred_at)
  select organization, run_ids[i.ordinality], i.prompt_id, versions[i.ordinality], c.content,
         (i.result).detected_language, coalesce((i.result).translated, false), coalesce((i.result).format_valid, true),
         (i.result).overall_score, (i.result).judge_score, (i.result).semantic_entropy, (i.result).complexity_score,
         coalesce((i.result).length_chars, char_length(c.content)),
         coalesce((i.result).length_words, (select count(*) from regexp_matches(c.content, '\S+', 'g'))),
         coalesce((i.result).contradictions, '[]'), coalesce((i.result).patches, '[]'),
         coalesce((i.result).clarify_questions, '[]'), coalesce((i.result).extra_metadata, '{}'), times[i.ordinality]
    from unnest(items) with ordinality as i,
         lateral (select contents[i.ordinality] as content) as c
   where i.result is distinct from null;

  insert into ops.analysis_metric
    (organization_id, analysis_run_id, key, value_num, value_text, value_json, occurred_at)
  select organization, run_ids[i.ordinality], m.key, m.value_num, m.value_text, m.value_json, times[i.ordinality]
    from unnest(items) with ordinality as i, lateral unnest(i.metrics) as m
   where i.result is not distinct from null
      -- The document's numbers are mirrored by its trigger.
      or not exists (select from app.analysis_document_metrics(null, null, null, null, null, null) as d
                      where d.key = m.key);

  insert into ops.analysis_node_result (organization_id, analysis_run_id, node, status, score, details, occurred_at)
  select organization, run_ids[i.ordinality], r.node, r.status, r.score, coalesce(r.details, '{}'), times[i.ordinality]
    from unnest(items) with ordinality as i, lateral unnest(i.node_results) as r;

  insert into ops.judge_score (organization_id, analysis_run_id, criterion_id, score, comment, evidence, occurred_at)
  select organization, run_ids[s.n], s.criterion_id, s.score, s.comment, coalesce(s.evidence, '{}'), times[s.n]
    from app.analysis_resolve_scores(organization, items) as s;
end;
$$;
alter function app.analysis_store_facts owner to curestry_definer;
revoke execute on function app.analysis_store_facts from public;
comment on function app.analysis_store_facts is
  'Writes the document, metrics, node results and judge scores of runs.';
--! EndIncluded app/analyses/analysis_store_facts.sql
--! Included app/analyses/analysis_store.sql
/*
 * One attempt at a whole batch, all or nothing: a problem raises. app.analysis_record tries the batch first and, if
 * that fails, each item alone; so a good batch costs one statement a table, and one bad item does not stop the others.
 *
 * Answers, in the order of the items, the outcome and the run: "inserted"; "unchanged" if the key is known with the
 * same content, "conflict" with another. A key that another transaction is writing right now is waited for.
 */
create or replace function app.analysis_store(organization uuid, user_id integer, items ops.analysis_item[])
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
         array_agg(sha256(convert_to((to_jsonb(i) - 'ordinality' - 'idempotency_key')::text, 'UTF8'))
                   order by i.ordinality),
         array_agg(coalesce(i.prompt_content, (select p.content from core.prompts p
                                                where p.organization_id = organization and p.id = i.prompt_id))
                   order by i.ordinality),
         array_agg(case when i.prompt_id is not null
                        then app.prompt_version_of(organization, i.prompt_id, i.prompt_content) end
                   order by i.ordinality)
    into v_ids, v_digests, v_contents, v_versions
    from unnest(items) with ordinality as i;

  with run as (
    insert into ops.analysis_run
      (id, organization_id, user_id, prompt_id, prompt_version_id, prompt_content, status, started_at, finished_at,
       meta, idempotency_key, request_digest)
    select v_ids[i.ordinality], organization, analysis_store.user_id, i.prompt_id, v_versions[i.ordinality],
           -- The document holds the content; a run without one holds it itself.
           case when i.result is not distinct from null then v_contents[i.ordinality] end,
           s.status,
           case when s.status <> 'queued' then coalesce(i.started_at, i.finished_at, now()) else i.started_at end,
           case when s.status in ('succeeded', 'failed', 'cancelled') then coalesce(i.finished_at, now())
                else i.finished_at end,
           coalesce(i.meta, '{}'), i.idempotency_key, v_digests[i.ordinality]
      from unnest(items) with ordinality as i,
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
      perform app.analysis_store_facts(organization, v_new, v_contents, v_versions, v_times, items);
    else
      perform app.analysis_store_facts(organization, v_new,
        array(select v_contents[at] from unnest(v_new_at) as at),
        array(select v_versions[at] from unnest(v_new_at) as at), v_times,
        array(select items[at] from unnest(v_new_at) as at));
    end if;
    insert into ops.feature_event (organization_id, user_id, feature_key, event_count)
    values (organization, analysis_store.user_id, 'analyses.record', cardinality(v_new));
  end if;

  if cardinality(v_new) = cardinality(items) then
    return array(select row('inserted', i.id, null)::ops.record_outcome
                   from unnest(v_ids) with ordinality as i (id, n) order by i.n);
  end if;
  select array_agg(
           case
             when v_ids[i.ordinality] = any (v_new)
               then row('inserted', v_ids[i.ordinality], null)::ops.record_outcome
             when r.request_digest = v_digests[i.ordinality] then row('unchanged', r.id, null)::ops.record_outcome
             else row('conflict', r.id, app.analysis_key_conflict(i.idempotency_key))::ops.record_outcome
           end order by i.ordinality)
    into v_answer
    from unnest(items) with ordinality as i
    left join ops.analysis_run r on r.organization_id = organization and r.idempotency_key = i.idempotency_key;
  return v_answer;
end;
$$;
alter function app.analysis_store owner to curestry_definer;
revoke execute on function app.analysis_store from public;
comment on function app.analysis_store is
  'Records a batch of analyses, all or nothing, and answers the outcome of each.';
--! EndIncluded app/analyses/analysis_store.sql
--! Included app/analyses/analysis_record.sql
create or replace function app.analysis_record(organization uuid, user_id integer, items ops.analysis_item[])
returns ops.record_outcome[]
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_problems constant text[] := app.analysis_item_problems(organization, items);
  v_answer ops.record_outcome[];
  v_state text; v_message text; v_schema text; v_table text; v_constraint text; v_column text;
begin
  -- The whole batch at once, if it looks good: no known problem, no key twice.
  if array_remove(v_problems, null) = '{}'
     and not exists (select from unnest(items) as i where i.idempotency_key is not null
                      group by i.idempotency_key having count(*) > 1) then
    begin
      return app.analysis_store(organization, analysis_record.user_id, items);
    exception
      when integrity_constraint_violation or data_exception then null; -- one of them is bad: find out which
    end;
  end if;

  for n in 1 .. cardinality(items) loop
    begin
      if v_problems[n] is not null then
        v_answer[n] := row('invalid', null, v_problems[n])::ops.record_outcome;
      else
        v_answer[n] := (app.analysis_store(organization, analysis_record.user_id, items[n:n]))[1];
      end if;
    exception when integrity_constraint_violation or data_exception then
      get stacked diagnostics v_state = returned_sqlstate, v_message = message_text, v_schema = schema_name,
        v_table = table_name, v_constraint = constraint_name, v_column = column_name;
      v_answer[n] := row('invalid', null, app.constraint_violation_message(
        v_state, v_message, v_schema, v_table, v_constraint, v_column))::ops.record_outcome;
    end;
  end loop;
  return v_answer;
end;
$$;
alter function app.analysis_record owner to curestry_definer;
revoke execute on function app.analysis_record from public;
comment on function app.analysis_record is
  'Records analyses of an organization; one bad item does not stop the others. Behind ops.record_analyses and the '
  'import.';
--! EndIncluded app/analyses/analysis_record.sql
--! Included app/analyses/analysis_run_end.sql
create or replace function app.analysis_run_end(run_id uuid, end_status text, note jsonb) returns ops.analysis_run
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
alter function app.analysis_run_end owner to curestry_definer;
revoke execute on function app.analysis_run_end from public;
comment on function app.analysis_run_end is
  'Ends a run of the request''s organization; the life of a run decides whether it may.';
--! EndIncluded app/analyses/analysis_run_end.sql
--! Included app/members/member_check_rank.sql
/* Only owners have organization:write, so that is the permission to change, remove or appoint admins and owners. */
create or replace function app.member_check_rank(variadic roles text[]) returns void
language plpgsql stable set search_path = '' as $$
begin
  if ('admin' = any (roles) or 'owner' = any (roles)) and app.organization_if('organization:write') is null then
    perform app.refuse('CU002', 'Only an owner manages admins and owners', 'role');
  end if;
end;
$$;
revoke execute on function app.member_check_rank from public;
grant execute on function app.member_check_rank to curestry_definer;
comment on function app.member_check_rank is
  'Refuses (CU002) anybody but an owner, if one of these roles is admin or owner.';
--! EndIncluded app/members/member_check_rank.sql
--! Included app/members/member_lock.sql
/* Everything that changes members locks the organization's row first, so members are changed one at a time. */
create or replace function app.member_lock(organization uuid, member_user_id integer) returns ops.organization_user
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
alter function app.member_lock owner to curestry_definer;
revoke execute on function app.member_lock from public;
comment on function app.member_lock is
  'A member, active or invited, of an organization whose members no other transaction can change until this one ends.';
--! EndIncluded app/members/member_lock.sql
--! Included app/members/organization_by_slug.sql
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
alter function app.organization_by_slug owner to curestry_definer;
revoke execute on function app.organization_by_slug from public;
grant execute on function app.organization_by_slug to curestry_owner;
comment on function app.organization_by_slug is
  'The id of the organization with this slug; refuses an unknown one. For operators.';
--! EndIncluded app/members/organization_by_slug.sql
--! Included app/members/user_ensure.sql
create or replace function app.user_ensure(user_email text) returns integer
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
  if not found then -- created by another connection at the same time
    select u.id into strict v_user from core.users u where lower(u.email) = lower(user_email);
    return v_user;
  end if;
  insert into ops.organization (name, slug, personal_user_id) values (user_email, 'user-' || v_user, v_user)
  returning id into v_organization;
  insert into ops.organization_user (organization_id, user_id, role) values (v_organization, v_user, 'owner');
  return v_user;
end;
$$;
alter function app.user_ensure owner to curestry_definer;
revoke execute on function app.user_ensure from public;
comment on function app.user_ensure is
  'The user with this e-mail address; created, with a personal organization, if there is none.';
--! EndIncluded app/members/user_ensure.sql
--! Included app/members/user_by_email.sql
/* The old backends allowed addresses that differ only in case: an exact match is preferred, if there is one. */
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
    perform app.refuse('CU005',
      format('Several users have an e-mail address that is %L but for case: write it as it is stored', user_email),
      'user');
  end if;
  return v_users[1];
end;
$$;
alter function app.user_by_email owner to curestry_definer;
revoke execute on function app.user_by_email from public;
grant execute on function app.user_by_email to curestry_owner;
comment on function app.user_by_email is
  'The id of the user with this e-mail address; refuses an unknown one. For operators.';
--! EndIncluded app/members/user_by_email.sql
--! Included app/members/organization_create.sql
create or replace function app.organization_create(organization_slug text, organization_name text, owner_email text)
returns table (id uuid, slug text, name text, owner_user_id integer)
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_user integer;
  v_organization ops.organization;
begin
  if exists (select from ops.organization o where o.slug = organization_slug) then
    -- An organization without an owner (the one for ownerless rows of the old backends) can get one.
    select o.* into v_organization from ops.organization o
     where o.slug = organization_slug
       and not exists (select from ops.organization_user m
                        where m.organization_id = o.id and m.role = 'owner' and m.status = 'active')
       for update;
    if not found then
      perform app.refuse('CU005', format('There is an organization with the slug %L already', organization_slug),
                         'slug', 'unq_organization_slug');
    end if;
    update ops.organization o set name = organization_name
     where o.id = v_organization.id
    returning o.* into v_organization;
  else
    insert into ops.organization (name, slug) values (organization_name, organization_slug)
    returning * into v_organization;
  end if;
  v_user := app.user_ensure(owner_email);
  insert into ops.organization_user (organization_id, user_id, role) values (v_organization.id, v_user, 'owner')
  on conflict on constraint unq_organization_user_user_id do update set role = 'owner', status = 'active';
  return query select v_organization.id, v_organization.slug::text, v_organization.name::text, v_user;
end;
$$;
alter function app.organization_create owner to curestry_definer;
revoke execute on function app.organization_create from public;
grant execute on function app.organization_create to curestry_owner;
comment on function app.organization_create is
  'Creates an organization and, if new, the account of its owner. For operators.';
--! EndIncluded app/members/organization_create.sql
--! Included app/access/api_key_create.sql
/*
 * cur_<key id>_<secret><checksum>: the id identifies a leaked key, the secret has 256 bits, and the checksum (the
 * start of the SHA-256 of what precedes it) lets a gateway refuse a mistyped key without a query. Only the SHA-256 of
 * the whole key is stored: a fast hash is right for a random secret of this length, which cannot be guessed.
 */
create or replace function app.api_key_create(
  organization uuid, creator_user_id integer, key_name text, key_scopes text[], valid_until timestamptz,
  parent_key uuid default null)
returns table (id uuid, key text, name text, scopes jsonb, expires_at timestamptz, created_at timestamptz)
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_id constant uuid := gen_random_uuid();
  v_secret constant text := encode(
    sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())), 'hex');
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
    insert into ops.api_key as k
      (id, organization_id, user_id, by_operator, parent_key_id, name, key_hash, scopes, expires_at)
    values (v_id, organization, creator_user_id, creator_user_id is null, parent_key, key_name,
            encode(sha256(convert_to(v_key, 'UTF8')), 'hex'),
            (select coalesce(jsonb_agg(distinct s order by s), '[]') from unnest(key_scopes) as s), valid_until)
    returning k.id, v_key, k.name::text, k.scopes, k.expires_at, k.created_at;
end;
$$;
alter function app.api_key_create owner to curestry_definer;
revoke execute on function app.api_key_create from public;
grant execute on function app.api_key_create to curestry_owner;
comment on function app.api_key_create is
  'Creates an API key of an organization and returns it, once: only its hash is stored. Without a creator it belongs '
  'to the operator.';
--! EndIncluded app/access/api_key_create.sql
--! Included app/access/api_key_own.sql
create or replace function app.api_key_own(key_id uuid) returns ops.api_key
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
alter function app.api_key_own owner to curestry_definer;
revoke execute on function app.api_key_own from public;
comment on function app.api_key_own is
  'The API key with this id of the request''s organization; needs keys:write.';
--! EndIncluded app/access/api_key_own.sql
--! Included app/access/api_key_touch.sql
create or replace function app.api_key_touch(api_key_hash text) returns void
language sql volatile security definer set search_path = '' as $$
  update ops.api_key k set last_used_at = now()
   where k.key_hash = api_key_hash and (k.last_used_at is null or k.last_used_at < now() - interval '1 minute');
$$;
alter function app.api_key_touch owner to curestry_definer;
revoke execute on function app.api_key_touch from public;
grant execute on function app.api_key_touch to curestry_gateway;
comment on function app.api_key_touch is
  'Records that an API key was used, at most once a minute. The gateway calls it outside the request''s transaction.';
--! EndIncluded app/access/api_key_touch.sql
--! Included app/access/api_key_list.sql
create or replace function app.api_key_list(organization uuid default null)
returns table (
  id uuid, organization text, name text, scopes jsonb, created_by text, created_at timestamptz, expires_at timestamptz,
  is_revoked boolean)
language sql stable security definer set search_path = '' as $$
  select k.id, o.slug::text, k.name::text, k.scopes,
         coalesce(u.email::text, case when k.by_operator then 'operator' end),
         k.created_at, k.expires_at, k.is_revoked
    from ops.api_key k
    join ops.organization o on o.id = k.organization_id
    left join core.users u on u.id = k.user_id
   where api_key_list.organization is null or k.organization_id = api_key_list.organization
   order by o.slug, k.created_at, k.id;
$$;
alter function app.api_key_list owner to curestry_definer;
revoke execute on function app.api_key_list from public;
grant execute on function app.api_key_list to curestry_owner;
comment on function app.api_key_list is
  'The API keys of one or all organizations, without their secrets. For operators.';
--! EndIncluded app/access/api_key_list.sql
--! Included app/access/api_key_revoke.sql
create or replace function app.api_key_revoke(key_id uuid) returns table (id uuid, name text, revoked_at timestamptz)
language plpgsql volatile security definer set search_path = '' as $$
begin
  if not exists (select from ops.api_key k where k.id = key_id) then
    perform app.refuse('CU003', format('There is no API key %s', key_id), 'id');
  end if;
  update ops.api_key k set is_revoked = true, revoked_at = now() where k.id = key_id and not k.is_revoked;
  return query select k.id, k.name::text, k.revoked_at from ops.api_key k where k.id = key_id;
end;
$$;
alter function app.api_key_revoke owner to curestry_definer;
revoke execute on function app.api_key_revoke from public;
grant execute on function app.api_key_revoke to curestry_owner;
comment on function app.api_key_revoke is
  'Revokes an API key permanently; it is refused from the next request on. For operators.';
--! EndIncluded app/access/api_key_revoke.sql
--! Included app/access/session_open.sql
create or replace function app.session_open(user_email text, lifetime interval)
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
    values (v_user, replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''),
            date_trunc('second', now() + lifetime))
    returning s.user_id, s.jwt_id::text, s.expires_at;
end;
$$;
alter function app.session_open owner to curestry_definer;
revoke execute on function app.session_open from public;
grant execute on function app.session_open to curestry_owner;
comment on function app.session_open is
  'Opens a session of a user; the token that names its jwt_id is signed outside. For operators.';
--! EndIncluded app/access/session_open.sql
--! Included app/access/session_refresh.sql
/*
 * The new session lasts as long as the old one was meant to, and the old one ends now: if the token was stolen, its
 * owner is refused and notices.
 */
create or replace function app.session_refresh(session_jwt_id text)
returns table (user_id integer, jwt_id text, expires_at timestamptz)
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
alter function app.session_refresh owner to curestry_definer;
revoke execute on function app.session_refresh from public;
grant execute on function app.session_refresh to curestry_gateway;
comment on function app.session_refresh is 'Ends a session and opens its successor. Behind POST /auth/refresh.';
--! EndIncluded app/access/session_refresh.sql
--! Included app/analysts/analyst_grant.sql
create or replace function app.analyst_grant(analyst name, organization uuid) returns void
language plpgsql volatile security definer set search_path = '' as $$
begin
  if not exists (select from app.analyst_list() a where a.name = analyst) then
    perform app.refuse('CU003', format('There is no analyst named %s', analyst), 'name');
  end if;
  insert into ops.analyst_grant (organization_id, role_name) values (organization, analyst) on conflict do nothing;
end;
$$;
alter function app.analyst_grant owner to curestry_definer;
revoke execute on function app.analyst_grant from public;
grant execute on function app.analyst_grant to curestry_owner;
comment on function app.analyst_grant is
  'Lets an analyst''s login read an organization, from the next statement on; refuses a role that is not an analyst. '
  'For operators.';
--! EndIncluded app/analysts/analyst_grant.sql
--! Included app/analysts/analyst_create.sql
/* Runs with the rights of the administrator who calls it: creating a login requires the right to create roles. */
create or replace function app.analyst_create(analyst name, analyst_password text, organization_slugs text[])
returns void
language plpgsql volatile set search_path = '' as $$
declare
  v_organizations uuid[];
begin
  if analyst !~ '^[a-z][a-z0-9_]{0,62}$' then
    perform app.refuse('CU004',
      'name: lower-case letters, digits and underscores, starting with a letter, at most 63', 'name');
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
  execute format('create role %I login connection limit 8 password %L in role curestry_analyst',
    analyst, analyst_password);
  execute format('alter role %I set default_transaction_read_only = on', analyst);
  execute format('alter role %I set statement_timeout = %L', analyst, '60s');
  execute format('alter role %I set idle_in_transaction_session_timeout = %L', analyst, '10min');
  execute format('comment on role %I is %L', analyst, 'An analyst of Curestry');
  -- Grants of an earlier login of this name, which was dropped by hand, do not apply to this one
  perform app.analyst_revoke(analyst, app.organization_by_slug(o))
     from app.analyst_list() a, unnest(a.organizations) as o
    where a.name = analyst;
  perform app.analyst_grant(analyst, o) from unnest(v_organizations) as o;
end;
$$;
revoke execute on function app.analyst_create from public;
comment on function app.analyst_create is
  'Creates a read-only login for an analyst of these organizations. For operators who may create roles.';
--! EndIncluded app/analysts/analyst_create.sql
--! Included app/analysts/analyst_revoke.sql
/* The grants of a login that no longer exists can still be revoked; only an unknown name is refused. */
create or replace function app.analyst_revoke(analyst name, organization uuid) returns boolean
language plpgsql volatile security definer set search_path = '' as $$
begin
  delete from ops.analyst_grant g where g.organization_id = organization and g.role_name = analyst;
  if found then
    return true;
  end if;
  if not exists (select from app.analyst_list() a where a.name = analyst) then
    perform app.refuse('CU003', format('There is no analyst named %s', analyst), 'name');
  end if;
  return false;
end;
$$;
alter function app.analyst_revoke owner to curestry_definer;
revoke execute on function app.analyst_revoke from public;
grant execute on function app.analyst_revoke to curestry_owner;
comment on function app.analyst_revoke is
  'Revokes an analyst''s access to an organization, from the next statement on; returns whether it had been granted. '
  'For operators.';
--! EndIncluded app/analysts/analyst_revoke.sql
--! Included app/analysts/analyst_list.sql
create or replace function app.analyst_list() returns table (name text, organizations text[], connections bigint)
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
alter function app.analyst_list owner to curestry_definer;
revoke execute on function app.analyst_list from public;
grant execute on function app.analyst_list to curestry_owner;
comment on function app.analyst_list is
  'The analysts'' logins of this server, what each may read in this database, and who is connected. For operators.';
--! EndIncluded app/analysts/analyst_list.sql
--! Included app/analysts/analyst_drop.sql
/*
 * Runs with the rights of the administrator who calls it. Refuses to drop a login that is connected: PostgreSQL would
 * drop it and leave its sessions in an undefined state.
 */
create or replace function app.analyst_drop(analyst name) returns void
language plpgsql volatile set search_path = '' as $$
declare
  v_connections bigint;
begin
  select a.connections into v_connections from app.analyst_list() a where a.name = analyst;
  if not found then
    perform app.refuse('CU003', format('There is no analyst named %s', analyst), 'name');
  end if;
  if v_connections > 0 then
    perform app.refuse('CU005',
      format('%s is connected (%s): wait until that ends, or end it with '
             '"select pg_terminate_backend(pid) from pg_stat_activity where usename = %L", then drop it again',
             analyst, v_connections, analyst), 'name');
  end if;
  perform app.analyst_revoke(analyst, app.organization_by_slug(o))
     from app.analyst_list() a, unnest(a.organizations) as o
    where a.name = analyst;
  -- What the login left behind (default privileges, for one) must not prevent the drop. Acting for a role requires
  -- membership in it.
  if not pg_catalog.pg_has_role(current_user, analyst, 'usage') then
    execute format('grant %I to %I', analyst, current_user);
  end if;
  execute format('drop owned by %I', analyst);
  execute format('drop role %I', analyst);
end;
$$;
revoke execute on function app.analyst_drop from public;
comment on function app.analyst_drop is
  'Removes an analyst''s login and what it was granted. For operators who may drop roles.';
--! EndIncluded app/analysts/analyst_drop.sql
--! Included app/prompts/prompt_import.sql
/*
 * lines: [{"line": 2, "record": {…}}, …]. The fields of a record may have the names of the API or those that prompt
 * collections use: name, act or title; content, prompt or text; tags, or a category, which becomes a tag. Other
 * fields are kept in extra_metadata. A prompt with the same name and content is not imported again.
 */
create or replace function app.prompt_import(organization uuid, lines jsonb)
returns table (line integer, outcome text, prompt_id text, reason text)
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_line jsonb;
  v_record jsonb;
  v_name text;
  v_content text;
  v_state text; v_message text; v_schema text; v_table text; v_constraint text; v_column text;
begin
  -- Two imports of the same file at the same time must not duplicate it.
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
          insert into core.prompts
            (organization_id, name, description, content, format_type, language, tags, extra_metadata)
          values (organization, v_name, v_record ->> 'description', v_content,
                  coalesce(v_record ->> 'formatType', v_record ->> 'format_type', 'auto'),
                  coalesce(v_record ->> 'language', 'auto'),
                  coalesce(v_record -> 'tags',
                           case when v_record ->> 'category' <> '' then jsonb_build_array(v_record ->> 'category') end,
                           '[]'),
                  coalesce(v_record -> 'extraMetadata', v_record -> 'extra_metadata', '{}')
                    || v_record - array['name', 'act', 'title', 'content', 'prompt', 'text', 'description',
                                        'formatType', 'format_type', 'language', 'tags', 'category',
                                        'extraMetadata', 'extra_metadata'])
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
        reason := app.constraint_violation_message(v_state, v_message, v_schema, v_table, v_constraint, v_column);
    end;
    return next;
  end loop;
end;
$$;
alter function app.prompt_import owner to curestry_definer;
revoke execute on function app.prompt_import from public;
grant execute on function app.prompt_import to curestry_owner;
comment on function app.prompt_import is
  'Imports prompts line by line and returns the outcome of each; an invalid line does not stop the others. For '
  'operators.';
--! EndIncluded app/prompts/prompt_import.sql
--! Included app/analyses/analysis_item_from_json.sql
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
   where f not in ('idempotencyKey', 'promptId', 'promptContent', 'status', 'startedAt', 'finishedAt', 'meta',
                   'result', 'metrics', 'nodeResults', 'scores')
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
     where f not in ('detectedLanguage', 'translated', 'formatValid', 'overallScore', 'judgeScore', 'semanticEntropy',
                     'complexityScore', 'lengthChars', 'lengthWords', 'contradictions', 'patches', 'clarifyQuestions',
                     'extraMetadata')
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
      (v_result ->> 'overallScore')::float8, (v_result ->> 'judgeScore')::float8,
      (v_result ->> 'semanticEntropy')::float8, (v_result ->> 'complexityScore')::float8,
      (v_result ->> 'lengthChars')::integer, (v_result ->> 'lengthWords')::integer,
      v_result -> 'contradictions', v_result -> 'patches', v_result -> 'clarifyQuestions',
      v_result -> 'extraMetadata')::ops.analysis_result_item end,
    (select array_agg(row(m ->> 'key', (m ->> 'valueNum')::numeric, m ->> 'valueText',
                          nullif(m -> 'valueJson', 'null'))::ops.analysis_metric_item order by n)
       from jsonb_array_elements(nullif(record -> 'metrics', 'null')) with ordinality as e (m, n)),
    (select array_agg(row(m ->> 'node', m ->> 'status', (m ->> 'score')::numeric,
                          nullif(m -> 'details', 'null'))::ops.analysis_node_result_item order by n)
       from jsonb_array_elements(nullif(record -> 'nodeResults', 'null')) with ordinality as e (m, n)),
    (select array_agg(row(m ->> 'rubric', m ->> 'criterion', (m ->> 'score')::numeric, m ->> 'comment',
                          nullif(m -> 'evidence', 'null'))::ops.judge_score_item order by n)
       from jsonb_array_elements(nullif(record -> 'scores', 'null')) with ordinality as e (m, n))
  )::ops.analysis_item;
end;
$$;
revoke execute on function app.analysis_item_from_json from public;
grant execute on function app.analysis_item_from_json to curestry_definer;
comment on function app.analysis_item_from_json is 'Reads an item of recordAnalyses from JSON.';
--! EndIncluded app/analyses/analysis_item_from_json.sql
--! Included app/analyses/analysis_import.sql
/*
 * lines: [{"line": 1, "record": {…}}, …]. A record without an idempotencyKey gets one from its own content, so that
 * a second import of a file changes nothing.
 */
create or replace function app.analysis_import(organization uuid, lines jsonb)
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
    v_answer := app.analysis_record(organization, null, v_items);
  end if;
  return query
    select v_lines[a.ordinality], case when a.outcome in ('invalid', 'conflict') then 'refused' else a.outcome end,
           a.analysis_run_id, a.message
      from unnest(v_answer) with ordinality as a;
end;
$$;
alter function app.analysis_import owner to curestry_definer;
revoke execute on function app.analysis_import from public;
grant execute on function app.analysis_import to curestry_owner;
comment on function app.analysis_import is
  'Imports analyses line by line and answers what became of each; a bad line does not stop the others. For operators.';
--! EndIncluded app/analyses/analysis_import.sql
--! Included app/buckets/sketch_slot.sql
/*
 * Slots of a DDSketch (Masson, Rim, Lee: "DDSketch: a fast and fully-mergeable quantile sketch with relative-error
 * guarantees", PVLDB 12(12), 2019): the positive numbers are divided where ln(x) / ln(101/99) is an integer, so that
 * every number of a slot is within 1 % of its sketch_value. The slot depends on the number only, so sketches are
 * merged by adding, and the result equals a sketch of all numbers. 40000 is the middle: slots sort like their
 * numbers, negative ones are mirrored, 0 is 0. Magnitudes beyond 1e-300 and 1e300 count as these.
 */
create or replace function app.sketch_slot(x numeric) returns integer
language sql immutable parallel safe
return case
  when x >= 1e-300 and x <= 1e300 then 40000 + ceil(ln(x::double precision) / 0.020000666706669524)::integer
  when x <= -1e-300 and x >= -1e300 then -40000 - ceil(ln((-x)::double precision) / 0.020000666706669524)::integer
  when x = 0 then 0
  else sign(x)::integer * (40000 + case when abs(x) > 1 then 34538 else -34538 end)
end;
revoke execute on function app.sketch_slot from public;
grant execute on function app.sketch_slot to curestry_definer;
comment on function app.sketch_slot is 'The slot of a quantile sketch that a number falls into.';
--! EndIncluded app/buckets/sketch_slot.sql
--! Included app/buckets/sketch_value.sql
create or replace function app.sketch_value(slot integer) returns numeric
language sql immutable parallel safe
return case
  when slot = 0 then 0
  else sign(slot)::numeric * (0.99 * exp((abs(slot) - 40000) * 0.020000666706669524::double precision))::numeric
end;
revoke execute on function app.sketch_value from public;
grant execute on function app.sketch_value to curestry_definer, curestry_analyst;
comment on function app.sketch_value is
  'The number that represents a slot of a quantile sketch: within 1 % of every number in it.';
--! EndIncluded app/buckets/sketch_value.sql
--! Included app/buckets/bucket_metric_key.sql
/* Names that are too long are cut, and distinguished by a hash of the whole name. */
create or replace function app.bucket_metric_key(name text) returns text
language sql immutable parallel safe
return case when char_length(name) <= 100 then name else left(name, 91) || '~' || left(md5(name), 8) end;
revoke execute on function app.bucket_metric_key from public;
grant execute on function app.bucket_metric_key to curestry_definer;
comment on function app.bucket_metric_key is
  'A name as a key of mart.metric_timeseries, of at most 100 characters.';
--! EndIncluded app/buckets/bucket_metric_key.sql
--! Included app/buckets/bucket_value_json.sql
/*
 * Builds mart.metric_timeseries.value_json from slots and texts with their counts. Of more than 100 distinct texts,
 * those with the smallest hashes are kept and the others are counted together: a text among the 100 of a day is among
 * the 100 of each of its hours, so a day merged from hours equals a count of the day. (The most frequent ones could
 * not be merged: a text that is rare in every hour may be frequent in the day.) "greatest" and "least" keep a
 * quantile between the smallest and the largest number.
 */
create or replace function app.bucket_value_json(
  slots integer[], slot_counts bigint[], value_min numeric, value_max numeric,
  words text[], word_counts bigint[], other_count bigint
) returns jsonb
language sql immutable set search_path = '' as $$
  select nullif(
    coalesce((
      select jsonb_build_object(
               'p50', least(greatest(app.sketch_value(min(c.slot) filter (where c.below >= 0.50 * c.total)),
                                     value_min), value_max),
               'p90', least(greatest(app.sketch_value(min(c.slot) filter (where c.below >= 0.90 * c.total)),
                                     value_min), value_max),
               'p95', least(greatest(app.sketch_value(min(c.slot) filter (where c.below >= 0.95 * c.total)),
                                     value_min), value_max),
               'p99', least(greatest(app.sketch_value(min(c.slot) filter (where c.below >= 0.99 * c.total)),
                                     value_min), value_max),
               'sketch', jsonb_object_agg(c.slot::text, c.n))
        from (select u.slot, u.n, sum(u.n) over (order by u.slot) as below, sum(u.n) over () as total
                from unnest(slots, slot_counts) as u (slot, n)) c
      having count(*) > 0), '{}')
    || coalesce((
      select jsonb_build_object('counts', jsonb_object_agg(w.word, w.n) filter (where w.place <= 100))
             || case when coalesce(sum(w.n) filter (where w.place > 100), 0) + coalesce(other_count, 0) > 0
                     then jsonb_build_object('other', coalesce(sum(w.n) filter (where w.place > 100), 0)
                                                      + coalesce(other_count, 0))
                     else '{}' end
        from (select u.word, u.n, row_number() over (order by md5(u.word), u.word collate "C") as place
                from unnest(words, word_counts) as u (word, n)) w
      having count(*) > 0), '{}'),
    '{}');
$$;
revoke execute on function app.bucket_value_json from public;
grant execute on function app.bucket_value_json to curestry_definer;
comment on function app.bucket_value_json is
  'Quantiles and their sketch, and counts of texts, as mart.metric_timeseries.value_json holds them.';
--! EndIncluded app/buckets/bucket_value_json.sql
--! Included app/buckets/bucket_day_start.sql
/*
 * Midnight, or the first moment after it where clocks skip it, or the first of two where clocks show it twice: the
 * first quarter of an hour with this date or a later one. Since 2000, every zone has been whole quarters of an hour
 * from UTC.
 */
create or replace function app.bucket_day_start(zone text, day date) returns timestamptz
language sql stable set search_path = '' as $$
  select coalesce(min(m.midnight - k.n * interval '15 minutes')
                    filter (where ((m.midnight - k.n * interval '15 minutes') at time zone zone)::date >= day),
                  min(m.midnight))
    from (select day::timestamp at time zone zone as midnight) m, generate_series(0, 8) as k (n);
$$;
revoke execute on function app.bucket_day_start from public;
grant execute on function app.bucket_day_start to curestry_definer;
comment on function app.bucket_day_start is 'When a day begins in a time zone.';
--! EndIncluded app/buckets/bucket_day_start.sql
--! Included app/buckets/bucket_hours.sql
/*
 * An hour of a zone is one position of the hour hand: where clocks change by half an hour, it lasts half an hour.
 * Hours of UTC are hours of most zones; where they are not, the quarters of an hour decide.
 */
create or replace function app.bucket_hours(zone text, hours timestamptz[])
returns table (low timestamptz, high timestamptz)
language sql stable set search_path = '' as $$
  with hour as (
    select distinct h.hour,
           date_trunc('hour', h.hour, zone) = h.hour
             and date_trunc('hour', h.hour + interval '45 minutes', zone) = h.hour as is_whole
      from unnest(hours) as h (hour)
  ), part as (
    select distinct (select min(p.quarter - k.n * interval '15 minutes')
                       from generate_series(0, 3) as k (n)
                      where date_trunc('hour', p.quarter - k.n * interval '15 minutes', zone)
                            = date_trunc('hour', p.quarter, zone)) as low
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
revoke execute on function app.bucket_hours from public;
grant execute on function app.bucket_hours to curestry_definer;
comment on function app.bucket_hours is
  'The hours of a time zone that overlap these hours of UTC: start and end.';
--! EndIncluded app/buckets/bucket_hours.sql
--! Included app/buckets/bucket_days.sql
create or replace function app.bucket_days(zone text, moments timestamptz[])
returns table (day date, low timestamptz, high timestamptz)
language sql stable set search_path = '' as $$
  select d.day, d.low, d.high
    from (select c.day, app.bucket_day_start(zone, c.day) as low, app.bucket_day_start(zone, c.day + 1) as high,
                 c.first, c.last
            from (select (m.moment at time zone zone)::date + k.n as day, min(m.moment) as first, max(m.moment) as last
                    -- And the days beside it, because clocks may change at midnight
                    from unnest(moments) as m (moment), generate_series(-1, 1) as k (n)
                   group by 1) c) d
   where d.last >= d.low and d.first < d.high and d.low < d.high
     and exists (select from unnest(moments) as m (moment) where m.moment >= d.low and m.moment < d.high);
$$;
revoke execute on function app.bucket_days from public;
grant execute on function app.bucket_days to curestry_definer;
comment on function app.bucket_days is
  'The days of a time zone that contain these moments: date, start and end.';
--! EndIncluded app/buckets/bucket_days.sql
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
           case when e.metric_value > '-Infinity' and e.metric_value < 'Infinity' then e.metric_value::numeric end, null
      from bucket b,
           lateral (select e.* from core.evaluation_metrics e
                     where e.organization_id = (select organization)
                       and e.occurred_at >= b.low and e.occurred_at < b.high
                    offset 0) e
     where source = 'evaluation'
  )
  select t.key, t.low, t.sum / nullif(t.numbers, 0),
         app.bucket_value_json(s.slots, s.counts, t.min, t.max, w.words, w.counts, 0),
         t.n, t.numbers, t.sum, t.min, t.max
    from (select a.key, a.low, count(*) as n, count(a.num) as numbers,
                 sum(a.num) as sum, min(a.num) as min, max(a.num) as max,
                 array_agg(app.sketch_slot(a.num)) filter (where a.num is not null) as slots,
                 array_agg(a.word) filter (where a.word is not null) as words
            from sample a
           group by a.key, a.low) t,
         lateral (select array_agg(c.slot) as slots, array_agg(c.n) as counts
                    from (select u.slot, count(*) as n from unnest(t.slots) as u (slot) group by u.slot) c) s,
         lateral (select array_agg(c.word) as words, array_agg(c.n) as counts
                    from (select u.word, count(*) as n from unnest(t.words) as u (word) group by u.word) c) w;
$$;
alter function app.mart_compute_metric_timeseries owner to curestry_definer;
revoke execute on function app.mart_compute_metric_timeseries from public;
comment on function app.mart_compute_metric_timeseries is
  'The rows of mart.metric_timeseries of an organization and a source for buckets with these starts and ends, '
  'computed from what was recorded.';
--! EndIncluded app/marts/mart_compute_metric_timeseries.sql
--! Included app/marts/mart_merge_metric_timeseries.sql
/*
 * Adds up the rows of smaller buckets, hours or days; a single row is used as it is. Planner settings: sql/README.md.
 */
create or replace function app.mart_merge_metric_timeseries(
  organization uuid, source text, part_size text, only_key text, lows timestamptz[], highs timestamptz[]
)
returns table (metric_key text, ts_bucket timestamptz, value_num numeric, value_json jsonb,
               sample_count bigint, numeric_count bigint, value_sum numeric, value_min numeric, value_max numeric)
language sql stable security definer set search_path = ''
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off as $$
  with part as (
    select m.metric_key::text as key, b.low, m.value_json, m.sample_count, m.numeric_count,
           m.value_sum, m.value_min, m.value_max
      from unnest(lows, highs) as b (low, high),
           lateral (select m.* from mart.metric_timeseries m
                     where m.organization_id = (select organization) and m.granularity = part_size
                       and m.ts_bucket >= b.low and m.ts_bucket < b.high
                    offset 0) m
     where only_key is null and m.source = mart_merge_metric_timeseries.source
    union all
    select m.metric_key, b.low, m.value_json, m.sample_count, m.numeric_count, m.value_sum, m.value_min, m.value_max
      from unnest(lows, highs) as b (low, high),
           lateral (select m.* from mart.metric_timeseries m
                     where m.organization_id = (select organization) and m.granularity = part_size
                       and m.ts_bucket >= b.low and m.ts_bucket < b.high
                       and m.source = mart_merge_metric_timeseries.source and m.metric_key = only_key
                    offset 0) m
     where only_key is not null
  )
  select t.key, t.low, t.sum / nullif(t.numbers, 0),
         case when t.parts = 1 then t.states[1]
              else app.bucket_value_json(s.slots, s.counts, t.min, t.max, w.words, w.counts, t.other) end,
         t.n, t.numbers, t.sum, t.min, t.max
    from (select p.key, p.low, count(*) as parts, array_agg(p.value_json) as states,
                 sum(p.sample_count)::bigint as n, sum(p.numeric_count)::bigint as numbers,
                 sum(p.value_sum) as sum, min(p.value_min) as min, max(p.value_max) as max,
                 sum((p.value_json ->> 'other')::bigint)::bigint as other
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
alter function app.mart_merge_metric_timeseries owner to curestry_definer;
revoke execute on function app.mart_merge_metric_timeseries from public;
comment on function app.mart_merge_metric_timeseries is
  'mart.metric_timeseries of an organization and a source, of one key or of all, for buckets with these starts and '
  'ends, merged from its hours or days.';
--! EndIncluded app/marts/mart_merge_metric_timeseries.sql
--! Included app/marts/mart_compute_analysis_hourly.sql
/*
 * A run counts in the hour in which it ended, whatever its status; its document and its judgements count with it. A
 * judgement counts once every criterion of the rubric has a score: without one of them, its weighted mean would not
 * be comparable. NaN and Infinity, which the old backends allowed, are left out. Planner settings: sql/README.md.
 */
create or replace function app.mart_compute_analysis_hourly(organization uuid, lows timestamptz[], highs timestamptz[])
returns table (ts_bucket timestamptz, dimension text, value text,
               analyses bigint, scored bigint, overall_count bigint, sum_overall numeric,
               entropy_count bigint, sum_entropy numeric, judged bigint, sum_judged numeric)
language sql stable security definer set search_path = ''
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off as $$
  with run as materialized (
    select b.low, r.id, r.status, d.id as document, d.detected_language as language,
           case when d.overall_score > '-Infinity' and d.overall_score < 'Infinity'
                then d.overall_score::numeric end as overall,
           case when d.semantic_entropy > '-Infinity' and d.semantic_entropy < 'Infinity'
                then d.semantic_entropy::numeric end as entropy
      from unnest(lows, highs) as b (low, high)
     cross join lateral (select r.id, r.status from ops.analysis_run r
                          where r.organization_id = (select organization)
                            and r.occurred_at >= b.low and r.occurred_at < b.high
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
  select r.low, k.dimension, k.value, count(*), count(r.document), count(r.overall), sum(r.overall),
         count(r.entropy), sum(r.entropy), 0::bigint, null::numeric
    from run r, lateral (values ('all', ''), ('status', r.status), ('language', r.language)) as k (dimension, value)
   where k.value is not null
   group by r.low, k.dimension, k.value
  union all
  select v.low, 'rubric', v.rubric, count(*), count(v.document), count(v.overall), sum(v.overall),
         count(v.entropy), sum(v.entropy), count(v.score), sum(v.score)
    from verdict v
   group by v.low, v.rubric;
$$;
alter function app.mart_compute_analysis_hourly owner to curestry_definer;
revoke execute on function app.mart_compute_analysis_hourly from public;
comment on function app.mart_compute_analysis_hourly is
  'The rows of mart.analysis_hourly for buckets with these starts and ends, computed from runs, documents and judge '
  'scores; for whole days, to check the daily marts.';
--! EndIncluded app/marts/mart_compute_analysis_hourly.sql
--! Included app/marts/mart_compute_feature_daily.sql
/*
 * Distinct users of a day cannot be added up from its hours, so days are counted from the events. The specification
 * makes the count an integer, so it stops at 2147483647. Planner settings: sql/README.md.
 */
create or replace function app.mart_compute_feature_daily(
  organization uuid, days date[], lows timestamptz[], highs timestamptz[])
returns table (day date, feature_key text, events bigint, unique_users bigint)
language sql stable security definer set search_path = ''
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off as $$
  select b.day, e.feature_key, least(sum(e.event_count), 2147483647), count(distinct e.user_id)
    from unnest(days, lows, highs) as b (day, low, high),
         lateral (select e.feature_key, e.event_count, e.user_id from ops.feature_event e
                   where e.organization_id = (select organization) and e.occurred_at >= b.low and e.occurred_at < b.high
                  offset 0) e
   group by 1, 2;
$$;
alter function app.mart_compute_feature_daily owner to curestry_definer;
revoke execute on function app.mart_compute_feature_daily from public;
comment on function app.mart_compute_feature_daily is
  'mart.feature_daily of an organization for days with these starts and ends, computed from the feature events.';
--! EndIncluded app/marts/mart_compute_feature_daily.sql
--! Included app/marts/mart_refresh_metric_timeseries.sql
/*
 * Rows that are right are not written. Rows that should not exist are found by bucket and deleted by ctid: by id, the
 * planner might read all rows that it expects of an organization. Nothing else writes to the marts at the same time;
 * see app.mart_refresh_organization. Planner settings: sql/README.md.
 */
create or replace function app.mart_refresh_metric_timeseries(
  organization uuid, source text, bucket_size text, lows timestamptz[], highs timestamptz[]) returns void
language sql volatile security definer set search_path = ''
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off as $$
  with computed as materialized (
    select *
      from app.mart_compute_metric_timeseries(organization, mart_refresh_metric_timeseries.source, lows, highs)
     where bucket_size = 'hour'
    union all
    select *
      from app.mart_merge_metric_timeseries(
             organization, mart_refresh_metric_timeseries.source, 'hour', null, lows, highs)
     where bucket_size = 'day'
  ), gone as (
    delete from mart.metric_timeseries
     where ctid = any (array(
             select t.ctid
               from unnest(lows, highs) as b (low, high),
                    lateral (select t.ctid, t.source, t.metric_key::text, t.ts_bucket from mart.metric_timeseries t
                              where t.organization_id = (select organization) and t.granularity = bucket_size
                                and t.ts_bucket >= b.low and t.ts_bucket < b.high
                             offset 0) t
              where t.source = mart_refresh_metric_timeseries.source
                and (t.metric_key, t.ts_bucket) not in (select c.metric_key, c.ts_bucket from computed c)))
  )
  insert into mart.metric_timeseries as m
    (organization_id, source, metric_key, granularity, ts_bucket, value_num, value_json,
     sample_count, numeric_count, value_sum, value_min, value_max)
  select organization, mart_refresh_metric_timeseries.source, c.metric_key, bucket_size, c.ts_bucket,
         c.value_num, c.value_json, c.sample_count, c.numeric_count,
         c.value_sum, c.value_min, c.value_max
    from computed c
  on conflict (organization_id, source, metric_key, granularity, ts_bucket) do update
    set value_num = excluded.value_num, value_json = excluded.value_json, sample_count = excluded.sample_count,
        numeric_count = excluded.numeric_count, value_sum = excluded.value_sum,
        value_min = excluded.value_min, value_max = excluded.value_max
  where (m.value_num, m.value_json, m.sample_count, m.numeric_count, m.value_sum, m.value_min, m.value_max)
        is distinct from (excluded.value_num, excluded.value_json, excluded.sample_count, excluded.numeric_count,
                          excluded.value_sum, excluded.value_min, excluded.value_max);
$$;
alter function app.mart_refresh_metric_timeseries owner to curestry_definer;
revoke execute on function app.mart_refresh_metric_timeseries from public;
comment on function app.mart_refresh_metric_timeseries is
  'Brings these buckets of mart.metric_timeseries up to date: hours from what was recorded, days from the hours.';
--! EndIncluded app/marts/mart_refresh_metric_timeseries.sql
--! Included app/marts/mart_refresh_analysis_hourly.sql
/* Planner settings: sql/README.md. */
create or replace function app.mart_refresh_analysis_hourly(
  organization uuid, lows timestamptz[], highs timestamptz[]) returns void
language sql volatile security definer set search_path = ''
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off as $$
  with computed as materialized (
    select * from app.mart_compute_analysis_hourly(organization, lows, highs)
  ), gone as (
    delete from mart.analysis_hourly
     where ctid = any (array(
             select h.ctid
               from unnest(lows, highs) as b (low, high),
                    lateral (select h.ctid, h.ts_bucket, h.dimension::text, h.value::text from mart.analysis_hourly h
                              where h.organization_id = (select organization)
                                and h.ts_bucket >= b.low and h.ts_bucket < b.high
                             offset 0) h
              where (h.ts_bucket, h.dimension, h.value)
                    not in (select c.ts_bucket, c.dimension, c.value from computed c)))
  )
  insert into mart.analysis_hourly as m
    (organization_id, ts_bucket, dimension, value, analyses, scored, overall_count, sum_overall,
     entropy_count, sum_entropy, judged, sum_judged)
  select organization, c.* from computed c
  on conflict (organization_id, ts_bucket, dimension, value) do update
    set analyses = excluded.analyses, scored = excluded.scored,
        overall_count = excluded.overall_count, sum_overall = excluded.sum_overall,
        entropy_count = excluded.entropy_count, sum_entropy = excluded.sum_entropy,
        judged = excluded.judged, sum_judged = excluded.sum_judged
  where (m.analyses, m.scored, m.overall_count, m.sum_overall, m.entropy_count, m.sum_entropy, m.judged, m.sum_judged)
        is distinct from (excluded.analyses, excluded.scored, excluded.overall_count,
                          excluded.sum_overall, excluded.entropy_count,
                          excluded.sum_entropy, excluded.judged, excluded.sum_judged);
$$;
alter function app.mart_refresh_analysis_hourly owner to curestry_definer;
revoke execute on function app.mart_refresh_analysis_hourly from public;
comment on function app.mart_refresh_analysis_hourly is
  'Brings these hours of mart.analysis_hourly up to date.';
--! EndIncluded app/marts/mart_refresh_analysis_hourly.sql
--! Included app/marts/mart_refresh_analysis_daily.sql
/* Planner settings: sql/README.md. */
create or replace function app.mart_refresh_analysis_daily(
  organization uuid, days date[], lows timestamptz[], highs timestamptz[]) returns void
language sql volatile security definer set search_path = ''
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off as $$
  with merged as materialized (
    select b.day, h.dimension, h.value, sum(h.analyses) as analyses, sum(h.scored) as scored,
           sum(h.sum_overall) / nullif(sum(h.overall_count), 0) as avg_overall, sum(h.sum_overall) as sum_overall,
           sum(h.sum_entropy) / nullif(sum(h.entropy_count), 0) as avg_entropy, sum(h.sum_entropy) as sum_entropy,
           sum(h.judged) as judged, sum(h.sum_judged) / nullif(sum(h.judged), 0) as avg_judged,
           sum(h.sum_judged) as sum_judged
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
              where (m.day, m.dimension::text, m.value::text)
                    not in (select c.day, c.dimension::text, c.value::text from merged c)))
  ), total as (
    insert into mart.analysis_daily as m
      (organization_id, day, analyses, avg_overall, avg_entropy, scored, sum_overall, sum_entropy)
    select organization, c.day, c.analyses, c.avg_overall, c.avg_entropy, c.scored, c.sum_overall, c.sum_entropy
      from merged c
     where c.dimension = 'all'
    on conflict (organization_id, day) do update
      set analyses = excluded.analyses, avg_overall = excluded.avg_overall, avg_entropy = excluded.avg_entropy,
          scored = excluded.scored, sum_overall = excluded.sum_overall, sum_entropy = excluded.sum_entropy
    where (m.analyses, m.avg_overall, m.avg_entropy, m.scored, m.sum_overall, m.sum_entropy)
          is distinct from (excluded.analyses, excluded.avg_overall, excluded.avg_entropy, excluded.scored,
                            excluded.sum_overall, excluded.sum_entropy)
  )
  insert into mart.analysis_daily_by as m
    (organization_id, day, dimension, value, analyses, scored, avg_overall, sum_overall, avg_entropy, sum_entropy,
     judged, avg_judged, sum_judged)
  select organization, c.day, c.dimension, c.value, c.analyses, c.scored,
         c.avg_overall, c.sum_overall, c.avg_entropy, c.sum_entropy,
         c.judged, c.avg_judged, c.sum_judged
    from merged c
   where c.dimension <> 'all'
  on conflict (organization_id, day, dimension, value) do update
    set analyses = excluded.analyses, scored = excluded.scored,
        avg_overall = excluded.avg_overall, sum_overall = excluded.sum_overall,
        avg_entropy = excluded.avg_entropy, sum_entropy = excluded.sum_entropy, judged = excluded.judged,
        avg_judged = excluded.avg_judged, sum_judged = excluded.sum_judged
  where (m.analyses, m.scored, m.avg_overall, m.sum_overall, m.avg_entropy,
         m.sum_entropy, m.judged, m.avg_judged, m.sum_judged)
        is distinct from (excluded.analyses, excluded.scored, excluded.avg_overall, excluded.sum_overall,
                          excluded.avg_entropy,
                          excluded.sum_entropy, excluded.judged, excluded.avg_judged, excluded.sum_judged);
$$;
alter function app.mart_refresh_analysis_daily owner to curestry_definer;
revoke execute on function app.mart_refresh_analysis_daily from public;
comment on function app.mart_refresh_analysis_daily is
  'Brings these days of mart.analysis_daily and mart.analysis_daily_by up to date, from the hours of '
  'mart.analysis_hourly.';
--! EndIncluded app/marts/mart_refresh_analysis_daily.sql
--! Included app/marts/mart_refresh_feature_daily.sql
/* Planner settings: sql/README.md. */
create or replace function app.mart_refresh_feature_daily(
  organization uuid, days date[], lows timestamptz[], highs timestamptz[]) returns void
language sql volatile security definer set search_path = ''
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off as $$
  with computed as materialized (
    select * from app.mart_compute_feature_daily(organization, days, lows, highs)
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
alter function app.mart_refresh_feature_daily owner to curestry_definer;
revoke execute on function app.mart_refresh_feature_daily from public;
comment on function app.mart_refresh_feature_daily is
  'Brings these days of mart.feature_daily up to date.';
--! EndIncluded app/marts/mart_refresh_feature_daily.sql
--! Included app/marts/mart_refresh_buckets.sql
create or replace function app.mart_refresh_buckets(
  organization uuid, zone text, source text, lows timestamptz[], highs timestamptz[]) returns void
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
    from app.bucket_days(zone, lows) as d;
  case source
    when 'analysis' then
      perform app.mart_refresh_analysis_hourly(organization, lows, highs);
      perform app.mart_refresh_analysis_daily(organization, v_days, v_lows, v_highs);
    when 'feature' then
      perform app.mart_refresh_feature_daily(organization, v_days, v_lows, v_highs);
    else
      perform app.mart_refresh_metric_timeseries(organization, source, 'hour', lows, highs);
      perform app.mart_refresh_metric_timeseries(organization, source, 'day', v_lows, v_highs);
  end case;
end;
$$;
alter function app.mart_refresh_buckets owner to curestry_definer;
revoke execute on function app.mart_refresh_buckets from public;
comment on function app.mart_refresh_buckets is
  'Brings the hours with these starts and ends up to date in the marts of a source, and the days that contain them.';
--! EndIncluded app/marts/mart_refresh_buckets.sql
--! Included app/marts/mart_refresh_day.sql
create or replace function app.mart_refresh_day(
  organization uuid, zone text, day_low timestamptz, day_high timestamptz) returns void
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_source text;
  v_lows timestamptz[];
  v_highs timestamptz[];
begin
  select array_agg(h.low), array_agg(h.high) into v_lows, v_highs
    from app.bucket_hours(zone, array(
           select generate_series(date_trunc('hour', day_low, 'UTC'),
                                  day_high - interval '1 microsecond', interval '1 hour'))) as h
   where h.low >= day_low and h.low < day_high;
  foreach v_source in array array['metric', 'node', 'judge', 'evaluation', 'analysis', 'feature'] loop
    perform app.mart_refresh_buckets(organization, zone, v_source, v_lows, v_highs);
  end loop;
end;
$$;
alter function app.mart_refresh_day owner to curestry_definer;
revoke execute on function app.mart_refresh_day from public;
comment on function app.mart_refresh_day is
  'Brings the day with this start and end up to date in all marts of an organization, with all its hours.';
--! EndIncluded app/marts/mart_refresh_day.sql
--! Included app/mart_upkeep/mart_extent.sql
/* Reads only the first and the last entry of an index for each table. Planner settings: sql/README.md. */
create or replace function app.mart_extent(organization uuid, zone text, from_ts timestamptz, to_ts timestamptz)
returns table (first timestamptz, last timestamptz)
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
           where t.organization_id = organization and t.granularity = 'hour'
             and t.ts_bucket >= from_ts and t.ts_bucket < to_ts
          union all
          select min(t.ts_bucket), max(t.ts_bucket) from mart.metric_timeseries t
           where t.organization_id = organization and t.granularity = 'day'
             and t.ts_bucket >= from_ts and t.ts_bucket < to_ts
          union all
          select min(h.ts_bucket), max(h.ts_bucket) from mart.analysis_hourly h
           where h.organization_id = organization and h.ts_bucket >= from_ts and h.ts_bucket < to_ts
          union all
          select greatest(app.bucket_day_start(zone, d.first), from_ts),
                 greatest(app.bucket_day_start(zone, d.last), from_ts)
            from (select min(a.day) as first, max(a.day) as last from mart.analysis_daily a
                   where a.organization_id = organization
                     and a.day between (from_ts at time zone zone)::date
                                   and ((to_ts - interval '1 microsecond') at time zone zone)::date
                  union all
                  select min(a.day), max(a.day) from mart.analysis_daily_by a
                   where a.organization_id = organization
                     and a.day between (from_ts at time zone zone)::date
                                   and ((to_ts - interval '1 microsecond') at time zone zone)::date
                  union all
                  select min(f.day), max(f.day) from mart.feature_daily f
                   where f.organization_id = organization
                     and f.day between (from_ts at time zone zone)::date
                                   and ((to_ts - interval '1 microsecond') at time zone zone)::date) d
           where d.first is not null) t;
$$;
alter function app.mart_extent owner to curestry_definer;
revoke execute on function app.mart_extent from public;
comment on function app.mart_extent is
  'The first and the last moment within a span of time of which an organization has facts or rows in the marts.';
--! EndIncluded app/mart_upkeep/mart_extent.sql
--! Included app/mart_upkeep/mart_next_day.sql
create or replace function app.mart_next_day(organization uuid, zone text, from_ts timestamptz, to_ts timestamptz)
returns table (day date, low timestamptz, high timestamptz)
language sql stable security definer set search_path = '' as $$
  select d.day, d.low, d.high
    from app.mart_extent(organization, zone, from_ts, to_ts) as e, lateral app.bucket_days(zone, array[e.first]) as d
   where e.first is not null;
$$;
alter function app.mart_next_day owner to curestry_definer;
revoke execute on function app.mart_next_day from public;
comment on function app.mart_next_day is
  'The first day within a span of time of which an organization has facts or rows in the marts: date, start and end. '
  'No row: none.';
--! EndIncluded app/mart_upkeep/mart_next_day.sql
--! Included app/mart_upkeep/mart_rebuild_organization.sql
/*
 * In one transaction, so that readers see either the old marts or the new ones. The caller holds the lock of the
 * organization's marts.
 */
create or replace function app.mart_rebuild_organization(organization uuid) returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_zone text;
  v_before text;
  v_from timestamptz;
  v_day record;
  v_hours integer := 0;
begin
  select o.time_zone, coalesce(s.time_zone, 'UTC'), coalesce(s.marts_immutable_before, '-infinity')
    into v_zone, v_before, v_from
    from ops.organization o
    left join app.mart_state s on s.organization_id = o.id
   where o.id = organization;
  if not found then
    return 0;
  end if;
  if v_zone <> v_before then
    -- Immutable days stay as they are: the days of the new zone start with the next midnight.
    if isfinite(v_from) then
      v_from := (select case d.low when v_from then d.low else d.high end
                   from app.bucket_days(v_zone, array[v_from]) as d);
    end if;
    delete from mart.metric_timeseries m where m.organization_id = organization and m.ts_bucket >= v_from;
    delete from mart.analysis_hourly m where m.organization_id = organization and m.ts_bucket >= v_from;
    delete from mart.analysis_daily m
     where m.organization_id = organization and m.day >= (v_from at time zone v_zone)::date;
    delete from mart.analysis_daily_by m
     where m.organization_id = organization and m.day >= (v_from at time zone v_zone)::date;
    delete from mart.feature_daily m
     where m.organization_id = organization and m.day >= (v_from at time zone v_zone)::date;
    insert into app.mart_state as s (organization_id, time_zone, marts_immutable_before)
    values (organization, v_zone, v_from)
    on conflict (organization_id) do update
      set time_zone = excluded.time_zone, marts_immutable_before = excluded.marts_immutable_before;
  end if;
  loop
    select * into v_day from app.mart_next_day(organization, v_zone, v_from, 'infinity');
    exit when not found;
    perform app.mart_refresh_day(organization, v_zone, v_day.low, v_day.high);
    v_hours := v_hours + extract(epoch from v_day.high - v_day.low)::integer / 3600;
    v_from := v_day.high;
  end loop;
  return v_hours;
end;
$$;
alter function app.mart_rebuild_organization owner to curestry_definer;
revoke execute on function app.mart_rebuild_organization from public;
comment on function app.mart_rebuild_organization is
  'Recomputes all marts of an organization, in its time zone; returns how many hours.';
--! EndIncluded app/mart_upkeep/mart_rebuild_organization.sql
--! Included app/marts/mart_refresh_organization.sql
/*
 * Deletes the changes of one organization and recomputes exactly their hours and days, in one transaction: after a
 * crash, the changes are still there. The lock is taken before the statement that deletes the changes, whose snapshot
 * then sees everything that an earlier worker wrote. The time zone is read in that same statement: whoever sees a new
 * zone also sees the change that announces it.
 */
create or replace function app.mart_refresh_organization(organization uuid) returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_sources text[];
  v_hours timestamptz[];
  v_zone text;
  v_is_new boolean;
  v_immutable_before timestamptz;
  v_source text;
  v_lows timestamptz[];
  v_highs timestamptz[];
begin
  perform pg_advisory_xact_lock(hashtextextended('curestry marts ' || organization, 0));
  with deleted as (
    delete from app.mart_change m where m.organization_id = organization returning m.source, m.hour
  ), change as (
    select distinct source, hour from deleted
  )
  select (select array_agg(c.source) from change c), (select array_agg(c.hour) from change c),
         coalesce(s.time_zone, 'UTC'), coalesce(s.time_zone, 'UTC') <> o.time_zone,
         coalesce(s.marts_immutable_before, '-infinity')
    into v_sources, v_hours, v_zone, v_is_new, v_immutable_before
    from (values (organization)) as i (id)
    left join ops.organization o on o.id = i.id
    left join app.mart_state s on s.organization_id = i.id;
  if v_hours is null then
    return 0;
  end if;
  if v_is_new or '-infinity' = any (v_hours) then
    return app.mart_rebuild_organization(organization);
  end if;
  foreach v_source in array array(select distinct s.source from unnest(v_sources) as s (source) order by 1) loop
    select array_agg(h.low order by h.low), array_agg(h.high order by h.low) into v_lows, v_highs
      from app.bucket_hours(v_zone, array(
             select m.hour from unnest(v_sources, v_hours) as m (source, hour) where m.source = v_source)) as h
     where h.low >= v_immutable_before;
    perform app.mart_refresh_buckets(organization, v_zone, v_source, v_lows, v_highs);
  end loop;
  return (select count(distinct h.hour) from unnest(v_hours) as h (hour));
end;
$$;
alter function app.mart_refresh_organization owner to curestry_definer;
revoke execute on function app.mart_refresh_organization from public;
grant execute on function app.mart_refresh_organization to curestry_worker, curestry_owner;
comment on function app.mart_refresh_organization is
  'Brings the marts of one organization up to date; returns how many hours had changed.';
--! EndIncluded app/marts/mart_refresh_organization.sql
--! Included app/marts/mart_changed_organizations.sql
/* A loose index scan: many changes of one organization cost no more than one. */
create or replace function app.mart_changed_organizations() returns setof uuid
language sql stable security definer set search_path = '' as $$
  with recursive changed as (
    (select m.organization_id from app.mart_change m order by m.organization_id limit 1)
    union all
    select n.organization_id
      from changed p,
           lateral (select m.organization_id from app.mart_change m
                     where m.organization_id > p.organization_id order by m.organization_id limit 1) n
  )
  select organization_id from changed;
$$;
alter function app.mart_changed_organizations owner to curestry_definer;
revoke execute on function app.mart_changed_organizations from public;
grant execute on function app.mart_changed_organizations to curestry_worker, curestry_owner;
comment on function app.mart_changed_organizations is
  'The organizations whose marts are behind. The worker polls it every two seconds; it reads one index entry if '
  'there are none.';
--! EndIncluded app/marts/mart_changed_organizations.sql
--! Included app/marts/mart_try_refresh_organization.sql
/* A lock of its own, so that a second worker does not wait for the first while it occupies a connection. */
create or replace function app.mart_try_refresh_organization(organization uuid) returns integer
language plpgsql volatile security definer set search_path = '' as $$
begin
  if not pg_try_advisory_xact_lock(hashtextextended('curestry refresh ' || organization, 0)) then
    return null;
  end if;
  return app.mart_refresh_organization(organization);
end;
$$;
alter function app.mart_try_refresh_organization owner to curestry_definer;
revoke execute on function app.mart_try_refresh_organization from public;
grant execute on function app.mart_try_refresh_organization to curestry_worker, curestry_owner;
comment on function app.mart_try_refresh_organization is
  'Brings the marts of one organization up to date, unless another worker is doing so (null); returns how many hours '
  'had changed.';
--! EndIncluded app/marts/mart_try_refresh_organization.sql
--! Included app/marts/mart_refresh_all.sql
create or replace function app.mart_refresh_all() returns table (organization_id uuid, hours integer)
language plpgsql volatile security definer set search_path = '' as $$
begin
  -- Always in the same order, so that two of these calls cannot deadlock.
  for organization_id in select o from app.mart_changed_organizations() o order by 1 loop
    begin
      hours := app.mart_refresh_organization(organization_id);
    exception when others then
      -- Its changes stay; the others continue
      hours := null;
      raise warning 'The marts of the organization % were not brought up to date: %', organization_id, sqlerrm;
    end;
    return next;
  end loop;
end;
$$;
alter function app.mart_refresh_all owner to curestry_definer;
revoke execute on function app.mart_refresh_all from public;
grant execute on function app.mart_refresh_all to curestry_owner;
revoke execute on function app.mart_refresh_all from curestry_worker;
comment on function app.mart_refresh_all is
  'Brings the marts of all organizations up to date in one transaction; the hours are null where that failed. For '
  'psql: the worker and "curestry rollup" use one transaction for each organization.';
--! EndIncluded app/marts/mart_refresh_all.sql
--! Included app/mart_upkeep/mart_make_immutable.sql
/*
 * For retention: facts that are about to be deleted are processed first, and the marts then keep what they say of
 * them. Call it in the transaction that deletes; changes of the deleted facts, and of facts that come too late, no
 * longer have an effect.
 */
create or replace function app.mart_make_immutable(organization uuid, before timestamptz) returns timestamptz
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_zone text;
  v_immutable_before timestamptz;
begin
  perform app.mart_refresh_organization(organization);
  select coalesce(s.time_zone, 'UTC'), coalesce(s.marts_immutable_before, '-infinity') into v_zone, v_immutable_before
    from ops.organization o
    left join app.mart_state s on s.organization_id = o.id
   where o.id = organization;
  if v_zone is null then
    return null;
  end if;
  v_immutable_before := greatest(v_immutable_before, (select d.low from app.bucket_days(v_zone, array[before]) as d));
  insert into app.mart_state as s (organization_id, time_zone, marts_immutable_before)
  values (organization, v_zone, v_immutable_before)
  on conflict (organization_id) do update set marts_immutable_before = excluded.marts_immutable_before;
  return v_immutable_before;
end;
$$;
alter function app.mart_make_immutable owner to curestry_definer;
revoke execute on function app.mart_make_immutable from public;
grant execute on function app.mart_make_immutable to curestry_worker, curestry_owner;
comment on function app.mart_make_immutable is
  'Processes waiting changes and makes the marts of the days before this time immutable; returns the midnight before '
  'which they are: later facts must be kept. For retention.';
--! EndIncluded app/mart_upkeep/mart_make_immutable.sql
--! Included app/mart_upkeep/mart_immutable_spans.sql
create or replace function app.mart_immutable_spans(
  from_ts timestamptz, to_ts timestamptz, only_organization uuid default null)
returns table (organization text, before timestamptz)
language sql stable security definer set search_path = '' as $$
  select o.slug::text, s.marts_immutable_before
    from app.mart_state s
    join ops.organization o on o.id = s.organization_id
   where s.marts_immutable_before > from_ts and (only_organization is null or o.id = only_organization)
     -- Only those with rows in the span
     and exists (select from app.mart_extent(o.id, s.time_zone, from_ts, least(to_ts, s.marts_immutable_before)) e
                  where e.first is not null)
   order by 1;
$$;
alter function app.mart_immutable_spans owner to curestry_definer;
revoke execute on function app.mart_immutable_spans from public;
grant execute on function app.mart_immutable_spans to curestry_owner;
comment on function app.mart_immutable_spans is
  'Organizations whose facts of this span were removed by age, up to a time, so that its marts can be neither '
  'rebuilt nor checked. For operators.';
--! EndIncluded app/mart_upkeep/mart_immutable_spans.sql
--! Included app/mart_upkeep/mart_rebuild_start.sql
/* An unfinished rebuild of the same span is resumed: days that are done are not repeated. */
create or replace function app.mart_rebuild_start(
  from_ts timestamptz, to_ts timestamptz, only_organization uuid default null)
returns table (organizations integer, resumed boolean, seconds double precision)
language plpgsql volatile security definer set search_path = '' as $$
begin
  if from_ts >= to_ts then
    perform app.refuse('CU004', 'to: must lie after from', 'to');
  end if;
  resumed := exists (select from app.mart_rebuild r
                      where r.from_ts = mart_rebuild_start.from_ts and r.to_ts = mart_rebuild_start.to_ts
                        and (only_organization is null or r.organization_id = only_organization));
  if not resumed then
    insert into app.mart_rebuild (organization_id, from_ts, to_ts, next_ts, last_ts)
    select o.id, mart_rebuild_start.from_ts, mart_rebuild_start.to_ts, e.first, e.last
      from ops.organization o
      left join app.mart_state s on s.organization_id = o.id,
           lateral app.mart_extent(
             o.id, coalesce(s.time_zone, 'UTC'),
             greatest(mart_rebuild_start.from_ts, coalesce(s.marts_immutable_before, '-infinity')),
             mart_rebuild_start.to_ts) as e
     where e.first is not null and (only_organization is null or o.id = only_organization);
  end if;
  select count(*), coalesce(sum(extract(epoch from r.last_ts - r.next_ts)), 0) into organizations, seconds
    from app.mart_rebuild r
   where r.from_ts = mart_rebuild_start.from_ts and r.to_ts = mart_rebuild_start.to_ts
     and (only_organization is null or r.organization_id = only_organization);
  return next;
end;
$$;
alter function app.mart_rebuild_start owner to curestry_definer;
revoke execute on function app.mart_rebuild_start from public;
grant execute on function app.mart_rebuild_start to curestry_owner;
comment on function app.mart_rebuild_start is
  'Plans a rebuild of the marts of a span of time, of one or all organizations; returns how many organizations and '
  'how much time it covers. app.mart_rebuild_continue does the work. For operators.';
--! EndIncluded app/mart_upkeep/mart_rebuild_start.sql
--! Included app/mart_upkeep/mart_rebuild_continue.sql
/* One day of one organization per call, so that transactions are short and a crash loses little. */
create or replace function app.mart_rebuild_continue(
  from_ts timestamptz, to_ts timestamptz, only_organization uuid default null)
returns table (organization_id uuid, hours integer, seconds double precision)
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_rebuild app.mart_rebuild;
  v_zone text;
  v_immutable_before timestamptz;
  v_day record;
begin
  select r.* into v_rebuild
    from app.mart_rebuild r
   where r.from_ts = mart_rebuild_continue.from_ts and r.to_ts = mart_rebuild_continue.to_ts
     and (only_organization is null or r.organization_id = only_organization)
   order by r.organization_id
   limit 1
     for update skip locked;
  if not found then
    return;
  end if;
  perform pg_advisory_xact_lock(hashtextextended('curestry marts ' || v_rebuild.organization_id, 0));
  select coalesce(s.time_zone, 'UTC'), coalesce(s.marts_immutable_before, '-infinity') into v_zone, v_immutable_before
    from (values (1)) as one (row)
    left join app.mart_state s on s.organization_id = v_rebuild.organization_id;
  select * into v_day
    from app.mart_next_day(v_rebuild.organization_id, v_zone, greatest(v_rebuild.next_ts, v_immutable_before), to_ts);
  hours := 0;
  if found and v_day.low <= v_rebuild.last_ts then
    perform app.mart_refresh_day(v_rebuild.organization_id, v_zone, v_day.low, v_day.high);
    hours := extract(epoch from v_day.high - v_day.low)::integer / 3600;
    update app.mart_rebuild r set next_ts = v_day.high
     where r.organization_id = v_rebuild.organization_id
       and r.from_ts = v_rebuild.from_ts and r.to_ts = v_rebuild.to_ts;
  else
    delete from app.mart_rebuild r
     where r.organization_id = v_rebuild.organization_id
       and r.from_ts = v_rebuild.from_ts and r.to_ts = v_rebuild.to_ts;
  end if;
  organization_id := v_rebuild.organization_id;
  select coalesce(sum(greatest(extract(epoch from r.last_ts - r.next_ts), 0)), 0) into seconds
    from app.mart_rebuild r
   where r.from_ts = mart_rebuild_continue.from_ts and r.to_ts = mart_rebuild_continue.to_ts
     and (only_organization is null or r.organization_id = only_organization);
  return next;
end;
$$;
alter function app.mart_rebuild_continue owner to curestry_definer;
revoke execute on function app.mart_rebuild_continue from public;
grant execute on function app.mart_rebuild_continue to curestry_owner;
comment on function app.mart_rebuild_continue is
  'Rebuilds one more day of the marts of one organization; returns which, how many hours, and how much time is left. '
  'No row: the rebuild is finished. For operators.';
--! EndIncluded app/mart_upkeep/mart_rebuild_continue.sql
--! Included app/mart_upkeep/mart_compare_day.sql
/*
 * Recomputes everything from what was recorded, also what a refresh merges from hours. It is one statement with one
 * snapshot, which sees facts, marts and changes as a writer or a refresh committed them together: a difference that
 * is not waiting is an error. Planner settings: sql/README.md.
 */
create or replace function app.mart_compare_day(
  organization uuid, zone text, day date, low timestamptz, high timestamptz)
returns table (mart text, bucket text, key text, expected jsonb, actual jsonb, waiting boolean)
language sql stable security definer set search_path = '' set enable_seqscan = off set jit = off as $$
  with hour as materialized (
    select array_agg(h.low) as lows, array_agg(h.high) as highs
      from app.bucket_hours(zone, array(
             select generate_series(date_trunc('hour', mart_compare_day.low, 'UTC'),
                                    mart_compare_day.high - interval '1 microsecond', interval '1 hour'))) as h
     where h.low >= mart_compare_day.low and h.low < mart_compare_day.high
  ), analysis as materialized (
    select a.dimension, a.value,
           jsonb_build_object('analyses', a.analyses, 'scored', a.scored,
                              'avg_overall', a.sum_overall / nullif(a.overall_count, 0), 'sum_overall', a.sum_overall,
                              'avg_entropy', a.sum_entropy / nullif(a.entropy_count, 0),
                              'sum_entropy', a.sum_entropy) as state,
           jsonb_build_object('judged', a.judged, 'avg_judged', a.sum_judged / nullif(a.judged, 0),
                              'sum_judged', a.sum_judged) as judgement
      from app.mart_compute_analysis_hourly(
             organization, array[mart_compare_day.low], array[mart_compare_day.high]) as a
  ), expected as (
    select 'metric_timeseries' as mart,
           g.size || ' ' || to_char(c.ts_bucket at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI"Z"') as bucket,
           s.source, case s.source when 'metric' then '' else s.source || ' ' end || c.metric_key as key,
           jsonb_build_object('value_num', c.value_num, 'value_json', c.value_json,
                              'sample_count', c.sample_count, 'numeric_count', c.numeric_count,
                              'value_sum', c.value_sum, 'value_min', c.value_min, 'value_max', c.value_max) as state
      from hour h,
           unnest(array['metric', 'node', 'judge', 'evaluation']) as s (source),
           unnest(array['hour', 'day']) as g (size),
           lateral app.mart_compute_metric_timeseries(
             organization, s.source,
             case g.size when 'hour' then h.lows else array[mart_compare_day.low] end,
             case g.size when 'hour' then h.highs else array[mart_compare_day.high] end) as c
    union all
    select 'analysis_hourly', to_char(a.ts_bucket at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI"Z"'),
           'analysis', btrim(a.dimension || ' ' || a.value),
           to_jsonb(a) - '{ts_bucket,dimension,value}'::text[]
      from hour h, lateral app.mart_compute_analysis_hourly(organization, h.lows, h.highs) as a
    union all
    select 'analysis_daily', mart_compare_day.day::text, 'analysis', '', a.state
      from analysis a where a.dimension = 'all'
    union all
    select 'analysis_daily_by', mart_compare_day.day::text, 'analysis', a.dimension || ' ' || a.value,
           a.state || a.judgement
      from analysis a where a.dimension <> 'all'
    union all
    select 'feature_daily', mart_compare_day.day::text, 'feature', c.feature_key, to_jsonb(c) - 'day' - 'feature_key'
      from app.mart_compute_feature_daily(
             organization, array[mart_compare_day.day], array[mart_compare_day.low], array[mart_compare_day.high]) as c
  ), actual as (
    select 'metric_timeseries' as mart,
           m.granularity || ' ' || to_char(m.ts_bucket at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI"Z"') as bucket,
           m.source::text, case m.source when 'metric' then '' else m.source || ' ' end || m.metric_key as key,
           to_jsonb(m) - '{id,organization_id,source,metric_key,granularity,ts_bucket}'::text[] as state
      from mart.metric_timeseries m
     where m.organization_id = organization and m.granularity in ('hour', 'day')
       and m.ts_bucket >= mart_compare_day.low and m.ts_bucket < mart_compare_day.high
    union all
    select 'analysis_hourly', to_char(m.ts_bucket at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI"Z"'),
           'analysis', btrim(m.dimension || ' ' || m.value),
           to_jsonb(m) - '{id,organization_id,ts_bucket,dimension,value}'::text[]
      from mart.analysis_hourly m
     where m.organization_id = organization
       and m.ts_bucket >= mart_compare_day.low and m.ts_bucket < mart_compare_day.high
    union all
    select 'analysis_daily', m.day::text, 'analysis', '', to_jsonb(m) - '{id,organization_id,day}'::text[]
      from mart.analysis_daily m
     where m.organization_id = organization and m.day = mart_compare_day.day
    union all
    select 'analysis_daily_by', m.day::text, 'analysis', m.dimension || ' ' || m.value,
           to_jsonb(m) - '{id,organization_id,day,dimension,value}'::text[]
      from mart.analysis_daily_by m
     where m.organization_id = organization and m.day = mart_compare_day.day
    union all
    select 'feature_daily', m.day::text, 'feature', m.feature_key,
           to_jsonb(m) - '{id,organization_id,day,feature_key}'::text[]
      from mart.feature_daily m
     where m.organization_id = organization and m.day = mart_compare_day.day
  )
  select mart, bucket, key, e.state, a.state,
         exists (select from app.mart_change m
                  where m.organization_id = organization and m.source in (coalesce(e.source, a.source), 'zone')
                    and (m.hour = '-infinity'
                         or (m.hour > mart_compare_day.low - interval '1 hour' and m.hour < mart_compare_day.high)))
    from expected e
    full join actual a using (mart, bucket, source, key)
   where e.state is distinct from a.state
   order by 1, 2, 3;
$$;
alter function app.mart_compare_day owner to curestry_definer;
revoke execute on function app.mart_compare_day from public;
comment on function app.mart_compare_day is
  'Recomputes a day of an organization and its hours from what was recorded, and lists where the marts differ; '
  'waiting: a refresh is due that may correct it.';
--! EndIncluded app/mart_upkeep/mart_compare_day.sql
--! Included app/mart_upkeep/mart_check_all.sql
create or replace function app.mart_check_all(
  from_ts timestamptz default '-infinity', to_ts timestamptz default 'infinity', only_organization uuid default null)
returns table (organization text, mart text, bucket text, key text, expected jsonb, actual jsonb, waiting boolean)
language plpgsql stable security definer set search_path = '' as $$
declare
  v_organization record;
  v_day record;
  v_from timestamptz;
begin
  for v_organization in
    select o.id, o.slug, coalesce(s.time_zone, 'UTC') as zone,
           coalesce(s.marts_immutable_before, '-infinity') as immutable_before
      from ops.organization o
      left join app.mart_state s on s.organization_id = o.id
     where only_organization is null or o.id = only_organization
     order by o.slug
  loop
    v_from := greatest(from_ts, v_organization.immutable_before);
    loop
      select * into v_day from app.mart_next_day(v_organization.id, v_organization.zone, v_from, to_ts);
      exit when not found;
      return query
        select v_organization.slug::text, c.mart, c.bucket, c.key, c.expected, c.actual, c.waiting
          from app.mart_compare_day(v_organization.id, v_organization.zone, v_day.day, v_day.low, v_day.high) as c;
      v_from := v_day.high;
    end loop;
  end loop;
end;
$$;
alter function app.mart_check_all owner to curestry_definer;
revoke execute on function app.mart_check_all from public;
grant execute on function app.mart_check_all to curestry_owner;
comment on function app.mart_check_all is
  'Recomputes the marts of a span of days from their source, of one or all organizations, and lists every '
  'difference; there should be none. For operators.';
--! EndIncluded app/mart_upkeep/mart_check_all.sql
--! Included app/access/require_platform_admin.sql
create or replace function app.require_platform_admin() returns integer
language plpgsql stable security definer set search_path = '' as $$
declare
  v_user constant integer := app.require_person();
begin
  if not exists (select from app.platform_admin o where o.user_id = v_user) then
    perform app.refuse('CU002', 'This is for platform admins: "curestry platform-admin grant" makes one');
  end if;
  return v_user;
end;
$$;
alter function app.require_platform_admin owner to curestry_definer;
revoke execute on function app.require_platform_admin from public;
comment on function app.require_platform_admin is
  'The platform admin who makes the request in person; refuses (CU001, CU002) anybody else, and every API key.';
--! EndIncluded app/access/require_platform_admin.sql
--! Included app/access/platform_admin_grant.sql
create or replace function app.platform_admin_grant(user_email text) returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_user integer;
begin
  select u.id into v_user from core.users u where lower(u.email) = lower(user_email);
  if not found then
    perform app.refuse('CU003', format('There is no user with the e-mail address %s', user_email), 'email');
  end if;
  insert into app.platform_admin (user_id) values (v_user) on conflict do nothing;
  return v_user;
end;
$$;
alter function app.platform_admin_grant owner to curestry_definer;
revoke execute on function app.platform_admin_grant from public;
grant execute on function app.platform_admin_grant to curestry_owner;
comment on function app.platform_admin_grant is
  'Makes a user a platform admin, who may see failed jobs and scheduled tasks of the whole installation through the '
  'API, and retry jobs; refuses an unknown user. For operators.';
--! EndIncluded app/access/platform_admin_grant.sql
--! Included app/access/platform_admin_revoke.sql
create or replace function app.platform_admin_revoke(user_email text) returns boolean
language sql volatile security definer set search_path = '' as $$
  with gone as (
    delete from app.platform_admin o using core.users u
     where u.id = o.user_id and lower(u.email) = lower(user_email)
    returning o.user_id
  )
  select exists (select from gone);
$$;
alter function app.platform_admin_revoke owner to curestry_definer;
revoke execute on function app.platform_admin_revoke from public;
grant execute on function app.platform_admin_revoke to curestry_owner;
comment on function app.platform_admin_revoke is
  'Makes a platform admin an ordinary user again, from their next request on; returns whether they were one. For '
  'operators.';
--! EndIncluded app/access/platform_admin_revoke.sql
--! Included app/access/platform_admin_list.sql
create or replace function app.platform_admin_list() returns table (email text, granted_at timestamptz)
language sql stable security definer set search_path = '' as $$
  select u.email::text, o.granted_at
    from app.platform_admin o join core.users u on u.id = o.user_id
   order by 1;
$$;
alter function app.platform_admin_list owner to curestry_definer;
revoke execute on function app.platform_admin_list from public;
grant execute on function app.platform_admin_list to curestry_owner;
comment on function app.platform_admin_list is 'The users who are platform admins. For operators.';
--! EndIncluded app/access/platform_admin_list.sql
--! Included app/jobs/worker_heartbeat_timeout.sql
create or replace function app.worker_heartbeat_timeout() returns interval
language sql immutable
return interval '40 seconds';
revoke execute on function app.worker_heartbeat_timeout from public;
grant execute on function app.worker_heartbeat_timeout to curestry_worker, curestry_definer;
comment on function app.worker_heartbeat_timeout is
  'How long a worker may be silent before it counts as dead: four of its heartbeats.';
--! EndIncluded app/jobs/worker_heartbeat_timeout.sql
--! Included app/jobs/worker_lock_key.sql
create or replace function app.worker_lock_key(worker text) returns bigint
language sql immutable
return hashtextextended('curestry worker ' || worker, 0);
revoke execute on function app.worker_lock_key from public;
grant execute on function app.worker_lock_key to curestry_definer;
comment on function app.worker_lock_key is
  'The key of the advisory lock that a worker''s connection holds for as long as the worker lives.';
--! EndIncluded app/jobs/worker_lock_key.sql
--! Included app/jobs/worker_heartbeat_record.sql
/*
 * Beside the time, the session keeps a lock: a worker whose program is too busy for a heartbeat in time still has its
 * connection, and does not count as dead; the connection of one that was killed ends with it.
 */
create or replace function app.worker_heartbeat_record(worker text) returns void
language plpgsql volatile security definer set search_path = '' as $$
begin
  perform pg_try_advisory_lock(app.worker_lock_key(worker));
  insert into app.worker_heartbeat (worker_id) values (worker)
  on conflict on constraint pk_worker_heartbeat do update set heartbeat_at = clock_timestamp();
end;
$$;
alter function app.worker_heartbeat_record owner to curestry_definer;
revoke execute on function app.worker_heartbeat_record from public;
grant execute on function app.worker_heartbeat_record to curestry_worker;
comment on function app.worker_heartbeat_record is
  'Says that a worker is alive, by the name under which it locks jobs; called every ten seconds on a connection that '
  'it keeps.';
--! EndIncluded app/jobs/worker_heartbeat_record.sql
--! Included app/jobs/worker_end.sql
create or replace function app.worker_end(worker text) returns void
language sql volatile security definer set search_path = '' as $$
  delete from app.worker_heartbeat h where h.worker_id = worker;
$$;
alter function app.worker_end owner to curestry_definer;
revoke execute on function app.worker_end from public;
grant execute on function app.worker_end to curestry_worker;
comment on function app.worker_end is 'Says that a worker has stopped in good order: it holds no jobs.';
--! EndIncluded app/jobs/worker_end.sql
--! Included app/jobs/worker_list_dead.sql
/*
 * A worker is dead when its last heartbeat is too old and its connection is gone. After a restart of the server the
 * time counts from then: everybody has to connect again first.
 */
create or replace function app.worker_list_dead(suspects text[], timeout interval) returns text[]
language sql volatile security definer set search_path = '' as $$
  with gone as (
    delete from app.worker_heartbeat h
     where greatest(h.heartbeat_at, pg_postmaster_start_time()) < clock_timestamp() - timeout
       and pg_try_advisory_xact_lock(app.worker_lock_key(h.worker_id))
    returning h.worker_id
  ), strangers as (
    select s.worker_id
      from unnest(suspects) as s (worker_id)
     where not exists (select from app.worker_heartbeat h where h.worker_id = s.worker_id)
       and pg_try_advisory_xact_lock(app.worker_lock_key(s.worker_id))
  )
  select coalesce(array_agg(d.worker_id), '{}')
    from (select g.worker_id from gone g union select s.worker_id from strangers s) d;
$$;
alter function app.worker_list_dead owner to curestry_definer;
revoke execute on function app.worker_list_dead from public;
grant execute on function app.worker_list_dead to curestry_worker;
comment on function app.worker_list_dead is
  'Forgets and answers the workers that died: known ones, and those of the suspects that never had a heartbeat.';
--! EndIncluded app/jobs/worker_list_dead.sql
--! Included app/jobs/worker_count_alive.sql
create or replace function app.worker_count_alive() returns bigint
language sql stable security definer set search_path = '' as $$
  select count(*) from app.worker_heartbeat h
   where h.heartbeat_at > clock_timestamp() - app.worker_heartbeat_timeout();
$$;
alter function app.worker_count_alive owner to curestry_definer;
revoke execute on function app.worker_count_alive from public;
comment on function app.worker_count_alive is 'How many workers have a heartbeat.';
--! EndIncluded app/jobs/worker_count_alive.sql
--! Included app/jobs/worker_reap.sql
/*
 * graphile-worker waits four hours before it takes a job from a worker that is gone. Runs with the rights of
 * curestry_worker, to whom the queue belongs. graphile_worker._private_jobs is no public interface of that library:
 * package.json pins its version, and test/worker/crash.test.ts fails where another one keeps its jobs otherwise.
 */
create or replace function app.worker_reap(timeout interval default app.worker_heartbeat_timeout()) returns integer
language plpgsql volatile set search_path = '' as $$
declare
  v_dead text[];
  v_jobs integer;
begin
  v_dead := app.worker_list_dead(
    array(select distinct j.locked_by from graphile_worker.jobs j
           where greatest(j.locked_at, pg_postmaster_start_time()) < clock_timestamp() - timeout),
    timeout);
  if v_dead = '{}' then
    return 0;
  end if;
  update graphile_worker._private_jobs j set last_error = 'The worker ended in the middle of it'
   where j.locked_by = any (v_dead);
  get diagnostics v_jobs = row_count;
  -- A scheduled job that may not be tried again was replaced by the schedule, which has queued another
  delete from graphile_worker._private_jobs j
   where j.locked_by = any (v_dead) and j.attempts >= j.max_attempts and j.payload::jsonb ? '_cron';
  perform graphile_worker.force_unlock_workers(v_dead);
  return v_jobs;
end;
$$;
revoke execute on function app.worker_reap from public;
grant execute on function app.worker_reap to curestry_worker;
comment on function app.worker_reap is
  'Gives the jobs of workers that died back to the queue, for others to run; answers how many. A poll of the worker.';
--! EndIncluded app/jobs/worker_reap.sql
--! Included app/jobs/job_tidy.sql
create or replace function app.job_tidy(keep interval default interval '7 days', newest integer default 20)
returns integer
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
revoke execute on function app.job_tidy from public;
grant execute on function app.job_tidy to curestry_worker;
comment on function app.job_tidy is
  'Removes scheduled jobs that failed for good: all but the newest of each task, and those too after some days. A '
  'job of the worker.';
--! EndIncluded app/jobs/job_tidy.sql
--! Included app/jobs/task_expect.sql
create or replace function app.task_expect(tasks jsonb) returns void
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
   where not exists (select from jsonb_to_recordset(tasks) as t (kind text, task text)
                      where t.kind = r.kind and t.task = r.task);
end;
$$;
alter function app.task_expect owner to curestry_definer;
revoke execute on function app.task_expect from public;
grant execute on function app.task_expect to curestry_worker;
comment on function app.task_expect is
  'Says which tasks run by themselves ({kind, task, seconds}: how often), so that one that does not run at all is '
  'missed. The worker does so when it starts.';
--! EndIncluded app/jobs/task_expect.sql
--! Included app/jobs/task_note_start.sql
create or replace function app.task_note_start(task_kind text, task_name text) returns void
language sql volatile security definer set search_path = '' as $$
  update app.task_run r set started_at = clock_timestamp() where r.kind = task_kind and r.task = task_name;
$$;
alter function app.task_note_start owner to curestry_definer;
revoke execute on function app.task_note_start from public;
grant execute on function app.task_note_start to curestry_worker;
comment on function app.task_note_start is 'Notes that a task which runs by itself has begun.';
--! EndIncluded app/jobs/task_note_start.sql
--! Included app/jobs/task_note_end.sql
create or replace function app.task_note_end(task_kind text, task_name text, took double precision, failure text)
returns void
language sql volatile security definer set search_path = '' as $$
  update app.task_run r
     set started_at = clock_timestamp() - took * interval '1 millisecond',
         succeeded_at = case when failure is null then clock_timestamp() else r.succeeded_at end,
         failed_at = case when failure is null then r.failed_at else clock_timestamp() end,
         error = case when failure is null then r.error else left(failure, 1000) end,
         milliseconds = took
   where r.kind = task_kind and r.task = task_name;
$$;
alter function app.task_note_end owner to curestry_definer;
revoke execute on function app.task_note_end from public;
grant execute on function app.task_note_end to curestry_worker;
comment on function app.task_note_end is
  'Notes how a task which runs by itself has ended: how long it took, in milliseconds, and why it failed, else null.';
--! EndIncluded app/jobs/task_note_end.sql
--! Included app/jobs/task_list.sql
create or replace function app.task_list() returns setof ops.task_run
language sql stable security definer set search_path = '' as $$
  select r.task, r.kind,
         -- Late: no success for three times the interval, and half a minute for a worker that starts
         clock_timestamp() > greatest(r.succeeded_at, r.expected_since)
                             + r.expected_seconds * interval '3 seconds' + interval '30 seconds',
         r.expected_seconds, r.started_at, r.succeeded_at, r.failed_at, r.error, r.milliseconds
    from app.task_run r
   order by r.task, r.kind;
$$;
alter function app.task_list owner to curestry_definer;
revoke execute on function app.task_list from public;
grant execute on function app.task_list to curestry_owner;
comment on function app.task_list is 'What runs by itself, when it last did, and which of it is late. For operators.';
--! EndIncluded app/jobs/task_list.sql
--! Included app/jobs/job_grant_queue.sql
/*
 * graphile-worker's schema belongs to its library, which makes no grants and, though it turns row level security on,
 * no policies. Called with every migration, after the library's own: a new version may bring new tables. Only what is
 * missing is changed, since a grant that is repeated still writes to the catalogue.
 */
create or replace function app.job_grant_queue() returns void
language plpgsql volatile set search_path = '' as $$
declare
  v_relation record;
begin
  if not has_schema_privilege('curestry_worker', 'graphile_worker', 'usage')
     or not has_schema_privilege('curestry_definer', 'graphile_worker', 'usage') then
    grant usage on schema graphile_worker to curestry_worker, curestry_definer;
  end if;

  -- The worker takes jobs, and nothing of our tables.
  for v_relation in
    select c.oid::regclass as name, c.relkind, c.relrowsecurity
      from pg_catalog.pg_class c
     where c.relnamespace = 'graphile_worker'::regnamespace and c.relkind in ('r', 'p', 'v', 'S')
  loop
    if v_relation.relkind = 'S' then
      if not has_sequence_privilege('curestry_worker', v_relation.name, 'usage') then
        execute format('grant usage, select on sequence %s to curestry_worker', v_relation.name);
      end if;
    elsif not has_table_privilege('curestry_worker', v_relation.name, 'delete') then
      execute format('grant select, insert, update, delete on %s to curestry_worker', v_relation.name);
    end if;
    if v_relation.relrowsecurity
       and not exists (select from pg_catalog.pg_policy p
                        where p.polrelid = v_relation.name and p.polname = 'all_of_worker') then
      execute format('create policy all_of_worker on %s to curestry_worker using (true) with check (true)',
                     v_relation.name);
    end if;
  end loop;
  if exists (select from pg_catalog.pg_proc p
              where p.pronamespace = 'graphile_worker'::regnamespace
                and not has_function_privilege('curestry_worker', p.oid, 'execute')) then
    grant execute on all functions in schema graphile_worker to curestry_worker;
  end if;

  -- Functions for operators show jobs, retry and cancel them.
  if not has_table_privilege('curestry_definer', 'graphile_worker.jobs', 'select') then
    grant select on graphile_worker.jobs to curestry_definer;
  end if;
  if not has_table_privilege('curestry_definer', 'graphile_worker._private_tasks', 'select') then
    grant select on graphile_worker._private_tasks to curestry_definer;
  end if;
  if not has_table_privilege('curestry_definer', 'graphile_worker._private_jobs', 'delete') then
    grant select, update, delete on graphile_worker._private_jobs to curestry_definer;
  end if;
  for v_relation in
    select t.name from unnest('{graphile_worker._private_tasks,graphile_worker._private_jobs}'::regclass[]) as t (name)
     where not exists (select from pg_catalog.pg_policy p where p.polrelid = t.name and p.polname = 'all_of_definer')
  loop
    execute format('create policy all_of_definer on %s to curestry_definer using (true) with check (true)',
                   v_relation.name);
  end loop;
  for v_relation in
    select p.oid::regprocedure as name
      from pg_catalog.pg_proc p
     where p.pronamespace = 'graphile_worker'::regnamespace and p.proname in ('complete_jobs', 'reschedule_jobs')
       and not has_function_privilege('curestry_definer', p.oid, 'execute')
  loop
    execute format('grant execute on function %s to curestry_definer', v_relation.name);
  end loop;
end;
$$;
revoke execute on function app.job_grant_queue from public;
comment on function app.job_grant_queue is
  'Lets curestry_worker use the queue of graphile-worker, and curestry_definer show, retry and cancel its jobs. Part '
  'of every migration.';
--! EndIncluded app/jobs/job_grant_queue.sql
--! Included app/jobs/job_list.sql
create or replace function app.job_list(only_failed boolean default false)
returns table (id bigint, task text, state text, attempts integer, max_attempts integer, error text,
               created_at timestamptz, updated_at timestamptz, run_at timestamptz, worker text)
language plpgsql stable security definer set search_path = '' as $$
begin
  return query select j.id, j.task_identifier::text,
         case when j.locked_at is not null then 'running'
              when j.attempts >= j.max_attempts then 'failed'
              when j.last_error is not null then 'retrying'
              else 'waiting' end,
         j.attempts::integer, j.max_attempts::integer, left(j.last_error, 2000),
         j.created_at, j.updated_at, j.run_at, j.locked_by
    from graphile_worker.jobs j
   where not only_failed or (j.locked_at is null and j.attempts >= j.max_attempts)
   order by j.id;
end;
$$;
alter function app.job_list owner to curestry_definer;
revoke execute on function app.job_list from public;
grant execute on function app.job_list to curestry_owner;
comment on function app.job_list is
  'The jobs of the queue, or those of them that failed for good, with the last error; not what they are about. For '
  'operators.';
--! EndIncluded app/jobs/job_list.sql
--! Included app/jobs/job_counts.sql
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
alter function app.job_counts owner to curestry_definer;
revoke execute on function app.job_counts from public;
comment on function app.job_counts is 'How many jobs wait, run, and have failed for good.';
--! EndIncluded app/jobs/job_counts.sql
--! Included app/jobs/job_require_unlocked.sql
create or replace function app.job_require_unlocked(job_id bigint) returns text
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
alter function app.job_require_unlocked owner to curestry_definer;
revoke execute on function app.job_require_unlocked from public;
comment on function app.job_require_unlocked is
  'The task of a job that does not run, which until the end of the transaction no worker takes; refuses (CU003, '
  'CU005) another.';
--! EndIncluded app/jobs/job_require_unlocked.sql
--! Included app/jobs/job_retry.sql
create or replace function app.job_retry(job_id bigint) returns text
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_task constant text := app.job_require_unlocked(job_id);
begin
  perform graphile_worker.reschedule_jobs(array[job_id], run_at => now(), attempts => 0);
  return v_task;
end;
$$;
alter function app.job_retry owner to curestry_definer;
revoke execute on function app.job_retry from public;
grant execute on function app.job_retry to curestry_owner;
comment on function app.job_retry is
  'Lets a job run again at once, with all its attempts; answers its task. Refuses one that runs just now. For '
  'operators.';
--! EndIncluded app/jobs/job_retry.sql
--! Included app/jobs/job_cancel.sql
create or replace function app.job_cancel(job_id bigint) returns text
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_task constant text := app.job_require_unlocked(job_id);
begin
  perform graphile_worker.complete_jobs(array[job_id]);
  return v_task;
end;
$$;
alter function app.job_cancel owner to curestry_definer;
revoke execute on function app.job_cancel from public;
grant execute on function app.job_cancel to curestry_owner;
comment on function app.job_cancel is
  'Takes a job out of the queue; answers its task. Refuses one that runs just now. For operators.';
--! EndIncluded app/jobs/job_cancel.sql
--! Included app/request/api_usage_record.sql
/*
 * The gateway knows credentials, not people: credentials are looked up here, even if they are no longer valid,
 * because they were when the API was used.
 */
create or replace function app.api_usage_record(uses jsonb) returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_count integer;
begin
  insert into ops.feature_event (organization_id, user_id, feature_key, occurred_at, event_count)
  select o.id, coalesce(k.user_id, s.user_id), left('api.' || u.field, 100),
         clock_timestamp() - least(greatest(u.age, 0), 86400) * interval '1 second', least(u.count, 1000000)
    from jsonb_to_recordset(uses) as u
           ("jwtId" text, "keyHash" text, organization text, field text, count integer, age double precision)
    left join ops.api_key k on k.key_hash = u."keyHash"
    left join core.sessions s on s.jwt_id = u."jwtId",
         lateral (select coalesce(
                    k.organization_id,
                    case when u.organization is null
                         then (select p.id from ops.organization p where p.personal_user_id = s.user_id)
                         else (select n.id from ops.organization n where n.slug = u.organization) end) as id) o
   where (k.id is not null or s.id is not null) and o.id is not null and u.count > 0;
  get diagnostics v_count = row_count;
  return v_count;
end;
$$;
alter function app.api_usage_record owner to curestry_definer;
revoke execute on function app.api_usage_record from public;
grant execute on function app.api_usage_record to curestry_gateway;
comment on function app.api_usage_record is
  'Records API usage: which fields were used ({jwtId or keyHash, organization, field, count, age in seconds}), as '
  'the features api.<field>. The gateway calls it every few seconds, outside of requests.';
--! EndIncluded app/request/api_usage_record.sql
--! Included app/audit/audit_unsealed_seconds.sql
create or replace function app.audit_unsealed_seconds() returns double precision
language sql stable security definer set search_path = '' as $$
  select extract(epoch from clock_timestamp() - a.ts)::double precision
    from app.audit_sealer s,
         lateral (select e.ts from ops.audit_log e where e.xid >= s.through_xid order by e.xid limit 1) a;
$$;
alter function app.audit_unsealed_seconds owner to curestry_definer;
revoke execute on function app.audit_unsealed_seconds from public;
comment on function app.audit_unsealed_seconds is
  'The age of the oldest row of the audit log that is not sealed; null if all are.';
--! EndIncluded app/audit/audit_unsealed_seconds.sql
--! Included app/mart_upkeep/mart_check_sample.sql
create or replace function app.mart_check_sample(buckets integer default 25) returns app.mart_check
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
                   lateral app.mart_extent(i.id, coalesce(s.time_zone, 'UTC'),
                                           coalesce(s.marts_immutable_before, '-infinity'), 'infinity') as e
             where e.first is not null) o,
           generate_series(1, buckets)
     order by random()
     limit buckets
  loop
    -- One statement: the day is skipped if a refresh of it is due.
    with day as (
      select d.* from app.mart_next_day(v_pick.id, v_pick.zone, v_pick.moment, 'infinity') as d
    ), whole as (
      select d.* from day d
       where not exists (select from app.mart_change m
                          where m.organization_id = v_pick.id
                            and (m.hour = '-infinity' or (m.hour > d.low - interval '1 hour' and m.hour < d.high)))
    )
    select v_checked + (select count(*) from whole),
           v_found || array(select to_jsonb(c) - 'waiting' || jsonb_build_object('organization', v_pick.slug)
                              from whole w,
                                   lateral app.mart_compare_day(v_pick.id, v_pick.zone, w.day, w.low, w.high) as c)
      into v_checked, v_found;
  end loop;
  insert into app.mart_check (buckets, differences, details)
  values (v_checked, cardinality(v_found), to_jsonb(v_found[:20]))
  returning * into v_row;
  delete from app.mart_check c where c.checked_at < now() - interval '1 year';
  return v_row;
end;
$$;
alter function app.mart_check_sample owner to curestry_definer;
revoke execute on function app.mart_check_sample from public;
grant execute on function app.mart_check_sample to curestry_worker, curestry_owner;
comment on function app.mart_check_sample is
  'Compares random days of random organizations with their source and records what it found. The worker runs it '
  'every night.';
--! EndIncluded app/mart_upkeep/mart_check_sample.sql
--! Included app/mart_upkeep/mart_freshness_of.sql
create or replace function app.mart_freshness_of(organization uuid)
returns table (mart text, oldest_change_seconds double precision, waiting bigint)
language sql stable security definer set search_path = '' as $$
  select f.mart, extract(epoch from clock_timestamp() - min(m.created_at))::double precision, count(m.id)
    from (values ('metric_timeseries', '{metric,node,judge,evaluation,zone}'::text[]),
                 ('analysis_daily', '{analysis,zone}'),
                 ('feature_daily', '{feature,zone}')) as f (mart, sources)
    left join app.mart_change m
      on m.source = any (f.sources) and (organization is null or m.organization_id = organization)
   group by f.mart
   order by f.mart;
$$;
alter function app.mart_freshness_of owner to curestry_definer;
revoke execute on function app.mart_freshness_of from public;
comment on function app.mart_freshness_of is
  'How far each mart is behind: the age of the oldest change that it has not processed yet (null: none), and how '
  'many are waiting. Of one organization; null: of all.';
--! EndIncluded app/mart_upkeep/mart_freshness_of.sql
--! Included app/mart_upkeep/mart_freshness_all.sql
create or replace function app.mart_freshness_all()
returns table (mart text, oldest_change_seconds double precision, waiting bigint)
language sql stable security definer set search_path = '' as $$
  select * from app.mart_freshness_of(null);
$$;
alter function app.mart_freshness_all owner to curestry_definer;
revoke execute on function app.mart_freshness_all from public;
grant execute on function app.mart_freshness_all to curestry_gateway, curestry_worker, curestry_owner;
comment on function app.mart_freshness_all is
  'How far each mart is behind, over all organizations: the age of the oldest change that it has not processed yet '
  '(null: none), and how many are waiting.';
--! EndIncluded app/mart_upkeep/mart_freshness_all.sql
--! Included app/mart_upkeep/mart_is_late.sql
create or replace function app.mart_is_late(oldest_change_seconds double precision) returns boolean
language sql immutable
return coalesce(oldest_change_seconds > 180, false);
revoke execute on function app.mart_is_late from public;
grant execute on function app.mart_is_late to curestry_definer, curestry_owner;
comment on function app.mart_is_late is
  'Whether a mart is further behind than a worker that runs lets it be: three minutes, where seconds are usual.';
--! EndIncluded app/mart_upkeep/mart_is_late.sql
--! Included app/buckets/bucket_series.sql
/* The previous period comes first: as many buckets as the period itself has, ending where that starts. */
create or replace function app.bucket_series(zone text, size mart.series_bucket, from_ts timestamptz, to_ts timestamptz)
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
    perform app.refuse('CU006', format(
      'from, to: at most 10000 points, and these are about %s; take larger buckets or a shorter period',
      ceil(extract(epoch from to_ts - from_ts) / extract(epoch from v_step))), 'to', 'series_points');
  end if;
  if v_unit = 'hour' then
    return query
      with hour as (
        select h.low, h.high
          from app.bucket_hours(zone, array(
                 select generate_series(date_trunc('hour', from_ts - (to_ts - from_ts), 'UTC') - interval '4 hours',
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
    v_points := (select count(*)
                   from generate_series(v_first, (to_ts - interval '1 microsecond') at time zone zone, v_step));
    return query
      select row_number() over (order by b.n), v_points, b.low, b.high
        from (select k.n, app.bucket_day_start(zone, (v_first + k.n * v_step)::date) as low,
                     app.bucket_day_start(zone, (v_first + (k.n + 1) * v_step)::date) as high
                from generate_series(-v_points, v_points - 1) as k (n)) b;
  end if;
end;
$$;
revoke execute on function app.bucket_series from public;
grant execute on function app.bucket_series to curestry_definer;
comment on function app.bucket_series is
  'The buckets of a time zone that overlap a period, preceded by as many of the previous period; refuses (CU006) '
  'more than 10000.';
--! EndIncluded app/buckets/bucket_series.sql
--! Included app/monitoring/health.sql
/*
 * Degraded: all works, but somebody has to act. Each part gives its own figures and, in v_problems, what is wrong.
 */
create or replace function app.health() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  v_report jsonb;
  v_problems text[] := '{}';
begin
  v_report := jsonb_build_object(
    'recent_analyses_24h', (
      select coalesce(sum(r.n), 0)
        from ops.organization o,
             lateral (select count(*) as n from core.analysis_results r
                       where r.organization_id = o.id and r.created_at > now() - interval '24 hours') r),
    'timestamp', to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
    'database', jsonb_build_object('version', current_setting('server_version'), 'migrated', true),
    'workers', jsonb_build_object('alive', app.worker_count_alive()),
    'jobs', (
      select jsonb_build_object('waiting', c.waiting, 'running', c.running, 'failed', c.failed)
        from app.job_counts() c));

  with freshness as (select * from app.mart_freshness_all())
  select v_report || jsonb_build_object('marts', jsonb_build_object(
           'oldest_change_seconds', round(max(f.oldest_change_seconds)::numeric, 1),
           'waiting', max(f.waiting),
           'late', coalesce(bool_or(app.mart_is_late(f.oldest_change_seconds)), false),
           'freshness', jsonb_object_agg(f.mart, round(f.oldest_change_seconds::numeric, 1)))),
         v_problems || array(
           select format('mart %s is %s s behind what was recorded', l.mart, round(l.oldest_change_seconds))
             from freshness l where app.mart_is_late(l.oldest_change_seconds) order by 1)
    into v_report, v_problems
    from freshness f;

  with runs as (select * from app.task_list())
  select v_report || jsonb_build_object('tasks', coalesce(jsonb_agg(jsonb_build_object(
           'task', r.task, 'kind', r.kind, 'late', r.is_late, 'expected_seconds', r.expected_seconds,
           'seconds_since_success', round(extract(epoch from clock_timestamp() - r.succeeded_at), 1))
           order by r.task, r.kind), '[]')),
         v_problems || array(
           select format('task %s (%s) is late', l.task, l.kind) from runs l where l.is_late order by l.task, l.kind)
    into v_report, v_problems
    from runs r;

  with last_check as (select * from app.mart_check c order by c.id desc limit 1)
  select v_report || jsonb_build_object('mart_check', (
           select jsonb_build_object('checked_at', c.checked_at, 'buckets', c.buckets, 'differences', c.differences)
             from last_check c)),
         v_problems || array(
           select format('the nightly check found %s differences in the marts', c.differences)
             from last_check c where c.differences > 0)
    into v_report, v_problems;

  return jsonb_build_object(
    'status', case when v_problems = '{}' then 'healthy' else 'degraded' end,
    'problems', to_jsonb(v_problems)) || v_report;
end;
$$;
alter function app.health owner to curestry_definer;
revoke execute on function app.health from public;
grant execute on function app.health to curestry_gateway, curestry_owner;
comment on function app.health is
  'The health report of the specification: status, analyses of the last 24 hours, the time; and how far the marts '
  'are behind, which tasks are late, how many workers are alive, how many jobs wait and have failed.';
--! EndIncluded app/monitoring/health.sql
--! Included app/monitoring/metrics.sql
/* Names and labels are few and the same for everybody: no organization, no person. */
create or replace function app.metrics() returns table (name text, help text, labels jsonb, value double precision)
language sql stable security definer set search_path = '' as $$
  select 'curestry_mart_oldest_change_seconds',
         'Age of the oldest change that a mart has not processed; 0 if it has processed all.',
         jsonb_build_object('mart', f.mart), coalesce(f.oldest_change_seconds, 0)
    from app.mart_freshness_all() f
  union all
  select 'curestry_mart_changes_waiting', 'Changes that a mart has not processed.',
         jsonb_build_object('mart', f.mart), f.waiting
    from app.mart_freshness_all() f
  union all
  select 'curestry_audit_unsealed_seconds', 'Age of the oldest row of the audit log that is not sealed; 0 if all are.',
         '{}', coalesce(app.audit_unsealed_seconds(), 0)
  union all
  select 'curestry_jobs', 'Jobs in the queue by state.', jsonb_build_object('state', s.state), s.jobs
    from app.job_counts() c,
         lateral (values ('waiting', c.waiting), ('running', c.running), ('failed', c.failed)) as s (state, jobs)
  union all
  select 'curestry_task_seconds_since_success',
         'Time since a task that runs by itself last succeeded; none if it never did.',
         jsonb_build_object('task', r.task, 'kind', r.kind), extract(epoch from clock_timestamp() - r.succeeded_at)
    from app.task_list() r where r.succeeded_at is not null
  union all
  select 'curestry_task_late', '1 for a task that runs by itself and is late, else 0.',
         jsonb_build_object('task', r.task, 'kind', r.kind), r.is_late::integer
    from app.task_list() r
  union all
  select 'curestry_workers_alive', 'Workers with a heartbeat.', '{}', app.worker_count_alive();
$$;
alter function app.metrics owner to curestry_definer;
revoke execute on function app.metrics from public;
grant execute on function app.metrics to curestry_gateway, curestry_owner;
comment on function app.metrics is
  'Figures of the database for GET /metrics, all of them gauges: a further one is a further row.';
--! EndIncluded app/monitoring/metrics.sql
--! Included app/legacy/legacy_report.sql
create or replace function app.legacy_report()
returns table (source_table text, rows_found bigint, rows_kept bigint, organizations integer, note text)
language sql stable set search_path = '' as $$
  select a.source_table, a.rows_found, a.rows_kept, a.organizations, a.note from app.legacy_account a order by 1;
$$;
revoke execute on function app.legacy_report from public;
comment on function app.legacy_report is
  'What became of the rows of the old backends'' tables in the migration. For operators.';
--! EndIncluded app/legacy/legacy_report.sql
--! Included app/lint/security_findings.sql
/*
 * Checks the live database for what would make it unsafe, or unlike the rest of it, and says how to cure it. Each rule
 * is one query, written as rule, cure, and what breaks it. A breach that somebody made by hand is found just as one
 * that a migration brought.
 */
create or replace function app.security_findings() returns table (rule text, object text, cure text)
language sql stable set search_path = 'pg_catalog' as $$
  with ours (oid, nspname) as (
    select n.oid, n.nspname from pg_namespace n where n.nspname in ('app', 'core', 'ops', 'mart', 'report')
  ), ours_by_month (oid) as ( -- named and described by the table that they are parts of
    select c.oid
      from pg_class c
     where c.relnamespace = 'app'::regnamespace
       and (c.relispartition or c.relname ~ '^audit_log_\d{4}_\d\d_detached_')
  )
  select 'row level security is on and forced on every table', f.finding,
         'alter table … enable row level security; alter table … force row level security; then write its policies'
    from (
      select c.oid::regclass::text as finding
        from pg_class c
        join ours n on n.oid = c.relnamespace
       where c.relkind in ('r', 'p') and not (c.relrowsecurity and c.relforcerowsecurity)
    ) f
  union all
  select 'every foreign key has an index that serves it', f.finding,
         'create index idx_<table>_<columns> on … (<the columns of the foreign key>)'
    from (
      select c.conname::text as finding
        from pg_constraint c
        join ours n on n.oid = c.connamespace
       where c.contype = 'f'
         and not exists (
           select from pg_index i
            where i.indrelid = c.conrelid and i.indpred is null
              and (i.indkey::int2[])[0:cardinality(c.conkey) - 1] @> c.conkey
              and (i.indkey::int2[])[0:cardinality(c.conkey) - 1] <@ c.conkey)
    ) f
  union all
  select 'foreign keys between tenant tables are composite', f.finding,
         'make it (organization_id, <column>) references … (organization_id, id): '
         'foreign keys are checked past row level security'
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
  select 'organization_id is not null, and first in every primary and unique key', f.finding,
         'make organization_id not null, and the first column of the key'
    from (
      select coalesce(i.indexrelid, a.attrelid)::regclass::text as finding
        from pg_attribute a
        join pg_class c on c.oid = a.attrelid and c.relkind in ('r', 'p')
        join ours n on n.oid = c.relnamespace
        left join pg_index i on i.indrelid = c.oid and i.indisunique and i.indkey[0] <> a.attnum
       where a.attname = 'organization_id' and (not a.attnotnull or i.indexrelid is not null)
         -- A key is looked up before its organization is known
         and i.indexrelid is distinct from 'ops.unq_api_key_key_hash'::regclass
    ) f
  union all
  select 'definer functions have an empty search path and belong to curestry_definer', f.finding,
         'alter function … set search_path = ''''; alter function … owner to curestry_definer'
    from (
      select p.oid::regprocedure::text as finding
        from pg_proc p
        join ours n on n.oid = p.pronamespace,
             lateral (select coalesce(p.proconfig @> array['search_path=""'], false) as is_empty) path
       where p.prosecdef
         and not (path.is_empty and p.proowner = 'curestry_definer'::regrole)
         -- Only the owner of a table can attach and detach its partitions
         and not (path.is_empty and p.proowner = 'curestry_owner'::regrole
                  and p.oid::regprocedure::text in (
                        'app.partition_make_all()', 'app.retention_apply_audit(boolean)',
                        'app.retention_drop_detached(interval)', 'app.retention_apply_facts(boolean,integer)'))
    ) f
  union all
  select 'nobody may execute a function of ours by default', f.finding,
         'revoke execute on function … from public; grant it to the roles that need it'
    from (
      select p.oid::regprocedure::text as finding
        from pg_proc p
        join ours n on n.oid = p.pronamespace
       where has_function_privilege('public', p.oid, 'execute')
    ) f
  union all
  select 'no policy reads a setting, and members'' policies are written to curestry_member', f.finding,
         'write the policy to a role, and compare with app.organization_if(…) or app.analyst_organizations()'
    from (
      select p.polname::text as finding
        from pg_policy p
       where pg_get_expr(p.polqual, p.polrelid) like '%current_setting%'
          or pg_get_expr(p.polwithcheck, p.polrelid) like '%current_setting%'
          or p.polroles @> array[0::oid]
    ) f
  union all
  select 'no role of a request may truncate, reference or trigger, which look past row level security', f.finding,
         'revoke truncate, references, trigger on … from <role>'
    from (
      select c.oid::regclass::text as finding
        from pg_class c
        join ours n on n.oid = c.relnamespace,
             unnest(array['curestry_anonymous', 'curestry_member', 'curestry_analyst',
                          'curestry_gateway', 'curestry_worker']) as r (role)
       where c.relkind in ('r', 'p') and has_table_privilege(r.role, c.oid, 'truncate, references, trigger')
    ) f
  union all
  select 'every table of core and ops has its audit triggers, made for its columns', f.finding,
         'select app.audit_table(''<table>'', …) in the file of the table, again whenever its columns change; '
         'alter table … enable trigger …'
    from (
      select c.oid::regclass::text as finding
        from pg_class c
        join ours n on n.oid = c.relnamespace and n.nspname in ('core', 'ops')
       where c.relkind in ('r', 'p') and c.oid <> 'ops.audit_log'::regclass
         and 4 <> (select count(*)
                     from pg_trigger t
                     join app.audited_table a on a.table_name = n.nspname || '.' || c.relname
                     join pg_proc p on p.oid = t.tgfoid and p.prosrc = app.audit_trigger_source(a)
                    where t.tgrelid = c.oid and t.tgname like '\_900\_audit\_%' and t.tgenabled = 'O')
    ) f
  union all
  select 'nobody but the functions that keep it may write to the audit log or its seals', f.finding,
         'revoke insert, update, delete, truncate on … from <role>'
    from (
      select distinct c.oid::regclass || ': ' || coalesce(r.rolname, 'public') as finding
        from pg_class c
        join pg_namespace n on n.oid = c.relnamespace
        left join pg_attribute k on k.attrelid = c.oid and k.attacl is not null,
             lateral (select * from aclexplode(c.relacl) union all select * from aclexplode(k.attacl)) a
        left join pg_roles r on r.oid = a.grantee
       where (c.oid in ('ops.audit_log'::regclass, 'app.audit_seal'::regclass, 'app.audit_sealer'::regclass,
                        'app.audit_retention'::regclass, 'app.audit_detachment'::regclass, 'app.erasure'::regclass)
              or n.nspname = 'app' and c.relname ~ '^audit_log_')
         and a.privilege_type in ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE')
         and a.grantee not in (c.relowner, 'curestry_definer'::regrole)
    ) f
  union all
  select 'columns named like secrets are left out of the audit log', f.finding,
         'name it in secret_columns of app.audit_table in the file of the table'
    from (
      select t.table_name || '.' || a.attname as finding
        from app.audited_table t
        join pg_attribute a on a.attrelid = to_regclass(t.table_name) and a.attnum > 0 and not a.attisdropped
       where a.attname ~* '(hash|token|secret|cipher|password|credential|private|jwt)'
         and a.attname <> all (t.secret_columns)
    ) f
  union all
  select 'columns named like personal data are known to the erasure', f.finding,
         'name it in app.personal_table in the file of the table'
    from (
      select c.oid::regclass || '.' || a.attname as finding
        from pg_class c
        join ours n on n.oid = c.relnamespace and n.nspname <> 'report'
        join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        left join app.personal_data p on p.table_name = n.nspname || '.' || c.relname
       where c.relkind in ('r', 'p') and not c.relispartition
         and (a.attname ~ ('(e_?mail|phone|avatar|user_agent|first_name|last_name|full_name|display_name|nickname|'
                           'birth|gender|profile|address|provider_account|(^|_)ip(_|$))')
              or a.attname in ('name', 'login') and p.person_column = 'id')
         and a.attname <> all (coalesce(p.personal_columns, '{}'))
    ) f
  union all
  select 'tables with updated_at keep it', f.finding,
         'create trigger _100_updated_at before update on … for each row execute function app.tg__updated_at()'
    from (
      select c.oid::regclass::text as finding
        from pg_class c
        join ours n on n.oid = c.relnamespace
        join pg_attribute a on a.attrelid = c.oid and a.attname = 'updated_at'
       where c.relkind in ('r', 'p')
         and not exists (select from pg_trigger t where t.tgrelid = c.oid and t.tgname = '_100_updated_at')
    ) f
  union all
  select 'constraints and indexes are named by the conventions', f.finding,
         'rename it: pk_, unq_, fk_, chk_ or idx_, then the table, then the columns'
    from (
      select k.conname::text as finding
        from pg_constraint k
        join ours n on n.oid = k.connamespace
        join pg_class c on c.oid = k.conrelid
        join (values ('p'::"char", 'pk'), ('u', 'unq'), ('f', 'fk'), ('c', 'chk')) as kind (contype, prefix)
          on kind.contype = k.contype
       where c.oid not in (select * from ours_by_month)
         and not starts_with(k.conname, kind.prefix || '_' || c.relname)
      union all
      select i.indexrelid::regclass::text
        from pg_index i
        join pg_class x on x.oid = i.indexrelid
        join pg_class c on c.oid = i.indrelid
        join ours n on n.oid = c.relnamespace
       where c.relkind in ('r', 'p') and c.oid not in (select * from ours_by_month)
         and x.relname !~ ('^(pk|unq|idx)_' || c.relname)
    ) f
  union all
  select 'everything has a comment', f.finding,
         'comment on … is ''…'', in words for its users'
    from (
      select c.oid::regclass::text as finding
        from pg_class c
        join ours n on n.oid = c.relnamespace
       where c.relkind in ('r', 'p', 'v') and obj_description(c.oid, 'pg_class') is null
      union all
      select c.oid::regclass || '.' || a.attname
        from pg_attribute a
        join pg_class c on c.oid = a.attrelid
        join ours n on n.oid = c.relnamespace
       where c.relkind in ('r', 'p', 'v', 'c') and a.attnum > 0 and not a.attisdropped
         and c.oid not in (select * from ours_by_month)
         and col_description(c.oid, a.attnum) is null
      union all
      select t.oid::regtype::text
        from pg_type t
        join ours n on n.oid = t.typnamespace
        left join pg_class c on c.oid = t.typrelid
       where (t.typtype = 'e' or c.relkind = 'c') and obj_description(t.oid, 'pg_type') is null
      union all
      select p.oid::regprocedure::text
        from pg_proc p
        join ours n on n.oid = p.pronamespace
       where obj_description(p.oid, 'pg_proc') is null
      union all
      select c.conname::text
        from pg_constraint c
        join ours n on n.oid = c.connamespace
       where c.contype in ('p', 'u', 'f', 'c') and c.conrelid <> 0
         and c.conrelid not in (select * from ours_by_month)
         and obj_description(c.oid, 'pg_constraint') is null and obj_description(c.conindid, 'pg_class') is null
      union all
      select p.polname::text
        from pg_policy p
        join pg_class c on c.oid = p.polrelid
        join ours n on n.oid = c.relnamespace
       where c.oid not in (select * from ours_by_month) and obj_description(p.oid, 'pg_policy') is null
      union all
      select r.rolname::text
        from pg_roles r
       where r.rolname like 'curestry\_%' and shobj_description(r.oid, 'pg_authid') is null
      union all
      select n.nspname::text
        from ours n
       where obj_description(n.oid, 'pg_namespace') is null
    ) f
  union all
  select 'every column that is a number with bounds, or a floating point number, has a check', f.finding,
         'add constraint chk_<table>_<column>, which also refuses NaN'
    from (
      select a.attrelid::regclass || '.' || a.attname as finding
        from pg_attribute a
        join pg_class c on c.oid = a.attrelid and c.relkind in ('r', 'p')
        join ours n on n.oid = c.relnamespace and n.nspname in ('core', 'ops')
       where a.atttypid in ('float8'::regtype, 'numeric'::regtype) and not a.attisdropped
         and not exists (select from pg_constraint k
                          where k.conrelid = c.oid and k.contype = 'c' and k.conkey @> array[a.attnum])
    ) f
  union all
  select 'views act with the rights of whoever reads them', f.finding,
         'alter view … set (security_invoker = true); '
         'a materialized view becomes a table with row level security'
    from (
      select c.oid::regclass::text as finding
        from pg_class c
        join ours n on n.oid = c.relnamespace
       where c.relkind = 'm'
          or c.relkind = 'v' and not coalesce(c.reloptions @> array['security_invoker=true'], false)
    ) f
  union all
  select 'nothing is granted to PUBLIC', f.finding,
         'revoke all on … from public'
    from (
      select c.oid::regclass::text as finding
        from pg_class c
        join ours n on n.oid = c.relnamespace,
             lateral aclexplode(c.relacl) a
       where a.grantee = 0
      union all
      select n.nspname::text
        from pg_namespace n
        join ours o on o.oid = n.oid,
             lateral aclexplode(n.nspacl) a
       where a.grantee = 0
    ) f
  union all
  select 'members'' policies are one indexed comparison', f.finding,
         'write it as organization_id = app.organization_if(''<permission>'')'
    from (
      select p.polname || ' on ' || p.polrelid::regclass as finding
        from pg_policy p
       where p.polroles @> array['curestry_member'::regrole::oid]
         and exists (select from pg_attribute a where a.attrelid = p.polrelid and a.attname = 'organization_id')
         and coalesce(pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid))
             !~ '^\(organization_id = app\.organization_if\(''[a-z]+:[a-z]+''::text\)\)$'
    ) f
  union all
  select 'logins of ours are what they should be', f.finding,
         'alter role … nologin nosuperuser nobypassrls …; run migrations/install.sql, which makes them right'
    from (
      select r.rolname::text as finding
        from pg_roles r,
             lateral (select r.rolsuper or r.rolbypassrls or r.rolcreaterole or r.rolcreatedb as is_powerful) p
       where (r.rolname in ('curestry_owner', 'curestry_definer', 'curestry_anonymous', 'curestry_member',
                            'curestry_analyst')
              and (r.rolcanlogin or p.is_powerful))
          or (r.rolname in ('curestry_gateway', 'curestry_worker') and p.is_powerful)
          or (r.rolname = 'curestry_gateway' and r.rolinherit)
          or (r.rolname not in ('curestry_gateway', 'curestry_member') and not r.rolsuper
              and pg_has_role(r.oid, 'curestry_member', 'member')
              and not pg_has_role(r.oid, 'curestry_owner', 'member'))
    ) f
  union all
  select 'temporary tables are nobody''s by default', f.finding,
         'revoke temporary on database … from public (migrations/install.sql does): '
         'a temporary table can stand in for another'
    from (
      select current_database()::text as finding
       where has_database_privilege('public', current_database(), 'temporary')
    ) f
  order by 1, 2;
$$;
revoke execute on function app.security_findings from public;
comment on function app.security_findings is
  'What is unsafe in this database, or unlike the rest of it, and how to cure it. Behind "curestry doctor --security".';
--! EndIncluded app/lint/security_findings.sql
--! Included app/audit/audit_state_digest.sql
create or replace function app.audit_state_digest(entry ops.audit_log) returns bytea
language sql stable
return sha256(convert_to(
         coalesce(entry.before_state::text, '') || E'\x1f' || coalesce(entry.after_state::text, ''), 'UTF8'));
revoke execute on function app.audit_state_digest from public;
grant execute on function app.audit_state_digest to curestry_definer;
comment on function app.audit_state_digest is
  'SHA-256 of what a row of the audit log says of the states before and after.';
--! EndIncluded app/audit/audit_state_digest.sql
--! Included app/audit/audit_entry_digest.sql
create or replace function app.audit_entry_digest(entry ops.audit_log, state_digest bytea) returns bytea
language sql stable
return sha256(convert_to(jsonb_build_array(
         entry.id, extract(epoch from entry.ts), entry.actor_user_id, entry.actor_api_key_id, entry.actor_role,
         entry.request_id, entry.organization_id, entry.action, entry.entity_type, entry.entity_id,
         entry.changed_columns, entry.xid, entry.seq)::text, 'UTF8')
       || state_digest);
revoke execute on function app.audit_entry_digest from public;
grant execute on function app.audit_entry_digest to curestry_definer;
comment on function app.audit_entry_digest is
  'SHA-256 of a row of the audit log, its states by their digest.';
--! EndIncluded app/audit/audit_entry_digest.sql
--! Included app/audit/audit_seal_hash.sql
create or replace function app.audit_seal_hash(seal app.audit_seal) returns bytea
language sql stable
return sha256(convert_to(jsonb_build_array(seal.organization_id, seal.seq, seal.from_xid, seal.through_xid,
                                           extract(epoch from seal.sealed_at), seal.entry_ids)::text, 'UTF8')
              || (select string_agg(d, ''::bytea order by n)
                    from unnest(seal.entry_digests) with ordinality as e (d, n))
              || seal.previous_hash);
revoke execute on function app.audit_seal_hash from public;
grant execute on function app.audit_seal_hash to curestry_definer;
comment on function app.audit_seal_hash is 'SHA-256 of a seal and the one before it.';
--! EndIncluded app/audit/audit_seal_hash.sql
--! Included app/audit/audit_write_seals.sql
/*
 * Seals the rows of transactions that have ended: all that are older than the oldest one still running. So no writer
 * waits, nothing is sealed that may be rolled back, and nothing that commits late is missed. Only one sealer works at
 * a time; another finds nothing to do.
 */
create or replace function app.audit_write_seals()
returns table (organization_id uuid, seq integer, hash text, sealed_rows integer)
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
    perform app.refuse('CU007',
      'Transaction ids have started again, as after a restore into another server: run "deno task migrate", which '
      'lets them continue');
  end if;
  if v_through <= v_from then
    return;
  end if;
  for v_batch in
    select b.organization_id,
           array_agg(b.id order by b.xid, b.seq) as ids,
           array_agg(b.state_digest order by b.xid, b.seq) as state_digests,
           array_agg(b.digest order by b.xid, b.seq) as entry_digests
      from (select a.organization_id, a.id, a.xid, a.seq, s.state_digest,
                   app.audit_entry_digest(a, s.state_digest) as digest,
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
alter function app.audit_write_seals owner to curestry_definer;
revoke execute on function app.audit_write_seals from public;
grant execute on function app.audit_write_seals to curestry_worker, curestry_owner;
comment on function app.audit_write_seals is
  'Seals new rows of the audit log into the hash chain of their organization; returns the new seals, for checkpoints '
  'outside the database. A job of the worker.';
--! EndIncluded app/audit/audit_write_seals.sql
--! Included app/audit/audit_baseline.sql
/* Runs once, when the audit begins, and records the rows that exist. Rows that the log already has are skipped. */
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
      select 'migration', o.id, 'baseline', $1, t.%I, to_jsonb(t) - $2
        from %s t,
             lateral (select (case when $4 then t.%I::text
                                   else '00000000-0000-0000-0000-000000000000' end)::uuid as id) as o
       where not exists (select from ops.audit_log a
                          where a.organization_id = o.id and a.entity_type = $1 and a.entity_id = t.%I::text)
         and not ($3 and exists (select from ops.audit_log a where a.organization_id = o.id and a.entity_type = $1))
    $query$, v_table.id_column, v_of, coalesce(v_table.organization_column, v_table.id_column), v_table.id_column)
      using v_table.table_name, v_table.secret_columns, v_table.summarize_inserts,
            v_table.organization_column is not null;
  end loop;
end;
$$;
alter function app.audit_baseline owner to curestry_definer;
revoke execute on function app.audit_baseline from public;
grant execute on function app.audit_baseline to curestry_owner;
comment on function app.audit_baseline is
  'Records the rows that the audit log does not have yet, as its beginning. For migrations.';
--! EndIncluded app/audit/audit_baseline.sql
--! Included app/privacy/erasure_log_entries.sql
/* By month, like the partitions of the log: a month that was dropped neither proves nor disproves anything. */
create or replace function app.erasure_log_entries(organization uuid, erasure uuid) returns jsonb
language sql stable set search_path = '' as $$
  select coalesce(jsonb_object_agg(m.month, jsonb_build_object('rows', m.rows, 'digest', m.digest)), '{}')
    from (select to_char(a.ts at time zone 'UTC', 'YYYY-MM') as month, count(*) as rows,
                 encode(sha256(string_agg(uuid_send(a.id) || app.audit_state_digest(a), ''::bytea order by a.id)),
                        'hex') as digest
            from ops.audit_log a
           where a.organization_id = organization and a.erasure_id = erasure
           group by 1) m;
$$;
revoke execute on function app.erasure_log_entries from public;
grant execute on function app.erasure_log_entries to curestry_definer;
comment on function app.erasure_log_entries is
  'Which rows of an organization''s audit log an erasure changed, and what is left of their states: number and '
  'digest, by month.';
--! EndIncluded app/privacy/erasure_log_entries.sql
--! Included app/audit/audit_verify_erasures.sql
/*
 * A row of the log may lack its values only because of an erasure that has an erasure record, and that is logged in
 * the same organization (and so is in its chain) with the number and the digest of exactly these rows.
 */
create or replace function app.audit_verify_erasures(organization uuid default null)
returns table (organization_id uuid, problem text, entry_id uuid, detail text)
language sql stable security definer set search_path = '' as $$
  with act as (
    select distinct on (a.organization_id, a.after_state ->> 'erasure') a.organization_id, a.id, a.after_state as state
      from ops.audit_log a
     where a.action = 'erase'
       and (audit_verify_erasures.organization is null or a.organization_id = audit_verify_erasures.organization)
     order by a.organization_id, a.after_state ->> 'erasure', a.seq desc
  ), erased as (
    select a.organization_id, a.erasure_id, min(a.id::text)::uuid as example
      from ops.audit_log a
     where a.erasure_id is not null
       and (audit_verify_erasures.organization is null or a.organization_id = audit_verify_erasures.organization)
     group by 1, 2
  )
  select e.organization_id, 'erased without a record', a.id, format('erasure %s', e.erasure_id)
    from erased e
    left join app.erasure r on r.id = e.erasure_id
    left join act on act.organization_id = e.organization_id and act.state ->> 'erasure' = e.erasure_id::text
    join ops.audit_log a on a.organization_id = e.organization_id and a.erasure_id = e.erasure_id
   where r.id is null or act.id is null
  union all
  select e.organization_id, 'erased beyond the record', case when m.value ->> 'rows' = '1' then e.example end,
         format('erasure %s, %s: %s rows lack their values, and by its record %s',
                e.erasure_id, m.key, m.value ->> 'rows',
                case when act.state -> 'entries' -> m.key -> 'rows' = m.value -> 'rows'
                     then 'others, or with others left'
                     else coalesce(act.state -> 'entries' -> m.key ->> 'rows', 'none') end)
    from erased e
    join act on act.organization_id = e.organization_id and act.state ->> 'erasure' = e.erasure_id::text,
         lateral jsonb_each(app.erasure_log_entries(e.organization_id, e.erasure_id)) m
   where act.state -> 'entries' -> m.key is distinct from m.value
  union all
  select act.organization_id, case when r.id is null then 'erasure record removed' else 'erasure record changed' end,
         act.id, format('erasure %s', act.state ->> 'erasure')
    from act
    left join app.erasure r on r.id::text = act.state ->> 'erasure'
   where (r.kind, r.counts) is distinct from (act.state ->> 'kind', act.state -> 'counts')
  union all
  select case r.kind when 'user' then '00000000-0000-0000-0000-000000000000' else r.subject_id end::uuid,
         'erasure record added', null,
         format('erasure %s is in no log', r.id)
    from app.erasure r
   where audit_verify_erasures.organization is null
     and not exists (select from act where act.state ->> 'erasure' = r.id::text);
$$;
alter function app.audit_verify_erasures owner to curestry_definer;
revoke execute on function app.audit_verify_erasures from public;
comment on function app.audit_verify_erasures is
  'Lists every row of the audit log that lacks its values without an erasure record, and every erasure record that '
  'was changed.';
--! EndIncluded app/audit/audit_verify_erasures.sql
--! Included app/audit/audit_verify_chain.sql
create or replace function app.audit_verify_chain(organization uuid default null)
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
     where audit_verify_chain.organization is null or s.organization_id = audit_verify_chain.organization
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
    v_expected_seq := v_seal.seq + 1;
    v_previous := v_seal.hash;
  end loop;

  /*
   * Each sealed row beside the row of the log, in one join of both: the cost grows with the rows, where a look-up for
   * each seal or row grew with their square. A row that claims to be from before the last seal has to be in one.
   */
  select s.through_xid into v_sealed_through from app.audit_sealer s;
  for v_entry in
    select coalesce(s.organization_id, a.organization_id) as organization_id, coalesce(s.id, a.id) as id,
           case when s.id is null then 'row added' when a.id is null then 'row removed' else 'row changed'
             end as problem,
           case when s.id is null then format('it says %s, but is in no seal', a.ts)
                else format('sealed at %s, in seal %s', s.sealed_at, s.seq) end as detail
      from (select s.organization_id, s.seq, s.sealed_at, e.id, e.state_digest, e.digest, e.n
              from app.audit_seal s,
                   unnest(s.entry_ids, s.state_digests, s.entry_digests) with ordinality
                     as e (id, state_digest, digest, n)
             where audit_verify_chain.organization is null
                or s.organization_id = audit_verify_chain.organization) s
      full join (select * from ops.audit_log a
                  where a.xid < v_sealed_through
                    and (audit_verify_chain.organization is null
                         or a.organization_id = audit_verify_chain.organization)) a
        on a.organization_id = s.organization_id and a.id = s.id
     where case
             when s.id is null then true
             when a.id is null
             then not exists (select from app.audit_detachment d
                               where d.organization_id = s.organization_id and d.seq = s.seq
                                 and d.positions @> s.n::integer)
             -- Whether the row may be erased, app.audit_verify_erasures checks.
             else (a.erasure_id is null and app.audit_state_digest(a::ops.audit_log) <> s.state_digest)
                  or app.audit_entry_digest(a::ops.audit_log, s.state_digest) <> s.digest
           end
     order by 1, s.seq, s.n, a.ts, 2
  loop
    organization_id := v_entry.organization_id;
    problem := v_entry.problem;
    entry_id := v_entry.id;
    detail := v_entry.detail;
    return next;
  end loop;

  -- Rows are missing by retention only if the log says so, and only as many as it says.
  for v_entry in
    select d.organization_id, d.entry_id as id, r.partition_name, d.rows, (a.after_state ->> 'rows')::bigint as said
      from (select d.organization_id, d.entry_id, d.retention_id, sum(upper(p) - lower(p)) as rows
              from app.audit_detachment d, unnest(d.positions) as p
             where audit_verify_chain.organization is null or d.organization_id = audit_verify_chain.organization
             group by d.organization_id, d.entry_id, d.retention_id) d
      join app.audit_retention r on r.id = d.retention_id
      left join ops.audit_log a on a.organization_id = d.organization_id and a.id = d.entry_id
                               and a.action = 'detach' and a.after_state ->> 'retention_id' = d.retention_id::text
     where case when a.id is null
                then not exists (select from app.audit_seal s
                                  where s.organization_id = d.organization_id and s.entry_ids @> array[d.entry_id])
                else d.rows <> (a.after_state ->> 'rows')::bigint end
  loop
    organization_id := v_entry.organization_id;
    problem := 'row removed';
    entry_id := v_entry.id;
    detail := format('%s rows of %s are missing; by retention, says the log, %s',
                     v_entry.rows, v_entry.partition_name, coalesce(v_entry.said, 0));
    return next;
  end loop;

  return query select * from app.audit_verify_erasures(audit_verify_chain.organization);
end;
$$;
alter function app.audit_verify_chain owner to curestry_definer;
revoke execute on function app.audit_verify_chain from public;
grant execute on function app.audit_verify_chain to curestry_owner;
comment on function app.audit_verify_chain is
  'Recomputes the hash chain of the audit log, of one or all organizations, and lists every row and seal that has '
  'changed since it was sealed.';
--! EndIncluded app/audit/audit_verify_chain.sql
--! Included app/audit/audit_continue_xids.sql
/*
 * Sealing follows transaction ids. In another cluster (after a logical restore) these start again, below those in the
 * log: from then on an offset is added to them, so that they continue to rise. Runs with every migration, before
 * anything is written.
 */
create or replace function app.audit_continue_xids() returns boolean
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
  execute format('alter table ops.audit_log alter column xid set default pg_current_xact_id()::text::bigint + %s',
    v_known - v_next);
  return true;
end;
$$;
revoke execute on function app.audit_continue_xids from public;
comment on function app.audit_continue_xids is
  'If transaction ids have started again, as after a restore into another server: lets those of the audit log '
  'continue after the restore. Part of every migration.';
--! EndIncluded app/audit/audit_continue_xids.sql
--! Included app/retention/retention_rebaseline.sql
/*
 * Before rows leave the log, the last state of each row that still exists is restated, unless a later entry has it.
 * For facts whose inserts are summarized, their number is restated.
 */
create or replace function app.retention_rebaseline(partition_name name, organizations uuid[]) returns void
language plpgsql volatile set search_path = '' as $$
begin
  execute format($query$
    with leaving as (
      select a.*, t.summarize_inserts
        from app.%I a
        join app.audited_table t on t.table_name = a.entity_type
       where a.organization_id = any ($1) and a.action in ('baseline', 'insert', 'update', 'delete')
         -- Rows before a truncate no longer exist
         and a.seq > coalesce((select max(e.seq) from ops.audit_log e
                                where e.organization_id = '00000000-0000-0000-0000-000000000000'
                                  and e.entity_type = a.entity_type
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
                          where a.organization_id = l.organization_id
                            and a.entity_type = l.entity_type and a.entity_id = l.entity_id
                            and a.action in ('baseline', 'insert', 'update', 'delete') and a.seq > l.seq)
      returning organization_id, entity_type
    ), number as (
      select l.organization_id, l.entity_type,
             sum(case l.action when 'insert' then (l.after_state ->> 'rows')::bigint
                               when 'baseline' then coalesce((l.after_state ->> 'rows')::bigint, 1)
                               when 'delete' then -coalesce((l.before_state ->> 'rows')::bigint, 1) else 0 end)
             - (select count(*) from entity e
                 where e.organization_id = l.organization_id and e.entity_type = l.entity_type) as n
        from leaving l
       where l.summarize_inserts
       group by l.organization_id, l.entity_type
    )
    insert into ops.audit_log (request_id, organization_id, action, entity_type, entity_id, after_state)
    select 'retention', n.organization_id, 'baseline', n.entity_type, n.n || ' rows', jsonb_build_object('rows', n.n)
      from number n where n.n <> 0
  $query$, partition_name) using organizations;

  -- The log has to keep the entry of an erasure as long as it has rows without their values
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
revoke execute on function app.retention_rebaseline from public;
comment on function app.retention_rebaseline is
  'Restates, at the end of the audit log, the last state that a partition has of rows that still exist. Part of '
  'app.retention_apply_audit.';
--! EndIncluded app/retention/retention_rebaseline.sql
--! Included app/retention/retention_apply_audit.sql
/*
 * Retention of the audit log: entries older than an organization's audit_retention_months leave it, month by month,
 * once the whole month is sealed. If all rows of a month may leave, its partition is detached; else those that may
 * are moved out of it. Either way they are then in a table of their own in app, to be archived, which
 * app.retention_drop_detached drops later. Rows of no organization, or of a deleted one, leave with the last
 * organization's.
 *
 * Rows under a legal hold stay. The chain stays intact: seals hold the digests of the rows that left,
 * app.audit_detachment says which rows those are, and the log says that it happened. The last state of each row that
 * still exists is restated (action baseline), so that the tables can still be compared with the log.
 */
create or replace function app.retention_apply_audit(dry_run boolean default false)
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
    select p.name, p.from_ts, p.to_ts from app.partition_list('ops.audit_log') p
  loop
    execute format($query$
      select array_agg(o.id)
        from (select o.id, o.audit_retention_months as months from ops.organization o
              union all
              select distinct a.organization_id, %2$L::integer
                from app.%1$I a
               where %2$L is not null and not exists (select from ops.organization o where o.id = a.organization_id)
                 -- A truncate invalidates older entries, also those that stay
                 and not exists (select from app.%1$I e
                                  where e.organization_id = a.organization_id and e.action = 'truncate')) o
       where %3$L::timestamptz <= now() - make_interval(months => o.months)
         and not app.legal_hold_exists(o.id)
         and exists (select from app.%1$I a where a.organization_id = o.id)
    $query$, v_partition.name, v_for_all, v_partition.to_ts) into v_organizations;
    continue when v_organizations is null;
    if not dry_run then
      execute format('lock table app.%I in share mode', v_partition.name);
    end if;
    execute format('select not exists (select from app.%I a where a.xid >= $1)', v_partition.name)
       into v_sealed using v_through;
    continue when not v_sealed;

    execute format('select not exists (select from app.%I a where a.organization_id <> all ($1))', v_partition.name)
       into v_whole using v_organizations;
    v_retention.id := gen_random_uuid();
    v_retention.partition_name := v_partition.name;
    v_retention.from_ts := v_partition.from_ts;
    v_retention.to_ts := v_partition.to_ts;
    v_retention.table_name := v_partition.name || '_detached_' || left(replace(v_retention.id::text, '-', ''), 8);
    for organization_id, partition_name, rows, detached_table in
      execute format($query$
        select a.organization_id, $1, count(*), $2
          from app.%I a where a.organization_id = any ($3)
         group by 1 order by 1
      $query$, v_partition.name) using v_retention.partition_name, v_retention.table_name, v_organizations
    loop
      return next;
    end loop;
    continue when dry_run;

    insert into app.audit_retention (id, partition_name, from_ts, to_ts, table_name)
    values (v_retention.id, v_retention.partition_name, v_retention.from_ts, v_retention.to_ts, v_retention.table_name);
    perform app.retention_rebaseline(v_partition.name, v_organizations);
    execute format($query$
      with act as (
        insert into ops.audit_log (request_id, organization_id, action, entity_type, entity_id, after_state)
        select 'retention', a.organization_id, 'detach', 'ops.audit_log', $2.partition_name,
               jsonb_build_object('retention_id', $2.id, 'from', $2.from_ts, 'to', $2.to_ts, 'rows', count(*),
                                  'table', $2.table_name)
          from app.%1$I a where a.organization_id = any ($1)
         group by a.organization_id
        returning organization_id, id
      )
      insert into app.audit_detachment (organization_id, seq, retention_id, entry_id, positions)
      select s.organization_id, s.seq, $2.id, act.id, range_agg(int4range(e.n::integer, e.n::integer, '[]'))
        from act
        join app.audit_seal s on s.organization_id = act.organization_id,
             unnest(s.entry_ids) with ordinality as e (id, n)
        join app.%1$I a on a.id = e.id
       where a.organization_id = s.organization_id and a.xid >= s.from_xid and a.xid < s.through_xid
       group by s.organization_id, s.seq, act.id
    $query$, v_partition.name) using v_organizations, v_retention;

    if v_whole then
      execute format('alter table ops.audit_log detach partition app.%I', v_partition.name);
      execute format('drop trigger _200_append_only on app.%I', v_partition.name);
      execute format('alter table app.%I rename to %I', v_partition.name, v_retention.table_name);
    else
      execute format('create table app.%I (like app.%I including defaults)', v_retention.table_name, v_partition.name);
      perform app.table_protect(format('app.%I', v_retention.table_name)::regclass);
      execute format('alter table app.%I disable trigger _200_append_only', v_partition.name);
      execute format($query$
        with moved as (delete from app.%I a where a.organization_id = any ($1) returning *)
        insert into app.%I select * from moved
      $query$, v_partition.name, v_retention.table_name) using v_organizations;
      execute format('alter table app.%I enable trigger _200_append_only', v_partition.name);
    end if;
    -- Erasures apply to it, too
    execute format('grant select, delete, update (before_state, after_state) on app.%I to curestry_definer',
      v_retention.table_name);
    execute format('comment on table app.%I is %L', v_retention.table_name,
      format('Rows of ops.audit_log from %s to %s, which left it by retention; to be archived and dropped.',
             v_partition.from_ts, v_partition.to_ts));
  end loop;
end;
$$;
revoke execute on function app.retention_apply_audit from public;
grant execute on function app.retention_apply_audit to curestry_worker;
comment on function app.retention_apply_audit is
  'Removes from the audit log what is older than its organization''s audit_retention_months; returns what left, or '
  'with dry_run what would. A job of the worker.';
--! EndIncluded app/retention/retention_apply_audit.sql
--! Included app/retention/retention_drop_detached.sql
create or replace function app.retention_drop_detached(older_than interval default interval '30 days')
returns setof text
language plpgsql volatile security definer set search_path = '' set lock_timeout = '5s' as $$
declare
  v_retention app.audit_retention;
  v_held boolean;
begin
  for v_retention in
    select * from app.audit_retention r
     where r.dropped_at is null and r.detached_at <= now() - older_than
     order by r.detached_at, r.from_ts
  loop
    if to_regclass(format('app.%I', v_retention.table_name)) is not null then
      execute format(
        'select exists (select from (select distinct a.organization_id from app.%I a) o '
        'where app.legal_hold_exists(o.organization_id))',
        v_retention.table_name) into v_held;
      continue when v_held;
      execute format('drop table app.%I', v_retention.table_name);
    end if;
    update app.audit_retention r set dropped_at = now() where r.id = v_retention.id;
    return next v_retention.table_name;
  end loop;
end;
$$;
revoke execute on function app.retention_drop_detached from public;
grant execute on function app.retention_drop_detached to curestry_worker;
comment on function app.retention_drop_detached is
  'Drops the tables with rows that left the audit log this long ago, except those with rows of an organization under '
  'legal hold; until then they can be archived. A job of the worker.';
--! EndIncluded app/retention/retention_drop_detached.sql
--! Included app/retention/retention_apply_facts.sql
/*
 * Retention of facts: runs with everything that belongs to them, and feature events, are removed when they are older
 * than an organization's raw_retention_days and the marts have processed them for good. Each call goes as far as it
 * can without waiting; call it again until all is done. An organization goes through
 *
 *   1. facts immutable: from the next transaction on, the triggers that record changes refuse facts of that age;
 *   2. waiting: once that is committed, it waits for the transactions that may not have seen it;
 *   3. marts immutable: app.mart_make_immutable processes the remaining changes, and the marts of those days stay as
 *      they are;
 *   4. removal: partitions of feature events that can be removed completely are dropped, other rows deleted in batches.
 *
 * Facts under a legal hold stay, and so do runs that have not ended.
 */
create or replace function app.retention_apply_facts(dry_run boolean default false, batch integer default 2000)
returns table (organization_id uuid, before timestamptz, runs bigint, feature_events bigint, is_done boolean)
language plpgsql volatile security definer set search_path = '' set timezone = 'UTC' set lock_timeout = '5s' as $$
declare
  v_organization record;
  v_partition record;
  v_may boolean;
  v_immutable_before timestamptz;
  v_dropped jsonb := '{}';
begin
  perform pg_advisory_xact_lock(hashtextextended('curestry facts retention', 0)),
          set_config('curestry.retention', 'on', true);

  if not dry_run then
    for v_partition in
      select p.name, p.to_ts from app.partition_list('ops.feature_event') p
    loop
      for v_check in 1 .. 2 loop
        -- Checked again once the lock keeps others from writing to it
        execute format($query$
          select coalesce(bool_and(o.id is not null and not app.legal_hold_exists(o.id)
                                   and coalesce(s.marts_immutable_before, '-infinity') >= %2$L),
                          %2$L < now() - interval '1 month')
            from (select distinct e.organization_id from app.%1$I e) e
            left join ops.organization o on o.id = e.organization_id and o.raw_retention_days is not null
            left join app.mart_state s on s.organization_id = e.organization_id
        $query$, v_partition.name, v_partition.to_ts) into v_may;
        exit when not v_may;
        execute format('lock table app.%I in access exclusive mode', v_partition.name);
      end loop;
      continue when not v_may;
      -- No trigger fires when a partition is dropped
      execute format($query$
        with removed as (select e.organization_id, count(*) as n from app.%1$I e group by 1),
        logged as (
          insert into ops.audit_log (request_id, organization_id, action, entity_type, entity_id, before_state)
          select 'retention', g.organization_id, 'delete', 'ops.feature_event', g.n || ' rows',
                 jsonb_build_object('rows', g.n)
            from removed g
        )
        select $1 || coalesce(jsonb_object_agg(g.organization_id,
                                               g.n + coalesce(($1 ->> g.organization_id::text)::bigint, 0)), '{}')
          from removed g
      $query$, v_partition.name) into v_dropped using v_dropped;
      execute format('alter table ops.feature_event detach partition app.%I', v_partition.name);
      execute format('drop table app.%I', v_partition.name);
    end loop;
  end if;

  for v_organization in
    select o.id, d.low as before, s.facts_immutable_before, s.facts_immutable_xid, s.marts_immutable_before
      from ops.organization o
      left join app.mart_state s on s.organization_id = o.id,
           lateral app.bucket_days(coalesce(s.time_zone, 'UTC'),
                                   array[now() - make_interval(days => o.raw_retention_days)]) d
     where o.raw_retention_days is not null and not app.legal_hold_exists(o.id)
     order by o.id
  loop
    organization_id := v_organization.id;
    before := v_organization.before;
    runs := 0;
    feature_events := coalesce((v_dropped ->> v_organization.id::text)::bigint, 0);
    is_done := false;
    if dry_run then
      select count(*) into runs from ops.analysis_run r
       where r.organization_id = v_organization.id and r.occurred_at < v_organization.before
         and r.finished_at is not null;
      select count(*) into feature_events from ops.feature_event e
       where e.organization_id = v_organization.id and e.occurred_at < v_organization.before;
    elsif v_organization.facts_immutable_before is null
          or v_organization.facts_immutable_before < v_organization.before then
      insert into app.mart_state as s (organization_id, time_zone, facts_immutable_before)
      values (v_organization.id, 'UTC', v_organization.before)
      on conflict on constraint pk_mart_state do update
        set facts_immutable_before = excluded.facts_immutable_before, facts_immutable_xid = null;
    elsif v_organization.facts_immutable_xid is null then
      update app.mart_state s set facts_immutable_xid = pg_snapshot_xmax(pg_current_snapshot())::text::bigint
       where s.organization_id = v_organization.id;
    elsif v_organization.marts_immutable_before < v_organization.facts_immutable_before
          and pg_snapshot_xmin(pg_current_snapshot())::text::bigint < v_organization.facts_immutable_xid then
      null; -- a transaction that may not have seen it is still running
    elsif v_organization.marts_immutable_before < v_organization.facts_immutable_before then
      perform app.mart_make_immutable(v_organization.id, v_organization.facts_immutable_before);
    else
      v_immutable_before := v_organization.marts_immutable_before;
      with expired as (
        select r.id from ops.analysis_run r
         where r.organization_id = v_organization.id and r.occurred_at < v_immutable_before
           and r.finished_at is not null
         order by r.occurred_at limit batch
      )
      delete from ops.analysis_run r using expired d where r.organization_id = v_organization.id and r.id = d.id;
      get diagnostics runs = row_count;
      is_done := runs < batch;
      with expired as (
        select e.occurred_at, e.id from ops.feature_event e
         where e.organization_id = v_organization.id and e.occurred_at < v_immutable_before
         order by e.occurred_at limit batch
      ), removed as (
        delete from ops.feature_event e using expired d
         where e.organization_id = v_organization.id and e.occurred_at = d.occurred_at and e.id = d.id
        returning 1
      )
      select feature_events + count(*), is_done and count(*) < batch into feature_events, is_done from removed;
    end if;
    return next;
  end loop;
end;
$$;
revoke execute on function app.retention_apply_facts from public;
grant execute on function app.retention_apply_facts to curestry_worker;
comment on function app.retention_apply_facts is
  'Removes facts that are older than their organization''s raw_retention_days and processed by the marts, some of '
  'them in each call; returns what was removed, or with dry_run what would be. A job of the worker.';
--! EndIncluded app/retention/retention_apply_facts.sql
--! Included app/audit/audit_verify_entities.sql
/*
 * Compares the tables with the log: the current row of every audited entity equals its last after_state, and deleted
 * rows do not exist. This finds changes that were made while a trigger was disabled. For facts whose inserts are
 * summarized, the numbers are compared.
 */
create or replace function app.audit_verify_entities()
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
    -- A column that was added later is null in rows that were not changed since.
    select jsonb_object_agg(a.attname, null) into v_blank
      from pg_catalog.pg_attribute a
     where a.attrelid = v_of and a.attnum > 0 and not a.attisdropped and a.attname <> all (v_left_out);
    -- Rows before a truncate no longer exist, and the log says so
    select coalesce(max(a.seq), 0) into v_truncated
      from ops.audit_log a
     where a.organization_id = '00000000-0000-0000-0000-000000000000' and a.entity_type = v_table.table_name
       and a.action = 'truncate';
    return query execute format($query$
      with last as (
        select distinct on (a.organization_id, a.entity_id)
               a.organization_id, a.entity_id, a.action, a.seq, $4 || a.after_state as after_state
          from ops.audit_log a
         where a.entity_type = $1 and a.action in ('baseline', 'insert', 'update', 'delete') and a.seq > $5
         -- Changing a row locks it: its changes are in the order of seq, also between transactions
         order by a.organization_id, a.entity_id, a.seq desc
      ), present as (
        select (case when $6 then t.%I::text else '00000000-0000-0000-0000-000000000000' end)::uuid
                 as organization_id, t.%I::text as entity_id, to_jsonb(t) - $2 as state
          from %s t
      )
      select coalesce(p.organization_id, l.organization_id),
             case when p.entity_id is null then 'removed past the log'
                  when l.entity_id is null then 'added past the log'
                  when l.action = 'delete' then 'back although deleted'
                  else 'changed past the log' end,
             $1, coalesce(p.entity_id, l.entity_id),
             case when l.action <> 'delete' then
               (select string_agg(k, ', ' order by k) from jsonb_object_keys(p.state) as k
                 where p.state -> k is distinct from l.after_state -> k) end
        from present p
        full join last l on l.organization_id = p.organization_id and l.entity_id = p.entity_id
       where case
               when p.entity_id is null
               then l.action <> 'delete' and not ($3 and l.after_state ? 'rows')
                    -- Facts removed by age are logged as a number only
                    and not ($3 and exists (select from ops.audit_log a
                                             where a.organization_id = l.organization_id and a.entity_type = $1
                                               and a.action = 'delete' and a.before_state ? 'rows' and a.seq > l.seq))
               when l.entity_id is null then not $3
               when l.action = 'delete' then true
               else p.state is distinct from l.after_state - $2 and not ($3 and l.after_state ? 'rows')
             end
    $query$, coalesce(v_table.organization_column, v_table.id_column), v_table.id_column, v_of)
      using v_table.table_name, v_left_out, v_table.summarize_inserts, v_blank, v_truncated,
            v_table.organization_column is not null;
    if v_table.summarize_inserts then
      return query execute format($query$
        select coalesce(p.organization_id, l.organization_id), 'number differs from the log', %2$L, null::text,
               coalesce(p.n, 0) || ' rows, and by the log ' || coalesce(l.n, 0)
          from (select t.organization_id, count(*) as n from %1$s t group by 1) p
          full join (select a.organization_id,
                            sum(case a.action when 'insert' then (a.after_state ->> 'rows')::bigint
                                              when 'baseline' then coalesce((a.after_state ->> 'rows')::bigint, 1)
                                              when 'delete' then -coalesce((a.before_state ->> 'rows')::bigint, 1)
                                              else 0 end) as n
                       from ops.audit_log a where a.entity_type = %2$L and a.seq > %3$L group by 1) l
            on l.organization_id = p.organization_id
         where coalesce(p.n, 0) <> coalesce(l.n, 0)
      $query$, v_of, v_table.table_name, v_truncated);
    end if;
  end loop;
end;
$$;
alter function app.audit_verify_entities owner to curestry_definer;
revoke execute on function app.audit_verify_entities from public;
grant execute on function app.audit_verify_entities to curestry_owner;
comment on function app.audit_verify_entities is
  'Compares every audited row with its last entry in the audit log. For operators.';
--! EndIncluded app/audit/audit_verify_entities.sql
--! Included app/audit/audit_heads.sql
create or replace function app.audit_heads()
returns table (organization_id uuid, seq integer, hash text, sealed_at timestamptz)
language sql stable security definer set search_path = '' as $$
  select distinct on (s.organization_id) s.organization_id, s.seq, encode(s.hash, 'hex'), s.sealed_at
    from app.audit_seal s
   order by s.organization_id, s.seq desc;
$$;
alter function app.audit_heads owner to curestry_definer;
revoke execute on function app.audit_heads from public;
grant execute on function app.audit_heads to curestry_owner;
comment on function app.audit_heads is 'The newest seal of each chain of the audit log. For operators.';
--! EndIncluded app/audit/audit_heads.sql
--! Included app/audit/audit_compare_checkpoints.sql
create or replace function app.audit_compare_checkpoints(checkpoints jsonb)
returns table (organization uuid, seq integer, at text, line integer, found text)
language sql stable security definer set search_path = '' as $$
  select c.organization, c.seq, c.at, c.line, encode(s.hash, 'hex')
    from jsonb_to_recordset(checkpoints) as c (organization uuid, seq integer, hash text, at text, line integer)
    left join app.audit_seal s on s.organization_id = c.organization and s.seq = c.seq
   where encode(s.hash, 'hex') is distinct from c.hash
   order by c.line;
$$;
alter function app.audit_compare_checkpoints owner to curestry_definer;
revoke execute on function app.audit_compare_checkpoints from public;
grant execute on function app.audit_compare_checkpoints to curestry_owner;
comment on function app.audit_compare_checkpoints is
  'The checkpoints, as [{organization, seq, hash, at, line}], whose seal is missing or different. For operators.';
--! EndIncluded app/audit/audit_compare_checkpoints.sql
--! Included app/audit/audit_entity_table.sql
/* The API's type names are PostGraphile's: a test compares them with schema.graphql. */
create or replace function app.audit_entity_table(type text) returns text
language plpgsql stable security definer set search_path = '' as $$
declare
  v_name text;
  v_reason text;
  v_table app.audited_table;
begin
  select a.* into v_table
    from app.audited_table a,
         lateral (select split_part(a.table_name, '.', 1) as schema, split_part(a.table_name, '.', 2) as name) t
   where a.table_name = audit_entity_table.type
      or audit_entity_table.type = replace(initcap(replace(
           case t.schema when 'core' then regexp_replace(t.name, 's$', '') else t.name end, '_', ' ')), ' ', '')
   limit 1;
  if v_table.organization_column is not null and not v_table.summarize_inserts then
    return v_table.table_name;
  end if;
  v_reason := case
    when v_table.table_name is null then format('%s is not audited', quote_literal(audit_entity_table.type))
    when v_table.summarize_inserts then
      format('%s holds facts that are recorded many at a time and have no single history', v_table.table_name)
    else format('%s belongs to no organization', v_table.table_name)
  end;
  select string_agg(a.table_name, ', ' order by a.table_name) into v_name
    from app.audited_table a where a.organization_column is not null and not a.summarize_inserts;
  perform app.refuse('CU004', format('type: %s. What has a history: %s', v_reason, v_name), 'type', 'audited_entity');
  return null;
end;
$$;
alter function app.audit_entity_table owner to curestry_definer;
revoke execute on function app.audit_entity_table from public;
comment on function app.audit_entity_table is
  'The table with this name, which is the table''s (core.prompts) or the API''s (Prompt); refuses what has no '
  'history in an organization.';
--! EndIncluded app/audit/audit_entity_table.sql
--! Included app/audit/audit_entity_entries.sql
/*
 * In the order in which the row was changed. A transaction that changes a row locks it, so the sequence of the log is
 * that order; the times and ids of transactions are not: one that began earlier may have changed the row later.
 */
create or replace function app.audit_entity_entries(organization uuid, type text, id text) returns setof ops.audit_log
language sql stable set search_path = '' as $$
  with own as (
    select * from ops.audit_log a
     where a.organization_id = organization and a.entity_type = type and a.entity_id = audit_entity_entries.id
       and a.action <> 'erase'
  )
  select * from own
  union all
  -- A truncate removed the rows before it
  select t.* from ops.audit_log t
   where t.organization_id = '00000000-0000-0000-0000-000000000000' and t.entity_type = type and t.entity_id = '*'
     and t.action = 'truncate'
     and (select o.action from own o where o.seq < t.seq order by o.seq desc limit 1) <> 'delete'
     and not exists (select from ops.audit_log e
                      where e.organization_id = t.organization_id and e.entity_type = type and e.entity_id = '*'
                        and e.seq < t.seq
                        and e.seq > (select max(o.seq) from own o where o.seq < t.seq))
   order by seq;
$$;
revoke execute on function app.audit_entity_entries from public;
grant execute on function app.audit_entity_entries to curestry_definer;
comment on function app.audit_entity_entries is
  'What the audit log says of one row of an organization, oldest first.';
--! EndIncluded app/audit/audit_entity_entries.sql
--! Included app/privacy/erasure_begin.sql
create or replace function app.erasure_begin(kind text, subject text) returns app.erasure
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_erasure app.erasure;
begin
  insert into app.erasure (kind, subject_id) values (erasure_begin.kind, subject) returning * into v_erasure;
  perform set_config('curestry.erasure_id', v_erasure.id::text, true);
  return v_erasure;
end;
$$;
alter function app.erasure_begin owner to curestry_definer;
revoke execute on function app.erasure_begin from public;
comment on function app.erasure_begin is
  'Writes the erasure record, without which nothing in the audit log can lose values.';
--! EndIncluded app/privacy/erasure_begin.sql
--! Included app/privacy/erasure_complete.sql
/*
 * The erasure is logged in every organization whose log lost values, with the rows that did, and sealed there like
 * any entry. So the chain proves which rows may lack their values. An earlier erasure, some of whose rows this one
 * erased again, is logged again as it is now.
 */
create or replace function app.erasure_complete(erasure app.erasure, counts jsonb) returns app.erasure
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_counts jsonb;
  v_erasure app.erasure;
begin
  select erasure_complete.counts || jsonb_build_object('ops.audit_log', count(*)) into v_counts
    from ops.audit_log a where a.erasure_id = erasure.id;
  update app.erasure e set counts = v_counts where e.id = erasure.id returning * into v_erasure;

  insert into ops.audit_log (organization_id, action, entity_type, entity_id, after_state)
  select o.organization_id, 'erase',
         case e.kind when 'user' then 'core.users' else 'ops.organization' end, e.subject_id,
         jsonb_build_object('erasure', e.id, 'kind', e.kind, 'counts', e.counts,
                            'entries', app.erasure_log_entries(o.organization_id, e.id))
    from (select distinct a.organization_id from ops.audit_log a where a.erasure_id = erasure.id
          union
          select case erasure.kind when 'user' then '00000000-0000-0000-0000-000000000000'
                                   else erasure.subject_id end::uuid) o
    join app.erasure e
      on e.id = erasure.id
      or app.erasure_log_entries(o.organization_id, e.id) <> (
           select a.after_state -> 'entries'
             from ops.audit_log a
            where a.organization_id = o.organization_id and a.action = 'erase'
              and a.after_state ->> 'erasure' = e.id::text
              and a.entity_type = case e.kind when 'user' then 'core.users' else 'ops.organization' end
              and a.entity_id = e.subject_id
            order by a.seq desc
            limit 1);
  perform set_config('curestry.erasure_id', '', true);
  return v_erasure;
end;
$$;
alter function app.erasure_complete owner to curestry_definer;
revoke execute on function app.erasure_complete from public;
comment on function app.erasure_complete is
  'Completes the erasure record and logs the erasure in every organization that it concerns.';
--! EndIncluded app/privacy/erasure_complete.sql
--! Included app/privacy/erase_organization_rows.sql
/*
 * The tables come from the catalogue, so that none is forgotten. Most rows are deleted with the organization, by
 * their foreign keys; then those without one, or written by triggers meanwhile. The log keeps who, when and what
 * kind; and, of facts whose inserts are summarized, how many, which is not personal.
 */
create or replace function app.erase_organization_rows(organization uuid, erasure uuid) returns jsonb
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
     where c.relkind in ('r', 'p') and not c.relispartition
       and c.oid not in ('ops.audit_log'::regclass, 'app.audit_seal'::regclass, 'app.audit_detachment'::regclass)
     order by n.nspname || '.' || c.relname);
begin
  foreach v_table in array v_tables loop
    execute format('select count(*) from %s t where t.organization_id = $1', v_table) into v_rows using organization;
    if v_rows > 0 then
      v_counts := v_counts || jsonb_build_object(v_table, v_rows);
    end if;
  end loop;
  -- The findings of the nightly check name organizations
  delete from app.mart_check c using ops.organization o
   where o.id = organization and c.details @> jsonb_build_array(jsonb_build_object('organization', o.slug));
  delete from ops.organization o where o.id = organization;
  v_counts := v_counts || jsonb_build_object('ops.organization', 1);
  foreach v_table in array v_tables loop
    execute format('select exists (select from %s t where t.organization_id = $1)', v_table)
       into v_left using organization;
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
alter function app.erase_organization_rows owner to curestry_definer;
revoke execute on function app.erase_organization_rows from public;
comment on function app.erase_organization_rows is
  'Deletes an organization with all its rows, and the states in its audit log; returns how many rows each table had.';
--! EndIncluded app/privacy/erase_organization_rows.sql
--! Included app/privacy/erase_organization.sql
create or replace function app.erase_organization(organization uuid) returns app.erasure
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_organization ops.organization;
  v_erasure app.erasure;
begin
  -- Waits for those who write to it; later writers find it deleted.
  select o.* into v_organization from ops.organization o where o.id = organization for update;
  if not found then
    perform app.refuse('CU003', format('There is no organization %s', organization), 'organization');
  end if;
  perform app.legal_hold_refuse(app.legal_hold_of(organization), 'The organization ' || v_organization.slug);
  if v_organization.personal_user_id is not null then
    perform app.refuse('CU005', format('%s is the personal organization of user %s: it is erased with the user',
                                       v_organization.slug, v_organization.personal_user_id),
                       'organization', 'personal_organization');
  end if;
  v_erasure := app.erasure_begin('organization', organization::text);
  return app.erasure_complete(v_erasure, app.erase_organization_rows(organization, v_erasure.id));
end;
$$;
alter function app.erase_organization owner to curestry_definer;
revoke execute on function app.erase_organization from public;
grant execute on function app.erase_organization to curestry_owner;
comment on function app.erase_organization is
  'Erases an organization: all its rows, and the states in its audit log, whose chain stays intact. Returns the '
  'erasure record. For operators.';
--! EndIncluded app/privacy/erase_organization.sql
--! Included app/privacy/erase_user.sql
/*
 * Everything that identifies the person is removed: from the tables, by app.personal_data, and from the states in the
 * log. What they did for shared organizations belongs to those and stays, under the id of an account that no longer
 * identifies anybody.
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
  -- Like everything that changes members: locks the organizations first, always in the same order.
  perform from ops.organization o
    where o.personal_user_id = person
       or o.id in (select m.organization_id from ops.organization_user m
                    where m.user_id = person and m.status <> 'removed')
    order by o.id for no key update;
  select o.id into v_personal from ops.organization o where o.personal_user_id = person;

  perform app.legal_hold_refuse(
    (select h from app.legal_hold h
      where h.held_user_id = person and h.released_at is null
      order by h.placed_at limit 1),
    coalesce(v_user.email, 'User ' || person));
  perform app.legal_hold_refuse(
            app.legal_hold_of(o.id),
            format('The organization %s, of which %s is a member,', o.slug, coalesce(v_user.email, 'user ' || person)))
     from ops.organization_user m
     join ops.organization o on o.id = m.organization_id
    where m.user_id = person and m.status <> 'removed';
  select string_agg(o.slug, ', ' order by o.slug) into v_slugs
    from ops.organization_user m
    join ops.organization o on o.id = m.organization_id and o.personal_user_id is distinct from person
   where m.user_id = person and m.role = 'owner' and m.status = 'active'
     and not exists (select from ops.organization_user x
                      where x.organization_id = m.organization_id and x.user_id <> person
                        and x.role = 'owner' and x.status = 'active');
  if v_slugs is not null then
    perform app.refuse('CU005',
      format('%s is the last owner of %s: make somebody else an owner first, or erase the organization',
             coalesce(v_user.email, 'User ' || person), v_slugs), 'user', 'organization_owner');
  end if;
  if exists (select from ops.organization_user m
              where m.organization_id = v_personal and m.user_id <> person and m.status = 'active') then
    perform app.refuse('CU005', format('The personal organization of %s has other members: remove them first',
                                       coalesce(v_user.email, 'user ' || person)), 'user', 'personal_organization');
  end if;

  v_erasure := app.erasure_begin('user', person::text);
  if v_personal is not null then
    v_counts := app.erase_organization_rows(v_personal, v_erasure.id);
  end if;
  delete from ops.invitation i using ops.organization_user m
   where m.user_id = person and i.organization_id = m.organization_id and i.organization_user_id = m.id;
  get diagnostics v_rows = row_count;
  v_counts := v_counts || jsonb_build_object(
    'ops.invitation', v_rows + coalesce((v_counts ->> 'ops.invitation')::bigint, 0));
  update ops.organization_user m set status = 'removed' where m.user_id = person and m.status <> 'removed';
  get diagnostics v_rows = row_count;
  v_counts := v_counts || jsonb_build_object(
    'ops.organization_user', v_rows + coalesce((v_counts ->> 'ops.organization_user')::bigint, 0));
  update ops.api_key k set is_revoked = true, revoked_at = now() where k.user_id = person and not k.is_revoked;
  get diagnostics v_rows = row_count;
  v_counts := v_counts || jsonb_build_object('ops.api_key', v_rows + coalesce((v_counts ->> 'ops.api_key')::bigint, 0));

  for v_table in select * from app.personal_data p order by p.table_name loop
    v_of := v_table.table_name;
    if v_table.treatment = 'delete' then
      execute format('delete from %s t where t.%I = $1', v_of, v_table.person_column) using person;
    else
      execute format('update %s t set %s where t.%I = $1', v_of,
        (select string_agg(format('%I = null', c), ', ') from unnest(v_table.personal_columns) as c),
        v_table.person_column) using person;
    end if;
    get diagnostics v_rows = row_count;
    v_counts := v_counts || jsonb_build_object(
      v_table.table_name, v_rows + coalesce((v_counts ->> v_table.table_name)::bigint, 0));
  end loop;
  delete from app.platform_admin o where o.user_id = person;
  get diagnostics v_rows = row_count;
  v_counts := v_counts || jsonb_build_object('app.platform_admin', v_rows);
  update core.users u set erased_at = now() where u.id = person;

  -- Last, so that the entries of this erasure itself are erased too
  update ops.audit_log a
     set before_state = e.before_state, after_state = e.after_state, erasure_id = v_erasure.id
    from (select l.organization_id, l.ts, l.id,
                 l.before_state || b.before as before_state, l.after_state || b.after as after_state
            from app.personal_data p
            join app.audited_table t on t.table_name = p.table_name
            join ops.audit_log l
              on l.entity_type = p.table_name and l.action <> 'erase'
             and (t.organization_column is not null or l.organization_id = '00000000-0000-0000-0000-000000000000')
             and coalesce(l.after_state, l.before_state) ->> p.person_column = person::text,
                 lateral (select coalesce(jsonb_object_agg(c, null) filter (where l.before_state ? c), '{}') as before,
                                 coalesce(jsonb_object_agg(c, null) filter (where l.after_state ? c), '{}') as after
                            from unnest(p.personal_columns) as c) b
           where exists (select from unnest(p.personal_columns) as c
                          where coalesce(l.before_state ->> c, l.after_state ->> c) is not null)) e
   where a.organization_id = e.organization_id and a.ts = e.ts and a.id = e.id;
  -- And in the tables that retention detached from the log, but that are not dropped yet
  for v_detached in
    select c.relname
      from app.audit_retention r
      join pg_catalog.pg_class c on c.oid = to_regclass(format('app.%I', r.table_name))
     where r.dropped_at is null
  loop
    execute format($query$
      update app.%I l set before_state = null, after_state = null
        from app.personal_data p
       where l.entity_type = p.table_name and coalesce(l.after_state, l.before_state) ->> p.person_column = $1
    $query$, v_detached) using person::text;
  end loop;
  return app.erasure_complete(
    v_erasure, (select jsonb_object_agg(key, value) from jsonb_each(v_counts) where value <> '0'));
end;
$$;
alter function app.erase_user owner to curestry_definer;
revoke execute on function app.erase_user from public;
grant execute on function app.erase_user to curestry_owner;
comment on function app.erase_user is
  'Erases a user: what identifies them, in all tables and in the states of the audit log, and their personal '
  'organization. Returns the erasure record. For operators.';
--! EndIncluded app/privacy/erase_user.sql
--! Included app/privacy/erasure_mentions.sql
/* Reads every row of every table, which is slow; erasures are rare, and the operator wants to know what is left. */
create or replace function app.erasure_mentions(needle text) returns table (table_name text, mentions bigint)
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
    execute format('select count(*) from %s t where position(lower($1) in lower(t::text)) > 0', v_table)
       into mentions using needle;
    if mentions > 0 then
      return next;
    end if;
  end loop;
end;
$$;
alter function app.erasure_mentions owner to curestry_definer;
revoke execute on function app.erasure_mentions from public;
grant execute on function app.erasure_mentions to curestry_owner;
comment on function app.erasure_mentions is
  'How many rows of which tables contain a text: an erasure does not know what others wrote about a person. For '
  'operators.';
--! EndIncluded app/privacy/erasure_mentions.sql
--! Included app/privacy/legal_hold_place.sql
/* Locks the row that is held: waits for an erasure in progress, and a later one finds the hold. */
create or replace function app.legal_hold_place(organization uuid, person integer, hold_reason text)
returns app.legal_hold
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
alter function app.legal_hold_place owner to curestry_definer;
revoke execute on function app.legal_hold_place from public;
grant execute on function app.legal_hold_place to curestry_owner;
comment on function app.legal_hold_place is
  'Places a legal hold on an organization or on a user: nothing of it is erased or deleted until it is released. For '
  'operators.';
--! EndIncluded app/privacy/legal_hold_place.sql
--! Included app/privacy/legal_hold_release.sql
create or replace function app.legal_hold_release(hold_id uuid) returns app.legal_hold
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
alter function app.legal_hold_release owner to curestry_definer;
revoke execute on function app.legal_hold_release from public;
grant execute on function app.legal_hold_release to curestry_owner;
comment on function app.legal_hold_release is 'Releases a legal hold. For operators.';
--! EndIncluded app/privacy/legal_hold_release.sql
--! Included app/privacy/legal_hold_list.sql
create or replace function app.legal_hold_list()
returns table (id uuid, organization text, user_id integer, email text, reason text,
               placed_by text, placed_at timestamptz,
               released_by text, released_at timestamptz)
language sql stable security definer set search_path = '' as $$
  select h.id, coalesce(o.slug, h.held_organization_id::text), h.held_user_id, u.email, h.reason,
         h.placed_by, h.placed_at, h.released_by, h.released_at
    from app.legal_hold h
    left join ops.organization o on o.id = h.held_organization_id
    left join core.users u on u.id = h.held_user_id
   order by h.released_at is not null, h.placed_at;
$$;
alter function app.legal_hold_list owner to curestry_definer;
revoke execute on function app.legal_hold_list from public;
grant execute on function app.legal_hold_list to curestry_owner;
comment on function app.legal_hold_list is 'The legal holds, those in force first. For operators.';
--! EndIncluded app/privacy/legal_hold_list.sql
--! Included app/privacy/export_queries.sql
/*
 * The tables come from the catalogue: every one with an organization, and for a person every one that references
 * users, their runs or their prompts. In the order of their foreign keys, so that they can be imported one after the
 * other.
 *
 * Of a person's acts in shared organizations, the log shows who, when and what, but not the states: these belong to
 * the organization, and may be about other persons.
 */
create or replace function app.export_queries(organization uuid, person integer)
returns table (table_name text, query text)
language sql stable set search_path = '' as $$
  with recursive tables as (
    select c.oid, n.nspname || '.' || c.relname as name,
           exists (select from pg_catalog.pg_attribute a
                    where a.attrelid = c.oid and a.attname = 'organization_id' and not a.attisdropped) as is_tenants
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
    select t.oid, format('t.organization_id = %L', organization)
      from tables t where t.is_tenants and organization is not null
    union all
    select 'ops.organization'::regclass, format('t.id = %L', organization) where organization is not null
    union all
    select 'core.users'::regclass, case when person is null
             then format('t.id in (select m.user_id from ops.organization_user m where m.organization_id = %L)',
                         organization)
             else format('t.id = %L', person) end
    union all
    select r.oid, format('t.%I = %L', r.column_name, person)
      from reference r where person is not null and r.target = 'core.users'::regclass
    union all
    select 'ops.organization'::regclass,
           format('t.id in (select m.organization_id from ops.organization_user m where m.user_id = %L)', person)
     where person is not null
    union all
    select 'core.prompts'::regclass,
           format('exists (select from core.prompt_versions v where v.organization_id = t.organization_id '
             'and v.prompt_id = t.id and v.version = 1 and v.user_id = %L)', person)
     where person is not null
    union all
    select r.oid, format('exists (select from ops.analysis_run r where r.organization_id = t.organization_id '
                         'and r.id = t.%I and r.user_id = %L)',
                         r.column_name, person)
      from reference r where person is not null and r.target = 'ops.analysis_run'::regclass
    union all
    select 'ops.audit_log'::regclass, format('t.actor_user_id = %L', person) where person is not null
    union all
    select 'ops.audit_log'::regclass, o.theirs from own_entry o where person is not null
  ), own_entry (theirs) as (
    select string_agg(format('t.entity_type = %L and coalesce(t.after_state, t.before_state) ->> %L = %L',
                             p.table_name, p.person_column, person::text), ' or ')
      from app.personal_data p where p.table_name not like 'app.%'
  )
  select t.name,
         format('select %s as row from %s t where %s order by %s',
                case when person is not null and t.oid = 'ops.audit_log'::regclass
                 then format('case when t.organization_id is not distinct from %L or %s then to_jsonb(t) '
                             'else to_jsonb(t) - ''{before_state,after_state}''::text[] end',
                              organization, (select o.theirs from own_entry o))
                  else format('to_jsonb(t) - %L::text[]', coalesce(a.secret_columns, '{}')) end,
                t.oid::regclass, string_agg('(' || c.condition || ')', ' or '),
                coalesce((select string_agg(format('t.%I', k.attname), ', '
                                            order by array_position(i.indkey::smallint[], k.attnum))
                            from pg_catalog.pg_index i
                            join pg_catalog.pg_attribute k
                              on k.attrelid = i.indrelid and k.attnum = any (i.indkey)
                           where i.indrelid = t.oid and i.indisprimary), '1'))
    from tables t
    join condition c on c.oid = t.oid
    left join app.audited_table a on a.table_name = t.name
   group by t.oid, t.name, a.secret_columns
   order by (select max(d.depth) from depth d where d.oid = t.oid), t.name;
$$;
revoke execute on function app.export_queries from public;
comment on function app.export_queries is
  'What an export of an organization, or of a user and their personal organization, reads: a query for each table, '
  'in dependency order, without secrets. For operators, whose rights the queries have.';
--! EndIncluded app/privacy/export_queries.sql
--! Included app/audit/tables/audit_seal.sql
/*
 * app.audit_seal: generated from the database by `deno task generate`
 *
 *   organization_id  uuid         not null
 *   seq              integer      not null
 *   from_xid         bigint       not null
 *   through_xid      bigint       not null
 *   entry_ids        uuid[]       not null
 *   state_digests    bytea[]      not null
 *   entry_digests    bytea[]      not null
 *   previous_hash    bytea        not null
 *   hash             bytea        not null
 *   sealed_at        timestamptz  not null default now()
 *
 *   pk_audit_seal             primary key (organization_id, seq)
 *   chk_audit_seal_entry_ids  check (cardinality(entry_ids) >= 1 and cardinality(entry_ids) <= 1000 and
 *                               cardinality(state_digests) = cardinality(entry_ids) and cardinality(entry_digests) =
 *                               cardinality(entry_ids))
 *   chk_audit_seal_seq        check (seq >= 1)
 */

comment on table app.audit_seal is
  'The hash chain of the audit log, one per organization: each seal covers up to 1000 rows and the seal before it. '
  'Append-only.';
comment on column app.audit_seal.organization_id is 'Whose log it seals; the nil UUID for rows of no organization.';
comment on column app.audit_seal.seq is 'Its place in the chain, from 1.';
comment on column app.audit_seal.from_xid is 'It covers rows of transactions from this one on,';
comment on column app.audit_seal.through_xid is 'and before this one: all of them had ended when it was made.';
comment on column app.audit_seal.entry_ids is 'The rows, in order: so that a missing one can be named.';
comment on column app.audit_seal.state_digests is
  'SHA-256 of the before and after state of each row: the part that can be erased without breaking the chain.';
comment on column app.audit_seal.entry_digests is 'SHA-256 of each row, its states by their digest.';
comment on column app.audit_seal.previous_hash is 'The hash of the seal before it; zeros for the first.';
comment on column app.audit_seal.hash is 'SHA-256 of all of the above.';
comment on column app.audit_seal.sealed_at is 'When it was made.';
comment on constraint pk_audit_seal on app.audit_seal is 'One row per organization and place.';
comment on constraint chk_audit_seal_seq on app.audit_seal is 'seq must be at least 1';
comment on constraint chk_audit_seal_entry_ids on app.audit_seal is
  'a seal covers 1 to 1000 rows, each with its digests';

select app.table_protect('app.audit_seal');

grant select, insert on app.audit_seal to curestry_definer;

create or replace trigger _200_append_only before update or delete or truncate on app.audit_seal
  for each statement execute function app.tg_audit_log__append_only();
--! EndIncluded app/audit/tables/audit_seal.sql
--! Included app/retention/tables/audit_retention.sql
/*
 * app.audit_retention: generated from the database by `deno task generate`
 *
 *   id              uuid         not null default gen_random_uuid()
 *   partition_name  text         not null
 *   from_ts         timestamptz  not null
 *   to_ts           timestamptz  not null
 *   table_name      text         not null
 *   detached_at     timestamptz  not null default now()
 *   dropped_at      timestamptz
 *
 *   pk_audit_retention  primary key (id)
 */

comment on table app.audit_retention is
  'What left the audit log by the retention policies of organizations: one row for each month and time.';
comment on column app.audit_retention.id is 'Identifies the act; the log''s row about it names it.';
comment on column app.audit_retention.partition_name is 'The partition of the log that it was in.';
comment on column app.audit_retention.from_ts is 'The month that left: from here';
comment on column app.audit_retention.to_ts is 'to before here.';
comment on column app.audit_retention.table_name is
  'The table in app that holds the rows since then, until it is dropped.';
comment on column app.audit_retention.detached_at is 'When they left.';
comment on column app.audit_retention.dropped_at is 'When that table was dropped; null: it is still there.';
comment on constraint pk_audit_retention on app.audit_retention is 'One row per act.';

select app.table_protect('app.audit_retention');

grant select on app.audit_retention to curestry_definer;
--! EndIncluded app/retention/tables/audit_retention.sql
--! Included app/audit/tables/audit_detachment.sql
/*
 * app.audit_detachment: generated from the database by `deno task generate`
 *
 *   organization_id  uuid            not null
 *   seq              integer         not null
 *   retention_id     uuid            not null
 *   entry_id         uuid            not null
 *   positions        int4multirange  not null
 *
 *   pk_audit_detachment               primary key (organization_id, seq, retention_id)
 *   fk_audit_detachment_retention_id  foreign key (retention_id) references app.audit_retention(id)
 *
 *   idx_audit_detachment_retention_id  index (retention_id)
 */

comment on table app.audit_detachment is
  'Which rows of a seal left the audit log by retention: whatever else is missing was removed.';
comment on column app.audit_detachment.organization_id is 'Whose rows they were.';
comment on column app.audit_detachment.seq is 'The seal that covers them.';
comment on column app.audit_detachment.retention_id is 'The act by which they left.';
comment on column app.audit_detachment.entry_id is 'The row of the log about that act.';
comment on column app.audit_detachment.positions is 'Their places in the seal, from 1.';
comment on constraint pk_audit_detachment on app.audit_detachment is 'One row per seal and act.';
comment on constraint fk_audit_detachment_retention_id on app.audit_detachment is 'The act must exist.';

select app.table_protect('app.audit_detachment');

grant select on app.audit_detachment to curestry_definer;

create or replace trigger _200_append_only before update or delete or truncate on app.audit_detachment
  for each statement execute function app.tg_audit_log__append_only();
--! EndIncluded app/audit/tables/audit_detachment.sql
--! Included app/audit/tables/audit_sealer.sql
/*
 * app.audit_sealer: generated from the database by `deno task generate`
 *
 *   singleton    boolean  not null default true
 *   through_xid  bigint   not null
 *   xid_offset   bigint   not null default 0
 *
 *   pk_audit_sealer             primary key (singleton)
 *   chk_audit_sealer_singleton  check (singleton)
 */

comment on table app.audit_sealer is 'How far the audit log is sealed; one row.';
comment on column app.audit_sealer.singleton is 'There is one row.';
comment on column app.audit_sealer.through_xid is 'Every row of a transaction before this one is sealed.';
comment on column app.audit_sealer.xid_offset is
  'Added to the ids of transactions of this server, which may have begun anew after a restore.';
comment on constraint pk_audit_sealer on app.audit_sealer is 'There is one row.';
comment on constraint chk_audit_sealer_singleton on app.audit_sealer is 'there is one row';

select app.table_protect('app.audit_sealer');

grant select, update on app.audit_sealer to curestry_definer;
--! EndIncluded app/audit/tables/audit_sealer.sql
--! Included app/audit/tables/audited_table.sql
/*
 * app.audited_table: generated from the database by `deno task generate`
 *
 *   table_name           text     not null
 *   organization_column  text
 *   id_column            text     not null
 *   secret_columns       text[]   not null default '{}'
 *   note_columns         text[]   not null default '{}'
 *   summarize_inserts    boolean  not null default false
 *
 *   pk_audited_table  primary key (table_name)
 */

comment on table app.audited_table is
  'Which tables are audited, and how; written by app.audit_table, read by the generator of the audit triggers.';
comment on column app.audited_table.table_name is 'The table, with its schema.';
comment on column app.audited_table.organization_column is
  'The column with the organization; null: rows of no organization, which are logged under the nil UUID.';
comment on column app.audited_table.id_column is 'The column that identifies a row.';
comment on column app.audited_table.secret_columns is 'Columns that are left out of the log.';
comment on column app.audited_table.note_columns is 'Columns whose change alone is a note and no event.';
comment on column app.audited_table.summarize_inserts is
  'Append-only facts: one row of the log for all that a statement inserts.';
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
--! EndIncluded app/audit/tables/audited_table.sql
--! Included app/privacy/tables/personal_data.sql
/*
 * app.personal_data: generated from the database by `deno task generate`
 *
 *   table_name        text    not null
 *   person_column     text    not null
 *   personal_columns  text[]  not null default '{}'
 *   treatment         text    not null
 *
 *   pk_personal_data             primary key (table_name)
 *   chk_personal_data_treatment  check (treatment in ('clear', 'delete'))
 */

comment on table app.personal_data is
  'Which columns are personal data, and whose; written by app.personal_table, read by the erasure of a user.';
comment on column app.personal_data.table_name is 'The table, with its schema.';
comment on column app.personal_data.person_column is 'The column with the id of the user whose data it is.';
comment on column app.personal_data.personal_columns is
  'The columns that say who the person is; the audit log loses them when the user is erased.';
comment on column app.personal_data.treatment is
  'What the erasure does to the row: clear (the personal columns become null) or delete.';
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
--! EndIncluded app/privacy/tables/personal_data.sql
--! Included app/privacy/tables/erasure.sql
/*
 * app.erasure: generated from the database by `deno task generate`
 *
 *   id            uuid         not null default gen_random_uuid()
 *   kind          text         not null
 *   subject_id    text         not null
 *   requested_by  name         not null default session_user
 *   erased_at     timestamptz  not null default now()
 *   counts        jsonb
 *   xid           bigint       not null default pg_current_xact_id()::bigint
 *
 *   pk_erasure          primary key (id)
 *   chk_erasure_counts  check (jsonb_typeof(counts) = 'object')
 *   chk_erasure_kind    check (kind in ('user', 'organization'))
 */

comment on table app.erasure is
  'Erasure records: that a user or an organization was erased, when, and how much it was; not who it was.';
comment on column app.erasure.id is 'Identifies the erasure; rows of the audit log that it took values from bear it.';
comment on column app.erasure.kind is 'user or organization.';
comment on column app.erasure.subject_id is 'The id of the user or organization, which is a pseudonym from then on.';
comment on column app.erasure.requested_by is 'Which login of the database erased.';
comment on column app.erasure.erased_at is 'When.';
comment on column app.erasure.counts is
  'How many rows of each table were removed or changed, a JSON object; null until all is done.';
comment on column app.erasure.xid is 'The transaction that erased.';
comment on constraint pk_erasure on app.erasure is 'One row per erasure.';
comment on constraint chk_erasure_kind on app.erasure is 'kind must be user or organization';
comment on constraint chk_erasure_counts on app.erasure is 'counts must be a JSON object';

select app.table_protect('app.erasure');

grant select, insert, update (counts) on app.erasure to curestry_definer;

create or replace trigger _200_append_only before update or delete on app.erasure
  for each row execute function app.tg_erasure__append_only();
create or replace trigger _200_no_truncate before truncate on app.erasure
  for each statement execute function app.tg_erasure__append_only();
--! EndIncluded app/privacy/tables/erasure.sql
--! Included app/privacy/tables/legal_hold.sql
/*
 * app.legal_hold: generated from the database by `deno task generate`
 *
 *   id                    uuid         not null default gen_random_uuid()
 *   held_organization_id  uuid
 *   held_user_id          integer
 *   reason                text
 *   placed_by             name         not null default session_user
 *   placed_at             timestamptz  not null default now()
 *   released_by           name
 *   released_at           timestamptz
 *
 *   pk_legal_hold               primary key (id)
 *   chk_legal_hold_held         check (num_nonnulls(held_organization_id, held_user_id) = 1)
 *   chk_legal_hold_reason       check ( case when released_at is null then reason is not null and reason ~ '\S' and
 *                                 octet_length(reason) <= 4096 else true end)
 *   chk_legal_hold_released_at  check ((released_at is null) = (released_by is null))
 *
 *   idx_legal_hold_held_organization_id  index (held_organization_id)
 *   idx_legal_hold_held_user_id          index (held_user_id)
 */

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

select app.table_protect('app.legal_hold');

grant select, insert, update (reason, released_by, released_at) on app.legal_hold to curestry_definer;

select app.personal_table('app.legal_hold', 'held_user_id', '{reason}', 'clear');
select app.audit_table('app.legal_hold', organization_column => null);
--! EndIncluded app/privacy/tables/legal_hold.sql
--! Included app/legacy/tables/legacy_account.sql
/*
 * app.legacy_account: generated from the database by `deno task generate`
 *
 *   source_table   text         not null
 *   rows_found     bigint       not null
 *   rows_kept      bigint       not null default 0
 *   organizations  integer      not null default 0
 *   note           text
 *   created_at     timestamptz  not null default now()
 *
 *   pk_legacy_account  primary key (source_table)
 */

comment on table app.legacy_account is
  'What became of the rows of the old backends'' tables when they were taken over; empty in a database without a '
  'past.';
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
--! EndIncluded app/legacy/tables/legacy_account.sql
--! Included app/mart_upkeep/tables/mart_check.sql
/*
 * app.mart_check: generated from the database by `deno task generate`
 *
 *   id           bigint       not null generated always as identity
 *   checked_at   timestamptz  not null default now()
 *   buckets      integer      not null
 *   differences  integer      not null
 *   details      jsonb        not null
 *
 *   pk_mart_check               primary key (id)
 *   chk_mart_check_buckets      check (buckets >= 0)
 *   chk_mart_check_details      check (jsonb_typeof(details) = 'array')
 *   chk_mart_check_differences  check (differences >= 0)
 */

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

select app.table_protect('app.mart_check');

grant select, insert, delete on app.mart_check to curestry_definer;
--! EndIncluded app/mart_upkeep/tables/mart_check.sql
--! Included app/marts/tables/mart_change.sql
/*
 * app.mart_change: generated from the database by `deno task generate`
 *
 *   id               bigint       not null generated always as identity
 *   organization_id  uuid         not null
 *   hour             timestamptz  not null
 *   created_at       timestamptz  not null default now()
 *   source           varchar(20)  not null
 *
 *   pk_mart_change          primary key (organization_id, id)
 *   chk_mart_change_source  check (source in ('metric', 'node', 'judge', 'evaluation', 'analysis', 'feature', 'zone'))
 */

select app.table_usual_comments('app.mart_change');
comment on table app.mart_change is
  'What the worker has to bring up to date: an hour of an organization whose facts changed. Append-only and without '
  'a unique key, so that no writer waits for another and no change of a writer that has not committed yet is lost.';
comment on column app.mart_change.id is 'Identifies the change.';
comment on column app.mart_change.organization_id is 'Whose facts changed.';
comment on column app.mart_change.source is
  'Which facts: metric, node, judge, evaluation, analysis (runs, documents and their judgements), feature; zone: the '
  'time zone of the organization.';
comment on column app.mart_change.hour is 'Start of the hour that the facts count for, UTC; -infinity: all hours.';
comment on column app.mart_change.created_at is
  'When the facts changed; the age of the oldest row is how far the marts are behind.';
comment on constraint chk_mart_change_source on app.mart_change is
  'source must be metric, node, judge, evaluation, analysis, feature or zone';

select app.table_protect('app.mart_change');

grant select, insert, delete on app.mart_change to curestry_definer;
--! EndIncluded app/marts/tables/mart_change.sql
--! Included app/retention/tables/partitioned_table.sql
/*
 * app.partitioned_table: generated from the database by `deno task generate`
 *
 *   table_name    text     not null
 *   time_column   text     not null
 *   months_ahead  integer  not null default 3
 *
 *   pk_partitioned_table                primary key (table_name)
 *   chk_partitioned_table_months_ahead  check (months_ahead >= 1 and months_ahead <= 24)
 */

comment on table app.partitioned_table is 'Which tables are partitioned by month, for app.partition_make_all.';
comment on column app.partitioned_table.table_name is 'The table, with its schema. Its partitions are in app.';
comment on column app.partitioned_table.time_column is 'The column that decides in which month a row is, UTC.';
comment on column app.partitioned_table.months_ahead is 'For how many months after this one partitions are kept ready.';
comment on constraint pk_partitioned_table on app.partitioned_table is 'One row per table.';
comment on constraint chk_partitioned_table_months_ahead on app.partitioned_table is
  'months_ahead must be from 1 to 24';

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
--! EndIncluded app/retention/tables/partitioned_table.sql
--! Included app/access/tables/platform_admin.sql
/*
 * app.platform_admin: generated from the database by `deno task generate`
 *
 *   user_id     integer      not null
 *   granted_at  timestamptz  not null default now()
 *
 *   pk_platform_admin          primary key (user_id)
 *   fk_platform_admin_user_id  foreign key (user_id) references core.users(id) on delete cascade
 */

select app.table_usual_comments('app.platform_admin');
comment on table app.platform_admin is
  'Platform admins: users who see failed jobs and scheduled tasks of the whole installation through the API. Granted '
  'and revoked by "curestry platform-admin".';
comment on column app.platform_admin.user_id is 'Who.';
comment on column app.platform_admin.granted_at is 'Since when.';
comment on constraint pk_platform_admin on app.platform_admin is 'A user is a platform admin once.';

select app.table_protect('app.platform_admin');

grant select, insert, delete on app.platform_admin to curestry_definer;

select app.audit_table('app.platform_admin', organization_column => null, id_column => 'user_id');
--! EndIncluded app/access/tables/platform_admin.sql
--! Included app/jobs/tables/task_run.sql
/*
 * app.task_run: generated from the database by `deno task generate`
 *
 *   kind              text              not null
 *   task              text              not null
 *   expected_seconds  integer           not null
 *   expected_since    timestamptz       not null default clock_timestamp()
 *   started_at        timestamptz
 *   succeeded_at      timestamptz
 *   failed_at         timestamptz
 *   error             text
 *   milliseconds      double precision
 *
 *   pk_task_run                    primary key (kind, task)
 *   chk_task_run_expected_seconds  check (expected_seconds > 0)
 *   chk_task_run_kind              check (kind in ('schedule', 'poll'))
 */

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

select app.table_protect('app.task_run');

grant select, insert, update, delete on app.task_run to curestry_definer;
--! EndIncluded app/jobs/tables/task_run.sql
--! Included app/jobs/tables/worker_heartbeat.sql
/*
 * app.worker_heartbeat: generated from the database by `deno task generate`
 *
 *   worker_id     text         not null
 *   started_at    timestamptz  not null default clock_timestamp()
 *   heartbeat_at  timestamptz  not null default clock_timestamp()
 *
 *   pk_worker_heartbeat  primary key (worker_id)
 */

comment on table app.worker_heartbeat is 'The workers that are alive. The jobs of one that dies go back to the queue.';
comment on column app.worker_heartbeat.worker_id is
  'The name under which it locks jobs (graphile_worker.jobs.locked_by).';
comment on column app.worker_heartbeat.started_at is 'When it started.';
comment on column app.worker_heartbeat.heartbeat_at is 'When it last said that it is alive.';
comment on constraint pk_worker_heartbeat on app.worker_heartbeat is 'One row a worker.';

select app.table_protect('app.worker_heartbeat');

grant select, insert, update, delete on app.worker_heartbeat to curestry_definer;
--! EndIncluded app/jobs/tables/worker_heartbeat.sql
--! Included app/mart_upkeep/tables/mart_rebuild.sql
/*
 * app.mart_rebuild: generated from the database by `deno task generate`
 *
 *   organization_id  uuid         not null
 *   from_ts          timestamptz  not null
 *   to_ts            timestamptz  not null
 *   next_ts          timestamptz  not null
 *   last_ts          timestamptz  not null
 *   created_at       timestamptz  not null default now()
 *
 *   pk_mart_rebuild                  primary key (organization_id, from_ts, to_ts)
 *   fk_mart_rebuild_organization_id  foreign key (organization_id) references ops.organization(id) on delete cascade
 */

select app.table_usual_comments('app.mart_rebuild');
comment on table app.mart_rebuild is
  'A rebuild of marts that is not finished: one row an organization, forgotten when it is done.';
comment on column app.mart_rebuild.organization_id is 'Whose marts.';
comment on column app.mart_rebuild.from_ts is 'The span that was asked for: its begin.';
comment on column app.mart_rebuild.to_ts is 'The span that was asked for: its end.';
comment on column app.mart_rebuild.next_ts is 'It goes on from here.';
comment on column app.mart_rebuild.last_ts is 'It ends with the day of this time.';
comment on column app.mart_rebuild.created_at is 'When it began.';
comment on constraint pk_mart_rebuild on app.mart_rebuild is 'One row per organization and span.';

select app.table_protect('app.mart_rebuild');

grant select, insert, update, delete on app.mart_rebuild to curestry_definer;
--! EndIncluded app/mart_upkeep/tables/mart_rebuild.sql
--! Included app/marts/tables/mart_state.sql
/*
 * app.mart_state: generated from the database by `deno task generate`
 *
 *   organization_id         uuid         not null
 *   time_zone               text         not null
 *   marts_immutable_before  timestamptz  not null default '-infinity'
 *   facts_immutable_before  timestamptz
 *   facts_immutable_xid     bigint
 *
 *   pk_mart_state                  primary key (organization_id)
 *   fk_mart_state_organization_id  foreign key (organization_id) references ops.organization(id) on delete cascade
 */

select app.table_usual_comments('app.mart_state');
comment on table app.mart_state is
  'What the marts of an organization are made by. No row: UTC, and nothing is immutable.';
comment on column app.mart_state.organization_id is 'Whose marts.';
comment on column app.mart_state.time_zone is
  'The zone of their hours and days: that of the organization, once they have been rebuilt for it.';
comment on column app.mart_state.marts_immutable_before is
  'Facts before this time may have been removed: what the marts say of it stays as it is.';
comment on column app.mart_state.facts_immutable_before is
  'Facts before this time are not accepted any more: the marts process what is there of them for the last time, '
  'and then it is removed.';
comment on column app.mart_state.facts_immutable_xid is
  'When all transactions before this one have ended, nothing before facts_immutable_before can come any more; null: '
  'that is not decided yet.';
comment on constraint pk_mart_state on app.mart_state is 'One row per organization.';

select app.table_protect('app.mart_state');

grant select, insert, update on app.mart_state to curestry_definer;
--! EndIncluded app/marts/tables/mart_state.sql
--! Included core/tables/analysis_results.sql
/*
 * core.analysis_results: generated from the database by `deno task generate`
 *
 *   id                       varchar           not null default gen_random_uuid()
 *   prompt_id                varchar
 *   prompt_content           text              not null
 *   detected_language        varchar(10)       not null
 *   translated               boolean           not null default false
 *   format_valid             boolean           not null default true
 *   overall_score            double precision  not null
 *   judge_score              double precision  not null
 *   semantic_entropy         double precision  not null
 *   complexity_score         double precision  not null
 *   length_chars             integer           not null
 *   length_words             integer           not null
 *   contradictions           jsonb             not null default '[]'
 *   patches                  jsonb             not null default '[]'
 *   clarify_questions        jsonb             not null default '[]'
 *   analysis_extra_metadata  jsonb             not null default '{}'
 *   created_at               timestamptz       not null default now()
 *   organization_id          uuid              not null default app.organization_id()
 *   analysis_run_id          uuid              not null
 *   occurred_at              timestamptz       not null default now()
 *   prompt_version_id        uuid
 *
 *   pk_analysis_results                           primary key (organization_id, id)
 *   unq_analysis_results_analysis_run_id          unique (organization_id, analysis_run_id)
 *   fk_analysis_results_analysis_run_id           foreign key (organization_id, analysis_run_id) references
 *                                                   ops.analysis_run(organization_id, id) on delete cascade
 *   fk_analysis_results_prompt_id                 foreign key (organization_id, prompt_id) references
 *                                                   core.prompts(organization_id, id)
 *   fk_analysis_results_prompt_version_id         foreign key (organization_id, prompt_version_id) references
 *                                                   core.prompt_versions(organization_id, id)
 *   chk_analysis_results_analysis_extra_metadata  check (jsonb_typeof(analysis_extra_metadata) = 'object' and
 *                                                   octet_length(analysis_extra_metadata) <= 1048576 and not
 *                                                   jsonb_path_exists(analysis_extra_metadata, '$.**{33}'))
 *   chk_analysis_results_clarify_questions        check (jsonb_typeof(clarify_questions) = 'array' and
 *                                                   octet_length(clarify_questions) <= 1048576 and not
 *                                                   jsonb_path_exists(clarify_questions, '$.**{33}'))
 *   chk_analysis_results_complexity_score         check (complexity_score >= 0::double precision and complexity_score
 *                                                   <= 10::double precision)
 *   chk_analysis_results_contradictions           check (jsonb_typeof(contradictions) = 'array' and
 *                                                   octet_length(contradictions) <= 1048576 and not
 *                                                   jsonb_path_exists(contradictions, '$.**{33}'))
 *   chk_analysis_results_judge_score              check (judge_score >= 0::double precision and judge_score <=
 *                                                   10::double precision)
 *   chk_analysis_results_length_chars             check (length_chars >= 0)
 *   chk_analysis_results_length_words             check (length_words >= 0)
 *   chk_analysis_results_overall_score            check (overall_score >= 0::double precision and overall_score <=
 *                                                   10::double precision)
 *   chk_analysis_results_patches                  check (jsonb_typeof(patches) = 'array' and octet_length(patches) <=
 *                                                   1048576 and not jsonb_path_exists(patches, '$.**{33}'))
 *   chk_analysis_results_prompt_content           check (octet_length(prompt_content) <= 1048576)
 *   chk_analysis_results_semantic_entropy         check (semantic_entropy >= 0::double precision and semantic_entropy <
 *                                                   'Infinity'::double precision)
 *
 *   idx_analysis_results_created_at         index (organization_id, created_at, id)
 *   idx_analysis_results_detected_language  index (organization_id, detected_language)
 *   idx_analysis_results_metadata_gin       index using gin (organization_id, analysis_extra_metadata)
 *   idx_analysis_results_occurred_at        index (organization_id, occurred_at)
 *   idx_analysis_results_overall_score      index (organization_id, overall_score)
 *   idx_analysis_results_prompt_id          index (organization_id, prompt_id)
 *   idx_analysis_results_prompt_version_id  index (organization_id, prompt_version_id)
 *   idx_analysis_results_semantic_entropy   index (organization_id, semantic_entropy)
 */

select app.table_usual_comments('core.analysis_results');
comment on table core.analysis_results is
  E'@unique id\nThe document of a finished analysis: what was found out about one prompt text.';
comment on column core.analysis_results.id is 'Identifies the document, a UUID as text; unique across organizations.';
comment on column core.analysis_results.prompt_id is
  'The prompt that was analysed; null if the text was not a saved prompt.';
comment on column core.analysis_results.prompt_content is 'The text as it was when it was analysed.';
comment on column core.analysis_results.detected_language is 'Code of the language that was found.';
comment on column core.analysis_results.translated is 'Whether the text was translated before it was analysed.';
comment on column core.analysis_results.format_valid is 'Whether the text is well formed in its format.';
comment on column core.analysis_results.overall_score is 'Overall quality, 0 to 10.';
comment on column core.analysis_results.judge_score is 'What the LLM judges gave, 0 to 10.';
comment on column core.analysis_results.semantic_entropy is
  'Semantic entropy of the answers to the prompt, at least 0; higher is less certain.';
comment on column core.analysis_results.complexity_score is 'Complexity, 0 to 10.';
comment on column core.analysis_results.length_chars is 'Length in characters.';
comment on column core.analysis_results.length_words is 'Length in words.';
comment on column core.analysis_results.contradictions is 'Contradictions found, a JSON array.';
comment on column core.analysis_results.patches is 'Proposed changes, a JSON array.';
comment on column core.analysis_results.clarify_questions is
  'Questions that would make the prompt clearer, a JSON array.';
comment on column core.analysis_results.analysis_extra_metadata is 'Anything else, a JSON object.';
comment on column core.analysis_results.analysis_run_id is 'The run that this is the document of.';
comment on column core.analysis_results.occurred_at is 'The time that it counts for: the end of its run.';
comment on column core.analysis_results.prompt_version_id is
  'The version of the prompt that was analysed; null if the text is none of its versions.';
comment on constraint unq_analysis_results_analysis_run_id on core.analysis_results is 'A run has one document.';
comment on constraint fk_analysis_results_analysis_run_id on core.analysis_results is
  'analysis_run_id must name an analysis run of the same organization.';
comment on constraint fk_analysis_results_prompt_id on core.analysis_results is
  'prompt_id must name a prompt of the same organization.';
comment on constraint fk_analysis_results_prompt_version_id on core.analysis_results is
  'prompt_version_id must name a version of the same organization.';
comment on constraint chk_analysis_results_prompt_content on core.analysis_results is
  'prompt_content must be at most 1 MiB';
comment on constraint chk_analysis_results_overall_score on core.analysis_results is
  'overall_score must be from 0 to 10';
comment on constraint chk_analysis_results_judge_score on core.analysis_results is 'judge_score must be from 0 to 10';
comment on constraint chk_analysis_results_semantic_entropy on core.analysis_results is
  'semantic_entropy must be a number of at least 0';
comment on constraint chk_analysis_results_complexity_score on core.analysis_results is
  'complexity_score must be from 0 to 10';
comment on constraint chk_analysis_results_length_chars on core.analysis_results is 'length_chars must be at least 0';
comment on constraint chk_analysis_results_length_words on core.analysis_results is 'length_words must be at least 0';
comment on constraint chk_analysis_results_contradictions on core.analysis_results is
  'contradictions must be a JSON array of at most 1 MiB, nested at most 32 deep';
comment on constraint chk_analysis_results_patches on core.analysis_results is
  'patches must be a JSON array of at most 1 MiB, nested at most 32 deep';
comment on constraint chk_analysis_results_clarify_questions on core.analysis_results is
  'clarify_questions must be a JSON array of at most 1 MiB, nested at most 32 deep';
comment on constraint chk_analysis_results_analysis_extra_metadata on core.analysis_results is
  'extra_metadata must be a JSON object of at most 1 MiB, nested at most 32 deep';

alter table core.analysis_results alter column organization_id set default app.organization_id();

select app.table_protect('core.analysis_results');
select app.table_policies_for_members('core.analysis_results', to_read => 'analyses:read');
select app.table_policy_for_analysts('core.analysis_results');

grant select on core.analysis_results to curestry_member;
grant select on core.analysis_results to curestry_analyst;
grant select, insert on core.analysis_results to curestry_definer;

create or replace trigger _500_metrics_insert after insert on core.analysis_results
  referencing new table as new_rows for each statement execute function app.tg_analysis_results__metrics();
create or replace trigger _500_metrics_update after update on core.analysis_results
  referencing new table as new_rows for each statement execute function app.tg_analysis_results__metrics();
select app.mart_source_table('core.analysis_results', 'analysis', trigger_function => 'tg__mart_changes_of_runs');
select app.audit_table('core.analysis_results');
--! EndIncluded core/tables/analysis_results.sql
--! Included core/tables/auth_accounts.sql
/*
 * core.auth_accounts: generated from the database by `deno task generate`
 *
 *   id                   integer       not null default nextval('core.auth_accounts_id_seq')
 *   user_id              integer       not null
 *   provider             varchar(32)   not null
 *   provider_account_id  varchar(255)  not null
 *   access_token         text
 *   refresh_token        text
 *   raw_profile          jsonb
 *   created_at           timestamptz   not null default now()
 *   encryption_key_id    varchar(100)
 *
 *   pk_auth_accounts                       primary key (id)
 *   unq_auth_accounts_provider_account_id  unique (provider, provider_account_id)
 *   fk_auth_accounts_user_id               foreign key (user_id) references core.users(id) on delete cascade
 *
 *   idx_auth_accounts_user_id  index (user_id)
 */

select app.table_usual_comments('core.auth_accounts');
comment on table core.auth_accounts is
  'An account at a sign-in provider that belongs to a user. The provider''s tokens are encrypted and not in the API.';
comment on column core.auth_accounts.id is 'Identifies the account.';
comment on column core.auth_accounts.user_id is 'Whose account it is.';
comment on column core.auth_accounts.provider is 'google, github or another provider.';
comment on column core.auth_accounts.provider_account_id is 'The provider''s id of the account.';
comment on column core.auth_accounts.access_token is E'@behavior -*\nEncrypted; not in the API.';
comment on column core.auth_accounts.refresh_token is E'@behavior -*\nEncrypted; not in the API.';
comment on column core.auth_accounts.raw_profile is
  E'@behavior -*\nWhat the provider said of the person; not in the API.';
comment on column core.auth_accounts.encryption_key_id is E'@behavior -*\nWhich key the tokens are encrypted with.';
comment on constraint pk_auth_accounts on core.auth_accounts is 'One row per account.';
comment on constraint unq_auth_accounts_provider_account_id on core.auth_accounts is
  'An account at a provider belongs to one user.';

select app.table_protect('core.auth_accounts');

drop policy if exists select_own on core.auth_accounts;
create policy select_own on core.auth_accounts for select to curestry_member
  using (user_id = app.session_user_id());
comment on policy select_own on core.auth_accounts is 'Users see their own.';

grant select (id, user_id, provider, provider_account_id, created_at) on core.auth_accounts to curestry_member;
grant select, delete on core.auth_accounts to curestry_definer;

select app.personal_table('core.auth_accounts', 'user_id', '{provider_account_id,raw_profile}', 'delete');
select app.audit_table(
  'core.auth_accounts', organization_column => null, secret_columns => '{access_token,refresh_token,raw_profile}');
--! EndIncluded core/tables/auth_accounts.sql
--! Included core/tables/evaluation_metrics.sql
/*
 * core.evaluation_metrics: generated from the database by `deno task generate`
 *
 *   id               integer           not null default nextval('core.evaluation_metrics_id_seq')
 *   run_id           integer           not null
 *   node_key         varchar(64)
 *   metric_name      varchar(64)       not null
 *   metric_value     double precision  not null
 *   metric_meta      jsonb
 *   created_at       timestamptz       not null default now()
 *   organization_id  uuid              not null default app.organization_id()
 *   occurred_at      timestamptz       not null generated always as (created_at) stored
 *
 *   pk_evaluation_metrics                   primary key (organization_id, id)
 *   unq_evaluation_metrics_run_node_metric  unique nulls not distinct (organization_id, run_id, node_key, metric_name,
 *                                             created_at)
 *   fk_evaluation_metrics_run_id            foreign key (organization_id, run_id) references
 *                                             core.workflow_runs(organization_id, id) on delete cascade
 *   chk_evaluation_metrics_created_at       check (created_at >= '2000-01-01 00:00:00+00' and created_at < '2100-01-01
 *                                             00:00:00+00')
 *   chk_evaluation_metrics_metric_meta      check (octet_length(metric_meta) <= 262144 and not
 *                                             jsonb_path_exists(metric_meta, '$.**{33}'))
 *   chk_evaluation_metrics_metric_name      check (metric_name ~ '\S')
 *   chk_evaluation_metrics_metric_value     check (metric_value > '-Infinity'::double precision and metric_value <
 *                                             'Infinity'::double precision)
 *
 *   idx_evaluation_metrics_metric_name  index (organization_id, metric_name, created_at)
 *   idx_evaluation_metrics_occurred_at  index (organization_id, occurred_at)
 *   idx_evaluation_metrics_run_metric   index (organization_id, run_id, metric_name)
 */

select app.table_usual_comments('core.evaluation_metrics');
comment on table core.evaluation_metrics is E'@unique id\nA number that a workflow run, or one of its steps, produced.';
comment on column core.evaluation_metrics.id is 'Identifies the number; unique across organizations.';
comment on column core.evaluation_metrics.run_id is 'The run that produced it.';
comment on column core.evaluation_metrics.node_key is 'The step that produced it; null: the run as a whole.';
comment on column core.evaluation_metrics.metric_name is 'What was measured.';
comment on column core.evaluation_metrics.metric_value is 'The number.';
comment on column core.evaluation_metrics.metric_meta is 'More about it, as JSON.';
comment on column core.evaluation_metrics.created_at is 'When it was measured.';
comment on column core.evaluation_metrics.occurred_at is 'The time that it counts for: created_at.';
comment on constraint fk_evaluation_metrics_run_id on core.evaluation_metrics is
  'run_id must name a workflow run of the same organization.';
comment on constraint chk_evaluation_metrics_metric_name on core.evaluation_metrics is 'metric_name must not be blank';
comment on constraint chk_evaluation_metrics_metric_value on core.evaluation_metrics is
  'metric_value must be a finite number';
comment on constraint chk_evaluation_metrics_metric_meta on core.evaluation_metrics is
  'metric_meta must be JSON of at most 256 KiB, nested at most 32 deep';
comment on constraint chk_evaluation_metrics_created_at on core.evaluation_metrics is
  'created_at must be a time from 2000 to 2099';
comment on index core.unq_evaluation_metrics_run_node_metric is
  'this metric of the run and node was recorded for this time already';

alter table core.evaluation_metrics alter column organization_id set default app.organization_id();

select app.table_protect('core.evaluation_metrics');
select app.table_policies_for_members(
  'core.evaluation_metrics', to_read => 'workflows:read', to_write => 'workflows:write', writes => '{insert,delete}');
select app.table_policy_for_analysts('core.evaluation_metrics');

grant select,
      insert (run_id, node_key, metric_name, metric_value, metric_meta, created_at),
      delete
   on core.evaluation_metrics to curestry_member;
grant select on core.evaluation_metrics to curestry_analyst;
grant select on core.evaluation_metrics to curestry_definer;
grant usage on sequence core.evaluation_metrics_id_seq to curestry_member;

select app.mart_source_table('core.evaluation_metrics', 'evaluation', time_field => 'created_at');
select app.audit_table('core.evaluation_metrics', summarize_inserts => true);
--! EndIncluded core/tables/evaluation_metrics.sql
--! Included core/tables/prompt_relations.sql
/*
 * core.prompt_relations: generated from the database by `deno task generate`
 *
 *   id               varchar      not null default gen_random_uuid()
 *   source_id        varchar      not null
 *   target_id        varchar      not null
 *   relation_type    varchar(50)  not null
 *   description      text
 *   extra_metadata   jsonb        not null default '{}'
 *   created_at       timestamptz  not null default now()
 *   organization_id  uuid         not null default app.organization_id()
 *
 *   pk_prompt_relations                      primary key (organization_id, id)
 *   unq_prompt_relations_source_target_type  unique (organization_id, source_id, target_id, relation_type)
 *   fk_prompt_relations_source_id            foreign key (organization_id, source_id) references
 *                                              core.prompts(organization_id, id) on delete cascade
 *   fk_prompt_relations_target_id            foreign key (organization_id, target_id) references
 *                                              core.prompts(organization_id, id) on delete cascade
 *   chk_prompt_relations_description         check (octet_length(description) <= 1048576)
 *   chk_prompt_relations_extra_metadata      check (jsonb_typeof(extra_metadata) = 'object' and
 *                                              octet_length(extra_metadata) <= 262144 and not
 *                                              jsonb_path_exists(extra_metadata, '$.**{33}'))
 *   chk_prompt_relations_relation_type       check (relation_type in ('depends_on', 'overrides', 'conflicts_with'))
 *   chk_prompt_relations_target_id           check (target_id <> source_id)
 *
 *   idx_prompt_relations_source_id  index (organization_id, source_id, relation_type)
 *   idx_prompt_relations_target_id  index (organization_id, target_id, relation_type)
 */

select app.table_usual_comments('core.prompt_relations');
comment on table core.prompt_relations is
  E'@unique id\nHow one prompt relates to another: it depends on it, overrides it or conflicts with it.';
comment on column core.prompt_relations.id is 'Identifies the relation, a UUID as text; unique across organizations.';
comment on column core.prompt_relations.source_id is 'The prompt that has the relation.';
comment on column core.prompt_relations.target_id is 'The prompt that it has it to.';
comment on column core.prompt_relations.relation_type is 'depends_on, overrides or conflicts_with.';
comment on column core.prompt_relations.description is 'Why the relation holds.';
comment on column core.prompt_relations.extra_metadata is 'Anything else, a JSON object.';
comment on constraint fk_prompt_relations_source_id on core.prompt_relations is
  'source_id must name a prompt of the same organization.';
comment on constraint fk_prompt_relations_target_id on core.prompt_relations is
  'target_id must name a prompt of the same organization.';
comment on constraint chk_prompt_relations_relation_type on core.prompt_relations is
  'relation_type must be depends_on, overrides or conflicts_with';
comment on constraint chk_prompt_relations_target_id on core.prompt_relations is
  'a prompt cannot have a relation to itself';
comment on constraint chk_prompt_relations_extra_metadata on core.prompt_relations is
  'extra_metadata must be a JSON object of at most 256 KiB, nested at most 32 deep';
comment on constraint chk_prompt_relations_description on core.prompt_relations is 'description must be at most 1 MiB';
comment on index core.unq_prompt_relations_source_target_type is 'this relation between the two prompts exists already';

alter table core.prompt_relations alter column organization_id set default app.organization_id();

select app.table_protect('core.prompt_relations');
select app.table_policies_for_members('core.prompt_relations', to_read => 'prompts:read', to_write => 'prompts:write');
select app.table_policy_for_analysts('core.prompt_relations');

grant select,
      insert (source_id, target_id, relation_type, description, extra_metadata),
      update (relation_type, description, extra_metadata),
      delete
   on core.prompt_relations to curestry_member;
grant select on core.prompt_relations to curestry_analyst;
grant select on core.prompt_relations to curestry_definer;

create or replace trigger _200_no_cycle
  before insert or update of source_id, target_id, relation_type on core.prompt_relations
  for each row when (NEW.relation_type = 'depends_on') execute function app.tg_prompt_relations__no_cycle();
select app.audit_table('core.prompt_relations');
--! EndIncluded core/tables/prompt_relations.sql
--! Included core/tables/prompt_versions.sql
/*
 * core.prompt_versions: generated from the database by `deno task generate`
 *
 *   id               uuid         not null default gen_random_uuid()
 *   organization_id  uuid         not null
 *   prompt_id        varchar      not null
 *   version          integer      not null
 *   content          text         not null
 *   format_type      varchar(50)  not null
 *   language         varchar(10)  not null
 *   user_id          integer
 *   api_key_id       uuid
 *   created_at       timestamptz  not null default now()
 *
 *   pk_prompt_versions                     primary key (organization_id, id)
 *   unq_prompt_versions_prompt_id_version  unique (organization_id, prompt_id, version)
 *   fk_prompt_versions_api_key_id          foreign key (organization_id, api_key_id) references
 *                                            ops.api_key(organization_id, id) on delete set null (api_key_id)
 *   fk_prompt_versions_prompt_id           foreign key (organization_id, prompt_id) references
 *                                            core.prompts(organization_id, id) on delete cascade
 *   fk_prompt_versions_user_id             foreign key (user_id) references core.users(id) on delete set null
 *   chk_prompt_versions_version            check (version >= 1)
 *
 *   idx_prompt_versions_api_key_id  index (organization_id, api_key_id)
 *   idx_prompt_versions_user_id     index (user_id)
 */

select app.table_usual_comments('core.prompt_versions');
comment on table core.prompt_versions is
  E'@unique id\nEvery text that a prompt had: version 1 when it was made, another whenever its content changes. '
  'Written by a trigger, never changed.';
comment on column core.prompt_versions.id is 'Identifies the version; unique across organizations.';
comment on column core.prompt_versions.prompt_id is 'The prompt.';
comment on column core.prompt_versions.version is 'Its number, from 1.';
comment on column core.prompt_versions.content is 'The text of the prompt in this version.';
comment on column core.prompt_versions.format_type is 'auto, text, markdown or xml, when the version was made.';
comment on column core.prompt_versions.language is 'Language code, or auto, when the version was made.';
comment on column core.prompt_versions.user_id is 'Who wrote it, if a request to the API did.';
comment on column core.prompt_versions.api_key_id is 'With which API key.';
comment on column core.prompt_versions.created_at is 'When it was written.';
comment on constraint unq_prompt_versions_prompt_id_version on core.prompt_versions is
  'A prompt has each version once.';
comment on constraint fk_prompt_versions_prompt_id on core.prompt_versions is
  'prompt_id must name a prompt of the same organization.';
comment on constraint fk_prompt_versions_api_key_id on core.prompt_versions is
  'api_key_id must name an API key of the same organization.';
comment on constraint chk_prompt_versions_version on core.prompt_versions is 'version must be at least 1';

select app.table_protect('core.prompt_versions');
select app.table_policies_for_members('core.prompt_versions', to_read => 'prompts:read');
select app.table_policy_for_analysts('core.prompt_versions');

grant select on core.prompt_versions to curestry_member;
grant select on core.prompt_versions to curestry_analyst;
grant select, insert on core.prompt_versions to curestry_definer;

select app.audit_table('core.prompt_versions');
--! EndIncluded core/tables/prompt_versions.sql
--! Included core/tables/prompts.sql
/*
 * core.prompts: generated from the database by `deno task generate`
 *
 *   id               varchar       not null default gen_random_uuid()
 *   name             varchar(255)  not null
 *   description      text
 *   content          text          not null
 *   format_type      varchar(50)   not null default 'auto'
 *   language         varchar(10)   not null default 'auto'
 *   tags             jsonb         not null default '[]'
 *   extra_metadata   jsonb         not null default '{}'
 *   created_at       timestamptz   not null default now()
 *   updated_at       timestamptz   not null default now()
 *   organization_id  uuid          not null default app.organization_id()
 *
 *   pk_prompts                  primary key (organization_id, id)
 *   fk_prompts_organization_id  foreign key (organization_id) references ops.organization(id) on delete cascade
 *   chk_prompts_content         check (content ~ '\S' and octet_length(content) <= 1048576)
 *   chk_prompts_description     check (octet_length(description) <= 1048576)
 *   chk_prompts_extra_metadata  check (jsonb_typeof(extra_metadata) = 'object' and octet_length(extra_metadata) <=
 *                                 262144 and not jsonb_path_exists(extra_metadata, '$.**{33}'))
 *   chk_prompts_format_type     check (format_type in ('auto', 'text', 'markdown', 'xml'))
 *   chk_prompts_language        check (language ~ '^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$')
 *   chk_prompts_name            check (name ~ '\S')
 *   chk_prompts_tags            check (jsonb_typeof(tags) = 'array' and jsonb_array_length(tags) <= 100 and not
 *                                 jsonb_path_exists(tags, '$[*]?(@.type() != "string" || !(@ like_regex
 *                                 "^.{1,100}$"))'))
 *
 *   idx_prompts_created_at  index (organization_id, created_at, id)
 *   idx_prompts_name        index (organization_id, name)
 *   idx_prompts_tags_gin    index using gin (organization_id, tags)
 *   idx_prompts_updated_at  index (organization_id, updated_at, id)
 */

select app.table_usual_comments('core.prompts');
comment on table core.prompts is E'@unique id\nA prompt: the text that is analysed, under a name.';
comment on column core.prompts.id is 'Identifies the prompt, a UUID as text; unique across organizations.';
comment on column core.prompts.name is 'Display name, at most 255 characters.';
comment on column core.prompts.description is 'What the prompt is for.';
comment on column core.prompts.content is 'The text of the prompt, at most 1 MiB.';
comment on column core.prompts.format_type is 'auto, text, markdown or xml.';
comment on column core.prompts.language is 'Language code such as en or pt-BR; auto: to be detected.';
comment on column core.prompts.tags is 'Labels, a JSON array of strings; search with promptsByTags.';
comment on column core.prompts.extra_metadata is 'Anything else, a JSON object.';
comment on constraint chk_prompts_name on core.prompts is 'name must not be blank';
comment on constraint chk_prompts_content on core.prompts is 'content must not be blank, and at most 1 MiB';
comment on constraint chk_prompts_description on core.prompts is 'description must be at most 1 MiB';
comment on constraint chk_prompts_format_type on core.prompts is 'format_type must be auto, text, markdown or xml';
comment on constraint chk_prompts_language on core.prompts is
  'language must be a language code such as en or pt-BR, or auto';
comment on constraint chk_prompts_tags on core.prompts is
  'tags must be a JSON array of at most 100 strings, each of 1 to 100 characters on one line';
comment on constraint chk_prompts_extra_metadata on core.prompts is
  'extra_metadata must be a JSON object of at most 256 KiB, nested at most 32 deep';

alter table core.prompts alter column organization_id set default app.organization_id();

select app.table_protect('core.prompts');
select app.table_policies_for_members('core.prompts', to_read => 'prompts:read', to_write => 'prompts:write');
select app.table_policy_for_analysts('core.prompts');

grant select,
      insert (name, description, content, format_type, language, tags, extra_metadata),
      update (name, description, content, format_type, language, tags, extra_metadata),
      delete
   on core.prompts to curestry_member;
grant select on core.prompts to curestry_analyst;
grant select, insert on core.prompts to curestry_definer;

create or replace trigger _100_updated_at before update on core.prompts
  for each row execute function app.tg__updated_at();
create or replace trigger _500_versions_insert after insert on core.prompts
  referencing new table as new_rows for each statement execute function app.tg_prompts__versions();
create or replace trigger _500_versions_update after update on core.prompts
  referencing old table as old_rows new table as new_rows
  for each statement execute function app.tg_prompts__versions();
select app.audit_table('core.prompts');
--! EndIncluded core/tables/prompts.sql
--! Included core/tables/sessions.sql
/*
 * core.sessions: generated from the database by `deno task generate`
 *
 *   id          integer      not null default nextval('core.sessions_id_seq')
 *   user_id     integer      not null
 *   jwt_id      varchar(64)  not null
 *   created_at  timestamptz  not null default now()
 *   expires_at  timestamptz  not null
 *   revoked_at  timestamptz
 *
 *   pk_sessions              primary key (id)
 *   unq_sessions_jwt_id      unique (jwt_id)
 *   fk_sessions_user_id      foreign key (user_id) references core.users(id) on delete cascade
 *   chk_sessions_expires_at  check (expires_at > created_at)
 *
 *   idx_sessions_user_id  index (user_id, expires_at)
 */

select app.table_usual_comments('core.sessions');
comment on table core.sessions is
  'A session of a user: a token is accepted as long as its session is here, not expired and not revoked.';
comment on column core.sessions.id is 'Identifies the session.';
comment on column core.sessions.user_id is 'Whose session it is.';
comment on column core.sessions.jwt_id is E'@behavior -*\nThe jti of the token; secret.';
comment on column core.sessions.expires_at is 'Until when the token is accepted.';
comment on column core.sessions.revoked_at is 'When the session was ended before its time.';
comment on constraint pk_sessions on core.sessions is 'One row per session.';
comment on constraint unq_sessions_jwt_id on core.sessions is E'@behavior -*\nThe jti of a token is unique.';
comment on constraint chk_sessions_expires_at on core.sessions is 'expires_at must lie after created_at';

select app.table_protect('core.sessions');

drop policy if exists select_own on core.sessions;
create policy select_own on core.sessions for select to curestry_member
  using (user_id = app.session_user_id());
comment on policy select_own on core.sessions is 'Users see their own.';

grant select (id, user_id, created_at, expires_at, revoked_at) on core.sessions to curestry_member;
grant select, insert, update (revoked_at), delete on core.sessions to curestry_definer;
grant usage on sequence core.sessions_id_seq to curestry_definer;

select app.personal_table('core.sessions', 'user_id', '{}', 'delete');
select app.audit_table('core.sessions', organization_column => null, secret_columns => '{jwt_id}');
--! EndIncluded core/tables/sessions.sql
--! Included core/tables/users.sql
/*
 * core.users: generated from the database by `deno task generate`
 *
 *   id          integer       not null default nextval('core.users_id_seq')
 *   email       varchar(255)
 *   name        varchar(255)
 *   avatar_url  varchar(512)
 *   created_at  timestamptz   not null default now()
 *   erased_at   timestamptz
 *
 *   pk_users             primary key (id)
 *   unq_users_email      unique (email)
 *   chk_users_email      check (email ~ '^[^@\s]+@[^@\s]+$')
 *   chk_users_erased_at  check (erased_at is null or email is null and name is null and avatar_url is null)
 *
 *   unq_users_email_lower  unique index (lower(email))
 */

select app.table_usual_comments('core.users');
comment on table core.users is
  'A person who can sign in. Persons belong to no organization; memberships say what they may do where.';
comment on column core.users.id is 'Identifies the user.';
comment on column core.users.email is 'E-mail address, unique without regard to case; null for an anonymous user.';
comment on column core.users.name is 'Display name.';
comment on column core.users.avatar_url is 'Address of a picture.';
comment on column core.users.erased_at is 'When the person was erased; nobody is behind this account any more.';
comment on constraint pk_users on core.users is 'One row per user.';
comment on constraint unq_users_email on core.users is 'There is a user with this e-mail address already.';
comment on constraint chk_users_email on core.users is 'email must be an e-mail address';
comment on constraint chk_users_erased_at on core.users is
  'an erased account stays without e-mail address, name and picture';
comment on index core.unq_users_email_lower is 'there is a user with this e-mail address already';

select app.table_protect('core.users');

drop policy if exists select_own on core.users;
create policy select_own on core.users for select to curestry_member
  using (id = any (app.member_visible_user_ids()));
comment on policy select_own on core.users is 'Members see themselves and the members of their requests organization.';

drop policy if exists update_own on core.users;
create policy update_own on core.users for update to curestry_member
  using (id = app.session_user_id());
comment on policy update_own on core.users is 'Users change their own row.';

drop policy if exists select_granted on core.users;
create policy select_granted on core.users for select to curestry_analyst
  using (id = any (app.analyst_user_ids()));
comment on policy select_granted on core.users is 'Analysts see the members of the organizations granted to them.';

grant select, update (name, avatar_url) on core.users to curestry_member;
grant select on core.users to curestry_analyst;
grant select, insert, update (email, name, avatar_url, erased_at) on core.users to curestry_definer;
grant usage on sequence core.users_id_seq to curestry_definer;

select app.personal_table('core.users', 'id', '{email,name,avatar_url}', 'clear');
select app.audit_table('core.users', organization_column => null);
--! EndIncluded core/tables/users.sql
--! Included core/tables/workflow_nodes.sql
/*
 * core.workflow_nodes: generated from the database by `deno task generate`
 *
 *   id               integer      not null default nextval('core.workflow_nodes_id_seq')
 *   run_id           integer      not null
 *   key              varchar(64)  not null
 *   status           varchar(32)  not null default 'pending'
 *   started_at       timestamptz
 *   finished_at      timestamptz
 *   result           jsonb
 *   organization_id  uuid         not null default app.organization_id()
 *
 *   pk_workflow_nodes                   primary key (organization_id, id)
 *   unq_workflow_nodes_key              unique (organization_id, run_id, key)
 *   fk_workflow_nodes_run_id            foreign key (organization_id, run_id) references
 *                                         core.workflow_runs(organization_id, id) on delete cascade
 *   chk_workflow_nodes_key              check (key ~ '\S')
 *   chk_workflow_nodes_plausible_times  check (started_at >= '2000-01-01 00:00:00+00' and started_at < '2100-01-01
 *                                         00:00:00+00' and finished_at >= '2000-01-01 00:00:00+00' and finished_at <
 *                                         '2100-01-01 00:00:00+00')
 *   chk_workflow_nodes_result           check (octet_length(result) <= 1048576 and not jsonb_path_exists(result,
 *                                         '$.**{33}'))
 *   chk_workflow_nodes_status           check (status in ('pending', 'running', 'success', 'failed'))
 *   chk_workflow_nodes_times            check (finished_at >= started_at)
 */

select app.table_usual_comments('core.workflow_nodes');
comment on table core.workflow_nodes is E'@unique id\nOne step of a workflow run.';
comment on column core.workflow_nodes.id is 'Identifies the step; unique across organizations.';
comment on column core.workflow_nodes.run_id is 'The run that it is a step of.';
comment on column core.workflow_nodes.key is 'Name of the step, such as detect_language; unique within the run.';
comment on column core.workflow_nodes.status is 'pending, running, success or failed.';
comment on column core.workflow_nodes.started_at is 'When it started.';
comment on column core.workflow_nodes.finished_at is 'When it ended.';
comment on column core.workflow_nodes.result is 'What came out, as JSON.';
comment on constraint unq_workflow_nodes_key on core.workflow_nodes is 'a run has one node per key';
comment on constraint fk_workflow_nodes_run_id on core.workflow_nodes is
  'run_id must name a workflow run of the same organization.';
comment on constraint chk_workflow_nodes_key on core.workflow_nodes is 'key must not be blank';
comment on constraint chk_workflow_nodes_status on core.workflow_nodes is
  'status must be pending, running, success or failed';
comment on constraint chk_workflow_nodes_times on core.workflow_nodes is 'finished_at must not lie before started_at';
comment on constraint chk_workflow_nodes_result on core.workflow_nodes is
  'result must be JSON of at most 1 MiB, nested at most 32 deep';
comment on constraint chk_workflow_nodes_plausible_times on core.workflow_nodes is
  'started_at and finished_at must be times from 2000 to 2099';

alter table core.workflow_nodes alter column organization_id set default app.organization_id();

select app.table_protect('core.workflow_nodes');
select app.table_policies_for_members(
  'core.workflow_nodes', to_read => 'workflows:read', to_write => 'workflows:write');
select app.table_policy_for_analysts('core.workflow_nodes');

grant select,
      insert (run_id, key, status, started_at, finished_at, result),
      update (status, started_at, finished_at, result),
      delete
   on core.workflow_nodes to curestry_member;
grant select on core.workflow_nodes to curestry_analyst;
grant select, update (status) on core.workflow_nodes to curestry_definer;
grant usage on sequence core.workflow_nodes_id_seq to curestry_member;

create or replace trigger _200_life before insert or update of status on core.workflow_nodes
  for each row execute function app.tg_workflow_nodes__life();
select app.audit_table('core.workflow_nodes');
--! EndIncluded core/tables/workflow_nodes.sql
--! Included core/tables/workflow_runs.sql
/*
 * core.workflow_runs: generated from the database by `deno task generate`
 *
 *   id               integer      not null default nextval('core.workflow_runs_id_seq')
 *   user_id          integer
 *   started_at       timestamptz  not null default now()
 *   finished_at      timestamptz
 *   status           varchar(32)  not null default 'running'
 *   meta             jsonb        not null default '{}'
 *   organization_id  uuid         not null default app.organization_id()
 *
 *   pk_workflow_runs                   primary key (organization_id, id)
 *   fk_workflow_runs_organization_id   foreign key (organization_id) references ops.organization(id) on delete cascade
 *   fk_workflow_runs_user_id           foreign key (user_id) references core.users(id)
 *   chk_workflow_runs_finished_at      check ((finished_at is not null) = (status <> 'running'))
 *   chk_workflow_runs_meta             check (jsonb_typeof(meta) = 'object' and octet_length(meta) <= 262144 and not
 *                                        jsonb_path_exists(meta, '$.**{33}'))
 *   chk_workflow_runs_plausible_times  check (started_at >= '2000-01-01 00:00:00+00' and started_at < '2100-01-01
 *                                        00:00:00+00' and finished_at >= '2000-01-01 00:00:00+00' and finished_at <
 *                                        '2100-01-01 00:00:00+00')
 *   chk_workflow_runs_status           check (status in ('running', 'success', 'failed', 'cancelled'))
 *   chk_workflow_runs_times            check (finished_at >= started_at)
 *
 *   idx_workflow_runs_organization_status  index (organization_id, status, started_at)
 *   idx_workflow_runs_started_at           index (organization_id, started_at)
 *   idx_workflow_runs_user_status          index (user_id, status)
 */

select app.table_usual_comments('core.workflow_runs');
comment on table core.workflow_runs is E'@unique id\nOne execution of a workflow.';
comment on column core.workflow_runs.id is 'Identifies the run; unique across organizations.';
comment on column core.workflow_runs.user_id is 'Who started it.';
comment on column core.workflow_runs.started_at is 'When it started.';
comment on column core.workflow_runs.finished_at is 'When it ended; null while it runs.';
comment on column core.workflow_runs.status is 'running, success, failed or cancelled.';
comment on column core.workflow_runs.meta is 'Anything else, a JSON object.';
comment on constraint chk_workflow_runs_status on core.workflow_runs is
  'status must be running, success, failed or cancelled';
comment on constraint chk_workflow_runs_finished_at on core.workflow_runs is
  'finished_at must be given when the run has ended, and not while it is running';
comment on constraint chk_workflow_runs_times on core.workflow_runs is 'finished_at must not lie before started_at';
comment on constraint chk_workflow_runs_meta on core.workflow_runs is
  'meta must be a JSON object of at most 256 KiB, nested at most 32 deep';
comment on constraint chk_workflow_runs_plausible_times on core.workflow_runs is
  'started_at and finished_at must be times from 2000 to 2099';

alter table core.workflow_runs alter column organization_id set default app.organization_id();

select app.table_protect('core.workflow_runs');
select app.table_policies_for_members('core.workflow_runs', to_read => 'workflows:read', to_write => 'workflows:write');
select app.table_policy_for_analysts('core.workflow_runs');

grant select,
      insert (started_at, finished_at, status, meta),
      update (finished_at, status, meta),
      delete
   on core.workflow_runs to curestry_member;
grant select on core.workflow_runs to curestry_analyst;
grant select, update (status) on core.workflow_runs to curestry_definer;
grant usage on sequence core.workflow_runs_id_seq to curestry_member;

create or replace trigger _200_end before update of status on core.workflow_runs
  for each row execute function app.tg_workflow_runs__end();
select app.audit_table('core.workflow_runs');
--! EndIncluded core/tables/workflow_runs.sql
--! Included ops/tables/analysis_metric.sql
/*
 * ops.analysis_metric: generated from the database by `deno task generate`
 *
 *   id               uuid          not null default gen_random_uuid()
 *   organization_id  uuid          not null default app.organization_id()
 *   analysis_run_id  uuid          not null
 *   key              varchar(100)  not null
 *   value_num        numeric
 *   value_text       text
 *   value_json       jsonb
 *   occurred_at      timestamptz   not null default now()
 *   created_at       timestamptz   not null default now()
 *
 *   pk_analysis_metric                  primary key (organization_id, id)
 *   unq_analysis_metric_key             unique (organization_id, analysis_run_id, key)
 *   fk_analysis_metric_analysis_run_id  foreign key (organization_id, analysis_run_id) references
 *                                         ops.analysis_run(organization_id, id) on delete cascade
 *   chk_analysis_metric_has_value       check (value_num is not null or value_text is not null or value_json is not
 *                                         null)
 *   chk_analysis_metric_key             check (key ~ '\S')
 *   chk_analysis_metric_value_json      check (octet_length(value_json) <= 1048576 and not
 *                                         jsonb_path_exists(value_json, '$.**{33}'))
 *   chk_analysis_metric_value_num       check (value_num > '-Infinity'::numeric and value_num < 'Infinity'::numeric)
 *   chk_analysis_metric_value_text      check (octet_length(value_text) <= 1048576)
 *
 *   idx_analysis_metric_key          index (organization_id, key, occurred_at)
 *   idx_analysis_metric_occurred_at  index (organization_id, occurred_at)
 */

select app.table_usual_comments('ops.analysis_metric');
comment on table ops.analysis_metric is
  E'@unique id\nA measured value of an analysis run: a number, a text or JSON, under a key.';
comment on column ops.analysis_metric.analysis_run_id is 'The run that it is of.';
comment on column ops.analysis_metric.key is
  'What was measured; once per run. The numbers of the document have their own names as keys.';
comment on column ops.analysis_metric.value_num is 'The value, if it is a number.';
comment on column ops.analysis_metric.value_text is 'The value, if it is a text.';
comment on column ops.analysis_metric.value_json is 'The value, if it is JSON.';
comment on column ops.analysis_metric.occurred_at is 'The time that it counts for.';
comment on constraint unq_analysis_metric_key on ops.analysis_metric is 'metrics: a run has one value per key';
comment on constraint fk_analysis_metric_analysis_run_id on ops.analysis_metric is
  'analysis_run_id must name an analysis run of the same organization.';
comment on constraint chk_analysis_metric_key on ops.analysis_metric is 'metrics: key must not be blank';
comment on constraint chk_analysis_metric_has_value on ops.analysis_metric is
  'metrics: one of value_num, value_text and value_json is required';
comment on constraint chk_analysis_metric_value_num on ops.analysis_metric is
  'metrics: value_num must be a finite number';
comment on constraint chk_analysis_metric_value_text on ops.analysis_metric is
  'metrics: value_text must be at most 1 MiB';
comment on constraint chk_analysis_metric_value_json on ops.analysis_metric is
  'metrics: value_json must be at most 1 MiB, nested at most 32 deep';

alter table ops.analysis_metric alter column organization_id set default app.organization_id();

select app.table_protect('ops.analysis_metric');
select app.table_policies_for_members('ops.analysis_metric', to_read => 'analyses:read');
select app.table_policy_for_analysts('ops.analysis_metric');

grant select on ops.analysis_metric to curestry_member;
grant select on ops.analysis_metric to curestry_analyst;
grant select, insert, update (value_num, value_text, value_json) on ops.analysis_metric to curestry_definer;

select app.mart_source_table('ops.analysis_metric', 'metric');
select app.audit_table('ops.analysis_metric', summarize_inserts => true);
--! EndIncluded ops/tables/analysis_metric.sql
--! Included ops/tables/analysis_node_result.sql
/*
 * ops.analysis_node_result: generated from the database by `deno task generate`
 *
 *   id               uuid         not null default gen_random_uuid()
 *   organization_id  uuid         not null default app.organization_id()
 *   analysis_run_id  uuid         not null
 *   node             varchar(50)  not null
 *   status           varchar(20)  not null
 *   score            numeric
 *   details          jsonb        not null default '{}'
 *   occurred_at      timestamptz  not null default now()
 *   created_at       timestamptz  not null default now()
 *
 *   pk_analysis_node_result                  primary key (organization_id, id)
 *   unq_analysis_node_result_node            unique (organization_id, analysis_run_id, node)
 *   fk_analysis_node_result_analysis_run_id  foreign key (organization_id, analysis_run_id) references
 *                                              ops.analysis_run(organization_id, id) on delete cascade
 *   chk_analysis_node_result_details         check (jsonb_typeof(details) = 'object' and octet_length(details) <=
 *                                              1048576 and not jsonb_path_exists(details, '$.**{33}'))
 *   chk_analysis_node_result_node            check (node ~ '\S')
 *   chk_analysis_node_result_score           check (score >= 0::numeric and score <= 10::numeric)
 *   chk_analysis_node_result_status          check (status in ('ok', 'warn', 'fail', 'error'))
 *
 *   idx_analysis_node_result_node         index (organization_id, node, status)
 *   idx_analysis_node_result_occurred_at  index (organization_id, occurred_at)
 */

select app.table_usual_comments('ops.analysis_node_result');
comment on table ops.analysis_node_result is E'@unique id\nWhat one node of the analysis pipeline found.';
comment on column ops.analysis_node_result.analysis_run_id is 'The run that it is of.';
comment on column ops.analysis_node_result.node is
  'entropy, llm_judge, rag_oracle, regex_checks or another; once per run.';
comment on column ops.analysis_node_result.status is 'ok, warn, fail or error.';
comment on column ops.analysis_node_result.score is '0 to 10.';
comment on column ops.analysis_node_result.details is 'What was found, a JSON object.';
comment on column ops.analysis_node_result.occurred_at is 'The time that it counts for.';
comment on constraint unq_analysis_node_result_node on ops.analysis_node_result is
  'nodeResults: a run has one result per node';
comment on constraint fk_analysis_node_result_analysis_run_id on ops.analysis_node_result is
  'analysis_run_id must name an analysis run of the same organization.';
comment on constraint chk_analysis_node_result_node on ops.analysis_node_result is
  'nodeResults: node must not be blank';
comment on constraint chk_analysis_node_result_status on ops.analysis_node_result is
  'nodeResults: status must be ok, warn, fail or error';
comment on constraint chk_analysis_node_result_score on ops.analysis_node_result is
  'nodeResults: score must be from 0 to 10';
comment on constraint chk_analysis_node_result_details on ops.analysis_node_result is
  'nodeResults: details must be a JSON object of at most 1 MiB, nested at most 32 deep';

alter table ops.analysis_node_result alter column organization_id set default app.organization_id();

select app.table_protect('ops.analysis_node_result');
select app.table_policies_for_members('ops.analysis_node_result', to_read => 'analyses:read');
select app.table_policy_for_analysts('ops.analysis_node_result');

grant select on ops.analysis_node_result to curestry_member;
grant select on ops.analysis_node_result to curestry_analyst;
grant select, insert on ops.analysis_node_result to curestry_definer;

select app.mart_source_table('ops.analysis_node_result', 'node');
select app.audit_table('ops.analysis_node_result', summarize_inserts => true);
--! EndIncluded ops/tables/analysis_node_result.sql
--! Included ops/tables/analysis_run.sql
/*
 * ops.analysis_run: generated from the database by `deno task generate`
 *
 *   id                 uuid          not null default gen_random_uuid()
 *   organization_id    uuid          not null default app.organization_id()
 *   user_id            integer
 *   prompt_id          varchar
 *   prompt_content     text
 *   status             varchar(20)   not null default 'queued'
 *   started_at         timestamptz
 *   finished_at        timestamptz
 *   meta               jsonb         not null default '{}'
 *   idempotency_key    varchar(255)
 *   request_digest     bytea
 *   created_at         timestamptz   not null default now()
 *   updated_at         timestamptz   not null default now()
 *   occurred_at        timestamptz   not null generated always as (coalesce(finished_at, started_at, created_at))
 *                                      stored
 *   prompt_version_id  uuid
 *
 *   pk_analysis_run                    primary key (organization_id, id)
 *   unq_analysis_run_idempotency_key   unique (organization_id, idempotency_key)
 *   fk_analysis_run_organization_id    foreign key (organization_id) references ops.organization(id) on delete cascade
 *   fk_analysis_run_prompt_id          foreign key (organization_id, prompt_id) references
 *                                        core.prompts(organization_id, id)
 *   fk_analysis_run_prompt_version_id  foreign key (organization_id, prompt_version_id) references
 *                                        core.prompt_versions(organization_id, id)
 *   fk_analysis_run_user_id            foreign key (user_id) references core.users(id)
 *   chk_analysis_run_finished_at       check ((finished_at is not null) = (status in ('succeeded', 'failed',
 *                                        'cancelled')))
 *   chk_analysis_run_idempotency_key   check (idempotency_key <> '')
 *   chk_analysis_run_meta              check (jsonb_typeof(meta) = 'object' and octet_length(meta) <= 262144 and not
 *                                        jsonb_path_exists(meta, '$.**{33}'))
 *   chk_analysis_run_plausible_times   check (started_at >= '2000-01-01 00:00:00+00' and started_at < '2100-01-01
 *                                        00:00:00+00' and finished_at >= '2000-01-01 00:00:00+00' and finished_at <
 *                                        '2100-01-01 00:00:00+00')
 *   chk_analysis_run_prompt_content    check (octet_length(prompt_content) <= 1048576)
 *   chk_analysis_run_started_at        check ( case status when 'queued' then started_at is null when 'cancelled' then
 *                                        true else started_at is not null end)
 *   chk_analysis_run_status            check (status in ('queued', 'running', 'succeeded', 'failed', 'cancelled'))
 *   chk_analysis_run_times             check (finished_at >= started_at)
 *
 *   idx_analysis_run_occurred_at        index (organization_id, occurred_at)
 *   idx_analysis_run_organization_id    index (organization_id, created_at, id)
 *   idx_analysis_run_prompt_id          index (organization_id, prompt_id)
 *   idx_analysis_run_prompt_version_id  index (organization_id, prompt_version_id)
 *   idx_analysis_run_status             index (organization_id, status, created_at)
 *   idx_analysis_run_user_id            index (user_id)
 */

select app.table_usual_comments('ops.analysis_run');
comment on table ops.analysis_run is
  E'@unique id\nThe life of an analysis: queued, running, and how it ended. Recorded by recordAnalyses, or step by '
  'step by startAnalysisRun and the like.';
comment on column ops.analysis_run.user_id is 'Who started it.';
comment on column ops.analysis_run.prompt_id is 'The prompt that is analysed; null if the text is not a saved prompt.';
comment on column ops.analysis_run.prompt_content is 'The text that is analysed, if no document holds it.';
comment on column ops.analysis_run.prompt_version_id is
  'The version of the prompt that is analysed; null if the text is none of its versions.';
comment on column ops.analysis_run.status is 'queued, running, succeeded, failed or cancelled.';
comment on column ops.analysis_run.started_at is 'When work on it started.';
comment on column ops.analysis_run.finished_at is 'When it ended.';
comment on column ops.analysis_run.meta is 'Anything else, a JSON object.';
comment on column ops.analysis_run.idempotency_key is 'Chosen by the client: the same key again does not record again.';
comment on column ops.analysis_run.request_digest is
  E'@behavior -*\nWhat was sent under the key, to tell a repetition from a conflict; not in the API.';
comment on column ops.analysis_run.occurred_at is
  'The time that it counts for: its end, else its start, else when it was written.';
comment on constraint unq_analysis_run_idempotency_key on ops.analysis_run is 'this idempotency_key was used before';
comment on constraint fk_analysis_run_prompt_id on ops.analysis_run is
  'prompt_id must name a prompt of the same organization.';
comment on constraint fk_analysis_run_prompt_version_id on ops.analysis_run is
  'prompt_version_id must name a version of the same organization.';
comment on constraint chk_analysis_run_status on ops.analysis_run is
  'status must be queued, running, succeeded, failed or cancelled';
comment on constraint chk_analysis_run_started_at on ops.analysis_run is
  'started_at must be given once the run has started, and not while it is queued';
comment on constraint chk_analysis_run_finished_at on ops.analysis_run is
  'finished_at must be given when the run has ended, and not before';
comment on constraint chk_analysis_run_times on ops.analysis_run is 'finished_at must not lie before started_at';
comment on constraint chk_analysis_run_prompt_content on ops.analysis_run is 'prompt_content must be at most 1 MiB';
comment on constraint chk_analysis_run_meta on ops.analysis_run is
  'meta must be a JSON object of at most 256 KiB, nested at most 32 deep';
comment on constraint chk_analysis_run_idempotency_key on ops.analysis_run is 'idempotency_key must not be empty';
comment on constraint chk_analysis_run_plausible_times on ops.analysis_run is
  'started_at and finished_at must be times from 2000 to 2099';

alter table ops.analysis_run alter column organization_id set default app.organization_id();

select app.table_protect('ops.analysis_run');
select app.table_policies_for_members('ops.analysis_run', to_read => 'analyses:read');
select app.table_policy_for_analysts('ops.analysis_run');

grant select on ops.analysis_run to curestry_member;
grant select on ops.analysis_run to curestry_analyst;
grant select,
      insert,
      update (status, started_at, finished_at, meta, updated_at)
   on ops.analysis_run to curestry_definer;

create or replace trigger _100_updated_at before update on ops.analysis_run
  for each row execute function app.tg__updated_at();
create or replace trigger _200_life before update of status, started_at, finished_at on ops.analysis_run
  for each row execute function app.tg_analysis_run__life();
select app.mart_source_table('ops.analysis_run', 'analysis');
select app.audit_table('ops.analysis_run', secret_columns => '{request_digest}');
--! EndIncluded ops/tables/analysis_run.sql
--! Included ops/tables/analyst_grant.sql
/*
 * ops.analyst_grant: generated from the database by `deno task generate`
 *
 *   organization_id  uuid         not null
 *   role_name        name         not null
 *   created_at       timestamptz  not null default now()
 *
 *   pk_analyst_grant                  primary key (organization_id, role_name)
 *   fk_analyst_grant_organization_id  foreign key (organization_id) references ops.organization(id) on delete cascade
 *
 *   idx_analyst_grant_role_name  index (role_name, organization_id)
 */

select app.table_usual_comments('ops.analyst_grant');
comment on table ops.analyst_grant is 'Which analyst''s login may read which organization.';
comment on column ops.analyst_grant.organization_id is 'The organization that may be read.';
comment on column ops.analyst_grant.role_name is 'The analyst''s login.';
comment on constraint pk_analyst_grant on ops.analyst_grant is 'An organization is granted to an analyst once.';

select app.table_protect('ops.analyst_grant');

drop policy if exists select_granted on ops.analyst_grant;
create policy select_granted on ops.analyst_grant for select to curestry_analyst
  using (role_name = session_user);
comment on policy select_granted on ops.analyst_grant is 'Analysts see what was granted to them.';

grant select on ops.analyst_grant to curestry_analyst;
grant select, insert, delete on ops.analyst_grant to curestry_definer;

select app.audit_table('ops.analyst_grant', id_column => 'role_name');
--! EndIncluded ops/tables/analyst_grant.sql
--! Included ops/tables/api_key.sql
/*
 * ops.api_key: generated from the database by `deno task generate`
 *
 *   id               uuid          not null default gen_random_uuid()
 *   organization_id  uuid          not null
 *   user_id          integer
 *   name             varchar(255)  not null
 *   key_hash         varchar(255)  not null
 *   scopes           jsonb         not null default '[]'
 *   expires_at       timestamptz
 *   is_revoked       boolean       not null default false
 *   by_operator      boolean       not null default false
 *   parent_key_id    uuid
 *   revoked_at       timestamptz
 *   last_used_at     timestamptz
 *   created_at       timestamptz   not null default now()
 *
 *   pk_api_key                  primary key (organization_id, id)
 *   unq_api_key_key_hash        unique (key_hash)
 *   fk_api_key_organization_id  foreign key (organization_id) references ops.organization(id) on delete cascade
 *   fk_api_key_parent_key_id    foreign key (organization_id, parent_key_id) references ops.api_key(organization_id,
 *                                 id)
 *   fk_api_key_user_id          foreign key (user_id) references core.users(id) on delete set null
 *   chk_api_key_key_hash        check (key_hash ~ '^[0-9a-f]{64}$')
 *   chk_api_key_name            check (name ~ '\S')
 *   chk_api_key_revoked_at      check ((revoked_at is not null) = is_revoked)
 *   chk_api_key_scopes          check (jsonb_typeof(scopes) = 'array' and scopes <> '[]' and scopes <@
 *                                 '["prompts:read", "prompts:write", "analyses:read", "analyses:write",
 *                                 "workflows:read", "workflows:write", "rubrics:read", "rubrics:write",
 *                                 "features:write", "marts:read", "members:read", "members:write", "keys:write",
 *                                 "credentials:write", "audit:read", "organization:write"]')
 *
 *   idx_api_key_organization_id  index (organization_id, created_at, id)
 *   idx_api_key_parent_key_id    index (organization_id, parent_key_id)
 *   idx_api_key_user_id          index (user_id)
 */

select app.table_usual_comments('ops.api_key');
comment on table ops.api_key is
  E'@unique id\nA key for programs. Its text is shown once, when it is made; only its hash is stored, and that is '
  'not in the API.';
comment on column ops.api_key.id is 'Identifies the key; it is part of the key''s text.';
comment on column ops.api_key.user_id is 'Who made it; it never may more than this user.';
comment on column ops.api_key.name is 'What it is for.';
comment on column ops.api_key.key_hash is E'@behavior -*\nSHA-256 of the key, hexadecimal; not in the API.';
comment on column ops.api_key.scopes is 'What it may do: a JSON array of permissions.';
comment on column ops.api_key.expires_at is 'Until when it is accepted; null: no end.';
comment on column ops.api_key.is_revoked is 'Whether it was revoked.';
comment on column ops.api_key.by_operator is 'Whether an operator made it, on the command line, on behalf of no user.';
comment on column ops.api_key.parent_key_id is
  'The key that it was made with, if it was made with a key; it never may more than that one.';
comment on column ops.api_key.revoked_at is 'When it was revoked.';
comment on column ops.api_key.last_used_at is 'When it was last used, about.';
comment on constraint unq_api_key_key_hash on ops.api_key is E'@behavior -*\nA key is unique.';
comment on constraint fk_api_key_parent_key_id on ops.api_key is
  'parent_key_id must name an API key of the same organization.';
comment on constraint chk_api_key_revoked_at on ops.api_key is 'revoked_at is set when the key is revoked';
comment on constraint chk_api_key_name on ops.api_key is 'name must not be blank';
comment on constraint chk_api_key_key_hash on ops.api_key is 'key_hash must be a SHA-256 in hexadecimal';
comment on constraint chk_api_key_scopes on ops.api_key is 'scopes must be a non-empty array of known permissions';

select app.table_protect('ops.api_key');
select app.table_policies_for_members('ops.api_key', to_read => 'keys:write');

grant select (id, organization_id, user_id, name, scopes, expires_at, is_revoked, by_operator, parent_key_id,
              revoked_at, last_used_at, created_at)
   on ops.api_key to curestry_member;
grant select, insert, update (is_revoked, revoked_at, expires_at, last_used_at) on ops.api_key to curestry_definer;

create or replace trigger _200_life before update on ops.api_key
  for each row execute function app.tg_api_key__life();
select app.audit_table('ops.api_key', secret_columns => '{key_hash}', note_columns => '{last_used_at}');
--! EndIncluded ops/tables/api_key.sql
--! Included ops/tables/audit_log.sql
/*
 * ops.audit_log: generated from the database by `deno task generate`
 *
 *   id                uuid          not null default gen_random_uuid()
 *   ts                timestamptz   not null default now()
 *   actor_user_id     integer
 *   actor_api_key_id  uuid
 *   actor_role        varchar(63)   not null default session_user
 *   request_id        varchar(128)
 *   organization_id   uuid          not null
 *   action            varchar(100)  not null
 *   entity_type       varchar(100)  not null
 *   entity_id         varchar(255)  not null
 *   before_state      jsonb
 *   after_state       jsonb
 *   changed_columns   text[]
 *   xid               bigint        not null default pg_current_xact_id()::bigint
 *   seq               bigint        not null default nextval('ops.audit_log_seq')
 *   erasure_id        uuid
 *
 *   pk_audit_log  primary key (organization_id, ts, id)
 *
 *   idx_audit_log_actor_user_id  index (organization_id, actor_user_id, ts) where actor_user_id is not null
 *   idx_audit_log_entity_id      index using hash (entity_id)
 *   idx_audit_log_xid            index using brin (xid) with (pages_per_range='16')
 */

select app.table_usual_comments('ops.audit_log');
comment on table ops.audit_log is
  E'@unique id\nWho changed what, when: one row for each change of a row of core and ops, written by triggers. '
  'Append-only, partitioned by month.';
comment on column ops.audit_log.ts is 'When.';
comment on column ops.audit_log.actor_user_id is
  E'@behavior +filterBy\nWhich user, if a request to the API changed it.';
comment on column ops.audit_log.actor_api_key_id is E'@behavior +filterBy\nWith which API key.';
comment on column ops.audit_log.actor_role is 'Which login of the database.';
comment on column ops.audit_log.request_id is E'@behavior +filterBy\nThe X-Request-Id of the request, as in the log.';
comment on column ops.audit_log.organization_id is
  'The organization of the changed row; the nil UUID for rows that belong to none.';
comment on column ops.audit_log.action is
  E'@behavior +filterBy\ninsert, update, delete or truncate; baseline: the row as it was when its audit began, or '
  'when older rows left the log; detach: rows left by retention; erase: that states were taken out of the log.';
comment on column ops.audit_log.entity_type is E'@behavior +filterBy\nThe table, such as core.prompts.';
comment on column ops.audit_log.entity_id is
  'The id of the row; for facts that are recorded many at a time, how many rows.';
comment on column ops.audit_log.before_state is 'The row as it was, without secrets.';
comment on column ops.audit_log.after_state is 'The row as it became, without secrets.';
comment on column ops.audit_log.changed_columns is 'Which columns an update changed.';
comment on column ops.audit_log.erasure_id is
  'By which erasure its states lost what they had of a person or organization; null: they are whole.';
comment on column ops.audit_log.xid is E'@behavior -*\nThe transaction that made the change; the order of sealing.';
comment on column ops.audit_log.seq is E'@behavior -*\nThe order of the rows within a transaction.';
comment on constraint pk_audit_log on ops.audit_log is
  'One row per organization, time and id; in the order of time, which random ids alone would not be.';

select app.table_protect('ops.audit_log');
select app.table_policies_for_members('ops.audit_log', to_read => 'audit:read');

grant select on ops.audit_log to curestry_member;
grant select, insert, update (before_state, after_state, erasure_id) on ops.audit_log to curestry_definer;
grant usage on sequence ops.audit_log_seq to curestry_definer;

create or replace trigger _200_append_only before update or delete or truncate on ops.audit_log
  for each statement execute function app.tg_audit_log__append_only('erasable');
create or replace trigger _200_erase before update on ops.audit_log
  for each row execute function app.tg_audit_log__erase();

comment on table app.audit_log_default is 'ops.audit_log of months without a partition.';
select app.table_protect('app.audit_log_default');
--! EndIncluded ops/tables/audit_log.sql
--! Included ops/tables/feature_event.sql
/*
 * ops.feature_event: generated from the database by `deno task generate`
 *
 *   id               uuid          not null default gen_random_uuid()
 *   organization_id  uuid          not null default app.organization_id()
 *   user_id          integer
 *   feature_key      varchar(100)  not null
 *   occurred_at      timestamptz   not null default now()
 *   event_count      integer       not null default 1
 *   created_at       timestamptz   not null default now()
 *
 *   pk_feature_event                  primary key (organization_id, occurred_at, id)
 *   fk_feature_event_organization_id  foreign key (organization_id) references ops.organization(id) on delete cascade
 *   fk_feature_event_user_id          foreign key (user_id) references core.users(id) on delete set null
 *   chk_feature_event_event_count     check (event_count >= 1 and event_count <= 1000000)
 *   chk_feature_event_feature_key     check (feature_key ~ '\S')
 *   chk_feature_event_occurred_at     check (occurred_at >= '2000-01-01 00:00:00+00' and occurred_at < '2100-01-01
 *                                       00:00:00+00')
 *
 *   idx_feature_event_user_id  index (user_id)
 */

select app.table_usual_comments('ops.feature_event');
comment on table ops.feature_event is E'@unique id\nThat a feature was used. Partitioned by month.';
comment on column ops.feature_event.user_id is 'Who used it.';
comment on column ops.feature_event.feature_key is 'Which feature.';
comment on column ops.feature_event.occurred_at is 'When.';
comment on column ops.feature_event.event_count is 'How many times.';
comment on constraint pk_feature_event on ops.feature_event is 'One row per organization, time and id.';
comment on constraint chk_feature_event_feature_key on ops.feature_event is 'feature_key must not be blank';
comment on constraint chk_feature_event_event_count on ops.feature_event is 'count must be from 1 to 1000000';
comment on constraint chk_feature_event_occurred_at on ops.feature_event is
  'occurred_at must be a time from 2000 to 2099';

alter table ops.feature_event alter column organization_id set default app.organization_id();

select app.table_protect('ops.feature_event');
select app.table_policies_for_members('ops.feature_event', to_read => 'marts:read');
select app.table_policy_for_analysts('ops.feature_event');

grant select on ops.feature_event to curestry_member;
grant select on ops.feature_event to curestry_analyst;
grant select, insert on ops.feature_event to curestry_definer;

select app.mart_source_table('ops.feature_event', 'feature');
select app.audit_table('ops.feature_event', summarize_inserts => true);

comment on table app.feature_event_default is 'ops.feature_event of months without a partition.';
select app.table_protect('app.feature_event_default');
--! EndIncluded ops/tables/feature_event.sql
--! Included ops/tables/invitation.sql
/*
 * ops.invitation: generated from the database by `deno task generate`
 *
 *   id                    uuid         not null default gen_random_uuid()
 *   organization_id       uuid         not null
 *   organization_user_id  uuid         not null
 *   code_hash             varchar(64)  not null
 *   invited_by_user_id    integer
 *   expires_at            timestamptz  not null
 *   accepted_at           timestamptz
 *   created_at            timestamptz  not null default now()
 *
 *   pk_invitation                       primary key (organization_id, id)
 *   unq_invitation_code_hash            unique (organization_id, code_hash)
 *   fk_invitation_invited_by_user_id    foreign key (invited_by_user_id) references core.users(id) on delete set null
 *   fk_invitation_organization_user_id  foreign key (organization_id, organization_user_id) references
 *                                         ops.organization_user(organization_id, id) on delete cascade
 *   chk_invitation_code_hash            check (code_hash ~ '^[0-9a-f]{64}$')
 *   chk_invitation_expires_at           check (expires_at > created_at)
 *
 *   idx_invitation_invited_by_user_id    index (invited_by_user_id)
 *   idx_invitation_organization_user_id  index (organization_id, organization_user_id)
 */

select app.table_usual_comments('ops.invitation');
comment on table ops.invitation is
  E'@unique id\nAn invitation of a person to an organization. The code that accepts it was shown once; its hash is '
  'not in the API.';
comment on column ops.invitation.organization_user_id is 'The membership that it is to.';
comment on column ops.invitation.code_hash is E'@behavior -*\nSHA-256 of the code, hexadecimal; not in the API.';
comment on column ops.invitation.invited_by_user_id is 'Who invited.';
comment on column ops.invitation.expires_at is 'Until when it can be accepted.';
comment on column ops.invitation.accepted_at is 'When it was accepted.';
comment on constraint unq_invitation_code_hash on ops.invitation is E'@behavior -*\nA code is unique.';
comment on constraint fk_invitation_organization_user_id on ops.invitation is
  'organization_user_id must name a membership of the same organization.';
comment on constraint chk_invitation_code_hash on ops.invitation is 'code_hash must be a SHA-256 in hexadecimal';
comment on constraint chk_invitation_expires_at on ops.invitation is 'expires_at must lie after created_at';

select app.table_protect('ops.invitation');
select app.table_policies_for_members('ops.invitation', to_read => 'members:read');

grant select (id, organization_id, organization_user_id, invited_by_user_id, expires_at, accepted_at, created_at)
   on ops.invitation to curestry_member;
grant select, insert, update (expires_at, accepted_at), delete on ops.invitation to curestry_definer;

select app.audit_table('ops.invitation', secret_columns => '{code_hash}');
--! EndIncluded ops/tables/invitation.sql
--! Included ops/tables/judge_criterion.sql
/*
 * ops.judge_criterion: generated from the database by `deno task generate`
 *
 *   id               uuid          not null default gen_random_uuid()
 *   organization_id  uuid          not null default app.organization_id()
 *   rubric_id        uuid          not null
 *   key              varchar(100)  not null
 *   title            varchar(255)  not null
 *   description      text
 *   weight           numeric       not null default 1.0
 *   created_at       timestamptz   not null default now()
 *
 *   pk_judge_criterion               primary key (organization_id, id)
 *   unq_judge_criterion_key          unique (organization_id, rubric_id, key)
 *   fk_judge_criterion_rubric_id     foreign key (organization_id, rubric_id) references
 *                                      ops.judge_rubric(organization_id, id) on delete cascade
 *   chk_judge_criterion_description  check (octet_length(description) <= 1048576)
 *   chk_judge_criterion_key          check (key ~ '\S')
 *   chk_judge_criterion_title        check (title ~ '\S')
 *   chk_judge_criterion_weight       check (weight >= 0::numeric and weight <= 1000000::numeric)
 */

select app.table_usual_comments('ops.judge_criterion');
comment on table ops.judge_criterion is E'@unique id\nOne criterion of a rubric.';
comment on column ops.judge_criterion.rubric_id is 'The rubric that it belongs to.';
comment on column ops.judge_criterion.key is 'Short name, unique within the rubric; scores name the criterion by it.';
comment on column ops.judge_criterion.title is 'Display name.';
comment on column ops.judge_criterion.description is 'What is judged, and how.';
comment on column ops.judge_criterion.weight is 'Its share in the total, at least 0.';
comment on constraint unq_judge_criterion_key on ops.judge_criterion is
  'the rubric has a criterion with this key already';
comment on constraint fk_judge_criterion_rubric_id on ops.judge_criterion is
  'rubric_id must name a rubric of the same organization.';
comment on constraint chk_judge_criterion_key on ops.judge_criterion is 'key must not be blank';
comment on constraint chk_judge_criterion_title on ops.judge_criterion is 'title must not be blank';
comment on constraint chk_judge_criterion_weight on ops.judge_criterion is 'weight must be from 0 to 1000000';
comment on constraint chk_judge_criterion_description on ops.judge_criterion is 'description must be at most 1 MiB';

alter table ops.judge_criterion alter column organization_id set default app.organization_id();

select app.table_protect('ops.judge_criterion');
select app.table_policies_for_members('ops.judge_criterion', to_read => 'rubrics:read', to_write => 'rubrics:write');
select app.table_policy_for_analysts('ops.judge_criterion');

grant select,
      insert (rubric_id, key, title, description, weight),
      update (key, title, description, weight),
      delete
   on ops.judge_criterion to curestry_member;
grant select on ops.judge_criterion to curestry_analyst;
grant select, insert on ops.judge_criterion to curestry_definer;

create or replace trigger _200_immutable before insert or update or delete on ops.judge_criterion
  for each row execute function app.tg_judge_rubric__immutable();
select app.audit_table('ops.judge_criterion');
--! EndIncluded ops/tables/judge_criterion.sql
--! Included ops/tables/judge_rubric.sql
/*
 * ops.judge_rubric: generated from the database by `deno task generate`
 *
 *   id               uuid          not null default gen_random_uuid()
 *   organization_id  uuid          not null default app.organization_id()
 *   name             varchar(255)  not null
 *   version          integer       not null default 1
 *   description      text
 *   meta             jsonb         not null default '{}'
 *   created_at       timestamptz   not null default now()
 *   updated_at       timestamptz   not null default now()
 *
 *   pk_judge_rubric                  primary key (organization_id, id)
 *   unq_judge_rubric_name_version    unique (organization_id, name, version)
 *   fk_judge_rubric_organization_id  foreign key (organization_id) references ops.organization(id) on delete cascade
 *   chk_judge_rubric_description     check (octet_length(description) <= 1048576)
 *   chk_judge_rubric_meta            check (jsonb_typeof(meta) = 'object' and octet_length(meta) <= 262144 and not
 *                                      jsonb_path_exists(meta, '$.**{33}'))
 *   chk_judge_rubric_name            check (name ~ '\S')
 *   chk_judge_rubric_version         check (version >= 1)
 *
 *   idx_judge_rubric_created_at  index (organization_id, created_at, id)
 */

select app.table_usual_comments('ops.judge_rubric');
comment on table ops.judge_rubric is E'@unique id\nWhat judges go by: a named set of criteria.';
comment on column ops.judge_rubric.name is 'Display name; scores name the rubric by it.';
comment on column ops.judge_rubric.version is 'Several versions may bear one name; scores go to the newest.';
comment on column ops.judge_rubric.description is 'What it is for.';
comment on column ops.judge_rubric.meta is 'Anything else, a JSON object.';
comment on constraint unq_judge_rubric_name_version on ops.judge_rubric is
  'there is a rubric with this name and version already';
comment on constraint chk_judge_rubric_name on ops.judge_rubric is 'name must not be blank';
comment on constraint chk_judge_rubric_version on ops.judge_rubric is 'version must be at least 1';
comment on constraint chk_judge_rubric_meta on ops.judge_rubric is
  'meta must be a JSON object of at most 256 KiB, nested at most 32 deep';
comment on constraint chk_judge_rubric_description on ops.judge_rubric is 'description must be at most 1 MiB';

alter table ops.judge_rubric alter column organization_id set default app.organization_id();

select app.table_protect('ops.judge_rubric');
select app.table_policies_for_members('ops.judge_rubric', to_read => 'rubrics:read', to_write => 'rubrics:write');
select app.table_policy_for_analysts('ops.judge_rubric');

grant select,
      insert (name, version, description, meta),
      update (name, description, meta),
      delete
   on ops.judge_rubric to curestry_member;
grant select on ops.judge_rubric to curestry_analyst;
grant select, insert, update (updated_at) on ops.judge_rubric to curestry_definer;

create or replace trigger _100_updated_at before update on ops.judge_rubric
  for each row execute function app.tg__updated_at();
create or replace trigger _200_immutable before update of name, version, description or delete on ops.judge_rubric
  for each row execute function app.tg_judge_rubric__immutable();
select app.audit_table('ops.judge_rubric');
--! EndIncluded ops/tables/judge_rubric.sql
--! Included ops/tables/judge_score.sql
/*
 * ops.judge_score: generated from the database by `deno task generate`
 *
 *   id               uuid         not null default gen_random_uuid()
 *   organization_id  uuid         not null default app.organization_id()
 *   analysis_run_id  uuid         not null
 *   criterion_id     uuid         not null
 *   score            numeric      not null
 *   comment          text
 *   evidence         jsonb        not null default '{}'
 *   occurred_at      timestamptz  not null default now()
 *   created_at       timestamptz  not null default now()
 *
 *   pk_judge_score                  primary key (organization_id, id)
 *   unq_judge_score_criterion_id    unique (organization_id, analysis_run_id, criterion_id)
 *   fk_judge_score_analysis_run_id  foreign key (organization_id, analysis_run_id) references
 *                                     ops.analysis_run(organization_id, id) on delete cascade
 *   fk_judge_score_criterion_id     foreign key (organization_id, criterion_id) references
 *                                     ops.judge_criterion(organization_id, id)
 *   chk_judge_score_comment         check (octet_length(comment) <= 1048576)
 *   chk_judge_score_evidence        check (jsonb_typeof(evidence) = 'object' and octet_length(evidence) <= 1048576 and
 *                                     not jsonb_path_exists(evidence, '$.**{33}'))
 *   chk_judge_score_score           check (score >= 0::numeric and score <= 10::numeric)
 *
 *   idx_judge_score_criterion_id  index (organization_id, criterion_id, occurred_at)
 *   idx_judge_score_occurred_at   index (organization_id, occurred_at)
 */

select app.table_usual_comments('ops.judge_score');
comment on table ops.judge_score is E'@unique id\nWhat a judge gave an analysis run by one criterion.';
comment on column ops.judge_score.analysis_run_id is 'The run that was judged.';
comment on column ops.judge_score.criterion_id is 'By which criterion.';
comment on column ops.judge_score.score is '0 to 10.';
comment on column ops.judge_score.comment is 'Why, in the words of the judge.';
comment on column ops.judge_score.evidence is 'What the judge goes by, a JSON object.';
comment on column ops.judge_score.occurred_at is 'The time that it counts for.';
comment on constraint unq_judge_score_criterion_id on ops.judge_score is 'scores: a run has one score per criterion';
comment on constraint fk_judge_score_analysis_run_id on ops.judge_score is
  'analysis_run_id must name an analysis run of the same organization.';
comment on constraint fk_judge_score_criterion_id on ops.judge_score is
  'criterion_id must name a criterion of the same organization.';
comment on constraint chk_judge_score_score on ops.judge_score is 'scores: score must be from 0 to 10';
comment on constraint chk_judge_score_comment on ops.judge_score is 'scores: comment must be at most 1 MiB';
comment on constraint chk_judge_score_evidence on ops.judge_score is
  'scores: evidence must be a JSON object of at most 1 MiB, nested at most 32 deep';

alter table ops.judge_score alter column organization_id set default app.organization_id();

select app.table_protect('ops.judge_score');
select app.table_policies_for_members('ops.judge_score', to_read => 'analyses:read');
select app.table_policy_for_analysts('ops.judge_score');

grant select on ops.judge_score to curestry_member;
grant select on ops.judge_score to curestry_analyst;
grant select, insert on ops.judge_score to curestry_definer;

create or replace trigger _200_rubric after insert on ops.judge_score
  referencing new table as new_rows for each statement execute function app.tg_judge_score__rubric();
select app.mart_source_table('ops.judge_score', 'judge');
select app.mart_source_table('ops.judge_score', 'analysis', trigger_function => 'tg__mart_changes_of_runs');
select app.audit_table('ops.judge_score');
--! EndIncluded ops/tables/judge_score.sql
--! Included ops/tables/organization.sql
/*
 * ops.organization: generated from the database by `deno task generate`
 *
 *   id                      uuid          not null default gen_random_uuid()
 *   name                    varchar(255)  not null
 *   slug                    varchar(100)  not null
 *   personal_user_id        integer
 *   created_at              timestamptz   not null default now()
 *   updated_at              timestamptz   not null default now()
 *   audit_retention_months  integer
 *   raw_retention_days      integer
 *   time_zone               text          not null default 'UTC'
 *
 *   pk_organization                          primary key (id)
 *   unq_organization_personal_user_id        unique (personal_user_id)
 *   unq_organization_slug                    unique (slug)
 *   fk_organization_personal_user_id         foreign key (personal_user_id) references core.users(id)
 *   chk_organization_audit_retention_months  check (audit_retention_months >= 1 and audit_retention_months <= 1200)
 *   chk_organization_name                    check (name ~ '\S')
 *   chk_organization_raw_retention_days      check (raw_retention_days >= 1 and raw_retention_days <= 36600)
 *   chk_organization_slug                    check (slug ~ '^[a-z0-9]([a-z0-9-]*[a-z0-9])?$')
 *   chk_organization_time_zone               check (time_zone ~ '^[A-Za-z0-9_+/-]{1,64}$')
 */

select app.table_usual_comments('ops.organization');
comment on table ops.organization is 'A tenant: a team or company, or the personal organization of a user.';
comment on column ops.organization.id is 'Identifies the organization.';
comment on column ops.organization.name is 'Display name.';
comment on column ops.organization.slug is
  'Short name for addresses and headers: lower-case letters, digits and hyphens; unique.';
comment on column ops.organization.time_zone is
  'Whose hours and days the marts count by: a name of the IANA database, such as Europe/Berlin. Changing it has them '
  'rebuilt.';
comment on column ops.organization.personal_user_id is 'The user whose personal organization this is; null for teams.';
comment on column ops.organization.audit_retention_months is
  'For how many months the audit log is kept; older months leave it once sealed. Null: for ever.';
comment on column ops.organization.raw_retention_days is
  'For how many days analysis runs with all that belongs to them, and feature events, are kept; the numbers in the '
  'marts stay. Null: for ever.';
comment on constraint pk_organization on ops.organization is 'One row per organization.';
comment on constraint unq_organization_slug on ops.organization is 'there is an organization with this slug already';
comment on constraint unq_organization_personal_user_id on ops.organization is 'A user has one personal organization.';
comment on constraint chk_organization_name on ops.organization is 'name must not be blank';
comment on constraint chk_organization_slug on ops.organization is
  'slug must be lower-case letters, digits and hyphens, and begin and end with a letter or digit';
comment on constraint chk_organization_audit_retention_months on ops.organization is
  'audit_retention_months must be from 1 to 1200';
comment on constraint chk_organization_raw_retention_days on ops.organization is
  'raw_retention_days must be from 1 to 36600';
comment on constraint chk_organization_time_zone on ops.organization is
  'timeZone: must be the name of a time zone, of at most 64 characters';

select app.table_protect('ops.organization');

drop policy if exists select_own on ops.organization;
create policy select_own on ops.organization for select to curestry_member
  using (id = app.organization_id());
comment on policy select_own on ops.organization is 'Members see their request''s organization.';

drop policy if exists update_own on ops.organization;
create policy update_own on ops.organization for update to curestry_member
  using (id = app.organization_if('organization:write'));
comment on policy update_own on ops.organization is
  'The organization is renamed, and its settings changed, with organization:write.';

drop policy if exists delete_own on ops.organization;
create policy delete_own on ops.organization for delete to curestry_member
  using (id = app.organization_if('organization:write') and personal_user_id is null);
comment on policy delete_own on ops.organization is
  'The organization is deleted with organization:write, with all that is its own; a personal one stays.';

drop policy if exists select_granted on ops.organization;
create policy select_granted on ops.organization for select to curestry_analyst
  using (id = any (app.analyst_organizations()));
comment on policy select_granted on ops.organization is 'Analysts read the organizations granted to them.';

grant select,
      update (name, slug, time_zone, audit_retention_months, raw_retention_days),
      delete
   on ops.organization to curestry_member;
grant select on ops.organization to curestry_analyst;
grant select, insert, update (name), delete on ops.organization to curestry_definer;

create or replace trigger _100_updated_at before update on ops.organization
  for each row execute function app.tg__updated_at();
create or replace trigger _200_held before delete on ops.organization
  for each row execute function app.tg_organization__legal_hold();
create or replace trigger _200_time_zone before insert or update of time_zone on ops.organization
  for each row execute function app.tg_organization__time_zone();
create or replace trigger _800_mart_changes after update of time_zone on ops.organization
  for each row when (OLD.time_zone is distinct from NEW.time_zone) execute function app.tg_organization__mart_changes();
select app.audit_table('ops.organization', organization_column => 'id');
--! EndIncluded ops/tables/organization.sql
--! Included ops/tables/organization_user.sql
/*
 * ops.organization_user: generated from the database by `deno task generate`
 *
 *   id               uuid         not null default gen_random_uuid()
 *   organization_id  uuid         not null
 *   user_id          integer      not null
 *   role             varchar(20)  not null
 *   status           varchar(20)  not null default 'active'
 *   created_at       timestamptz  not null default now()
 *
 *   pk_organization_user                  primary key (organization_id, id)
 *   unq_organization_user_user_id         unique (organization_id, user_id)
 *   fk_organization_user_organization_id  foreign key (organization_id) references ops.organization(id) on delete
 *                                           cascade
 *   fk_organization_user_user_id          foreign key (user_id) references core.users(id) on delete cascade
 *   chk_organization_user_role            check (role in ('owner', 'admin', 'member', 'viewer'))
 *   chk_organization_user_status          check (status in ('active', 'invited', 'removed'))
 *
 *   idx_organization_user_user_id  index (user_id, organization_id)
 */

select app.table_usual_comments('ops.organization_user');
comment on table ops.organization_user is
  E'@unique id\nA membership: a user, an organization, and what the user may do there.';
comment on column ops.organization_user.user_id is 'The member.';
comment on column ops.organization_user.role is 'owner, admin, member or viewer.';
comment on column ops.organization_user.status is 'active, invited or removed; only active has rights.';
comment on constraint unq_organization_user_user_id on ops.organization_user is
  'a user is a member of an organization once';
comment on constraint chk_organization_user_role on ops.organization_user is
  'role must be owner, admin, member or viewer';
comment on constraint chk_organization_user_status on ops.organization_user is
  'status must be active, invited or removed';

select app.table_protect('ops.organization_user');
select app.table_policies_for_members('ops.organization_user', to_read => 'members:read');
select app.table_policy_for_analysts('ops.organization_user');

grant select on ops.organization_user to curestry_member;
grant select on ops.organization_user to curestry_analyst;
grant select, insert, update (role, status) on ops.organization_user to curestry_definer;

create or replace trigger _200_owner_update after update of role, status, user_id on ops.organization_user
  for each row execute function app.tg_organization_user__owner();
create or replace trigger _200_owner_delete after delete on ops.organization_user
  for each row execute function app.tg_organization_user__owner();
select app.audit_table('ops.organization_user');
--! EndIncluded ops/tables/organization_user.sql
--! Included ops/tables/provider_credential.sql
/*
 * ops.provider_credential: generated from the database by `deno task generate`
 *
 *   id                 uuid          not null default gen_random_uuid()
 *   organization_id    uuid          not null default app.organization_id()
 *   provider           varchar(50)   not null
 *   name               varchar(100)  not null default 'default'
 *   credential_ref     varchar(255)  not null
 *   encryption_key_id  varchar(100)
 *   meta               jsonb         not null default '{}'
 *   created_at         timestamptz   not null default now()
 *   updated_at         timestamptz   not null default now()
 *
 *   pk_provider_credential                  primary key (organization_id, id)
 *   unq_provider_credential_provider_name   unique (organization_id, provider, name)
 *   fk_provider_credential_organization_id  foreign key (organization_id) references ops.organization(id) on delete
 *                                             cascade
 *   chk_provider_credential_meta            check (jsonb_typeof(meta) = 'object' and octet_length(meta) <= 262144 and
 *                                             not jsonb_path_exists(meta, '$.**{33}'))
 *   chk_provider_credential_name            check (name ~ '\S')
 *   chk_provider_credential_provider        check (provider ~ '^[a-z0-9][a-z0-9_.-]*$')
 */

select app.table_usual_comments('ops.provider_credential');
comment on table ops.provider_credential is
  E'@unique id\nA credential for an LLM provider or an integration. The secret itself is encrypted and not in the '
  'API.';
comment on column ops.provider_credential.provider is 'openai, anthropic, slack, github or another.';
comment on column ops.provider_credential.name is 'Tells several credentials for one provider apart.';
comment on column ops.provider_credential.credential_ref is
  E'@behavior -*\nThe encrypted credential, or a reference to it; not in the API.';
comment on column ops.provider_credential.encryption_key_id is E'@behavior -*\nWhich key it is encrypted with.';
comment on column ops.provider_credential.meta is 'Anything else, a JSON object.';
comment on constraint unq_provider_credential_provider_name on ops.provider_credential is
  'there is a credential with this name for this provider already';
comment on constraint chk_provider_credential_provider on ops.provider_credential is
  'provider must be lower-case letters, digits, dots, hyphens and underscores';
comment on constraint chk_provider_credential_name on ops.provider_credential is 'name must not be blank';
comment on constraint chk_provider_credential_meta on ops.provider_credential is
  'meta must be a JSON object of at most 256 KiB, nested at most 32 deep';

alter table ops.provider_credential alter column organization_id set default app.organization_id();

select app.table_protect('ops.provider_credential');
select app.table_policies_for_members('ops.provider_credential', to_read => 'credentials:write');

grant select (id, organization_id, provider, name, meta, created_at, updated_at)
   on ops.provider_credential to curestry_member;
grant select on ops.provider_credential to curestry_definer;

create or replace trigger _100_updated_at before update on ops.provider_credential
  for each row execute function app.tg__updated_at();
select app.audit_table('ops.provider_credential', secret_columns => '{credential_ref}');
--! EndIncluded ops/tables/provider_credential.sql
--! Included mart/tables/analysis_daily.sql
/*
 * mart.analysis_daily: generated from the database by `deno task generate`
 *
 *   id               uuid     not null default gen_random_uuid()
 *   organization_id  uuid     not null
 *   day              date     not null
 *   analyses         integer  not null default 0
 *   avg_overall      numeric
 *   avg_entropy      numeric
 *   scored           integer  not null default 0
 *   sum_overall      numeric
 *   sum_entropy      numeric
 *
 *   pk_analysis_daily                  primary key (organization_id, id)
 *   unq_analysis_daily_day             unique (organization_id, day)
 *   fk_analysis_daily_organization_id  foreign key (organization_id) references ops.organization(id) on delete cascade
 *   chk_analysis_daily_analyses        check (analyses >= 0)
 *   chk_analysis_daily_scored          check (scored >= 0 and scored <= analyses)
 */

select app.table_usual_comments('mart.analysis_daily');
comment on table mart.analysis_daily is
  E'@unique id\nThe analyses of each day (of the organization''s time zone) on which they ended, and their quality.';
comment on column mart.analysis_daily.day is 'The day.';
comment on column mart.analysis_daily.analyses is 'How many runs ended, whatever their end.';
comment on column mart.analysis_daily.avg_overall is 'Mean overall score of those with a document.';
comment on column mart.analysis_daily.avg_entropy is 'Mean semantic entropy of those with a document.';
comment on column mart.analysis_daily.scored is 'How many have a document.';
comment on column mart.analysis_daily.sum_overall is 'Sum of the overall scores, to merge days.';
comment on column mart.analysis_daily.sum_entropy is 'Sum of the semantic entropies, to merge days.';
comment on constraint unq_analysis_daily_day on mart.analysis_daily is 'One row per day.';
comment on constraint chk_analysis_daily_analyses on mart.analysis_daily is 'analyses must be at least 0';
comment on constraint chk_analysis_daily_scored on mart.analysis_daily is 'scored must be from 0 to analyses';

select app.table_protect('mart.analysis_daily');
select app.table_policies_for_members('mart.analysis_daily', to_read => 'marts:read');
select app.table_policy_for_analysts('mart.analysis_daily');

grant select on mart.analysis_daily to curestry_member;
grant select on mart.analysis_daily to curestry_analyst;
grant select, insert, delete, update on mart.analysis_daily to curestry_definer;
--! EndIncluded mart/tables/analysis_daily.sql
--! Included mart/tables/analysis_daily_by.sql
/*
 * mart.analysis_daily_by: generated from the database by `deno task generate`
 *
 *   id               uuid          not null default gen_random_uuid()
 *   organization_id  uuid          not null
 *   day              date          not null
 *   dimension        varchar(20)   not null
 *   value            varchar(300)  not null
 *   analyses         bigint        not null
 *   scored           bigint        not null
 *   avg_overall      numeric
 *   sum_overall      numeric
 *   avg_entropy      numeric
 *   sum_entropy      numeric
 *   judged           bigint        not null
 *   avg_judged       numeric
 *   sum_judged       numeric
 *
 *   pk_analysis_daily_by                  primary key (organization_id, id)
 *   unq_analysis_daily_by_value           unique (organization_id, day, dimension, value)
 *   fk_analysis_daily_by_organization_id  foreign key (organization_id) references ops.organization(id) on delete
 *                                           cascade
 *   chk_analysis_daily_by_analyses        check (analyses > 0)
 *   chk_analysis_daily_by_dimension       check (dimension in ('status', 'language', 'rubric'))
 *   chk_analysis_daily_by_scored          check (scored >= 0 and scored <= analyses and judged >= 0 and judged <=
 *                                           analyses)
 *
 *   idx_analysis_daily_by_dimension  index (organization_id, dimension, value, day)
 */

select app.table_usual_comments('mart.analysis_daily_by');
comment on table mart.analysis_daily_by is
  E'@unique id\nThe analyses of each day (of the organization''s time zone) on which they ended, by status, by '
  'detected language and by judge rubric.';
comment on column mart.analysis_daily_by.day is 'The day.';
comment on column mart.analysis_daily_by.dimension is 'status, language or rubric.';
comment on column mart.analysis_daily_by.value is 'The status, language or rubric (name and version).';
comment on column mart.analysis_daily_by.analyses is
  'How many runs ended; by rubric: how many of them were judged by it.';
comment on column mart.analysis_daily_by.scored is 'How many of them have a document.';
comment on column mart.analysis_daily_by.avg_overall is 'Mean overall score of those with a document.';
comment on column mart.analysis_daily_by.sum_overall is 'Sum of the overall scores, to merge days.';
comment on column mart.analysis_daily_by.avg_entropy is 'Mean semantic entropy of those with a document.';
comment on column mart.analysis_daily_by.sum_entropy is 'Sum of the semantic entropies, to merge days.';
comment on column mart.analysis_daily_by.judged is
  'By rubric: how many judgements are complete, with a score for every criterion.';
comment on column mart.analysis_daily_by.avg_judged is
  'By rubric: mean of the weighted means of the complete judgements, 0 to 10.';
comment on column mart.analysis_daily_by.sum_judged is 'By rubric: their sum, to merge days.';
comment on constraint unq_analysis_daily_by_value on mart.analysis_daily_by is 'One row per day, dimension and value.';
comment on constraint chk_analysis_daily_by_dimension on mart.analysis_daily_by is
  'dimension must be status, language or rubric';
comment on constraint chk_analysis_daily_by_analyses on mart.analysis_daily_by is 'analyses must be more than 0';
comment on constraint chk_analysis_daily_by_scored on mart.analysis_daily_by is
  'scored and judged must be from 0 to analyses';

select app.table_protect('mart.analysis_daily_by');
select app.table_policies_for_members('mart.analysis_daily_by', to_read => 'marts:read');
select app.table_policy_for_analysts('mart.analysis_daily_by');

grant select on mart.analysis_daily_by to curestry_member;
grant select on mart.analysis_daily_by to curestry_analyst;
grant select, insert, delete, update on mart.analysis_daily_by to curestry_definer;
--! EndIncluded mart/tables/analysis_daily_by.sql
--! Included mart/tables/analysis_hourly.sql
/*
 * mart.analysis_hourly: generated from the database by `deno task generate`
 *
 *   id               uuid          not null default gen_random_uuid()
 *   organization_id  uuid          not null
 *   ts_bucket        timestamptz   not null
 *   dimension        varchar(20)   not null
 *   value            varchar(300)  not null
 *   analyses         bigint        not null
 *   scored           bigint        not null
 *   overall_count    bigint        not null
 *   sum_overall      numeric
 *   entropy_count    bigint        not null
 *   sum_entropy      numeric
 *   judged           bigint        not null
 *   sum_judged       numeric
 *
 *   pk_analysis_hourly                  primary key (organization_id, id)
 *   unq_analysis_hourly_bucket          unique (organization_id, dimension, value, ts_bucket)
 *   fk_analysis_hourly_organization_id  foreign key (organization_id) references ops.organization(id) on delete cascade
 *   chk_analysis_hourly_analyses        check (analyses > 0)
 *   chk_analysis_hourly_dimension       check (dimension in ('all', 'status', 'language', 'rubric'))
 *   chk_analysis_hourly_scored          check (scored >= 0 and scored <= analyses and overall_count >= 0 and
 *                                         overall_count <= analyses and entropy_count >= 0 and entropy_count <=
 *                                         analyses and judged >= 0 and judged <= analyses)
 *
 *   idx_analysis_hourly_ts_bucket  index (organization_id, ts_bucket)
 */

select app.table_usual_comments('mart.analysis_hourly');
comment on table mart.analysis_hourly is
  E'@unique id\nThe analyses by the hour of the organization''s time zone in which they ended: all, and by status, '
  'language and rubric. The days are merged from it.';
comment on column mart.analysis_hourly.ts_bucket is 'Start of the hour.';
comment on column mart.analysis_hourly.dimension is 'all, status, language or rubric.';
comment on column mart.analysis_hourly.value is 'The status, language or rubric (name and version); empty for all.';
comment on column mart.analysis_hourly.analyses is
  'How many runs ended; by rubric: how many of them were judged by it.';
comment on column mart.analysis_hourly.scored is 'How many of them have a document.';
comment on column mart.analysis_hourly.overall_count is 'How many have an overall score that is a number.';
comment on column mart.analysis_hourly.sum_overall is 'Sum of the overall scores.';
comment on column mart.analysis_hourly.entropy_count is 'How many have a semantic entropy that is a number.';
comment on column mart.analysis_hourly.sum_entropy is 'Sum of the semantic entropies.';
comment on column mart.analysis_hourly.judged is
  'By rubric: how many judgements are complete, with a score for every criterion.';
comment on column mart.analysis_hourly.sum_judged is 'By rubric: sum of the weighted means of the complete judgements.';
comment on constraint unq_analysis_hourly_bucket on mart.analysis_hourly is 'One row per hour, dimension and value.';
comment on constraint chk_analysis_hourly_dimension on mart.analysis_hourly is
  'dimension must be all, status, language or rubric';
comment on constraint chk_analysis_hourly_analyses on mart.analysis_hourly is 'analyses must be more than 0';
comment on constraint chk_analysis_hourly_scored on mart.analysis_hourly is
  'scored, overall_count, entropy_count and judged must be from 0 to analyses';

select app.table_protect('mart.analysis_hourly');
select app.table_policies_for_members('mart.analysis_hourly', to_read => 'marts:read');
select app.table_policy_for_analysts('mart.analysis_hourly');

grant select on mart.analysis_hourly to curestry_member;
grant select on mart.analysis_hourly to curestry_analyst;
grant select, insert, delete, update on mart.analysis_hourly to curestry_definer;
--! EndIncluded mart/tables/analysis_hourly.sql
--! Included mart/tables/feature_daily.sql
/*
 * mart.feature_daily: generated from the database by `deno task generate`
 *
 *   id               uuid          not null default gen_random_uuid()
 *   organization_id  uuid          not null
 *   day              date          not null
 *   feature_key      varchar(100)  not null
 *   events           integer       not null default 0
 *   unique_users     integer       not null default 0
 *
 *   pk_feature_daily                   primary key (organization_id, id)
 *   unq_feature_daily_day_feature_key  unique (organization_id, day, feature_key)
 *   fk_feature_daily_organization_id   foreign key (organization_id) references ops.organization(id) on delete cascade
 *   chk_feature_daily_events           check (events >= 0)
 *   chk_feature_daily_unique_users     check (unique_users >= 0 and unique_users <= events)
 */

select app.table_usual_comments('mart.feature_daily');
comment on table mart.feature_daily is E'@unique id\nThe use of features by day of the organization''s time zone.';
comment on column mart.feature_daily.day is 'The day.';
comment on column mart.feature_daily.feature_key is 'The feature.';
comment on column mart.feature_daily.events is 'How many times it was used; at most 2147483647.';
comment on column mart.feature_daily.unique_users is 'By how many users.';
comment on constraint unq_feature_daily_day_feature_key on mart.feature_daily is 'One row per day and feature.';
comment on constraint chk_feature_daily_events on mart.feature_daily is 'events must be at least 0';
comment on constraint chk_feature_daily_unique_users on mart.feature_daily is 'unique_users must be from 0 to events';

select app.table_protect('mart.feature_daily');
select app.table_policies_for_members('mart.feature_daily', to_read => 'marts:read');
select app.table_policy_for_analysts('mart.feature_daily');

grant select on mart.feature_daily to curestry_member;
grant select on mart.feature_daily to curestry_analyst;
grant select, insert, delete, update on mart.feature_daily to curestry_definer;
--! EndIncluded mart/tables/feature_daily.sql
--! Included mart/tables/metric_timeseries.sql
/*
 * mart.metric_timeseries: generated from the database by `deno task generate`
 *
 *   id               uuid          not null default gen_random_uuid()
 *   organization_id  uuid          not null
 *   metric_key       varchar(100)  not null
 *   granularity      varchar(10)   not null
 *   ts_bucket        timestamptz   not null
 *   value_num        numeric
 *   value_json       jsonb
 *   sample_count     bigint        not null
 *   numeric_count    bigint        not null default 0
 *   value_sum        numeric
 *   value_min        numeric
 *   value_max        numeric
 *   source           varchar(20)   not null
 *
 *   pk_metric_timeseries                  primary key (organization_id, id)
 *   unq_metric_timeseries_bucket          unique (organization_id, source, metric_key, granularity, ts_bucket)
 *   fk_metric_timeseries_organization_id  foreign key (organization_id) references ops.organization(id) on delete
 *                                           cascade
 *   chk_metric_timeseries_granularity     check (granularity in ('hour', 'day'))
 *   chk_metric_timeseries_numeric_count   check (numeric_count >= 0 and numeric_count <= sample_count)
 *   chk_metric_timeseries_sample_count    check (sample_count > 0)
 *   chk_metric_timeseries_source          check (source in ('metric', 'node', 'judge', 'evaluation'))
 *
 *   idx_metric_timeseries_ts_bucket  index (organization_id, granularity, ts_bucket)
 */

select app.table_usual_comments('mart.metric_timeseries');
comment on table mart.metric_timeseries is
  E'@unique id\nWhat was measured, by hour and by day of the organization''s time zone: metrics of analyses, node '
  'results, judge scores, metrics of workflows.';
comment on column mart.metric_timeseries.source is
  'metric: of analyses; node: results of their nodes (scores, and statuses as texts); judge: scores by rubric and '
  'criterion; evaluation: of workflow runs.';
comment on column mart.metric_timeseries.metric_key is
  'metric: its key; node: the node; judge: rubric, version and criterion, as "quality v1/clarity"; evaluation: the '
  'name, after the step''s key and "/" if it is of a step. Longer than 100 characters: 91, "~" and 8 of its MD5.';
comment on column mart.metric_timeseries.granularity is 'hour or day.';
comment on column mart.metric_timeseries.ts_bucket is 'Start of the hour or day.';
comment on column mart.metric_timeseries.value_num is 'Mean of the numbers.';
comment on column mart.metric_timeseries.value_json is
  'For numbers: "p50", "p90", "p95", "p99", each within 1 % of the number at that rank, and "sketch", which '
  'mart.merge_sketches adds up and mart.quantile reads. For texts and JSON: "counts", how often each value (its '
  'first 200 characters) occurred; of more than 100 distinct ones 100 that a hash chose, the others together under '
  '"other".';
comment on column mart.metric_timeseries.sample_count is 'How many values.';
comment on column mart.metric_timeseries.numeric_count is 'How many of them are numbers.';
comment on column mart.metric_timeseries.value_sum is 'Sum of the numbers.';
comment on column mart.metric_timeseries.value_min is 'Smallest number.';
comment on column mart.metric_timeseries.value_max is 'Largest number.';
comment on constraint unq_metric_timeseries_bucket on mart.metric_timeseries is
  'One row per source, metric, granularity and bucket.';
comment on constraint chk_metric_timeseries_source on mart.metric_timeseries is
  'source must be metric, node, judge or evaluation';
comment on constraint chk_metric_timeseries_granularity on mart.metric_timeseries is 'granularity must be hour or day';
comment on constraint chk_metric_timeseries_sample_count on mart.metric_timeseries is
  'sample_count must be more than 0';
comment on constraint chk_metric_timeseries_numeric_count on mart.metric_timeseries is
  'numeric_count must be from 0 to sample_count';

select app.table_protect('mart.metric_timeseries');
select app.table_policies_for_members('mart.metric_timeseries', to_read => 'marts:read');
select app.table_policy_for_analysts('mart.metric_timeseries');

grant select on mart.metric_timeseries to curestry_member;
grant select on mart.metric_timeseries to curestry_analyst;
grant select, insert, delete, update on mart.metric_timeseries to curestry_definer;
--! EndIncluded mart/tables/metric_timeseries.sql
--! Included mart/functions/analysis_series.sql
/* Planner settings: sql/README.md. */
create or replace function mart.analysis_series(
  "from" timestamptz, "to" timestamptz, bucket mart.series_bucket default 'DAY', fill mart.series_fill default 'NONE',
  dimension text default 'all', value text default ''
) returns mart.analysis_point[]
language plpgsql stable security definer set search_path = '' set enable_seqscan = off set jit = off as $$
declare
  v_organization constant uuid := app.require('marts:read');
  v_zone constant text := coalesce(
    (select s.time_zone from app.mart_state s where s.organization_id = v_organization), 'UTC');
begin
  if dimension not in ('all', 'status', 'language', 'rubric') then
    perform app.refuse('CU004',
      format('dimension: must be all, status, language or rubric, not %s', to_json(dimension)),
      'dimension', 'analysis_series_dimension');
  end if;
  return (
    with bucket as materialized (
      select b.* from app.bucket_series(v_zone, analysis_series.bucket, "from", "to") as b
    ), counted as (
      select b.n, b.points, b.low, b.high, a.*,
             -- The bucket of the last mean before, or here
             max(b.n) filter (where a.analyses > 0) over (order by b.n) as last
        from bucket b,
             lateral (select sum(h.analyses)::bigint as analyses, sum(h.scored)::bigint as scored,
                             sum(h.sum_overall) / nullif(sum(h.overall_count), 0) as avg_overall,
                             sum(h.sum_entropy) / nullif(sum(h.entropy_count), 0) as avg_entropy,
                             sum(h.judged)::bigint as judged, sum(h.sum_judged) / nullif(sum(h.judged), 0) as avg_judged
                        from mart.analysis_hourly h
                       where h.organization_id = v_organization
                         and h.dimension = analysis_series.dimension and h.value = analysis_series.value
                         and h.ts_bucket >= b.low and h.ts_bucket < b.high) a
    ), point as (
      select b.n, b.points, b.low, b.high,
             case
               when b.analyses is not null then
                 row(b.analyses, b.scored, b.avg_overall, b.avg_entropy, b.judged, b.avg_judged)::mart.analysis_values
               when analysis_series.fill = 'ZERO' then row(0, 0, 0, 0, 0, 0)::mart.analysis_values
               when analysis_series.fill = 'PREVIOUS' then
                 row(0, 0, l.avg_overall, l.avg_entropy, 0, l.avg_judged)::mart.analysis_values
               when analysis_series.fill = 'NULL' then row(0, 0, null, null, 0, null)::mart.analysis_values
             end as counted
        from counted b
        left join counted l on l.n = b.last
    )
    select coalesce(array_agg(row(c.low, c.high, (c.counted).*, p.low, p.counted)::mart.analysis_point
                              order by c.n), '{}')
      from point c
      join point p on p.n = c.n - c.points
     where c.n > c.points and c.counted is distinct from null);
end;
$$;
alter function mart.analysis_series owner to curestry_definer;
revoke execute on function mart.analysis_series from public;
grant execute on function mart.analysis_series to curestry_member;
comment on function mart.analysis_series is
  'The analyses over time, in buckets of the organization''s time zone that the period from "from" to before "to" '
  'touches, at most 10000, each beside that of the previous period. dimension: all, or status, language or rubric '
  'with a value. Needs marts:read.';
--! EndIncluded mart/functions/analysis_series.sql
--! Included mart/functions/mart_freshness.sql
create or replace function mart.mart_freshness() returns mart.freshness[]
language sql stable security definer set search_path = '' as $$
  select array_agg(row(f.*)::mart.freshness order by f.mart) from app.mart_freshness_of(app.require('marts:read')) as f;
$$;
alter function mart.mart_freshness owner to curestry_definer;
revoke execute on function mart.mart_freshness from public;
grant execute on function mart.mart_freshness to curestry_member;
comment on function mart.mart_freshness is
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
revoke execute on function mart.merge_sketches from public;
grant execute on function mart.merge_sketches to curestry_analyst;
comment on function mart.merge_sketches is
  'The exact sketch of all numbers of these sketches: mart.quantile(mart.merge_sketches(array_agg(value_json -> '
  '''sketch'')), 0.95). Counts of texts are added up likewise.';
--! EndIncluded mart/functions/merge_sketches.sql
--! Included mart/functions/metric_series.sql
create or replace function mart.metric_series(
  key text, "from" timestamptz, "to" timestamptz, bucket mart.series_bucket default 'DAY',
  fill mart.series_fill default 'NONE', source text default 'metric'
) returns mart.series_point[]
language plpgsql stable security definer set search_path = '' set jit = off as $$
declare
  v_organization constant uuid := app.require('marts:read');
  v_zone constant text := coalesce(
    (select s.time_zone from app.mart_state s where s.organization_id = v_organization), 'UTC');
begin
  if source not in ('metric', 'node', 'judge', 'evaluation') then
    perform app.refuse('CU004',
      format('source: must be metric, node, judge or evaluation, not %s', to_json(source)),
      'source', 'metric_series_source');
  end if;
  return (
    with bucket as materialized (
      select b.* from app.bucket_series(v_zone, metric_series.bucket, "from", "to") as b
    ), measured as (
      select b.n, b.points, b.low, b.high, m.sample_count, m.numeric_count,
             m.value_sum, m.value_num, m.value_min, m.value_max, m.value_json,
             -- The bucket of the last number before, or here
             max(b.n) filter (where m.numeric_count > 0) over (order by b.n) as last
        from bucket b
        left join app.mart_merge_metric_timeseries(
               v_organization, metric_series.source,
               case metric_series.bucket when 'HOUR' then 'hour' else 'day' end, metric_series.key,
               (select array_agg(a.low order by a.n) from bucket a),
               (select array_agg(a.high order by a.n) from bucket a)) as m
          on m.ts_bucket = b.low
    ), point as (
      select b.n, b.points, b.low, b.high,
             case
               when b.sample_count is not null then
                 row(b.sample_count, b.numeric_count, b.value_sum, b.value_num, b.value_min, b.value_max,
                     (b.value_json ->> 'p50')::numeric, (b.value_json ->> 'p90')::numeric,
                     (b.value_json ->> 'p95')::numeric, (b.value_json ->> 'p99')::numeric,
                     b.value_json -> 'counts', (b.value_json ->> 'other')::bigint)::mart.series_values
               when metric_series.fill = 'ZERO' then row(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, '{}', 0)::mart.series_values
               when metric_series.fill = 'PREVIOUS' then
                 row(0, 0, 0, l.value_num, l.value_min, l.value_max,
                     (l.value_json ->> 'p50')::numeric, (l.value_json ->> 'p90')::numeric,
                     (l.value_json ->> 'p95')::numeric, (l.value_json ->> 'p99')::numeric,
                     null, null)::mart.series_values
               when metric_series.fill = 'NULL' then
                 row(0, 0, null, null, null, null, null, null, null, null, null, null)::mart.series_values
             end as measured
        from measured b
        left join measured l on l.n = b.last
    )
    select coalesce(array_agg(row(c.low, c.high, (c.measured).*, p.low, p.measured)::mart.series_point
                              order by c.n), '{}')
      from point c
      join point p on p.n = c.n - c.points
     where c.n > c.points and c.measured is distinct from null);
end;
$$;
alter function mart.metric_series owner to curestry_definer;
revoke execute on function mart.metric_series from public;
grant execute on function mart.metric_series to curestry_member;
comment on function mart.metric_series is
  'A metric over time, in buckets of the organization''s time zone that the period from "from" to before "to" '
  'touches, at most 10000, each beside that of the previous period. source: metric (of analyses), node, judge or '
  'evaluation. Needs marts:read.';
--! EndIncluded mart/functions/metric_series.sql
--! Included mart/functions/quantile.sql
create or replace function mart.quantile(sketch jsonb, q numeric) returns numeric
language sql immutable parallel safe set search_path = '' as $$
  select app.sketch_value(min(c.slot))
    from (select u.slot, sum(u.n) over (order by u.slot) as below, sum(u.n) over () as total
            from (select e.key::integer as slot, e.value::bigint as n from jsonb_each_text(sketch) as e) u) c
   where q between 0 and 1 and c.below >= q * c.total;
$$;
revoke execute on function mart.quantile from public;
grant execute on function mart.quantile to curestry_analyst;
comment on function mart.quantile is
  'The smallest number of a sketch (value_json -> ''sketch'' of mart.metric_timeseries) that is at least as large as '
  'this share of all, as percentile_disc returns it (0.5: the median); within 1 %. Null outside of 0 to 1, and of an '
  'empty sketch.';
--! EndIncluded mart/functions/quantile.sql
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
alter function core.high_entropy_analyses owner to curestry_definer;
revoke execute on function core.high_entropy_analyses from public;
grant execute on function core.high_entropy_analyses to curestry_member;
comment on function core.high_entropy_analyses is
  'The analyses whose semantic entropy is above the threshold, highest first. Needs analyses:read.';
--! EndIncluded core/functions/high_entropy_analyses.sql
--! Included core/functions/prompts_by_tags.sql
/*
 * A definer function that filters by organization itself: jsonb operators are not leakproof, and do not use their
 * index under row level security. plpgsql, so that each of the two queries gets a plan with the index.
 */
create or replace function core.prompts_by_tags(tags text[], match core.tag_match default 'ANY')
returns setof core.prompts
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
alter function core.prompts_by_tags owner to curestry_definer;
revoke execute on function core.prompts_by_tags from public;
grant execute on function core.prompts_by_tags to curestry_member;
comment on function core.prompts_by_tags is
  'The prompts with any (ANY) or all (ALL) of these tags, newest first. Needs prompts:read.';
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
revoke execute on function core.prompts_dependents from public;
grant execute on function core.prompts_dependents to curestry_member, curestry_analyst;
comment on function core.prompts_dependents is
  'The prompts that depend on this one, directly or indirectly.';
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
alter function core.sign_out owner to curestry_definer;
revoke execute on function core.sign_out from public;
grant execute on function core.sign_out to curestry_member;
comment on function core.sign_out is
  'Ends the session of this request: its token is refused from the next request on.';
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
alter function core.sign_out_everywhere owner to curestry_definer;
revoke execute on function core.sign_out_everywhere from public;
grant execute on function core.sign_out_everywhere to curestry_member;
comment on function core.sign_out_everywhere is
  'Ends all of your sessions, including this one; returns how many there were.';
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
    -- The same answer for a wrong, an expired and a used code, and for somebody else's.
    perform app.refuse('CU003', 'There is no such invitation for you, or it has expired', 'code');
  end if;
  perform from ops.organization o where o.id = v_invitation.organization_id for no key update;
  update ops.invitation i set accepted_at = now()
   where i.organization_id = v_invitation.organization_id and i.id = v_invitation.id;
  update ops.organization_user m set status = 'active'
   where m.organization_id = v_invitation.organization_id and m.id = v_invitation.organization_user_id
     and m.status = 'invited'
  returning m.* into v_member;
  if not found then
    perform app.refuse('CU003', 'There is no such invitation for you, or it has expired', 'code');
  end if;
  return v_member;
end;
$$;
alter function ops.accept_invitation owner to curestry_definer;
revoke execute on function ops.accept_invitation from public;
grant execute on function ops.accept_invitation to curestry_member;
comment on function ops.accept_invitation is
  'Accepts an invitation with its code: you are a member from the next request on. Needs the person who was invited, '
  'signed in.';
--! EndIncluded ops/functions/accept_invitation.sql
--! Included ops/functions/analysis_run_weighted_score.sql
/* Only of a complete judgement: with a criterion missing, the mean would be of something else. */
create or replace function ops.analysis_run_weighted_score(run ops.analysis_run, rubric_id uuid default null)
returns numeric
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
revoke execute on function ops.analysis_run_weighted_score from public;
grant execute on function ops.analysis_run_weighted_score to curestry_member, curestry_analyst;
comment on function ops.analysis_run_weighted_score is
  'The mean of what judges gave by a rubric, weighted by its criteria, 0 to 10; null unless every criterion of it '
  'has a score. Without rubricId: the rubric by which the run was judged, if it is one.';
--! EndIncluded ops/functions/analysis_run_weighted_score.sql
--! Included ops/functions/cancel_analysis_run.sql
create or replace function ops.cancel_analysis_run(id uuid, reason text default null) returns ops.analysis_run
language sql volatile security definer set search_path = '' as $$
  select *
    from app.analysis_run_end(
           id, 'cancelled', case when reason is not null then jsonb_build_object('reason', reason) end);
$$;
alter function ops.cancel_analysis_run owner to curestry_definer;
revoke execute on function ops.cancel_analysis_run from public;
grant execute on function ops.cancel_analysis_run to curestry_member;
comment on function ops.cancel_analysis_run is
  'Ends a queued or running analysis as cancelled; the reason is kept in meta.reason. Needs analyses:write.';
--! EndIncluded ops/functions/cancel_analysis_run.sql
--! Included ops/functions/cancel_job.sql
create or replace function ops.cancel_job(id bigint) returns text
language plpgsql volatile security definer set search_path = '' as $$
begin
  perform app.require_platform_admin();
  return app.job_cancel(cancel_job.id);
end;
$$;
alter function ops.cancel_job owner to curestry_definer;
revoke execute on function ops.cancel_job from public;
grant execute on function ops.cancel_job to curestry_member;
comment on function ops.cancel_job is
  'Removes a job from the queue; returns its task. For platform admins, in person.';
--! EndIncluded ops/functions/cancel_job.sql
--! Included ops/functions/change_member_role.sql
create or replace function ops.change_member_role(user_id integer, role text) returns ops.organization_user
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_organization constant uuid := app.require('members:write');
  v_member ops.organization_user := app.member_lock(v_organization, change_member_role.user_id);
begin
  perform app.member_check_rank(v_member.role, change_member_role.role);
  update ops.organization_user m set role = change_member_role.role
   where m.organization_id = v_organization and m.id = v_member.id
  returning m.* into v_member;
  return v_member;
end;
$$;
alter function ops.change_member_role owner to curestry_definer;
revoke execute on function ops.change_member_role from public;
grant execute on function ops.change_member_role to curestry_member;
comment on function ops.change_member_role is
  'Changes what a member may do, from their next request on. Needs members:write; only an owner changes, or '
  'appoints, admins and owners. The last owner cannot be changed.';
--! EndIncluded ops/functions/change_member_role.sql
--! Included ops/functions/create_api_key.sql
create or replace function ops.create_api_key(name text, scopes text[], expires_at timestamptz default null)
returns ops.new_api_key
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
    perform app.refuse('CU002',
      'scopes: a key that is made with a key cannot have keys:write; sign in to make it', 'scopes');
  end if;
  select k.id, k.name, array(select jsonb_array_elements_text(k.scopes)), k.key, k.expires_at, k.created_at
    into v_answer
    from app.api_key_create(v_organization, app.user_id(), create_api_key.name, create_api_key.scopes,
                            create_api_key.expires_at, v_parent) as k;
  return v_answer;
end;
$$;
alter function ops.create_api_key owner to curestry_definer;
revoke execute on function ops.create_api_key from public;
grant execute on function ops.create_api_key to curestry_member;
comment on function ops.create_api_key is
  'Creates an API key and returns its text, once. Its scopes are permissions that you have, and it can never do more '
  'than you. Needs keys:write.';
--! EndIncluded ops/functions/create_api_key.sql
--! Included ops/functions/create_organization.sql
create or replace function ops.create_organization(slug text, name text) returns ops.organization
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_user constant integer := app.require_person();
  v_organization ops.organization;
begin
  insert into ops.organization (name, slug) values (create_organization.name, create_organization.slug)
  returning * into v_organization;
  insert into ops.organization_user (organization_id, user_id, role) values (v_organization.id, v_user, 'owner');
  return v_organization;
end;
$$;
alter function ops.create_organization owner to curestry_definer;
revoke execute on function ops.create_organization from public;
grant execute on function ops.create_organization to curestry_member;
comment on function ops.create_organization is
  'Creates an organization that you own. Choose it for a request with the header X-Curestry-Organization. Needs a '
  'person who has signed in.';
--! EndIncluded ops/functions/create_organization.sql
--! Included ops/functions/entity_as_of.sql
create or replace function ops.entity_as_of(type text, id text, at timestamptz) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  v_organization constant uuid := app.require('audit:read');
  v_table constant text := app.audit_entity_table(entity_as_of.type);
  v_last ops.audit_log;
begin
  select a.* into v_last
    from app.audit_entity_entries(v_organization, v_table, entity_as_of.id) a
   where a.ts <= entity_as_of.at
   order by a.seq desc
   limit 1;
  return case
    when v_last.action in ('delete', 'truncate') then null
    when v_last.after_state is null and v_last.erasure_id is not null then
      jsonb_build_object('erased', v_last.erasure_id)
    else v_last.after_state
  end;
end;
$$;
alter function ops.entity_as_of owner to curestry_definer;
revoke execute on function ops.entity_as_of from public;
grant execute on function ops.entity_as_of to curestry_member;
comment on function ops.entity_as_of is
  'The state of a row of this organization at a time, without secrets, by the names of its columns; null if it did '
  'not exist then, or the audit had not begun. type is a type of the API (Prompt) or a table (core.prompts). An '
  'erased state is {"erased": the erasure}. Needs audit:read.';
--! EndIncluded ops/functions/entity_as_of.sql
--! Included ops/functions/entity_history.sql
create or replace function ops.entity_history(type text, id text) returns setof ops.entity_change
language plpgsql stable security definer set search_path = '' rows 20 as $$
declare
  v_organization constant uuid := app.require('audit:read');
  v_table constant text := app.audit_entity_table(entity_history.type);
  -- Only a request that may read members sees more of a person than the id.
  v_visible constant integer[] := app.member_visible_user_ids();
begin
  return query
    select a.ts, a.action::text, a.actor_user_id, u.email::text, a.actor_api_key_id, k.name::text, a.actor_role::text,
           a.request_id::text,
           c.changes, a.erasure_id,
           case when a.action = 'baseline' then 'It was there when this log begins' else
             coalesce(u.email || coalesce(' (API key "' || k.name || '")', ''),
                      'the API key "' || k.name || '"', 'user ' || a.actor_user_id,
                      'the login ' || a.actor_role)
             || case a.action
                  when 'insert' then ' created it'
                  when 'delete' then ' removed it'
                  when 'truncate' then ' removed all rows of ' || v_table
                  else ' changed ' || coalesce(s.columns, 'nothing')
                end end
           || case when a.erasure_id is null then '' else ' (the values were erased)' end
      from app.audit_entity_entries(v_organization, v_table, entity_history.id) a
      left join core.users u on u.id = a.actor_user_id and u.id = any (v_visible)
      left join ops.api_key k on k.organization_id = v_organization and k.id = a.actor_api_key_id
      left join lateral (
        select array_agg(row(n.name, a.before_state -> n.name, a.after_state -> n.name)::ops.column_change
                         order by n.name) as changes
          from (select unnest(a.changed_columns) as name
                union
                select j.key from jsonb_each(coalesce(a.after_state, a.before_state)) j
                 where a.action <> 'update' and j.value <> 'null') n) c on true
      left join lateral (
        select case count(*) when 1 then min(w.name)
               else array_to_string((array_agg(w.name order by w.name))[:count(*)::integer - 1], ', ')
                    || ' and ' || max(w.name) end as columns
          from unnest(a.changed_columns) as w (name)
         where w.name <> 'updated_at'
        having count(*) > 0) s on true
     order by a.seq desc;
end;
$$;
alter function ops.entity_history owner to curestry_definer;
revoke execute on function ops.entity_history from public;
grant execute on function ops.entity_history to curestry_member;
comment on function ops.entity_history is
  'Who changed a row of this organization, what and when, newest first. type is a type of the API (Prompt) or a '
  'table (core.prompts). Empty for an id that the organization never had. Needs audit:read.';
--! EndIncluded ops/functions/entity_history.sql
--! Included ops/functions/fail_analysis_run.sql
create or replace function ops.fail_analysis_run(id uuid, message text default null) returns ops.analysis_run
language sql volatile security definer set search_path = '' as $$
  select *
    from app.analysis_run_end(
           id, 'failed', case when message is not null then jsonb_build_object('error', message) end);
$$;
alter function ops.fail_analysis_run owner to curestry_definer;
revoke execute on function ops.fail_analysis_run from public;
grant execute on function ops.fail_analysis_run to curestry_member;
comment on function ops.fail_analysis_run is
  'Ends a queued or running analysis as failed; the message is kept in meta.error. Needs analyses:write.';
--! EndIncluded ops/functions/fail_analysis_run.sql
--! Included ops/functions/failed_jobs.sql
create or replace function ops.failed_jobs() returns setof ops.failed_job
language plpgsql stable security definer set search_path = '' as $$
begin
  perform app.require_platform_admin();
  return query
    select j.id, j.task, j.attempts, j.max_attempts, j.error, j.created_at, j.updated_at from app.job_list(true) j;
end;
$$;
alter function ops.failed_jobs owner to curestry_definer;
revoke execute on function ops.failed_jobs from public;
grant execute on function ops.failed_jobs to curestry_member;
comment on function ops.failed_jobs is
  'The jobs of the worker that failed permanently, of all organizations. For platform admins, in person.';
--! EndIncluded ops/functions/failed_jobs.sql
--! Included ops/functions/finish_analysis_run.sql
create or replace function ops.finish_analysis_run(
  id uuid, result ops.analysis_result_item default null, metrics ops.analysis_metric_item[] default null,
  node_results ops.analysis_node_result_item[] default null, scores ops.judge_score_item[] default null
) returns ops.analysis_run
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_run ops.analysis_run := app.analysis_run_end(id, 'succeeded', null);
  v_content constant text := coalesce(v_run.prompt_content,
    (select p.content from core.prompts p where p.organization_id = v_run.organization_id and p.id = v_run.prompt_id));
  v_item constant ops.analysis_item := row(
    null, v_run.prompt_id, v_content, null, null, null, null, result, metrics, node_results, scores);
  v_problem constant text := (app.analysis_item_problems(v_run.organization_id, array[v_item]))[1];
begin
  if v_problem is not null then
    perform app.refuse('CU004', v_problem, split_part(v_problem, ':', 1));
  end if;
  perform app.analysis_store_facts(
    v_run.organization_id, array[v_run.id], array[v_content], array[v_run.prompt_version_id],
    array[v_run.occurred_at], array[v_item]);
  return v_run;
end;
$$;
alter function ops.finish_analysis_run owner to curestry_definer;
revoke execute on function ops.finish_analysis_run from public;
grant execute on function ops.finish_analysis_run to curestry_member;
comment on function ops.finish_analysis_run is
  'Ends a running analysis as succeeded, with its document, metrics, node results and judge scores. Needs '
  'analyses:write.';
--! EndIncluded ops/functions/finish_analysis_run.sql
--! Included ops/functions/invite_member.sql
create or replace function ops.invite_member(email text, role text default 'member') returns ops.new_invitation
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_organization constant uuid := app.require('members:write');
  v_code constant text := encode(
    sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())), 'hex');
  v_user integer;
  v_member ops.organization_user;
  v_expires constant timestamptz := now() + interval '7 days';
begin
  perform app.member_check_rank(role);
  perform from ops.organization o where o.id = v_organization for no key update;
  v_user := app.user_ensure(btrim(email));
  select m.* into v_member from ops.organization_user m where m.organization_id = v_organization and m.user_id = v_user;
  if v_member.status = 'active' then
    perform app.refuse('CU005', 'This person is a member already; change the role instead',
                       'email', 'unq_organization_user_user_id');
  end if;
  if v_member.status = 'invited' then
    perform app.member_check_rank(v_member.role);
  end if;
  insert into ops.organization_user as m (organization_id, user_id, role, status)
  values (v_organization, v_user, invite_member.role, 'invited')
  on conflict on constraint unq_organization_user_user_id do update set role = excluded.role, status = 'invited'
  returning m.* into v_member;
  -- A new invitation replaces earlier ones.
  update ops.invitation i set expires_at = least(i.expires_at, greatest(now(), i.created_at + interval '1 microsecond'))
   where i.organization_id = v_organization and i.organization_user_id = v_member.id and i.accepted_at is null;
  insert into ops.invitation (organization_id, organization_user_id, code_hash, invited_by_user_id, expires_at)
  values (v_organization, v_member.id, encode(sha256(convert_to(v_code, 'UTF8')), 'hex'), app.user_id(), v_expires);
  return row(v_member.id, v_user, btrim(email), v_member.role, v_code, v_expires)::ops.new_invitation;
end;
$$;
alter function ops.invite_member owner to curestry_definer;
revoke execute on function ops.invite_member from public;
grant execute on function ops.invite_member to curestry_member;
comment on function ops.invite_member is
  'Invites a person by e-mail address, as viewer, member, admin or owner, and returns a code, once: give it to that '
  'person, who accepts with it within 7 days. Needs members:write; only an owner invites admins and owners.';
--! EndIncluded ops/functions/invite_member.sql
--! Included ops/functions/leave_organization.sql
create or replace function ops.leave_organization() returns ops.organization_user
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_user constant integer := app.require_person();
  v_organization constant uuid := app.organization_id();
  v_member ops.organization_user := app.member_lock(v_organization, v_user);
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
alter function ops.leave_organization owner to curestry_definer;
revoke execute on function ops.leave_organization from public;
grant execute on function ops.leave_organization to curestry_member;
comment on function ops.leave_organization is
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
    perform app.refuse('CU006',
      format('items: at most 1000 in one call, and these are %s; send them in batches', cardinality(items)),
      'items', 'record_analyses_items');
  end if;
  if array_position(items, null) is not null then
    perform app.refuse('CU004', 'items: null is not an item', 'items', 'record_analyses_items');
  end if;
  return query select * from unnest(app.analysis_record(v_organization, app.user_id(), items));
end;
$$;
alter function ops.record_analyses owner to curestry_definer;
revoke execute on function ops.record_analyses from public;
grant execute on function ops.record_analyses to curestry_member;
comment on function ops.record_analyses is
  'Records analyses in one transaction: run, result document, metrics, node results and judge scores. Returns, in '
  'the order of the items, whether each was inserted, unchanged (its idempotencyKey is known with the same content), '
  'in conflict (known with another content) or invalid (with the reason). Needs analyses:write; at most 1000 items.';
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
alter function ops.record_feature_events owner to curestry_definer;
revoke execute on function ops.record_feature_events from public;
grant execute on function ops.record_feature_events to curestry_member;
comment on function ops.record_feature_events is
  'Records uses of features, all or nothing; returns how many rows were written. Needs features:write.';
--! EndIncluded ops/functions/record_feature_events.sql
--! Included ops/functions/remove_member.sql
create or replace function ops.remove_member(user_id integer) returns ops.organization_user
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_organization constant uuid := app.require('members:write');
  v_member ops.organization_user := app.member_lock(v_organization, remove_member.user_id);
begin
  perform app.member_check_rank(v_member.role);
  update ops.organization_user m set status = 'removed'
   where m.organization_id = v_organization and m.id = v_member.id
  returning m.* into v_member;
  return v_member;
end;
$$;
alter function ops.remove_member owner to curestry_definer;
revoke execute on function ops.remove_member from public;
grant execute on function ops.remove_member to curestry_member;
comment on function ops.remove_member is
  'Removes a member, or withdraws an invitation, from their next request on; the API keys that they created for this '
  'organization stop working. Needs members:write; only an owner removes admins and owners. The last owner cannot be '
  'removed.';
--! EndIncluded ops/functions/remove_member.sql
--! Included ops/functions/retry_job.sql
create or replace function ops.retry_job(id bigint) returns text
language plpgsql volatile security definer set search_path = '' as $$
begin
  perform app.require_platform_admin();
  return app.job_retry(retry_job.id);
end;
$$;
alter function ops.retry_job owner to curestry_definer;
revoke execute on function ops.retry_job from public;
grant execute on function ops.retry_job to curestry_member;
comment on function ops.retry_job is
  'Runs a job again at once, with all its attempts; returns its task. For platform admins, in person.';
--! EndIncluded ops/functions/retry_job.sql
--! Included ops/functions/revise_judge_rubric.sql
create or replace function ops.revise_judge_rubric(id uuid) returns ops.judge_rubric
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_organization constant uuid := app.require('rubrics:write');
  v_old ops.judge_rubric;
  v_new ops.judge_rubric;
begin
  select r.* into v_old from ops.judge_rubric r
   where r.organization_id = v_organization and r.id = revise_judge_rubric.id;
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
alter function ops.revise_judge_rubric owner to curestry_definer;
revoke execute on function ops.revise_judge_rubric from public;
grant execute on function ops.revise_judge_rubric to curestry_member;
comment on function ops.revise_judge_rubric is
  'Creates a new version of a rubric, with copies of its criteria, that can be changed until scores are given by it. '
  'Scores that name the rubric go to the newest version. Needs rubrics:write.';
--! EndIncluded ops/functions/revise_judge_rubric.sql
--! Included ops/functions/revoke_api_key.sql
create or replace function ops.revoke_api_key(id uuid) returns ops.api_key
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_key ops.api_key := app.api_key_own(id);
begin
  if not v_key.is_revoked then
    update ops.api_key k set is_revoked = true, revoked_at = now()
     where k.organization_id = v_key.organization_id and k.id = v_key.id
    returning k.* into v_key;
  end if;
  return v_key;
end;
$$;
alter function ops.revoke_api_key owner to curestry_definer;
revoke execute on function ops.revoke_api_key from public;
grant execute on function ops.revoke_api_key to curestry_member;
comment on function ops.revoke_api_key is
  'Revokes an API key permanently: it is refused from the next request on. Needs keys:write.';
--! EndIncluded ops/functions/revoke_api_key.sql
--! Included ops/functions/rotate_api_key.sql
create or replace function ops.rotate_api_key(id uuid, overlap_seconds integer default 86400) returns ops.new_api_key
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_old constant ops.api_key := app.api_key_own(id);
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
  -- The successor belongs to the person who rotates the key, and is limited by what they may do, now and later.
  select s into v_beyond from jsonb_array_elements_text(v_old.scopes) as s where app.organization_if(s) is null limit 1;
  if found then
    perform app.refuse('CU002', format('This API key may %s, which is beyond your own permissions', v_beyond), 'id');
  end if;
  if v_parent is not null and v_old.scopes ? 'keys:write' then
    perform app.refuse('CU002', 'A key that is made with a key cannot have keys:write; sign in to rotate it', 'id');
  end if;
  select k.id, k.name, array(select jsonb_array_elements_text(k.scopes)), k.key, k.expires_at, k.created_at
    into v_answer
    from app.api_key_create(
           v_old.organization_id, app.user_id(), v_old.name, array(select jsonb_array_elements_text(v_old.scopes)),
           case when v_old.expires_at is not null then now() + (v_old.expires_at - v_old.created_at) end,
           v_parent) as k;
  update ops.api_key k
     set expires_at = least(k.expires_at, now() + make_interval(secs => overlap_seconds))
   where k.organization_id = v_old.organization_id and k.id = v_old.id;
  return v_answer;
end;
$$;
alter function ops.rotate_api_key owner to curestry_definer;
revoke execute on function ops.rotate_api_key from public;
grant execute on function ops.rotate_api_key to curestry_member;
comment on function ops.rotate_api_key is
  'Creates a successor of an API key, with the same name and scopes, and returns its text, once; the successor is '
  'yours, and can never do more than you. The old key works for the overlap (a day, if not given) and then stops. '
  'Needs keys:write.';
--! EndIncluded ops/functions/rotate_api_key.sql
--! Included ops/functions/start_analysis_run.sql
create or replace function ops.start_analysis_run(
  id uuid default null, prompt_id text default null, prompt_content text default null, meta jsonb default '{}',
  idempotency_key text default null
) returns ops.analysis_run
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_organization constant uuid := app.require('analyses:write');
  v_run ops.analysis_run;
  v_digest constant bytea := sha256(convert_to(jsonb_build_array(
    start_analysis_run.prompt_id, start_analysis_run.prompt_content, start_analysis_run.meta)::text, 'UTF8'));
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
  insert into ops.analysis_run
    (organization_id, user_id, prompt_id, prompt_version_id, prompt_content, status, started_at, meta,
     idempotency_key, request_digest)
  select v_organization, app.user_id(), start_analysis_run.prompt_id,
         app.prompt_version_of(v_organization, start_analysis_run.prompt_id, start_analysis_run.prompt_content),
         coalesce(start_analysis_run.prompt_content,
                  (select p.content from core.prompts p
                    where p.organization_id = v_organization and p.id = start_analysis_run.prompt_id)),
         'running', now(), coalesce(start_analysis_run.meta, '{}'), start_analysis_run.idempotency_key,
         v_digest
  on conflict on constraint unq_analysis_run_idempotency_key do nothing
  returning * into v_run;
  if not found then
    select r.* into v_run from ops.analysis_run r
     where r.organization_id = v_organization and r.idempotency_key = start_analysis_run.idempotency_key;
    if v_run.request_digest is distinct from v_digest then
      perform app.refuse('CU005', app.analysis_key_conflict(idempotency_key),
                         'idempotencyKey', 'unq_analysis_run_idempotency_key');
    end if;
  end if;
  return v_run;
end;
$$;
alter function ops.start_analysis_run owner to curestry_definer;
revoke execute on function ops.start_analysis_run from public;
grant execute on function ops.start_analysis_run to curestry_member;
comment on function ops.start_analysis_run is
  'Starts an analysis that is worked on elsewhere: a new run of a saved prompt (promptId) or of a text '
  '(promptContent), or a queued run (id). A repeated idempotencyKey returns the same run. Needs analyses:write.';
--! EndIncluded ops/functions/start_analysis_run.sql
--! Included ops/functions/task_runs.sql
create or replace function ops.task_runs() returns setof ops.task_run
language plpgsql stable security definer set search_path = '' as $$
begin
  perform app.require_platform_admin();
  return query select r.* from app.task_list() r;
end;
$$;
alter function ops.task_runs owner to curestry_definer;
revoke execute on function ops.task_runs from public;
grant execute on function ops.task_runs to curestry_member;
comment on function ops.task_runs is
  'The scheduled and polling tasks of the worker, and which of them are late. For platform admins, in person.';
--! EndIncluded ops/functions/task_runs.sql
--! Included ops/functions/viewer.sql
create or replace function ops.viewer() returns ops.viewer
language sql stable security definer set search_path = '' as $$
  select row(
           u.id, u.email::text, u.name::text, nullif(current_setting('curestry.api_key_id', true), '')::uuid,
           o.id, o.slug::text,
           (select m.role::text from ops.organization_user m
             where m.organization_id = o.id and m.user_id = u.id and m.status = 'active'),
           string_to_array(nullif(btrim(current_setting('curestry.permissions', true)), ''), ' '),
           -- A key sees its own organization only.
           (select array_agg(row(i.id, i.slug::text, i.name::text, m.role::text,
                                 i.personal_user_id is not distinct from u.id)::ops.viewer_organization
                             order by i.slug)
              from ops.organization_user m
              join ops.organization i on i.id = m.organization_id
             where m.user_id = u.id and m.status = 'active'
               and (nullif(current_setting('curestry.api_key_id', true), '') is null or i.id = o.id)))::ops.viewer
    from (values (1)) as one (row)
    left join core.users u on u.id = app.user_id()
    left join ops.organization o on o.id = app.organization_id()
   where app.user_id() is not null or app.organization_id() is not null;
$$;
alter function ops.viewer owner to curestry_definer;
revoke execute on function ops.viewer from public;
grant execute on function ops.viewer to curestry_member, curestry_anonymous;
comment on function ops.viewer is
  'Who am I: the user or API key of this request, its organization, role and permissions, and all organizations of '
  'the user. Null without credentials.';
--! EndIncluded ops/functions/viewer.sql
--! Included report/views/analyses.sql
create or replace view report.analyses with (security_invoker = true) as
select o.slug as organization, r.id as analysis_run_id, r.status,
       r.prompt_id, p.name as prompt_name, u.email as user_email,
       r.started_at, r.finished_at, extract(epoch from r.finished_at - r.started_at)::numeric as duration_seconds,
       r.occurred_at, d.detected_language, d.translated, d.format_valid,
       d.overall_score, d.judge_score, d.semantic_entropy, d.complexity_score,
       d.length_chars, d.length_words, jsonb_array_length(d.contradictions) as contradictions, r.meta, r.created_at
  from ops.analysis_run r
  join ops.organization o on o.id = r.organization_id
  left join core.analysis_results d on d.organization_id = r.organization_id and d.analysis_run_id = r.id
  left join core.prompts p on p.organization_id = r.organization_id and p.id = r.prompt_id
  left join core.users u on u.id = r.user_id;
grant select on report.analyses to curestry_analyst;
comment on view report.analyses is
  'The analyses, one row a run, with the numbers of its document and the name of its prompt.';
comment on column report.analyses.organization is 'Slug of the organization.';
comment on column report.analyses.analysis_run_id is
  'Identifies the run; joins to report.judge_scores and report.metrics.';
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
comment on view report.analysis_daily is
  'The analyses of each day (of the organization''s time zone) on which they ended, and their quality.';
comment on column report.analysis_daily.organization is 'Slug of the organization.';
comment on column report.analysis_daily.day is 'The day.';
comment on column report.analysis_daily.analyses is 'How many runs ended.';
comment on column report.analysis_daily.scored is 'How many have a document.';
comment on column report.analysis_daily.avg_overall is 'Mean overall score of those.';
comment on column report.analysis_daily.avg_entropy is 'Mean semantic entropy of those.';
comment on column report.analysis_daily.sum_overall is
  'Sum of the overall scores: divide a sum over days by the sum of scored, never average averages.';
comment on column report.analysis_daily.sum_entropy is 'Sum of the semantic entropies.';
--! EndIncluded report/views/analysis_daily.sql
--! Included report/views/analysis_daily_by.sql
create or replace view report.analysis_daily_by with (security_invoker = true) as
select o.slug as organization, m.day, m.dimension, m.value, m.analyses, m.scored,
       m.avg_overall, m.sum_overall, m.avg_entropy, m.sum_entropy,
       m.judged, m.avg_judged, m.sum_judged
  from mart.analysis_daily_by m
  join ops.organization o on o.id = m.organization_id;
grant select on report.analysis_daily_by to curestry_analyst;
comment on view report.analysis_daily_by is
  'The analyses of each day (of the organization''s time zone) on which they ended, by status, by detected language '
  'and by judge rubric. Choose a dimension.';
comment on column report.analysis_daily_by.organization is 'Slug of the organization.';
comment on column report.analysis_daily_by.day is 'The day.';
comment on column report.analysis_daily_by.dimension is 'status, language or rubric.';
comment on column report.analysis_daily_by.value is 'The status, language or rubric (name and version).';
comment on column report.analysis_daily_by.analyses is
  'How many runs ended; by rubric: how many of them were judged by it.';
comment on column report.analysis_daily_by.scored is 'How many of them have a document.';
comment on column report.analysis_daily_by.avg_overall is 'Mean overall score of those with a document.';
comment on column report.analysis_daily_by.sum_overall is 'Sum of the overall scores, to merge days.';
comment on column report.analysis_daily_by.avg_entropy is 'Mean semantic entropy of those with a document.';
comment on column report.analysis_daily_by.sum_entropy is 'Sum of the semantic entropies, to merge days.';
comment on column report.analysis_daily_by.judged is
  'By rubric: how many judgements are complete, with a score for every criterion.';
comment on column report.analysis_daily_by.avg_judged is
  'By rubric: mean of the weighted means of the complete judgements, 0 to 10.';
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
select o.slug as organization, o.name as organization_name, m.user_id, u.email, u.name, m.role, m.status,
       m.created_at as member_since
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
select o.slug as organization, m.metric_key as metric, m.granularity, m.ts_bucket as bucket,
       m.sample_count, m.numeric_count, m.value_num as mean, m.value_sum as sum, m.value_min as min,
       m.value_max as max, m.value_json -> 'counts' as counts,
       m.source, m.ts_bucket at time zone o.time_zone as bucket_local,
       (m.value_json ->> 'p50')::numeric as p50, (m.value_json ->> 'p90')::numeric as p90,
       (m.value_json ->> 'p95')::numeric as p95, (m.value_json ->> 'p99')::numeric as p99,
       m.value_json -> 'sketch' as sketch, (m.value_json ->> 'other')::bigint as other_count
  from mart.metric_timeseries m
  join ops.organization o on o.id = m.organization_id;
grant select on report.metric_timeseries to curestry_analyst;
comment on view report.metric_timeseries is
  'What was measured, by hour and by day of the organization''s time zone. Choose a granularity, each value counts '
  'in an hour and in a day, and a source.';
comment on column report.metric_timeseries.organization is 'Slug of the organization.';
comment on column report.metric_timeseries.metric is
  'The key of the metric; of other sources as mart.metric_timeseries says.';
comment on column report.metric_timeseries.granularity is 'hour or day.';
comment on column report.metric_timeseries.bucket is 'Start of the hour or day.';
comment on column report.metric_timeseries.sample_count is 'How many values.';
comment on column report.metric_timeseries.numeric_count is 'How many of them are numbers.';
comment on column report.metric_timeseries.mean is 'Mean of the numbers.';
comment on column report.metric_timeseries.sum is 'Sum of the numbers.';
comment on column report.metric_timeseries.min is 'Smallest number.';
comment on column report.metric_timeseries.max is 'Largest number.';
comment on column report.metric_timeseries.counts is
  'For texts and JSON: how often each value occurred; of more than 100 distinct ones 100 that a hash chose.';
comment on column report.metric_timeseries.source is
  'metric (of analyses), node (results), judge (scores) or evaluation (of workflows).';
comment on column report.metric_timeseries.bucket_local is
  'Start of the hour or day, as the clocks of the organization''s time zone show it.';
comment on column report.metric_timeseries.p50 is 'Median, within 1 %.';
comment on column report.metric_timeseries.p90 is 'Nine of ten numbers are at most this, within 1 %.';
comment on column report.metric_timeseries.p95 is '95 of 100 numbers are at most this, within 1 %.';
comment on column report.metric_timeseries.p99 is '99 of 100 numbers are at most this, within 1 %.';
comment on column report.metric_timeseries.sketch is
  'To merge quantiles: mart.quantile(mart.merge_sketches(array_agg(sketch)), 0.95).';
comment on column report.metric_timeseries.other_count is
  'For texts and JSON: how often values occurred that are not in counts.';
--! EndIncluded report/views/metric_timeseries.sql
--! Included report/views/metrics.sql
create or replace view report.metrics with (security_invoker = true) as
select o.slug as organization, m.analysis_run_id, m.key as metric,
       m.value_num, m.value_text, m.value_json, m.occurred_at
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
       array(select jsonb_array_elements_text(
                      case when jsonb_typeof(p.tags) = 'array' then p.tags else '[]' end)) as tags,
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

/*
 * Statistics before the first row. Without any, the planner takes one organization for a small part of a table, finds
 * every index that begins with organization_id equally good for the checks of foreign keys, and keeps such a plan while
 * the table grows: recording then takes longer with every batch, until the table is analyzed for the first time. So: some
 * rows, which are analyzed and deleted; their statistics stay until there are others.
 */
do $$
declare
  v_organization constant uuid := gen_random_uuid();
  v_empty constant boolean := not exists (select from core.prompts) and not exists (select from ops.analysis_run);
  v_table regclass;
  v_tables constant regclass[] := array['ops.organization', 'core.prompts', 'core.prompt_versions', 'ops.analysis_run']::regclass[];
begin
  if v_empty then
    -- These rows were never there: no audit, no change for the marts
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
  analyze core.prompts, core.prompt_versions, ops.analysis_run;
  if not v_empty then
    -- Rows that were here before: checks and marts read them at once, before autovacuum has looked at them.
    analyze core.analysis_results, ops.analysis_metric, core.evaluation_metrics, ops.audit_log;
  end if;
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
