--! Previous: sha1:ccbede5205d8d4d4a97895342d67e3a5e39f72de
--! Hash: sha1:a56ca74e09066dd3082b9e81930a84ae83265fbc
--! Message: The API says what is so

-- The open migration: see CONTRIBUTING.md. Data and tables here; definitions by --!include from sql/.
set local lock_timeout = '3s';

drop function if exists app.constraint_message(text, text, text);

create table app.trusted_document (
  id            text        not null,
  document      text        not null,
  digest        text        not null,
  client        text        not null,
  registered_at timestamptz not null default now(),
  constraint pk_trusted_document primary key (id),
  constraint chk_trusted_document_id check (id ~ '^[A-Za-z0-9._:-]{1,128}$'),
  constraint chk_trusted_document_document check (document ~ '\S' and octet_length(document) <= 100000),
  constraint chk_trusted_document_digest check (digest ~ '^[0-9a-f]{64}$'),
  constraint chk_trusted_document_client check (length(client) between 1 and 100)
);
create index idx_trusted_document_digest on app.trusted_document (digest);
create index idx_trusted_document_client on app.trusted_document (client);

create table if not exists app.prompt_search (
  organization_id uuid not null,
  prompt_id varchar not null,
  created_at timestamptz not null,
  document tsvector not null,
  constraint pk_prompt_search primary key (organization_id, prompt_id),
  constraint fk_prompt_search_prompt_id foreign key (organization_id, prompt_id)
    references core.prompts (organization_id, id) on delete cascade
);
create index if not exists idx_prompts_language on core.prompts (organization_id, language, created_at, id);
create index if not exists idx_prompts_format_type on core.prompts (organization_id, format_type, created_at, id);
-- Lists that are ordered by a number go on after equal numbers by the id.
drop index if exists core.idx_analysis_results_overall_score;
create index idx_analysis_results_overall_score on core.analysis_results (organization_id, overall_score, id);
drop index if exists core.idx_analysis_results_semantic_entropy;
create index idx_analysis_results_semantic_entropy on core.analysis_results (organization_id, semantic_entropy, id);
create index if not exists idx_analysis_results_judge_score
  on core.analysis_results (organization_id, judge_score, id);
create index if not exists idx_analysis_results_complexity_score
  on core.analysis_results (organization_id, complexity_score, id);
create index if not exists idx_judge_score_score on ops.judge_score (organization_id, score);
do $$
begin
  if to_regtype('core.prompt_match') is null then
    create type core.prompt_match as (rank real, organization_id uuid, prompt_id varchar);
  end if;
  if to_regtype('ops.quota_state') is null then
    create type ops.quota_state as (name text, maximum integer, used integer);
    create type ops.legal_hold as (
      id uuid, reason text, by_operator boolean, placed_at timestamptz, released_at timestamptz);
    create type ops.erasure as (id uuid, kind text, subject_id text, counts jsonb);
  end if;
end;
$$;
create table if not exists app.mart_update (
  organization_id uuid not null,
  seq bigint not null default nextval('ops.audit_log_seq'),
  source varchar(20) not null,
  from_ts timestamptz not null,
  to_ts timestamptz not null,
  xid bigint not null default pg_current_xact_id()::text::bigint,
  created_at timestamptz not null default now(),
  constraint pk_mart_update primary key (organization_id, seq),
  constraint chk_mart_update_source
    check (source in ('metric', 'node', 'judge', 'evaluation', 'analysis', 'feature')),
  constraint chk_mart_update_span check (from_ts < to_ts)
);
create index if not exists idx_mart_update_xid on app.mart_update (xid);
create index if not exists idx_mart_update_created_at on app.mart_update (created_at);

drop function if exists app.analyst_create(name, text, text[]);

--! Included core/types.sql
comment on type core.tag_match is
  E'@word ANY At least one of the tags.\n'
  '@word ALL Every one of them.\n'
  'How tags are matched.';
grant usage on type core.tag_match to curestry_member, curestry_definer;

comment on type core.prompt_match is
  E'@foreignKey (organization_id, prompt_id) references core.prompts (organization_id, id)|@fieldName prompt\n'
  'A prompt that matches what was looked for.';
comment on column core.prompt_match.rank is
  E'@notNull\n'
  'How well it matches: more of the words, in the name rather than the description, there rather than the '
  'content. Comparable within one search; 0 without words.';
comment on column core.prompt_match.organization_id is E'@behavior -*\nThe organization of the prompt.';
comment on column core.prompt_match.prompt_id is E'@notNull\nThe prompt.';
grant usage on type core.prompt_match to curestry_member, curestry_definer;
--! EndIncluded core/types.sql
--! Included ops/types/keys_and_members.sql
comment on type ops.new_api_key is 'An API key that was just created, with its text, which is shown this once.';
comment on column ops.new_api_key.id is E'@notNull\nIdentifies the key.';
comment on column ops.new_api_key.name is E'@notNull\nWhat it is for.';
comment on column ops.new_api_key.scopes is E'@notNull\nWhat it may do.';
comment on column ops.new_api_key.key is
  E'@notNull\nThe key itself, for "Authorization: Bearer". Keep it: it is not shown again.';
comment on column ops.new_api_key.expires_at is 'Until when it is accepted; null: no end.';
comment on column ops.new_api_key.created_at is E'@notNull\nWhen it was created.';

comment on type ops.new_invitation is 'An invitation that was just created, with its code, which is shown this once.';
comment on column ops.new_invitation.organization_user_id is E'@notNull\nThe membership, invited until it is accepted.';
comment on column ops.new_invitation.user_id is E'@notNull\nThe person who was invited.';
comment on column ops.new_invitation.email is E'@notNull\nThe e-mail address that was invited.';
comment on column ops.new_invitation.role is E'@words MemberRole\n@notNull\nWhat the person will be.';
comment on column ops.new_invitation.code is
  E'@notNull\nFor acceptInvitation. Give it to that person: it is not shown again.';
comment on column ops.new_invitation.expires_at is E'@notNull\nUntil when it can be accepted.';
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
comment on column ops.analysis_item.status is
  E'@words AnalysisRunStatus\nqueued, running, succeeded (the default), failed or cancelled.';
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
comment on column ops.analysis_node_result_item.status is E'@words NodeResultStatus\nok, warn, fail or error.';
comment on column ops.analysis_node_result_item.score is E'@float\n0 to 10.';
comment on column ops.analysis_node_result_item.details is 'What was found, a JSON object.';

comment on type ops.judge_score_item is 'What a judge gave by one criterion.';
comment on column ops.judge_score_item.rubric is 'Name of the rubric; its newest version is meant.';
comment on column ops.judge_score_item.criterion is 'Key of the criterion.';
comment on column ops.judge_score_item.score is E'@float\n0 to 10.';
comment on column ops.judge_score_item.comment is 'Why, in the words of the judge.';
comment on column ops.judge_score_item.evidence is 'What the judge goes by, a JSON object.';

comment on type ops.record_outcome is 'The outcome of an item of recordAnalyses.';
comment on column ops.record_outcome.outcome is
  E'@words RecordOutcomeKind\n'
  '@word inserted It was recorded.\n'
  '@word unchanged It was there already, with the same content.\n'
  '@word conflict Its key is taken by another content.\n'
  '@word invalid It breaks a rule, and was not recorded.\n'
  '@notNull\n'
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
--! Included ops/types/viewer.sql
comment on type ops.viewer is 'Who is asking, and what they may do.';
comment on column ops.viewer.user_id is
  'The user; with an API key, the user who created it; null for an operator''s key.';
comment on column ops.viewer.email is 'The user''s e-mail address.';
comment on column ops.viewer.name is 'The user''s display name.';
comment on column ops.viewer.api_key_id is 'The API key; null with a session.';
comment on column ops.viewer.organization_id is 'The organization of this request.';
comment on column ops.viewer.organization_slug is 'The slug of the organization of this request.';
comment on column ops.viewer.role is E'@words MemberRole\nThe user''s role in the organization of this request.';
comment on column ops.viewer.permissions is
  E'@notNull\n'
  'What this request may do: the role''s permissions, with an API key those of them that are in its scopes.';
comment on column ops.viewer.organizations is
  E'@notNull\nAll organizations of the user; choose one with the header X-Curestry-Organization.';

comment on type ops.viewer_organization is 'An organization that the user is an active member of.';
comment on column ops.viewer_organization.id is E'@notNull\nIdentifies the organization.';
comment on column ops.viewer_organization.slug is E'@notNull\nIts short name, for the header X-Curestry-Organization.';
comment on column ops.viewer_organization.name is E'@notNull\nIts display name.';
comment on column ops.viewer_organization.role is E'@words MemberRole\n@notNull\nThe user''s role there.';
comment on column ops.viewer_organization.personal is
  E'@notNull\nWhether it is the user''s personal organization, which requests belong to that name none.';
grant usage on type ops.viewer, ops.viewer_organization to curestry_anonymous, curestry_member, curestry_definer;
--! EndIncluded ops/types/viewer.sql
--! Included ops/types/jobs.sql
comment on type ops.failed_job is 'A job of the worker that failed permanently. Its payload is not in the API.';
comment on column ops.failed_job.id is E'@notNull\nIdentifies the job.';
comment on column ops.failed_job.task is E'@notNull\nWhat was to be done.';
comment on column ops.failed_job.attempts is E'@notNull\nHow often it was tried.';
comment on column ops.failed_job.max_attempts is E'@notNull\nHow often it was to be tried at most.';
comment on column ops.failed_job.error is 'Why it failed the last time.';
comment on column ops.failed_job.created_at is E'@notNull\nWhen it was queued.';
comment on column ops.failed_job.failed_at is E'@notNull\nWhen it failed the last time.';

comment on type ops.task_run is 'A scheduled or polling task of the worker, and when it last ran.';
comment on column ops.task_run.task is E'@notNull\nWhich task.';
comment on column ops.task_run.kind is
  E'@words TaskKind\n@word schedule By a line of the crontab.\n@word poll Checked all the time.\n'
  '@notNull\nschedule: a line of the crontab; poll: checked all the time.';
comment on column ops.task_run.is_late is
  E'@notNull\nWhether it has not succeeded for three times as long as it should take.';
comment on column ops.task_run.expected_seconds is 'How often it runs: at most this long after the time before.';
comment on column ops.task_run.started_at is 'When it last began.';
comment on column ops.task_run.succeeded_at is 'When it last succeeded.';
comment on column ops.task_run.failed_at is 'When it last failed.';
comment on column ops.task_run.error is 'Why it last failed.';
comment on column ops.task_run.milliseconds is 'How long it took the last time.';
grant usage on type ops.failed_job, ops.task_run to curestry_member, curestry_definer;
--! EndIncluded ops/types/jobs.sql
--! Included ops/types/organizations.sql
comment on type ops.quota_state is 'A quota: how many of something there may be, and how many there are.';
comment on column ops.quota_state.name is
  E'@notNull\norganizations_of_person (made by you), members_of_organization (with invitations), or '
  'api_keys_of_organization (neither revoked nor expired).';
comment on column ops.quota_state.maximum is E'@notNull\nHow many there may be; one more is refused with LIMIT.';
comment on column ops.quota_state.used is E'@notNull\nHow many there are.';

comment on type ops.legal_hold is 'A legal hold: while it is in force, nothing of what is held is erased or deleted.';
comment on column ops.legal_hold.id is E'@notNull\nIdentifies the hold.';
comment on column ops.legal_hold.reason is 'Why; whoever tries to erase or delete is told.';
comment on column ops.legal_hold.by_operator is
  E'@notNull\nWhether an operator placed it on the command line: then only an operator releases it.';
comment on column ops.legal_hold.placed_at is E'@notNull\nWhen it was placed.';
comment on column ops.legal_hold.released_at is 'When it was released; null: it is in force.';

comment on type ops.erasure is 'What an erasure did, or would do.';
comment on column ops.erasure.id is 'The erasure record; null: nothing was changed.';
comment on column ops.erasure.kind is E'@notNull\nuser or organization.';
comment on column ops.erasure.subject_id is E'@notNull\nThe id of what was erased, which names nobody any more.';
comment on column ops.erasure.counts is
  E'@notNull\nHow many rows of each table were removed or changed, a JSON object.';
grant usage on type ops.quota_state, ops.legal_hold, ops.erasure to curestry_member, curestry_definer;
--! EndIncluded ops/types/organizations.sql
--! Included ops/types/entity_history.sql
comment on type ops.entity_change is 'A change of a row, from the audit log.';
comment on column ops.entity_change.at is E'@notNull\nWhen.';
comment on column ops.entity_change.action is
  E'@notNull\ninsert, update, delete or truncate; baseline: the row as it was when the log begins.';
comment on column ops.entity_change.actor_user_id is 'Which user, if a request to the API changed it.';
comment on column ops.entity_change.actor_email is
  'The user''s e-mail address, if the account is still there and you may read members.';
comment on column ops.entity_change.actor_api_key_id is 'With which API key.';
comment on column ops.entity_change.actor_api_key_name is 'The name of the key.';
comment on column ops.entity_change.actor_role is E'@notNull\nWhich login of the database.';
comment on column ops.entity_change.request_id is 'The X-Request-Id of the request.';
comment on column ops.entity_change.changes is
  E'@notNull\nThe columns that changed; of a new or a removed row, those that have a value.';
comment on column ops.entity_change.erasure_id is 'Which erasure removed values; null: they are complete.';
comment on column ops.entity_change.sentence is
  E'@notNull\nAll that in a sentence: "anna@example.org changed content and tags".';

comment on type ops.column_change is 'The change of a column.';
comment on column ops.column_change."column" is E'@notNull\nThe column.';
comment on column ops.column_change.before is 'Its value before; null if there was none, or it is a secret.';
comment on column ops.column_change.after is 'Its value after; null if there is none, or it is a secret.';
grant usage on type ops.column_change, ops.entity_change to curestry_member, curestry_definer;
--! EndIncluded ops/types/entity_history.sql
--! Included mart/types/series.sql
comment on type mart.series_bucket is
  E'@word HOUR An hour.\n'
  '@word DAY A day.\n'
  '@word WEEK A week; it begins on Monday.\n'
  '@word MONTH A month.\n'
  'How long a point is, in the organization''s time zone.';
comment on type mart.series_fill is
  E'@word NONE No point.\n'
  '@word ZERO Zeros.\n'
  '@word NULL A point with count 0 and nothing else.\n'
  '@word PREVIOUS Count and sum 0, and the mean, bounds and quantiles of the last point that has any, back to '
  'the start of the previous period.\n'
  'What a bucket without values becomes.';
comment on type mart.series_values is 'What was measured in a bucket.';
comment on column mart.series_values.count is E'@notNull\nHow many values.';
comment on column mart.series_values.numeric_count is E'@notNull\nHow many of them are numbers.';
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
comment on column mart.series_point.bucket_start is E'@notNull\nStart.';
comment on column mart.series_point.bucket_end is E'@notNull\nEnd; the start of the next one.';
comment on column mart.series_point.count is E'@notNull\nHow many values.';
comment on column mart.series_point.numeric_count is E'@notNull\nHow many of them are numbers.';
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
  E'@notNull\n'
  'Start of the bucket at the same place of the previous period, which is as many buckets long and ends where '
  'the first point begins.';
comment on column mart.series_point.previous is 'What was measured in that; null if nothing was, unless it is filled.';
comment on type mart.analysis_values is 'The analyses that ended in a bucket.';
comment on column mart.analysis_values.analyses is
  E'@notNull\nHow many runs ended; by rubric: how many of them were judged by it.';
comment on column mart.analysis_values.scored is E'@notNull\nHow many of them have a document.';
comment on column mart.analysis_values.avg_overall is 'Mean overall score of those with a document.';
comment on column mart.analysis_values.avg_entropy is 'Mean semantic entropy of those with a document.';
comment on column mart.analysis_values.judged is 'By rubric: how many judgements are complete.';
comment on column mart.analysis_values.avg_judged is
  'By rubric: mean of the weighted means of the complete judgements.';
comment on type mart.analysis_point is 'A point of the series of analyses.';
comment on column mart.analysis_point.bucket_start is E'@notNull\nStart.';
comment on column mart.analysis_point.bucket_end is E'@notNull\nEnd; the start of the next one.';
comment on column mart.analysis_point.analyses is
  E'@notNull\nHow many runs ended; by rubric: how many of them were judged by it.';
comment on column mart.analysis_point.scored is E'@notNull\nHow many of them have a document.';
comment on column mart.analysis_point.avg_overall is 'Mean overall score of those with a document.';
comment on column mart.analysis_point.avg_entropy is 'Mean semantic entropy of those with a document.';
comment on column mart.analysis_point.judged is 'By rubric: how many judgements are complete.';
comment on column mart.analysis_point.avg_judged is 'By rubric: mean of the weighted means of the complete judgements.';
comment on column mart.analysis_point.previous_start is
  E'@notNull\n'
  'Start of the bucket at the same place of the previous period, which is as many buckets long and ends where '
  'the first point begins.';
comment on column mart.analysis_point.previous is 'The analyses of that; null if there were none, unless it is filled.';
comment on type mart.freshness is 'How far a mart is behind.';
comment on column mart.freshness.mart is E'@notNull\nWhich mart.';
comment on column mart.freshness.oldest_change_seconds is
  'Age of the oldest change that it has not processed yet; null: none.';
comment on column mart.freshness.waiting is E'@notNull\nHow many changes it has not processed yet.';
grant usage on type mart.series_bucket, mart.series_fill, mart.series_values, mart.series_point,
                    mart.analysis_values, mart.analysis_point, mart.freshness
  to curestry_member, curestry_definer;
--! EndIncluded mart/types/series.sql
--! Included app/request/api_name.sql
create or replace function app.api_name(name text) returns text
language sql immutable parallel safe set search_path = '' as $$
  select string_agg(case p.n when 1 then p.part else upper(left(p.part, 1)) || substr(p.part, 2) end, '' order by p.n)
    from unnest(string_to_array(name, '_')) with ordinality as p (part, n);
$$;
revoke execute on function app.api_name from public;
grant execute on function app.api_name to curestry_definer;
comment on function app.api_name is 'A column as the API spells it: formatType for format_type.';
--! EndIncluded app/request/api_name.sql
--! Included app/request/constraint_rule.sql
create or replace function app.constraint_rule(
  schema_name text, table_name text, constraint_name text, out message text, out field text
)
language plpgsql stable security definer set search_path = '' as $$
declare
  v_named constant regclass := to_regclass(format('%I.%I', schema_name, table_name));
  -- A partition breaks the rules of its table, whose comments say what they are
  v_table constant regclass := coalesce(pg_catalog.pg_partition_root(v_named), v_named);
  v_index constant regclass := to_regclass(format('%I.%I', schema_name, constraint_name));
  v_columns text[];
  v_key text[];
  v_column text;
begin
  select coalesce(obj_description(c.oid, 'pg_constraint'), obj_description(c.conindid, 'pg_class'))
    into message
    from pg_catalog.pg_constraint c where c.conrelid = v_table and c.conname = constraint_name;
  message := coalesce(message, obj_description(v_index, 'pg_class'));
  select array_agg(a.attname order by length(a.attname) desc) into v_columns
    from pg_catalog.pg_attribute a where a.attrelid = v_table and a.attnum > 0 and not a.attisdropped;
  select array_agg(a.attname order by a.attnum) into v_key
    from pg_catalog.pg_attribute a
   where a.attrelid = v_table and a.attname <> 'organization_id'
     and a.attnum = any (coalesce(
       (select c.conkey from pg_catalog.pg_constraint c where c.conrelid = v_table and c.conname = constraint_name),
       (select i.indkey::smallint[] from pg_catalog.pg_index i where i.indexrelid = v_index)));
  -- Of several columns the one that the rule names first; else what it begins with, where the API has another name for
  -- the column; else the last
  field := app.api_name(coalesce(
    (select k.name from unnest(v_key) with ordinality as k (name, n)
      where message ~ ('\m' || k.name || '\M')
      order by length(split_part(regexp_replace(message, '\m' || k.name || '\M', e'\x01'), e'\x01', 1)) limit 1),
    substring(message from '^(?:\w+: )?(\w+) must '),
    v_key[cardinality(v_key)]));
  foreach v_column in array coalesce(v_columns, '{}') loop
    if v_column like '%\_%' then
      message := regexp_replace(message, '\m' || v_column || '\M', app.api_name(v_column), 'g');
    end if;
  end loop;
end;
$$;
alter function app.constraint_rule owner to curestry_definer;
revoke execute on function app.constraint_rule from public;
grant execute on function app.constraint_rule to curestry_gateway, curestry_member;
comment on function app.constraint_rule is
  'The rule of a constraint or unique index in plain words, which are its comment, and the field that it is about; '
  'columns as the API spells them.';
--! EndIncluded app/request/constraint_rule.sql
--! Included app/request/constraint_violation_message.sql
/* For functions that report one bad item and go on: what an error of PostgreSQL means, in the words of our comments. */
create or replace function app.constraint_violation_message(
  state text, message text, schema_name text, table_name text, constraint_name text, column_name text
)
returns text
language sql stable set search_path = '' as $$
  select coalesce(
    case
      when state = '23502' then app.api_name(column_name) || ' is required'
      when constraint_name <> '' then
        (select r.message from app.constraint_rule(schema_name, table_name, constraint_name) r)
    end,
    message);
$$;
revoke execute on function app.constraint_violation_message from public;
grant execute on function app.constraint_violation_message to curestry_definer;
comment on function app.constraint_violation_message is
  'What the violation of a constraint means, in plain words.';
--! EndIncluded app/request/constraint_violation_message.sql
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
  perform app.lock_take('partitions');
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
  -- Who looks for new rows by their transaction reads all pages that no vacuum has summarized yet: by default, these
  -- could be a fifth of a month
  for v_name in
    select c.relname
      from pg_catalog.pg_inherits i
      join pg_catalog.pg_class c on c.oid = i.inhrelid
     where i.inhparent = 'ops.audit_log'::regclass and c.reloptions is null
  loop
    execute format('alter table app.%I set (autovacuum_vacuum_insert_scale_factor = 0, '
                   'autovacuum_vacuum_insert_threshold = 50000)', v_name);
  end loop;
end;
$$;
revoke execute on function app.partition_make_all from public;
grant execute on function app.partition_make_all to curestry_worker;
comment on function app.partition_make_all is
  'Creates the partitions of the coming months, and of months that have rows but no partition; returns which. A job '
  'of the worker.';
--! EndIncluded app/retention/partition_make_all.sql
--! Included app/members/time_zone_nearest.sql
/* Pairs of letters in common (Dice): finds a mistyped name, and a city or country without the rest. */
create or replace function app.time_zone_nearest(name text) returns text
language sql stable set search_path = '' as $$
  with pairs as (
    select array_agg(distinct substr(lower(left(time_zone_nearest.name, 64)), n, 2)) as typed
      from generate_series(1, least(length(time_zone_nearest.name), 64) - 1) as n
  ), zone as (
    select z.name, array(select distinct substr(lower(z.name), n, 2)
                           from generate_series(1, length(z.name) - 1) as n) as pairs
      from pg_catalog.pg_timezone_names z
     where z.name !~ '^(posix/|right/|Etc/|Factory$|localtime$|posixrules$)'
  )
  select z.name
    from zone z, pairs p,
         lateral (select 2.0 * (select count(*) from unnest(p.typed) as t where t = any (z.pairs))
                         / (cardinality(p.typed) + cardinality(z.pairs)) as likeness) l
   where l.likeness >= 0.5
   order by l.likeness desc, z.name
   limit 1;
$$;
revoke execute on function app.time_zone_nearest from public;
grant execute on function app.time_zone_nearest to curestry_definer;
comment on function app.time_zone_nearest is
  'The name of a time zone that is most like what was typed; null if none is much like it.';
--! EndIncluded app/members/time_zone_nearest.sql
--! Included app/members/tg_organization__time_zone.sql
create or replace function app.tg_organization__time_zone() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  v_nearest text;
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
  v_nearest := app.time_zone_nearest(NEW.time_zone);
  perform app.refuse('CU004',
    format('timeZone: %s is no time zone; ', coalesce(to_json(NEW.time_zone)::text, 'null'))
      || coalesce('did you mean ' || v_nearest || '?',
                  'it must be a name of the IANA database, such as Europe/Berlin or UTC'),
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
--! Included app/analyses/exact_numeric.sql
/*
 * By way of the text, which has the shortest digits that give the same double again: a cast keeps fifteen. A number
 * of the old backends that is none (NaN, Infinity) is null.
 */
create or replace function app.exact_numeric(number double precision) returns numeric
language sql immutable parallel safe
return case when number > '-Infinity' and number < 'Infinity' then number::text::numeric end;
revoke execute on function app.exact_numeric from public;
grant execute on function app.exact_numeric to curestry_definer, curestry_member;
comment on function app.exact_numeric is 'A double as numeric, with all of its digits; null for NaN and Infinity.';
--! EndIncluded app/analyses/exact_numeric.sql
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
      ('overall_score', app.exact_numeric(overall_score)), ('judge_score', app.exact_numeric(judge_score)),
      ('semantic_entropy', app.exact_numeric(semantic_entropy)),
      ('complexity_score', app.exact_numeric(complexity_score)),
      ('length_chars', length_chars::numeric), ('length_words', length_words::numeric)) as m (key, value);
end;
revoke execute on function app.analysis_document_metrics from public;
grant execute on function app.analysis_document_metrics to curestry_definer, curestry_member;
comment on function app.analysis_document_metrics is
  'The numbers of an analysis document as metrics: key and value.';
--! EndIncluded app/analyses/analysis_document_metrics.sql
--! Included app/prompts/search_words.sql
/*
 * PostgreSQL's parser takes tags of XML, paths, hosts, numbers with a sign and words with hyphens as one: it finds
 * "path" neither in "/a/path" nor in "<path>". Without the characters that lead it there, all of it is words. In
 * scripts that put no spaces between words, each character is one; what somebody looks for is then a phrase.
 */
create or replace function app.search_words(text text, as_query boolean default false) returns text
language sql immutable parallel safe set search_path = '' as $$
  select case
           when octet_length(text) = char_length(text) then w.words
           else regexp_replace(
                  case when as_query then regexp_replace(w.words, w.script || '+', ' "\&" ', 'g') else w.words end,
                  w.script, ' \& ', 'g')
         end
    from (select translate(text, '<&/.@+:~_' || case when as_query then '' else '-' end, repeat(' ', 10)),
                 '[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff\u3400-\u9fff\uf900-\ufaff]'
         ) w (words, script);
$$;
revoke execute on function app.search_words from public;
grant execute on function app.search_words to curestry_definer;
comment on function app.search_words is
  'A text as the words that the search of prompts looks for, with a word for each character where a script puts no '
  'spaces between words. In a query these are in quotes, and hyphens, which are a minus there, stay.';
--! EndIncluded app/prompts/search_words.sql
--! Included app/prompts/prompt_document.sql
/*
 * The configuration is "simple": it takes every word of every language as it is, but for upper and lower case.
 * Others stem, and leave words out, by the rules of one language. Prompts are in many, often in several at once, and
 * the "not" and "if" of an instruction are what somebody may look for.
 *
 * PostgreSQL refuses a document above 1 MB, and with it the prompt. The words of 64 Ki characters never reach that.
 */
create or replace function app.prompt_document(name text, description text, content text) returns tsvector
language sql immutable parallel safe set search_path = '' as $$
  select setweight(to_tsvector('pg_catalog.simple', app.search_words(name)), 'A')
         || setweight(to_tsvector('pg_catalog.simple', app.search_words(left(coalesce(description, ''), 16384))), 'B')
         || to_tsvector('pg_catalog.simple', app.search_words(left(content, 65536)));
$$;
revoke execute on function app.prompt_document from public;
grant execute on function app.prompt_document to curestry_definer;
comment on function app.prompt_document is
  'What the search knows of a prompt: the words of its name, of the first 16,384 characters of its description, and of '
  'the first 65,536 of its content, in this order of weight.';
--! EndIncluded app/prompts/prompt_document.sql
--! Included app/prompts/prompt_query.sql
/*
 * The syntax is that of websearch_to_tsquery. A hyphen within a word is no minus. Every second part of what double
 * quotes divide is a phrase already.
 */
create or replace function app.prompt_query(query text) returns tsquery
language sql immutable parallel safe set search_path = '' as $$
  select websearch_to_tsquery('pg_catalog.simple',
           string_agg(app.search_words(p.part, as_query => p.n % 2 = 1), '"' order by p.n))
    from string_to_table(regexp_replace(query, '(?<=[^[:space:]"])-', ' ', 'g'), '"') with ordinality as p (part, n);
$$;
revoke execute on function app.prompt_query from public;
grant execute on function app.prompt_query to curestry_definer;
comment on function app.prompt_query is
  'What somebody who searches prompts has typed, as PostgreSQL''s search understands it: words that all must be there, '
  '"a phrase", this or that, -without.';
--! EndIncluded app/prompts/prompt_query.sql
--! Included app/prompts/tg_prompts__search.sql
create or replace function app.tg_prompts__search() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if TG_OP = 'INSERT' then
    insert into app.prompt_search (organization_id, prompt_id, created_at, document)
    select n.organization_id, n.id, n.created_at, app.prompt_document(n.name, n.description, n.content)
      from new_rows n;
  else
    update app.prompt_search s set document = app.prompt_document(n.name, n.description, n.content)
      from new_rows n
      join old_rows o on o.organization_id = n.organization_id and o.id = n.id
     where s.organization_id = n.organization_id and s.prompt_id = n.id
       and (n.name, n.description, n.content) is distinct from (o.name, o.description, o.content);
  end if;
  return null;
end;
$$;
alter function app.tg_prompts__search owner to curestry_definer;
revoke execute on function app.tg_prompts__search from public;
comment on function app.tg_prompts__search is 'Trigger: keeps the words of each prompt in app.prompt_search.';
--! EndIncluded app/prompts/tg_prompts__search.sql
--! Included app/members/user_by_email.sql
/* The old backends allowed addresses that differ only in case: an exact match is preferred, if there is one. */
create or replace function app.user_by_email(user_email text) returns integer
language plpgsql stable security definer set search_path = '' as $$
declare
  v_users integer[];
  v_analyst text;
begin
  select array_agg(u.id) filter (where u.email = user_email or not e.is_exact) into v_users
    from core.users u,
         lateral (select exists (select from core.users x where x.email = user_email) as is_exact) e
   where lower(u.email) in (lower(user_email), lower(normalize(btrim(user_email), NFKC)));
  if v_users is null then
    select min(g.role_name) into v_analyst
      from ops.analyst_grant g where g.role_name in (user_email, split_part(lower(user_email), '@', 1));
    perform app.refuse('CU003',
      format('There is no user with the e-mail address %L: `user list` shows those there are', user_email)
        || coalesce('. The analyst ' || v_analyst || ' is a login of the database and no user: see `analyst list`', ''),
      'user');
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
--! Included app/members/organization_list.sql
create or replace function app.organization_list(with_personal boolean)
returns table (
  id uuid, slug text, name text, time_zone text, personal boolean, owners text[], members integer, invited integer,
  raw_retention_days integer, audit_retention_months integer, held boolean, created_at timestamptz)
language sql stable security definer set search_path = '' as $$
  select o.id, o.slug::text, o.name::text, o.time_zone::text, o.personal_user_id is not null,
         coalesce(m.owners, '{}'), coalesce(m.active, 0), coalesce(m.invited, 0),
         o.raw_retention_days, o.audit_retention_months, app.legal_hold_exists(o.id), o.created_at
    from ops.organization o
    left join lateral (
      select array_agg(coalesce(u.email::text, 'user ' || u.id) order by u.email, u.id)
               filter (where x.role = 'owner' and x.status = 'active') as owners,
             (count(*) filter (where x.status = 'active'))::integer as active,
             (count(*) filter (where x.status = 'invited'))::integer as invited
        from ops.organization_user x
        join core.users u on u.id = x.user_id
       where x.organization_id = o.id) m on true
   where with_personal or o.personal_user_id is null
   order by o.slug;
$$;
alter function app.organization_list owner to curestry_definer;
revoke execute on function app.organization_list from public;
grant execute on function app.organization_list to curestry_owner;
comment on function app.organization_list is
  'The organizations, with their owners, how many members they have, and how long they keep what; personal ones on '
  'request. For operators.';
--! EndIncluded app/members/organization_list.sql
--! Included app/members/member_add.sql
/* Somebody who was invited, or was a member before, is one from now on; the code of the invitation is worth nothing. */
create or replace function app.member_add(organization uuid, member_email text, member_role text)
returns ops.organization_user
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_user integer;
  v_member ops.organization_user;
begin
  perform from ops.organization o where o.id = organization for no key update;
  v_user := app.user_ensure(member_email);
  select m.* into v_member from ops.organization_user m where m.organization_id = organization and m.user_id = v_user;
  if v_member.status = 'active' then
    perform app.refuse('CU005', format('%s is a member already, as %s', member_email, v_member.role),
                       'email', 'unq_organization_user_user_id');
  end if;
  insert into ops.organization_user as m (organization_id, user_id, role, status)
  values (organization, v_user, member_role, 'active')
  on conflict on constraint unq_organization_user_user_id do update set role = excluded.role, status = 'active'
  returning m.* into v_member;
  return v_member;
end;
$$;
alter function app.member_add owner to curestry_definer;
revoke execute on function app.member_add from public;
grant execute on function app.member_add to curestry_owner;
comment on function app.member_add is
  'Makes a person a member of an organization, without an invitation; creates the account if it is new. For operators.';
--! EndIncluded app/members/member_add.sql
--! Included app/members/member_list.sql
create or replace function app.member_list(organization uuid default null)
returns table (organization_slug text, user_id integer, email text, role text, status text, created_at timestamptz)
language sql stable security definer set search_path = '' as $$
  select o.slug::text, m.user_id, u.email::text, m.role::text, m.status::text, m.created_at
    from ops.organization_user m
    join ops.organization o on o.id = m.organization_id
    join core.users u on u.id = m.user_id
   where m.status <> 'removed' and (member_list.organization is null or o.id = member_list.organization)
     and (member_list.organization is not null or o.personal_user_id is distinct from m.user_id)
   order by o.slug, array_position('{owner,admin,member,viewer}', m.role::text), u.email, m.user_id;
$$;
alter function app.member_list owner to curestry_definer;
revoke execute on function app.member_list from public;
grant execute on function app.member_list to curestry_owner;
comment on function app.member_list is
  'The members of one organization, with those who are invited; or of all, but for the person whose personal one it '
  'is. For operators.';
--! EndIncluded app/members/member_list.sql
--! Included app/members/member_remove.sql
create or replace function app.member_remove(organization uuid, member_email text) returns ops.organization_user
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_member ops.organization_user := app.member_lock(organization, app.user_by_email(member_email));
begin
  if exists (select from ops.organization o where o.id = organization and o.personal_user_id = v_member.user_id) then
    perform app.refuse('CU005', 'Nobody leaves a personal organization', 'organization', 'organization_owner');
  end if;
  update ops.organization_user m set status = 'removed'
   where m.organization_id = organization and m.id = v_member.id
  returning m.* into v_member;
  return v_member;
end;
$$;
alter function app.member_remove owner to curestry_definer;
revoke execute on function app.member_remove from public;
grant execute on function app.member_remove to curestry_owner;
comment on function app.member_remove is
  'Removes a member, or withdraws an invitation; the member''s API keys for this organization stop working. The last '
  'owner stays. For operators.';
--! EndIncluded app/members/member_remove.sql
--! Included app/members/member_set_role.sql
create or replace function app.member_set_role(organization uuid, member_email text, member_role text)
returns ops.organization_user
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_member ops.organization_user := app.member_lock(organization, app.user_by_email(member_email));
begin
  update ops.organization_user m set role = member_role
   where m.organization_id = organization and m.id = v_member.id
  returning m.* into v_member;
  return v_member;
end;
$$;
alter function app.member_set_role owner to curestry_definer;
revoke execute on function app.member_set_role from public;
grant execute on function app.member_set_role to curestry_owner;
comment on function app.member_set_role is
  'Changes what a member, active or invited, may do in an organization; the last owner stays one. For operators.';
--! EndIncluded app/members/member_set_role.sql
--! Included app/members/user_list.sql
create or replace function app.user_list(organization uuid default null)
returns table (
  id integer, email text, name text, platform_admin boolean, organizations text[], signed_in_at timestamptz,
  created_at timestamptz)
language sql stable security definer set search_path = '' as $$
  select u.id, u.email::text, u.name::text, exists (select from app.platform_admin p where p.user_id = u.id),
         array(select o.slug || ': ' || case m.status when 'invited' then 'invited as ' else '' end || m.role
                 from ops.organization_user m
                 join ops.organization o on o.id = m.organization_id
                where m.user_id = u.id and m.status <> 'removed' and o.personal_user_id is distinct from u.id
                order by o.slug),
         (select max(s.created_at) from core.sessions s where s.user_id = u.id), u.created_at
    from core.users u
   where u.erased_at is null
     and (user_list.organization is null
          or exists (select from ops.organization_user m
                      where m.organization_id = user_list.organization and m.user_id = u.id and m.status <> 'removed'))
   order by u.email, u.id;
$$;
alter function app.user_list owner to curestry_definer;
revoke execute on function app.user_list from public;
grant execute on function app.user_list to curestry_owner;
comment on function app.user_list is
  'The people with an account, what they are in which organization, and when they last signed in; of one organization, '
  'or all. For operators.';
--! EndIncluded app/members/user_list.sql
--! Included app/members/quota_list.sql
create or replace function app.quota_list() returns setof app.quota
language sql stable security definer set search_path = '' as $$
  select q.* from app.quota q order by q.name;
$$;
alter function app.quota_list owner to curestry_definer;
revoke execute on function app.quota_list from public;
grant execute on function app.quota_list to curestry_owner;
comment on function app.quota_list is 'The quotas, which hold for everybody. For operators.';
--! EndIncluded app/members/quota_list.sql
--! Included app/analysts/analyst_create.sql
/*
 * The name comes as text: PostgreSQL would cut a longer one off.
 *
 * Runs with the rights of the administrator who calls it: creating a login requires the right to create roles.
 */
create or replace function app.analyst_create(analyst text, analyst_password text, organization_slugs text[])
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
  -- Only a member of a login may end its sessions: app.analyst_end_sessions
  execute format('grant %I to curestry_definer', analyst);
  execute format('comment on role %I is %L', analyst, 'An analyst of Curestry');
  -- Grants of an earlier login of this name, which was dropped by hand, do not apply to this one
  perform app.analyst_revoke(analyst::name, app.organization_by_slug(o))
     from app.analyst_list() a, unnest(a.organizations) as o
    where a.name = analyst;
  perform app.analyst_grant(analyst::name, o) from unnest(v_organizations) as o;
end;
$$;
revoke execute on function app.analyst_create from public;
comment on function app.analyst_create is
  'Creates a read-only login for an analyst of these organizations. For operators who may create roles.';
--! EndIncluded app/analysts/analyst_create.sql
--! Included app/prompts/prompt_store.sql
/*
 * lines: [{"line": 2, "record": {…}}, …]; one statement for all of them, all or nothing. The fields of a record may
 * have the names of the API or those that prompt collections use: name, act or title; content, prompt or text; tags,
 * or a category, which becomes a tag. Other fields are kept in extra_metadata. A prompt with the same name and content
 * is not imported again, be it in the table or among the lines. What an export says beside (promptId, createdAt,
 * updatedAt) is passed over. Planner settings: sql/README.md.
 */
create or replace function app.prompt_store(organization uuid, lines jsonb)
returns table (line integer, outcome text, prompt_id text, reason text)
language plpgsql volatile security definer set search_path = '' set plan_cache_mode = force_generic_plan
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off as $$
begin
  return query
    with record as materialized (
      select l.n, (l.line ->> 'line')::integer as line, l.line -> 'record' as fields,
             coalesce(l.line -> 'record' ->> 'content', l.line -> 'record' ->> 'prompt',
                      l.line -> 'record' ->> 'text') as content
        from jsonb_array_elements(lines) with ordinality as l (line, n)
    ), named as materialized (
      select r.*, coalesce(r.fields ->> 'name', r.fields ->> 'act', r.fields ->> 'title',
                           btrim(left(split_part(btrim(r.content, E' \t\r\n'), E'\n', 1), 80))) as name
        from record r
    ), judged as materialized (
      select n.*, gen_random_uuid()::text as new_id,
             case
               when jsonb_typeof(n.fields) <> 'object' then 'is not an object'
               when n.content is null then 'content (or prompt, or text) is required'
               when char_length(n.name) > 255 then 'name must be at most 255 characters'
               when char_length(n.fields ->> 'language') > 10 then 'language must be at most 10 characters'
               when n.fields ? 'tags' and jsonb_typeof(n.fields -> 'tags') <> 'array'
                 then 'tags must be an array of strings'
             end as problem
        from named n
    ), known as materialized (
      select j.*, p.id,
             first_value(j.n) over (partition by j.name, j.content, j.problem order by j.n) as first,
             first_value(j.new_id) over (partition by j.name, j.content, j.problem order by j.n) as first_id
        from judged j
        left join lateral (
          select p.id::text from core.prompts p
           where p.organization_id = organization and p.name = j.name and p.content = j.content and j.problem is null
           limit 1) p on true
    ), stored as (
      insert into core.prompts
        (id, organization_id, name, description, content, format_type, language, tags, extra_metadata)
      select n.new_id, organization, n.name, n.fields ->> 'description', n.content,
             coalesce(n.fields ->> 'formatType', n.fields ->> 'format_type', 'auto'),
             coalesce(n.fields ->> 'language', 'auto'),
             coalesce(n.fields -> 'tags',
                      case when n.fields ->> 'category' <> '' then jsonb_build_array(n.fields ->> 'category') end,
                      '[]'),
             coalesce(n.fields -> 'extraMetadata', n.fields -> 'extra_metadata', '{}')
               || n.fields - array['name', 'act', 'title', 'content', 'prompt', 'text', 'description',
                                   'formatType', 'format_type', 'language', 'tags', 'category',
                                   'extraMetadata', 'extra_metadata', 'promptId', 'createdAt', 'updatedAt']
        from known n
       where n.problem is null and n.id is null and n.n = n.first
       order by n.n
    )
    select k.line,
           case when k.problem is not null then 'refused' when k.id is null and k.n = k.first then 'inserted'
                else 'unchanged' end,
           case when k.problem is null then coalesce(k.id, k.first_id) end, k.problem
      from known k
     order by k.n;
end;
$$;
alter function app.prompt_store owner to curestry_definer;
revoke execute on function app.prompt_store from public;
comment on function app.prompt_store is
  'Imports prompts, all or nothing where a constraint is violated, and returns the outcome of each line.';
--! EndIncluded app/prompts/prompt_store.sql
--! Included app/prompts/prompt_import_as_member.sql
create or replace function app.prompt_import_as_member(lines jsonb)
returns table (line integer, outcome text, id text, reason text)
language plpgsql volatile security definer set search_path = '' as $$
begin
  return query
    select i.line, i.outcome, i.prompt_id, i.reason from app.prompt_import(app.require('prompts:write'), lines) i;
end;
$$;
alter function app.prompt_import_as_member owner to curestry_definer;
revoke execute on function app.prompt_import_as_member from public;
grant execute on function app.prompt_import_as_member to curestry_member;
comment on function app.prompt_import_as_member is
  'Imports prompts into the organization of the request, line by line. Needs prompts:write.';
--! EndIncluded app/prompts/prompt_import_as_member.sql
--! Included app/analyses/analysis_item_from_json.sql
/*
 * The item of a line of JSON, with the field names of the API; refuses a field that it does not know. What
 * app.analysis_item_to_json writes beside the item is passed over.
 */
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
   where f not in ('analysisRunId', 'idempotencyKey', 'promptId', 'promptName', 'promptContent', 'status',
                   'startedAt', 'finishedAt', 'meta', 'result', 'metrics', 'nodeResults', 'scores')
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
    (select array_agg(row(m ->> 'key', trim_scale((m ->> 'valueNum')::numeric), m ->> 'valueText',
                          nullif(m -> 'valueJson', 'null'))::ops.analysis_metric_item order by n)
       from jsonb_array_elements(nullif(record -> 'metrics', 'null')) with ordinality as e (m, n)),
    (select array_agg(row(m ->> 'node', m ->> 'status', trim_scale((m ->> 'score')::numeric),
                          nullif(m -> 'details', 'null'))::ops.analysis_node_result_item order by n)
       from jsonb_array_elements(nullif(record -> 'nodeResults', 'null')) with ordinality as e (m, n)),
    (select array_agg(row(m ->> 'rubric', m ->> 'criterion', trim_scale((m ->> 'score')::numeric), m ->> 'comment',
                          nullif(m -> 'evidence', 'null'))::ops.judge_score_item order by n)
       from jsonb_array_elements(nullif(record -> 'scores', 'null')) with ordinality as e (m, n))
  )::ops.analysis_item;
end;
$$;
revoke execute on function app.analysis_item_from_json from public;
grant execute on function app.analysis_item_from_json to curestry_definer;
comment on function app.analysis_item_from_json is 'Reads an item of recordAnalyses from JSON.';
--! EndIncluded app/analyses/analysis_item_from_json.sql
--! Included app/request/file_time.sql
create or replace function app.file_time(moment timestamptz) returns text
language sql stable
return to_char(moment at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"');
revoke execute on function app.file_time from public;
grant execute on function app.file_time to curestry_member, curestry_definer;
comment on function app.file_time is 'A time as files have it: in UTC, with microseconds, as RFC 3339 writes it.';
--! EndIncluded app/request/file_time.sql
--! Included app/analyses/analysis_item_to_json.sql
/*
 * What app.analysis_item_from_json reads: recording it elsewhere makes the same facts. The numbers of the document are
 * in its result, and not among the metrics that mirror them. One expression, which the planner inlines: an export calls
 * it for each row.
 */
create or replace function app.analysis_item_to_json(run ops.analysis_run) returns json
language sql stable
return (
  select json_build_object(
           'analysisRunId', run.id, 'idempotencyKey', run.idempotency_key, 'promptId', run.prompt_id,
           'promptName', (select p.name from core.prompts p
                           where p.organization_id = run.organization_id and p.id = run.prompt_id),
           'promptContent', coalesce(run.prompt_content, d.prompt_content), 'status', run.status,
           'startedAt', app.file_time(run.started_at), 'finishedAt', app.file_time(run.finished_at), 'meta', run.meta,
           'result', case when d.id is not null then json_build_object(
             'detectedLanguage', d.detected_language, 'translated', d.translated, 'formatValid', d.format_valid,
             'overallScore', d.overall_score, 'judgeScore', d.judge_score, 'semanticEntropy', d.semantic_entropy,
             'complexityScore', d.complexity_score, 'lengthChars', d.length_chars, 'lengthWords', d.length_words,
             'contradictions', d.contradictions, 'patches', d.patches, 'clarifyQuestions', d.clarify_questions,
             'extraMetadata', d.analysis_extra_metadata) end,
           'metrics', coalesce((
             select json_agg(json_build_object('key', m.key, 'valueNum', m.value_num, 'valueText', m.value_text,
                                               'valueJson', m.value_json) order by m.key)
               from ops.analysis_metric m
              where m.organization_id = run.organization_id and m.analysis_run_id = run.id
                and (d.id is null
                     or not exists (
                          select from app.analysis_document_metrics(null, null, null, null, null, null) as k
                           where k.key = m.key))), '[]'),
           'nodeResults', coalesce((
             select json_agg(json_build_object('node', n.node, 'status', n.status, 'score', n.score,
                                               'details', n.details) order by n.node)
               from ops.analysis_node_result n
              where n.organization_id = run.organization_id and n.analysis_run_id = run.id), '[]'),
           'scores', coalesce((
             select json_agg(json_build_object('rubric', b.name, 'criterion', c.key, 'score', s.score,
                                               'comment', s.comment, 'evidence', s.evidence) order by b.name, c.key)
               from ops.judge_score s
               join ops.judge_criterion c on c.organization_id = s.organization_id and c.id = s.criterion_id
               join ops.judge_rubric b on b.organization_id = c.organization_id and b.id = c.rubric_id
              where s.organization_id = run.organization_id and s.analysis_run_id = run.id), '[]'))
    from (select) one
    left join core.analysis_results d on d.organization_id = run.organization_id and d.analysis_run_id = run.id);
revoke execute on function app.analysis_item_to_json from public;
grant execute on function app.analysis_item_to_json to curestry_member, curestry_definer;
comment on function app.analysis_item_to_json is
  'An analysis as an item of recordAnalyses, with its id and the name of its prompt, as far as the request may read.';
--! EndIncluded app/analyses/analysis_item_to_json.sql
--! Included app/analyses/analysis_prompt_of.sql
create or replace function app.analysis_prompt_of(organization uuid, prompt text, name text, content text) returns text
language sql stable set search_path = '' as $$
  select coalesce(
    (select p.id::text from core.prompts p
      where p.organization_id = organization and p.id = analysis_prompt_of.prompt),
    (select p.id::text from core.prompts p
      where p.organization_id = organization and p.name = analysis_prompt_of.name
      order by app.prompt_version_of(organization, p.id, analysis_prompt_of.content) is null, p.created_at, p.id
      limit 1));
$$;
revoke execute on function app.analysis_prompt_of from public;
grant execute on function app.analysis_prompt_of to curestry_definer;
comment on function app.analysis_prompt_of is
  'The prompt of an exported analysis in this organization: the same one, else one of that name, first one that had '
  'the text; null if there is none.';
--! EndIncluded app/analyses/analysis_prompt_of.sql
--! Included app/analyses/analysis_import.sql
/*
 * lines: [{"line": 1, "record": {…}}, …]. A record without an idempotencyKey gets one from its own content, so that
 * a second import of a file changes nothing.
 *
 * A record with an analysisRunId was exported. If that analysis is here, the record is unchanged, or in conflict if it
 * says something else. If it comes from elsewhere, its promptId means nothing here: its prompt is the one of the same
 * name, of several first the one that had the text; or none.
 */
create or replace function app.analysis_import(organization uuid, lines jsonb)
returns table (line integer, outcome text, analysis_run_id uuid, reason text)
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_line jsonb;
  v_record jsonb;
  v_known jsonb;
  v_item ops.analysis_item;
  v_items ops.analysis_item[] := '{}';
  v_lines integer[] := '{}';
  v_answer ops.record_outcome[] := '{}';
begin
  for v_line in select * from jsonb_array_elements(lines) loop
    v_record := v_line -> 'record';
    line := (v_line ->> 'line')::integer;
    analysis_run_id := null;
    reason := null;
    begin
      v_item := app.analysis_item_from_json(v_record);
      v_item.idempotency_key := coalesce(v_item.idempotency_key,
        'import:' || encode(sha256(convert_to(v_record::text, 'UTF8')), 'hex'));
      if v_record ->> 'analysisRunId' is not null then
        analysis_run_id := (v_record ->> 'analysisRunId')::uuid;
        select app.analysis_item_to_json(r)::jsonb into v_known
          from ops.analysis_run r
         where r.organization_id = organization and r.id = analysis_import.analysis_run_id;
        if found then
          outcome := case when v_known - 'promptName' = v_record - 'promptName' then 'unchanged' else 'refused' end;
          if outcome = 'refused' then
            reason := format('analysisRunId: %s is an analysis of this organization, with another content',
                             analysis_run_id);
          end if;
          return next;
          continue;
        end if;
        analysis_run_id := null;
        v_item.prompt_id := app.analysis_prompt_of(organization, v_item.prompt_id, v_record ->> 'promptName',
                                                   v_item.prompt_content);
      end if;
      v_items := v_items || v_item;
      v_lines := v_lines || line;
    exception when data_exception or sqlstate 'CU004' then
      analysis_run_id := null;
      outcome := 'refused';
      reason := sqlerrm;
      return next;
    end;
  end loop;
  if cardinality(v_items) > 0 then
    v_answer := app.analysis_record(organization, app.user_id(), v_items);
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
--! Included app/analyses/analysis_import_as_member.sql
create or replace function app.analysis_import_as_member(lines jsonb)
returns table (line integer, outcome text, id text, reason text)
language plpgsql volatile security definer set search_path = '' as $$
begin
  return query
    select i.line, i.outcome, i.analysis_run_id::text, i.reason
      from app.analysis_import(app.require('analyses:write'), lines) i;
end;
$$;
alter function app.analysis_import_as_member owner to curestry_definer;
revoke execute on function app.analysis_import_as_member from public;
grant execute on function app.analysis_import_as_member to curestry_member;
comment on function app.analysis_import_as_member is
  'Imports analyses into the organization of the request, line by line. Needs analyses:write.';
--! EndIncluded app/analyses/analysis_import_as_member.sql
--! Included app/analyses/analysis_run_of_record.sql
create or replace function app.analysis_run_of_record(organization uuid, record jsonb, fields text[])
returns ops.analysis_run
language plpgsql stable security definer set search_path = '' as $$
declare
  v_field text;
  v_run ops.analysis_run;
begin
  if jsonb_typeof(record) is distinct from 'object' then
    perform app.refuse('CU004', 'is not an object');
  end if;
  select f into v_field from jsonb_object_keys(record) as f
   where f <> all (fields || '{analysisRunId,idempotencyKey,id,occurredAt}') limit 1;
  if found then
    perform app.refuse('CU004', format('%s: is no field of these; there are %s', v_field,
                                       array_to_string('{analysisRunId,idempotencyKey}' || fields, ', ')), v_field);
  end if;
  select r.* into v_run from ops.analysis_run r
   where r.organization_id = organization
     and case when record ->> 'analysisRunId' is not null then r.id = (record ->> 'analysisRunId')::uuid
              else r.idempotency_key = record ->> 'idempotencyKey' end;
  if not found then
    perform app.refuse('CU004', 'analysisRunId, or idempotencyKey, must name an analysis of this organization',
                       'analysisRunId');
  end if;
  return v_run;
end;
$$;
alter function app.analysis_run_of_record owner to curestry_definer;
revoke execute on function app.analysis_run_of_record from public;
comment on function app.analysis_run_of_record is
  'The analysis that a line of a file belongs to; refuses a line with other fields than these, and one that belongs to '
  'none.';
--! EndIncluded app/analyses/analysis_run_of_record.sql
--! Included app/analyses/score_import_as_member.sql
/* Of analyses that are here already: judges may come later. What a line says again is unchanged. */
create or replace function app.score_import_as_member(lines jsonb)
returns table (line integer, outcome text, id text, reason text)
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_organization constant uuid := app.require('analyses:write');
  v_line jsonb;
  v_record jsonb;
  v_run ops.analysis_run;
  v_criterion uuid;
  v_new ops.judge_score;
  v_known ops.judge_score;
  v_state text; v_message text; v_schema text; v_table text; v_constraint text; v_column text;
begin
  for v_line in select * from jsonb_array_elements(lines) loop
    line := (v_line ->> 'line')::integer;
    v_record := v_line -> 'record';
    outcome := 'refused';
    id := null;
    reason := null;
    begin
      v_run := app.analysis_run_of_record(
        v_organization, v_record, '{rubric,rubricVersion,criterion,score,comment,evidence}');
      select c.id into v_criterion
        from ops.judge_rubric r
        join ops.judge_criterion c on c.organization_id = r.organization_id and c.rubric_id = r.id
       where r.organization_id = v_organization and r.name = v_record ->> 'rubric' and c.key = v_record ->> 'criterion'
         and r.version = coalesce((v_record ->> 'rubricVersion')::integer, r.version)
       order by r.version desc limit 1;
      if not found then
        perform app.refuse('CU004', format('criterion: there is no criterion %s of a rubric %s',
          quote_nullable(v_record ->> 'criterion'), quote_nullable(v_record ->> 'rubric')), 'criterion');
      end if;
      v_new.score := trim_scale((v_record ->> 'score')::numeric);
      v_new.comment := v_record ->> 'comment';
      v_new.evidence := case jsonb_typeof(v_record -> 'evidence')
        when 'object' then v_record -> 'evidence'
        when 'string' then (v_record ->> 'evidence')::jsonb
        else '{}' end;
      insert into ops.judge_score (organization_id, analysis_run_id, criterion_id, score, comment, evidence,
                                   occurred_at)
      values (v_organization, v_run.id, v_criterion, v_new.score, v_new.comment, v_new.evidence, v_run.occurred_at)
      on conflict on constraint unq_judge_score_criterion_id do nothing
      returning 'inserted', judge_score.id::text into outcome, id;
      if not found then
        select s.* into v_known from ops.judge_score s
         where s.organization_id = v_organization and s.analysis_run_id = v_run.id and s.criterion_id = v_criterion;
        outcome := case when (v_known.score, v_known.comment, v_known.evidence)
                          is not distinct from (v_new.score, v_new.comment, v_new.evidence)
                        then 'unchanged' else 'refused' end;
        id := v_known.id::text;
        if outcome = 'refused' then
          reason := 'score: the analysis has another score by this criterion';
        end if;
      end if;
    exception
      when integrity_constraint_violation or data_exception or sqlstate 'CU004' then
        get stacked diagnostics v_state = returned_sqlstate, v_message = message_text, v_schema = schema_name,
          v_table = table_name, v_constraint = constraint_name, v_column = column_name;
        outcome := 'refused';
        id := null;
        reason := case when v_state = 'CU004' then v_message else
          app.constraint_violation_message(v_state, v_message, v_schema, v_table, v_constraint, v_column) end;
    end;
    return next;
  end loop;
end;
$$;
alter function app.score_import_as_member owner to curestry_definer;
revoke execute on function app.score_import_as_member from public;
grant execute on function app.score_import_as_member to curestry_member;
comment on function app.score_import_as_member is
  'Imports scores of judges for analyses of the organization of the request, line by line. Needs analyses:write.';
--! EndIncluded app/analyses/score_import_as_member.sql
--! Included app/analyses/metric_import_as_member.sql
/* Of analyses that are here already. What a line says again is unchanged. */
create or replace function app.metric_import_as_member(lines jsonb)
returns table (line integer, outcome text, id text, reason text)
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_organization constant uuid := app.require('analyses:write');
  v_line jsonb;
  v_record jsonb;
  v_run ops.analysis_run;
  v_new ops.analysis_metric;
  v_known ops.analysis_metric;
  v_state text; v_message text; v_schema text; v_table text; v_constraint text; v_column text;
begin
  for v_line in select * from jsonb_array_elements(lines) loop
    line := (v_line ->> 'line')::integer;
    v_record := v_line -> 'record';
    outcome := 'refused';
    id := null;
    reason := null;
    begin
      v_run := app.analysis_run_of_record(v_organization, v_record, '{key,valueNum,valueText,valueJson}');
      v_new.value_num := trim_scale((nullif(v_record ->> 'valueNum', ''))::numeric);
      v_new.value_text := v_record ->> 'valueText';
      v_new.value_json := case jsonb_typeof(v_record -> 'valueJson')
        when 'null' then null
        when 'string' then (nullif(v_record ->> 'valueJson', ''))::jsonb
        else v_record -> 'valueJson' end;
      insert into ops.analysis_metric (organization_id, analysis_run_id, key, value_num, value_text, value_json,
                                       occurred_at)
      values (v_organization, v_run.id, v_record ->> 'key', v_new.value_num, v_new.value_text, v_new.value_json,
              v_run.occurred_at)
      on conflict on constraint unq_analysis_metric_key do nothing
      returning 'inserted', analysis_metric.id::text into outcome, id;
      if not found then
        select m.* into v_known from ops.analysis_metric m
         where m.organization_id = v_organization and m.analysis_run_id = v_run.id and m.key = v_record ->> 'key';
        outcome := case when (v_known.value_num, v_known.value_text, v_known.value_json)
                          is not distinct from (v_new.value_num, v_new.value_text, v_new.value_json)
                        then 'unchanged' else 'refused' end;
        id := v_known.id::text;
        if outcome = 'refused' then
          reason := 'key: the analysis has another value under this key';
        end if;
      end if;
    exception
      when integrity_constraint_violation or data_exception or sqlstate 'CU004' then
        get stacked diagnostics v_state = returned_sqlstate, v_message = message_text, v_schema = schema_name,
          v_table = table_name, v_constraint = constraint_name, v_column = column_name;
        outcome := 'refused';
        id := null;
        reason := case when v_state = 'CU004' then v_message else
          app.constraint_violation_message(v_state, v_message, v_schema, v_table, v_constraint, v_column) end;
    end;
    return next;
  end loop;
end;
$$;
alter function app.metric_import_as_member owner to curestry_definer;
revoke execute on function app.metric_import_as_member from public;
grant execute on function app.metric_import_as_member to curestry_member;
comment on function app.metric_import_as_member is
  'Imports measured values of analyses of the organization of the request, line by line. Needs analyses:write.';
--! EndIncluded app/analyses/metric_import_as_member.sql
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
  insert into app.mart_update (organization_id, source, from_ts, to_ts)
  select organization, mart_refresh_buckets.source, min(h.low), max(h.high) from unnest(lows, highs) as h (low, high)
  having min(h.low) < max(h.high);
end;
$$;
alter function app.mart_refresh_buckets owner to curestry_definer;
revoke execute on function app.mart_refresh_buckets from public;
comment on function app.mart_refresh_buckets is
  'Brings the hours with these starts and ends up to date in the marts of a source, and the days that contain them, '
  'and tells subscribers.';
--! EndIncluded app/marts/mart_refresh_buckets.sql
--! Included app/marts/mart_update_tidy.sql
create or replace function app.mart_update_tidy(keep interval default interval '2 days') returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_removed integer;
begin
  delete from app.mart_update u where u.created_at < now() - keep;
  get diagnostics v_removed = row_count;
  return v_removed;
end;
$$;
alter function app.mart_update_tidy owner to curestry_definer;
revoke execute on function app.mart_update_tidy from public;
grant execute on function app.mart_update_tidy to curestry_worker;
comment on function app.mart_update_tidy is
  'Removes what subscribers cannot ask for any more: their cursors are good for a day. A job of the worker.';
--! EndIncluded app/marts/mart_update_tidy.sql
--! Included app/audit_proof/audit_continue_xids.sql
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
  -- Nothing is sealed meanwhile
  perform from app.audit_sealer for update;
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
  -- Those of the other server are of transactions that nobody here has seen or will see
  truncate app.mart_update;
  return true;
end;
$$;
revoke execute on function app.audit_continue_xids from public;
comment on function app.audit_continue_xids is
  'If transaction ids have started again, as after a restore into another server: lets those of the audit log '
  'continue after the restore. Part of every migration.';
--! EndIncluded app/audit_proof/audit_continue_xids.sql
--! Included app/live/live_position.sql
/*
 * Where readers of changes are: a snapshot says which transactions they have seen, also when these commit out of order,
 * and no writer has to wait for it.
 *
 * After a crash, PostgreSQL may give the ids of transactions again whose traces had not reached the disk. Such an id
 * must not count as seen, so the snapshot is handed out once all that was written before it is on the disk: another
 * commit, or the server's writer of the log, sees to that within its time.
 */
create or replace function app.live_position()
returns table (snapshot text, epoch text)
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_written pg_lsn;
begin
  snapshot := pg_current_snapshot()::text;
  v_written := pg_current_wal_insert_lsn();
  for v_try in 1 .. 60 loop
    exit when pg_current_wal_flush_lsn() >= v_written;
    perform pg_sleep(0.01);
  end loop;
  -- The timeline changes with a restore or a failover, the offset where ids of transactions have begun anew
  epoch := left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) || '.'
           || (select s.xid_offset from app.audit_sealer s);
  return next;
end;
$$;
alter function app.live_position owner to curestry_definer;
revoke execute on function app.live_position from public;
grant execute on function app.live_position to curestry_gateway;
comment on function app.live_position is
  'Which transactions have ended, as a snapshot, and the history that it belongs to: after a restore or a failover, '
  'positions of another history mean nothing.';
--! EndIncluded app/live/live_position.sql
--! Included app/live/live_changes.sql
/*
 * Read from what is written anyway: the audit log, and the marts' updates. A transaction that commits late is in the
 * next answer, whatever its place in the log, so nothing is missed and nothing waits for it. Changes are in the order
 * of their numbers, which is that of time: of two changes of one row, the first comes first.
 *
 * Rows are found by the id of their transaction: from the oldest one on that has ended in between. Of one that went on
 * for long, and of a reader who was away for long, the log is read from there on.
 */
create or replace function app.live_changes(
  since pg_snapshot, until pg_snapshot, organizations uuid[], after_seq bigint default 0, at_most integer default 1000)
returns table (
  seq bigint, organization_id uuid, topic text, action text, entity_id text, prompt_ids text[], statuses text[],
  source text, marts text[], from_ts timestamptz, to_ts timestamptz)
language plpgsql stable security definer set search_path = '' set enable_seqscan = off set jit = off as $$
declare
  v_offset constant bigint := (select s.xid_offset from app.audit_sealer s);
  v_low bigint;
begin
  select least(pg_snapshot_xmax(since)::text::bigint,
               min(x.id::text::bigint) filter (where pg_visible_in_snapshot(x.id, until)))
    into v_low
    from (select pg_snapshot_xip(since) as id union all select null) x;
  return query
  -- Without "offset 0" the planner might read all that the organizations ever wrote
  with logged as (
    select a.*
      from (select l.* from ops.audit_log l where l.xid >= v_low + v_offset offset 0) a
     where a.organization_id = any (organizations) and a.seq > after_seq
       and a.entity_type in ('ops.analysis_run', 'core.prompts') and a.action in ('insert', 'update', 'delete')
       and pg_visible_in_snapshot((a.xid - v_offset)::text::xid8, until)
       and not pg_visible_in_snapshot((a.xid - v_offset)::text::xid8, since)
     order by a.seq
     limit at_most
  ), updated as (
    select u.*
      from app.mart_update u
     where u.xid >= v_low and u.organization_id = any (organizations) and u.seq > after_seq
       and pg_visible_in_snapshot(u.xid::text::xid8, until) and not pg_visible_in_snapshot(u.xid::text::xid8, since)
     order by u.seq
     limit at_most
  )
  select l.seq, l.organization_id,
         case l.entity_type when 'core.prompts' then 'promptChanged' else 'analysisRunChanged' end,
         case l.action when 'insert' then 'INSERTED' when 'update' then 'UPDATED' else 'DELETED' end,
         l.entity_id::text,
         case l.entity_type
           when 'core.prompts' then array[l.entity_id::text]
           when 'ops.analysis_run' then
             array_remove(array[l.before_state->>'prompt_id', l.after_state->>'prompt_id'], null)
         end,
         array_remove(array[l.before_state->>'status', l.after_state->>'status'], null),
         null::text, null::text[], null::timestamptz, null::timestamptz
    from logged l
  union all
  select u.seq, u.organization_id, 'martsUpdated', 'UPDATED', null::text, null::text[], null::text[], u.source::text,
         case u.source
           when 'analysis' then array['analysis_hourly', 'analysis_daily', 'analysis_daily_by']
           when 'feature' then array['feature_daily']
           else array['metric_timeseries']
         end, u.from_ts, u.to_ts
    from updated u
   order by 1
   limit at_most;
end;
$$;
alter function app.live_changes owner to curestry_definer;
revoke execute on function app.live_changes from public;
grant execute on function app.live_changes to curestry_gateway;
comment on function app.live_changes is
  'The changes of runs, prompts and marts of these organizations that are seen with the second snapshot and were not '
  'with the first, in their order; those after a number, and at most so many.';
--! EndIncluded app/live/live_changes.sql
--! Included app/live/live_rights.sql
/*
 * The same check as that of a request, for many at once: nobody's subscription outlives the credential. A refusal is an
 * answer here. The settings of a request that it leaves end with the transaction, which does nothing else.
 */
create or replace function app.live_rights(credentials jsonb)
returns table (place integer, organization_id text, permissions text, refused_code text, refused_message text)
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_credential jsonb;
begin
  place := 0;
  for v_credential in select c.value from jsonb_array_elements(credentials) c (value) loop
    begin
      perform app.begin_request(v_credential->>'jwtId', v_credential->>'keyHash', v_credential->>'organization', null);
      organization_id := current_setting('curestry.organization_id');
      permissions := current_setting('curestry.permissions');
      refused_code := null;
      refused_message := null;
    exception when sqlstate 'CU001' or sqlstate 'CU002' then
      organization_id := null;
      permissions := null;
      refused_code := sqlstate;
      refused_message := sqlerrm;
    end;
    return next;
    place := place + 1;
  end loop;
end;
$$;
alter function app.live_rights owner to curestry_definer;
revoke execute on function app.live_rights from public;
grant execute on function app.live_rights to curestry_gateway;
comment on function app.live_rights is
  'What each of many credentials may do now, in their order, or why it is refused.';
--! EndIncluded app/live/live_rights.sql
--! Included app/live/live_cursor_key.sql
create or replace function app.live_cursor_key() returns bytea
language sql stable security definer set search_path = '' as $$
  select public.hmac(convert_to('cursors of subscriptions', 'UTF8'), s.key, 'sha256') from app.installation_secret s;
$$;
alter function app.live_cursor_key owner to curestry_definer;
revoke execute on function app.live_cursor_key from public;
grant execute on function app.live_cursor_key to curestry_gateway;
comment on function app.live_cursor_key is
  'The key that gateways close cursors with: whoever holds a cursor cannot read or make one, and each gateway of the '
  'installation takes those of the others.';
--! EndIncluded app/live/live_cursor_key.sql
--! Included app/audit/api_type_name.sql
/* The API's type names are PostGraphile's: a test compares them with schema.graphql. */
create or replace function app.api_type_name(table_name text) returns text
language sql immutable parallel safe set search_path = '' as $$
  select replace(initcap(replace(
           case split_part(table_name, '.', 1)
             when 'core' then regexp_replace(split_part(table_name, '.', 2), 's$', '')
             else split_part(table_name, '.', 2)
           end, '_', ' ')), ' ', '');
$$;
revoke execute on function app.api_type_name from public;
grant execute on function app.api_type_name to curestry_definer;
comment on function app.api_type_name is
  'The type of the API that a table of core or ops is: PromptRelation for core.prompt_relations.';
--! EndIncluded app/audit/api_type_name.sql
--! Included app/audit/audit_entity_table.sql
create or replace function app.audit_entity_table(type text) returns text
language plpgsql stable security definer set search_path = '' as $$
declare
  v_name text;
  v_reason text;
  v_table app.audited_table;
begin
  select a.* into v_table
    from app.audited_table a
   where audit_entity_table.type in (a.table_name, app.api_type_name(a.table_name))
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
  select string_agg(n.name, ', ' order by n.name) into v_name
    from app.audited_table a, app.api_type_name(a.table_name) as n (name)
   where a.organization_column is not null and not a.summarize_inserts;
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
      format('%s is the last owner of %s: make somebody else an owner first (`member role`, or changeMemberRole of '
             'the API), or erase the organization',
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
  -- Before the memberships, which would revoke them without counting
  update ops.api_key k set is_revoked = true, revoked_at = now() where k.user_id = person and not k.is_revoked;
  get diagnostics v_rows = row_count;
  v_counts := v_counts || jsonb_build_object('ops.api_key', v_rows + coalesce((v_counts ->> 'ops.api_key')::bigint, 0));
  update ops.organization_user m set status = 'removed' where m.user_id = person and m.status <> 'removed';
  get diagnostics v_rows = row_count;
  v_counts := v_counts || jsonb_build_object(
    'ops.organization_user', v_rows + coalesce((v_counts ->> 'ops.organization_user')::bigint, 0));

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
--! Included app/documents/trusted_document_find.sql
create or replace function app.trusted_document_find(id text) returns text
language sql stable security definer set search_path = '' as $$
  select d.document from app.trusted_document d
   where d.id = trusted_document_find.id or d.digest = trusted_document_find.id
   order by d.id = trusted_document_find.id desc limit 1;
$$;
alter function app.trusted_document_find owner to curestry_definer;
revoke execute on function app.trusted_document_find from public;
grant execute on function app.trusted_document_find to curestry_gateway;
comment on function app.trusted_document_find is
  'The document with this id, or this SHA-256; null if none was registered.';
--! EndIncluded app/documents/trusted_document_find.sql
--! Included app/documents/trusted_document_register.sql
create or replace function app.trusted_document_register(client text, documents jsonb)
returns table (id text, outcome text)
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_id text;
  v_document text;
begin
  for v_id, v_document in select d.key, d.value from jsonb_each_text(documents) d order by d.key loop
    id := v_id;
    outcome := null;
    insert into app.trusted_document (id, document, digest, client)
    values (v_id, v_document, encode(sha256(convert_to(v_document, 'UTF8')), 'hex'), trusted_document_register.client)
    on conflict on constraint pk_trusted_document do nothing
    returning 'registered' into outcome;
    if outcome is null then
      select case when d.document = v_document then 'unchanged' else 'conflict' end into outcome
        from app.trusted_document d where d.id = v_id;
    end if;
    return next;
  end loop;
end;
$$;
alter function app.trusted_document_register owner to curestry_definer;
revoke execute on function app.trusted_document_register from public;
grant execute on function app.trusted_document_register to curestry_owner;
comment on function app.trusted_document_register is
  'Registers documents, an object of documents by id: registered, unchanged (the same is known), or conflict (the id '
  'is another document''s, which stays).';
--! EndIncluded app/documents/trusted_document_register.sql
--! Included app/documents/trusted_document_remove.sql
create or replace function app.trusted_document_remove(client text) returns integer
language sql volatile security definer set search_path = '' as $$
  with removed as (
    delete from app.trusted_document d where d.client = trusted_document_remove.client returning 1
  )
  select count(*)::integer from removed;
$$;
alter function app.trusted_document_remove owner to curestry_definer;
revoke execute on function app.trusted_document_remove from public;
grant execute on function app.trusted_document_remove to curestry_owner;
comment on function app.trusted_document_remove is 'Removes the documents of a client; returns how many there were.';
--! EndIncluded app/documents/trusted_document_remove.sql
--! Included app/documents/trusted_document_list.sql
create or replace function app.trusted_document_list()
returns table (client text, documents integer, first_registered_at timestamptz, last_registered_at timestamptz)
language sql stable security definer set search_path = '' as $$
  select d.client, count(*)::integer, min(d.registered_at), max(d.registered_at)
    from app.trusted_document d group by d.client order by d.client;
$$;
alter function app.trusted_document_list owner to curestry_definer;
revoke execute on function app.trusted_document_list from public;
grant execute on function app.trusted_document_list to curestry_owner;
comment on function app.trusted_document_list is 'The clients that registered documents, and how many.';
--! EndIncluded app/documents/trusted_document_list.sql
--! Included app/privacy/export_queries.sql
/*
 * The tables come from the catalogue: every one with an organization, and for a person every one that references
 * users, their runs or their prompts; without the words of the search, which the prompts have. In the order of their
 * foreign keys, so that they can be imported one after the other.
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
     where c.relkind in ('r', 'p') and not c.relispartition and c.oid <> 'app.prompt_search'::regclass
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
--! Included app/documents/tables/trusted_document.sql
/*
 * app.trusted_document: generated from the database by `deno task generate`
 *
 *   id             text         not null
 *   document       text         not null
 *   digest         text         not null
 *   client         text         not null
 *   registered_at  timestamptz  not null default now()
 *
 *   pk_trusted_document            primary key (id)
 *   chk_trusted_document_client    check (length(client) >= 1 and length(client) <= 100)
 *   chk_trusted_document_digest    check (digest ~ '^[0-9a-f]{64}$')
 *   chk_trusted_document_document  check (document ~ '\S' and octet_length(document) <= 100000)
 *   chk_trusted_document_id        check (id ~ '^[A-Za-z0-9._:-]{1,128}$')
 *
 *   idx_trusted_document_client  index (client)
 *   idx_trusted_document_digest  index (digest)
 */

comment on table app.trusted_document is
  'Documents of GraphQL that clients registered: they are run by id, and where it is required, nothing else is.';
comment on column app.trusted_document.id is 'What the client sends instead of the document: usually a digest of it.';
comment on column app.trusted_document.document is 'The document.';
comment on column app.trusted_document.digest is 'SHA-256 of the document, hexadecimal: it is found by that, too.';
comment on column app.trusted_document.client is 'Whose document it is: a program, and its release.';
comment on column app.trusted_document.registered_at is 'When it was registered.';
comment on constraint pk_trusted_document on app.trusted_document is 'An id means one document.';
comment on constraint chk_trusted_document_id on app.trusted_document is
  'id must be 1 to 128 letters, digits or one of . _ : -';
comment on constraint chk_trusted_document_document on app.trusted_document is
  'document must not be blank, and at most 100 KB';
comment on constraint chk_trusted_document_digest on app.trusted_document is
  'digest must be a SHA-256 in hexadecimal';
comment on constraint chk_trusted_document_client on app.trusted_document is 'client must be 1 to 100 characters';

select app.table_protect('app.trusted_document');

grant select, insert, delete on app.trusted_document to curestry_definer;
--! EndIncluded app/documents/tables/trusted_document.sql
--! Included app/prompts/tables/prompt_search.sql
/*
 * app.prompt_search: generated from the database by `deno task generate`
 *
 *   organization_id  uuid         not null
 *   prompt_id        varchar      not null
 *   created_at       timestamptz  not null
 *   document         tsvector     not null
 *
 *   pk_prompt_search            primary key (organization_id, prompt_id)
 *   fk_prompt_search_prompt_id  foreign key (organization_id, prompt_id) references core.prompts(organization_id, id)
 *                                 on delete cascade
 *
 *   idx_prompt_search_document  index using gin (organization_id, document) with (gin_pending_list_limit='256')
 */

comment on table app.prompt_search is
  'The words of each prompt, for searchPrompts. A table of its own: the words are neither read with the prompt nor '
  'exported nor recorded in the audit log, and a change of tags does not write them anew.';
comment on column app.prompt_search.organization_id is 'The organization of the prompt.';
comment on column app.prompt_search.prompt_id is 'The prompt.';
comment on column app.prompt_search.created_at is
  'When the prompt was made: of two that match alike, the newer is first.';
comment on column app.prompt_search.document is 'Its words, with their weights and places: app.prompt_document.';
comment on constraint pk_prompt_search on app.prompt_search is 'One row for each prompt.';
comment on constraint fk_prompt_search_prompt_id on app.prompt_search is 'It goes with the prompt.';

select app.table_protect('app.prompt_search');

grant select, insert, update (document) on app.prompt_search to curestry_definer;
--! EndIncluded app/prompts/tables/prompt_search.sql
--! Included app/marts/tables/mart_update.sql
/*
 * app.mart_update: generated from the database by `deno task generate`
 *
 *   organization_id  uuid         not null
 *   seq              bigint       not null default nextval('ops.audit_log_seq')
 *   source           varchar(20)  not null
 *   from_ts          timestamptz  not null
 *   to_ts            timestamptz  not null
 *   xid              bigint       not null default pg_current_xact_id()::bigint
 *   created_at       timestamptz  not null default now()
 *
 *   pk_mart_update          primary key (organization_id, seq)
 *   chk_mart_update_source  check (source in ('metric', 'node', 'judge', 'evaluation', 'analysis', 'feature'))
 *   chk_mart_update_span    check (from_ts < to_ts)
 *
 *   idx_mart_update_created_at  index (created_at)
 *   idx_mart_update_xid         index (xid)
 */

/* Without a foreign key: changes of a deleted organization are processed, too. */

select app.table_usual_comments('app.mart_update');
comment on table app.mart_update is
  'What the marts were brought up to date for: subscribers of martsUpdated are told. Written with the marts, never by '
  'those who record; kept for two days.';
comment on column app.mart_update.organization_id is 'Whose marts.';
comment on column app.mart_update.seq is 'The order of the updates, among those of ops.audit_log.';
comment on column app.mart_update.source is 'Which facts were counted anew: those of app.mart_change.';
comment on column app.mart_update.from_ts is 'Start of the first hour that was computed.';
comment on column app.mart_update.to_ts is 'End of the last one.';
comment on column app.mart_update.xid is 'The transaction that did it: tells which readers have seen it.';
comment on column app.mart_update.created_at is 'When; older ones are removed.';
comment on constraint pk_mart_update on app.mart_update is 'One row per organization and place.';
comment on constraint chk_mart_update_source on app.mart_update is
  'source must be metric, node, judge, evaluation, analysis or feature';
comment on constraint chk_mart_update_span on app.mart_update is 'from_ts must lie before to_ts';

select app.table_protect('app.mart_update');

grant select, insert, delete on app.mart_update to curestry_definer;
--! EndIncluded app/marts/tables/mart_update.sql
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
 *   idx_analysis_results_complexity_score   index (organization_id, complexity_score, id)
 *   idx_analysis_results_created_at         index (organization_id, created_at, id)
 *   idx_analysis_results_detected_language  index (organization_id, detected_language)
 *   idx_analysis_results_judge_score        index (organization_id, judge_score, id)
 *   idx_analysis_results_metadata_gin       index using gin (organization_id, analysis_extra_metadata)
 *   idx_analysis_results_occurred_at        index (organization_id, occurred_at)
 *   idx_analysis_results_overall_score      index (organization_id, overall_score, id)
 *   idx_analysis_results_prompt_id          index (organization_id, prompt_id)
 *   idx_analysis_results_prompt_version_id  index (organization_id, prompt_version_id)
 *   idx_analysis_results_recent             index (created_at)
 *   idx_analysis_results_semantic_entropy   index (organization_id, semantic_entropy, id)
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
  'extraMetadata must be a JSON object of at most 1 MiB, nested at most 32 deep';

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
  'there is a value of this metric_name for this run, node_key and created_at already';

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
comment on column core.prompt_relations.relation_type is
  E'@words PromptRelationType\n'
  '@word depends_on The source needs the target.\n'
  '@word overrides The source holds in place of the target.\n'
  '@word conflicts_with The two contradict each other.\n'
  'depends_on, overrides or conflicts_with.';
comment on column core.prompt_relations.description is 'Why the relation holds.';
comment on column core.prompt_relations.extra_metadata is 'Anything else, a JSON object.';
comment on constraint fk_prompt_relations_source_id on core.prompt_relations is
  'source_id must name a prompt of the same organization.';
comment on constraint fk_prompt_relations_target_id on core.prompt_relations is
  'target_id must name a prompt of the same organization.';
comment on constraint chk_prompt_relations_relation_type on core.prompt_relations is
  'relation_type must be depends_on, overrides or conflicts_with';
comment on constraint chk_prompt_relations_target_id on core.prompt_relations is
  'target_id must be another prompt than source_id';
comment on constraint chk_prompt_relations_extra_metadata on core.prompt_relations is
  'extra_metadata must be a JSON object of at most 256 KiB, nested at most 32 deep';
comment on constraint chk_prompt_relations_description on core.prompt_relations is 'description must be at most 1 MiB';
comment on index core.unq_prompt_relations_source_target_type is
  'there is a relation of this relation_type between the two prompts already: change that one';

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
 *   idx_prompts_created_at   index (organization_id, created_at, id)
 *   idx_prompts_format_type  index (organization_id, format_type, created_at, id)
 *   idx_prompts_language     index (organization_id, language, created_at, id)
 *   idx_prompts_name         index (organization_id, name)
 *   idx_prompts_tags_gin     index using gin (organization_id, tags)
 *   idx_prompts_updated_at   index (organization_id, updated_at, id)
 */

select app.table_usual_comments('core.prompts');
comment on table core.prompts is E'@unique id\nA prompt: the text that is analysed, under a name.';
comment on column core.prompts.id is 'Identifies the prompt, a UUID as text; unique across organizations.';
comment on column core.prompts.name is 'Display name, at most 255 characters.';
comment on column core.prompts.description is 'What the prompt is for.';
comment on column core.prompts.content is 'The text of the prompt, at most 1 MiB.';
comment on column core.prompts.format_type is
  E'@words PromptFormat\n'
  '@word auto To be detected.\n'
  '@word text Plain text.\n'
  '@word markdown Markdown.\n'
  '@word xml XML.\n'
  'auto, text, markdown or xml.';
comment on column core.prompts.language is 'Language code such as en or pt-BR; auto: to be detected.';
comment on column core.prompts.tags is
  E'@strings\nLabels, a JSON array of strings; search with promptsByTags or searchPrompts.';
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
create or replace trigger _500_search_insert after insert on core.prompts
  referencing new table as new_rows for each statement execute function app.tg_prompts__search();
create or replace trigger _500_search_update after update on core.prompts
  referencing old table as old_rows new table as new_rows
  for each statement execute function app.tg_prompts__search();
select app.audit_table('core.prompts');
--! EndIncluded core/tables/prompts.sql
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
comment on constraint unq_users_email on core.users is
  E'@behavior -constraint:resource:update -constraint:resource:delete\n'
  'There is a user with this e-mail address already.';
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

create or replace trigger _100_text before insert or update of email, name, avatar_url on core.users
  for each row execute function app.tg_users__text();
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
comment on column core.workflow_nodes.status is
  E'@words WorkflowNodeStatus\n'
  '@word pending It waits for its turn.\n'
  '@word running It is worked on.\n'
  '@word success It ended well.\n'
  '@word failed It ended with an error.\n'
  'pending, running, success or failed.';
comment on column core.workflow_nodes.started_at is 'When it started.';
comment on column core.workflow_nodes.finished_at is 'When it ended.';
comment on column core.workflow_nodes.result is 'What came out, as JSON.';
comment on constraint unq_workflow_nodes_key on core.workflow_nodes is 'the run has a node with this key already';
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
comment on column core.workflow_runs.status is
  E'@words WorkflowRunStatus\n'
  '@word running It is worked on.\n'
  '@word success It ended well.\n'
  '@word failed It ended with an error.\n'
  '@word cancelled Somebody ended it.\n'
  'running, success, failed or cancelled.';
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
comment on constraint unq_analysis_metric_key on ops.analysis_metric is 'metrics: key must not repeat';
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
grant select,
      insert,
      update (value_num, value_text, value_json, occurred_at)
   on ops.analysis_metric to curestry_definer;

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
comment on column ops.analysis_node_result.status is
  E'@words NodeResultStatus\n'
  '@word ok Nothing to complain of.\n'
  '@word warn Something to look at.\n'
  '@word fail The text does not pass.\n'
  '@word error The node itself failed.\n'
  'ok, warn, fail or error.';
comment on column ops.analysis_node_result.score is E'@float\n0 to 10.';
comment on column ops.analysis_node_result.details is 'What was found, a JSON object.';
comment on column ops.analysis_node_result.occurred_at is 'The time that it counts for.';
comment on constraint unq_analysis_node_result_node on ops.analysis_node_result is
  'nodeResults: node must not repeat';
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
grant select, insert, update (occurred_at) on ops.analysis_node_result to curestry_definer;

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
comment on column ops.analysis_run.status is
  E'@words AnalysisRunStatus\n'
  '@word queued It waits to be started.\n'
  '@word running It is worked on.\n'
  '@word succeeded It ended with a result.\n'
  '@word failed It ended without a result.\n'
  '@word cancelled Somebody ended it.\n'
  'queued, running, succeeded, failed or cancelled.';
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
create or replace trigger _200_finite before insert or update of started_at, finished_at on ops.analysis_run
  for each row when (not (isfinite(NEW.started_at) and isfinite(coalesce(NEW.finished_at, NEW.started_at))))
  execute function app.tg__finite_time('startedAt');
create or replace trigger _200_life before update of status, started_at, finished_at on ops.analysis_run
  for each row execute function app.tg_analysis_run__life();
create or replace trigger _500_facts_follow after update of started_at, finished_at on ops.analysis_run
  for each row when (OLD.occurred_at is distinct from NEW.occurred_at)
  execute function app.tg_analysis_run__facts_follow();
select app.mart_source_table('ops.analysis_run', 'analysis');
select app.audit_table('ops.analysis_run', secret_columns => '{request_digest}');
--! EndIncluded ops/tables/analysis_run.sql
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
comment on column ops.api_key.scopes is E'@strings\nWhat it may do: a JSON array of permissions.';
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

create or replace trigger _100_name before insert on ops.api_key
  for each row execute function app.tg_api_key__name();
create or replace trigger _200_finite before insert or update of expires_at on ops.api_key
  for each row when (not isfinite(NEW.expires_at)) execute function app.tg__finite_time('expiresAt');
create or replace trigger _200_life before update on ops.api_key
  for each row execute function app.tg_api_key__life();
select app.audit_table('ops.api_key', secret_columns => '{key_hash}', note_columns => '{last_used_at}');
--! EndIncluded ops/tables/api_key.sql
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
comment on column ops.judge_criterion.weight is E'@float\nIts share in the total, at least 0.';
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
 *   idx_judge_score_score         index (organization_id, score)
 */

select app.table_usual_comments('ops.judge_score');
comment on table ops.judge_score is E'@unique id\nWhat a judge gave an analysis run by one criterion.';
comment on column ops.judge_score.analysis_run_id is 'The run that was judged.';
comment on column ops.judge_score.criterion_id is 'By which criterion.';
comment on column ops.judge_score.score is
  E'@float\n'
  '@behavior -filterBy -orderBy -attribute:groupBy -havingBy -attribute:aggregate:filterBy -aggregate:filterBy '
  '-attribute:aggregate:orderBy\n0 to 10; judgeScoresByScore looks for it.';
comment on column ops.judge_score.comment is 'Why, in the words of the judge.';
comment on column ops.judge_score.evidence is 'What the judge goes by, a JSON object.';
comment on column ops.judge_score.occurred_at is 'The time that it counts for.';
comment on constraint unq_judge_score_criterion_id on ops.judge_score is
  'scores: criterion must not repeat within a rubric';
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
grant select, insert, update (occurred_at) on ops.judge_score to curestry_definer;

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
comment on constraint fk_organization_personal_user_id on ops.organization is
  E'@foreignSingleFieldName personalOrganization\nThe user must exist.';
comment on constraint unq_organization_personal_user_id on ops.organization is
  E'@behavior -single -constraint:resource:update -constraint:resource:delete\n'
  'A user has one personal organization.';
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
create or replace trigger _100_name before insert or update of slug, name on ops.organization
  for each row execute function app.tg_organization__name();
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
comment on column ops.organization_user.role is
  E'@words MemberRole\n'
  '@word owner May do everything; an organization always has one.\n'
  '@word admin May write all but admins, owners and the organization.\n'
  '@word member May write prompts, analyses and workflows.\n'
  '@word viewer May read.\n'
  'owner, admin, member or viewer.';
comment on column ops.organization_user.status is
  E'@words MembershipStatus\n'
  '@word active Has the rights of the role.\n'
  '@word invited Has not accepted yet, and has no rights.\n'
  '@word removed Is a member no more, and has no rights.\n'
  'active, invited or removed; only active has rights.';
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
create or replace trigger _200_quota_insert before insert on ops.organization_user
  for each row when (NEW.status <> 'removed') execute function app.tg_organization_user__quota();
create or replace trigger _200_quota_update before update of status on ops.organization_user
  for each row when (OLD.status = 'removed' and NEW.status <> 'removed')
  execute function app.tg_organization_user__quota();
create or replace trigger _500_keys_update after update of status on ops.organization_user
  for each row when (NEW.status = 'removed') execute function app.tg_organization_user__keys();
create or replace trigger _500_keys_delete after delete on ops.organization_user
  for each row execute function app.tg_organization_user__keys();
select app.audit_table('ops.organization_user');
--! EndIncluded ops/tables/organization_user.sql
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
  E'@unique id\n@name analysis_day\n@list analyses_by_day\n'
  'The analyses of each day (of the organization''s time zone) on which they ended, and their quality.';
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
  E'@unique id\n@name analysis_day_by_dimension\n@list analyses_by_day_and_dimension\n'
  'The analyses of each day (of the organization''s time zone) on which they ended, by status, by detected '
  'language and by judge rubric.';
comment on column mart.analysis_daily_by.day is 'The day.';
comment on column mart.analysis_daily_by.dimension is E'@words AnalysisDimension\nstatus, language or rubric.';
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
  E'@unique id\n@name analysis_hour\n@list analyses_by_hour\n'
  'The analyses by the hour of the organization''s time zone in which they ended: all, and by status, language '
  'and rubric. The days are merged from it.';
comment on column mart.analysis_hourly.ts_bucket is 'Start of the hour.';
comment on column mart.analysis_hourly.dimension is
  E'@words AnalysisDimension\n'
  '@word all All analyses.\n'
  '@word status By the status that they ended with.\n'
  '@word language By the language that was detected.\n'
  '@word rubric By the rubric that judges went by.\n'
  'all, status, language or rubric.';
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
comment on table mart.feature_daily is
  E'@unique id\n@name feature_day\n@list features_by_day\n'
  'The use of features by day of the organization''s time zone.';
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
  E'@words MetricSource\n'
  '@word metric Metrics of analyses.\n'
  '@word node Scores of the pipelines nodes.\n'
  '@word judge Scores that judges gave.\n'
  '@word evaluation Metrics of workflow runs.\n'
  'metric: of analyses; node: results of their nodes (scores, and statuses as texts); judge: scores by rubric '
  'and criterion; evaluation: of workflow runs.';
comment on column mart.metric_timeseries.metric_key is
  'metric: its key; node: the node; judge: rubric, version and criterion, as "quality v1/clarity"; evaluation: the '
  'name, after the step''s key and "/" if it is of a step. Longer than 100 characters: 91, "~" and 8 of its MD5.';
comment on column mart.metric_timeseries.granularity is
  E'@words MetricGranularity\n'
  '@word hour By the hour.\n'
  '@word day By the day.\n'
  'hour or day.';
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
  E'@words dimension AnalysisDimension\n'
  '@arg from Start of the period.\n'
  '@arg to End of the period, exclusive.\n'
  '@arg bucket How long a point is; DAY if absent.\n'
  '@arg fill What an empty bucket becomes; NONE if absent.\n'
  '@arg dimension By what to choose analyses; all if absent.\n'
  '@arg value The status, language or rubric id to choose.\n'
  'The analyses over time, in buckets of the organization''s time zone that the period from "from" to before '
  '"to" touches, at most 10000, each beside that of the previous period. dimension: all, or status, language or '
  'rubric with a value. Needs marts:read.';
--! EndIncluded mart/functions/analysis_series.sql
--! Included mart/functions/metric_keys.sql
/* Each step jumps to the next key in the index of the mart, however many buckets a key has. */
create or replace function mart.metric_keys(source text default 'metric') returns text[]
language plpgsql stable security definer set search_path = '' as $$
declare
  v_organization constant uuid := app.require('marts:read');
begin
  return (
    with recursive known (metric_key, n) as (
      (select m.metric_key::text, 1
         from mart.metric_timeseries m
        where m.organization_id = v_organization and m.source = metric_keys.source
        order by m.metric_key limit 1)
      union all
      select (select m.metric_key::text
                from mart.metric_timeseries m
               where m.organization_id = v_organization and m.source = metric_keys.source
                 and m.metric_key > k.metric_key
               order by m.metric_key limit 1), k.n + 1
        from known k where k.metric_key is not null and k.n <= 1000
    )
    select coalesce(array_agg(k.metric_key order by k.n), '{}') from known k where k.metric_key is not null);
end;
$$;
alter function mart.metric_keys owner to curestry_definer;
revoke execute on function mart.metric_keys from public;
grant execute on function mart.metric_keys to curestry_member;
comment on function mart.metric_keys is
  E'@words source MetricSource\n'
  '@arg source Where the metrics are from; metric if absent.\n'
  'The keys that metricSeries knows, in order, at most 1000. Needs marts:read.';
--! EndIncluded mart/functions/metric_keys.sql
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
  -- Days are of two zones while the marts are rebuilt for another one
  v_part constant text := case
    when metric_series.bucket = 'HOUR' or exists (
           select from app.mart_state s
            where s.organization_id = v_organization and s.rebuild_time_zone <> s.time_zone) then 'hour'
    else 'day' end;
  v_keys text[];
begin
  if source not in ('metric', 'node', 'judge', 'evaluation') then
    perform app.refuse('CU004',
      format('source: must be metric, node, judge or evaluation, not %s', to_json(source)),
      'source', 'metric_series_source');
  end if;
  -- Longer keys stand there shortened, and new ones come within seconds
  if length(key) <= 100 and not exists (select from app.mart_change c where c.organization_id = v_organization)
     and not exists (select from mart.metric_timeseries m
                      where m.organization_id = v_organization and m.source = metric_series.source
                        and m.metric_key = metric_series.key) then
    v_keys := mart.metric_keys(metric_series.source);
    if cardinality(v_keys) > 0 then
      perform app.refuse('CU004',
        format('key: no metric is called %s; there is %s%s', to_json(key), array_to_string(v_keys[:20], ', '),
               case when cardinality(v_keys) > 20 then ' and others, see metricKeys' end),
        'key', 'metric_series_key');
    end if;
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
        left join app.mart_compute_metric_timeseries(
               v_organization, metric_series.source, v_part, metric_series.key,
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
  E'@words source MetricSource\n'
  '@arg key The key of the metric.\n'
  '@arg from Start of the period.\n'
  '@arg to End of the period, exclusive.\n'
  '@arg bucket How long a point is; DAY if absent.\n'
  '@arg fill What an empty bucket becomes; NONE if absent.\n'
  '@arg source Where the metric is from; metric if absent.\n'
  'A metric over time, in buckets of the organization''s time zone that the period from "from" to before "to" '
  'touches, at most 10000, each beside that of the previous period. source: metric (of analyses), node, judge or '
  'evaluation. Needs marts:read.';
--! EndIncluded mart/functions/metric_series.sql
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
  E'@arg threshold Those above this are answered.\n'
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
  E'@arg tags Labels, as they are written.\n'
  '@arg match Whether one of them is enough; ANY if absent.\n'
  'The prompts with any (ANY) or all (ALL) of these tags, newest first. Needs prompts:read.';
--! EndIncluded core/functions/prompts_by_tags.sql
--! Included core/functions/search_prompts.sql
/*
 * A definer function that filters by organization itself: the operators of full text and jsonb are not leakproof, and
 * do not use their index under row level security. The index of the words has the organization, too, and reads of both
 * lists only what they may have in common: a word that all others use costs a small organization nothing.
 *
 * With a plan for each call, filters that are not given vanish from it, and with them the look at core.prompts; and
 * words that must not be there, which would have the whole index read, are looked for in the organization's own rows.
 */
create or replace function core.search_prompts(
  query text default null, tags text[] default null, match core.tag_match default 'ANY', language text default null,
  format_type text default null
) returns setof core.prompt_match
language plpgsql stable security definer set search_path = '' set plan_cache_mode = force_custom_plan
set client_min_messages = warning rows 100 as $$
declare
  v_organization constant uuid := app.require('prompts:read');
  v_any constant text[] := case match when 'ANY' then nullif(search_prompts.tags, '{}') end;
  v_all constant jsonb := case match when 'ALL' then to_jsonb(nullif(search_prompts.tags, '{}')) end;
  v_language constant text := search_prompts.language;
  v_format constant text := search_prompts.format_type;
  v_query tsquery;
begin
  if char_length(query) > 1000 then
    perform app.refuse('CU004', 'query must be at most 1,000 characters', 'query', 'search_prompts_query');
  elsif cardinality(search_prompts.tags) > 100 then
    perform app.refuse('CU004', 'tags must be at most 100', 'tags', 'search_prompts_tags');
  end if;
  v_query := app.prompt_query(query);

  if coalesce(numnode(v_query), 0) = 0 then
    return query
      select 0::real, p.organization_id, p.id
        from core.prompts p
       where p.organization_id = v_organization
         and (v_any is null or p.tags operator(pg_catalog.?|) v_any)
         and (v_all is null or p.tags operator(pg_catalog.@>) v_all)
         and (v_language is null or p.language = v_language)
         and (v_format is null or p.format_type = v_format)
       order by p.created_at desc, p.id desc;
    return;
  end if;
  return query
    select ts_rank(s.document, v_query, 1), s.organization_id, s.prompt_id
      from app.prompt_search s
      left join core.prompts p on p.organization_id = s.organization_id and p.id = s.prompt_id
     where s.organization_id = v_organization
       and s.document operator(pg_catalog.@@) v_query
       and (v_any is null or p.tags operator(pg_catalog.?|) v_any)
       and (v_all is null or p.tags operator(pg_catalog.@>) v_all)
       and (v_language is null or p.language = v_language)
       and (v_format is null or p.format_type = v_format)
     order by 1 desc, s.created_at desc, s.prompt_id desc;
end;
$$;
alter function core.search_prompts owner to curestry_definer;
revoke execute on function core.search_prompts from public;
grant execute on function core.search_prompts to curestry_member;
comment on function core.search_prompts is
  E'@words format_type PromptFormat\n'
  '@arg query Words, a "phrase", this or that, -without.\n'
  '@arg tags Labels, as they are written.\n'
  '@arg match Whether one of the tags is enough; ANY if absent.\n'
  '@arg language Only prompts of this language.\n'
  '@arg format_type Only prompts of this format.\n'
  'The prompts that match, best first. query: words that must all be in the name, the description or the '
  'content, in any language and case; "a phrase"; this or that; -without. At most 1,000 characters; without a '
  'word in it, all prompts that the filters leave, newest first. tags: with any (ANY) or all (ALL) of them. '
  'Needs prompts:read.';
--! EndIncluded core/functions/search_prompts.sql
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
  E'@notNull\nEnds the session of this request: its token is refused from the next request on.';
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
  E'@notNull\nEnds all of your sessions, including this one; returns how many there were.';
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
  E'@notNull\n'
  '@arg code The code of the invitation.\n'
  'Accepts an invitation with its code: you are a member from the next request on. Needs the person who was '
  'invited, signed in.';
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
  E'@float\n'
  '@arg rubric_id By which rubric; if absent, by the one that the scores are of.\n'
  'The mean of what judges gave by a rubric, weighted by its criteria, 0 to 10; null unless every criterion of '
  'it has a score. Without rubricId: the rubric by which the run was judged, if it is one.';
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
  E'@notNull\n'
  '@arg id The run.\n'
  '@arg reason Why.\n'
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
  E'@notNull\n'
  '@arg id The job.\n'
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
  E'@notNull\n@words role MemberRole\n'
  '@arg user_id The member.\n'
  '@arg role What the member will be.\n'
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
  E'@notNull\n'
  '@arg name What the key is for.\n'
  '@arg scopes Permissions, such as prompts:read.\n'
  '@arg expires_at Until when it is accepted; no end if absent.\n'
  'Creates an API key and returns its text, once. Its scopes are permissions that you have, and it can never do '
  'more than you. Needs keys:write.';
--! EndIncluded ops/functions/create_api_key.sql
--! Included ops/functions/create_organization.sql
create or replace function ops.create_organization(slug text, name text) returns ops.organization
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_user constant integer := app.require_person();
  v_organization ops.organization;
begin
  -- One at a time
  perform from core.users u where u.id = v_user for no key update;
  perform app.quota_check('organizations_of_person',
                          (select count(*) from app.organization_creation c where c.user_id = v_user));
  insert into ops.organization (name, slug) values (create_organization.name, create_organization.slug)
  returning * into v_organization;
  insert into ops.organization_user (organization_id, user_id, role) values (v_organization.id, v_user, 'owner');
  insert into app.organization_creation (organization_id, user_id) values (v_organization.id, v_user);
  return v_organization;
end;
$$;
alter function ops.create_organization owner to curestry_definer;
revoke execute on function ops.create_organization from public;
grant execute on function ops.create_organization to curestry_member;
comment on function ops.create_organization is
  E'@notNull\n'
  '@arg slug Its short name, unique: lower case letters, digits and hyphens.\n'
  '@arg name Its display name.\n'
  'Creates an organization that you own. Choose it for a request with the header X-Curestry-Organization. Needs '
  'a person who has signed in.';
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
    else v_last.after_state - 'secrets'
  end;
end;
$$;
alter function ops.entity_as_of owner to curestry_definer;
revoke execute on function ops.entity_as_of from public;
grant execute on function ops.entity_as_of to curestry_member;
comment on function ops.entity_as_of is
  E'@arg type A type of the API (Prompt) or a table (core.prompts).\n'
  '@arg id The id of the row.\n'
  '@arg at When.\n'
  'The state of a row of this organization at a time, without secrets, by the names of its columns; null if it '
  'did not exist then, or the audit had not begun. type is a type of the API (Prompt) or a table (core.prompts). '
  'An erased state is {"erased": the erasure}. Needs audit:read.';
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
                  when 'update' then
                    case when v_table = 'ops.organization_user' and a.before_state ->> 'status' = 'invited'
                              and a.after_state ->> 'status' = 'active'
                         then ' accepted the invitation: ' else ' changed ' end
                    || coalesce(s.columns, 'nothing')
                end end
           || case when a.erasure_id is null then '' else ' (the values were erased)' end
      from app.audit_entity_entries(v_organization, v_table, entity_history.id) a
      left join core.users u on u.id = a.actor_user_id and u.id = any (v_visible)
      left join ops.api_key k on k.organization_id = v_organization and k.id = a.actor_api_key_id
      left join lateral (
        select array_agg(row(n.name, a.before_state -> n.name, a.after_state -> n.name)::ops.column_change
                         order by n.name) as changes
          from (select w.name from unnest(a.changed_columns) as w (name) where w.name <> 'updated_at'
                union
                select j.key from jsonb_each(coalesce(a.after_state, a.before_state)) j
                 where a.action <> 'update' and j.value <> 'null' and j.key <> 'secrets') n) c on true
      left join lateral (
        select case count(*) when 1 then min(w.words)
               else array_to_string((array_agg(w.words order by w.name))[:count(*)::integer - 1], ', ')
                    || ' and ' || (array_agg(w.words order by w.name desc))[1] end as columns
          from (select c.name, app.audit_change_in_words(
                                 c.name, a.before_state -> c.name, a.after_state -> c.name) as words
                  from unnest(a.changed_columns) as c (name)
                 where c.name <> 'updated_at') w
        having count(*) > 0) s on true
     order by a.seq desc;
end;
$$;
alter function ops.entity_history owner to curestry_definer;
revoke execute on function ops.entity_history from public;
grant execute on function ops.entity_history to curestry_member;
comment on function ops.entity_history is
  E'@arg type A type of the API (Prompt) or a table (core.prompts).\n'
  '@arg id The id of the row.\n'
  'Who changed a row of this organization, what and when, newest first. type is a type of the API (Prompt) or a '
  'table (core.prompts). Empty for an id that the organization never had. Needs audit:read.';
--! EndIncluded ops/functions/entity_history.sql
--! Included ops/functions/erase_account.sql
/* A dry run erases, too, and takes it back: so it says what there is, and what stands against it. */
create or replace function ops.erase_account(email text, dry_run boolean default false) returns ops.erasure
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_user constant integer := app.require_person();
  v_erasure app.erasure;
begin
  if not exists (select from core.users u
                  where u.id = v_user and lower(u.email) = lower(btrim(erase_account.email))) then
    perform app.refuse('CU004', 'email must be your own address: it is your account that is erased', 'email',
                       'erase_account_email');
  end if;
  begin
    v_erasure := app.erase_user(v_user);
    if dry_run then
      raise exception using errcode = 'CU008';
    end if;
  exception
    when sqlstate 'CU008' then
      v_erasure.id := null;
  end;
  return row(v_erasure.id, v_erasure.kind, v_erasure.subject_id, v_erasure.counts)::ops.erasure;
end;
$$;
alter function ops.erase_account owner to curestry_definer;
revoke execute on function ops.erase_account from public;
grant execute on function ops.erase_account to curestry_member;
comment on function ops.erase_account is
  E'@notNull\n'
  '@arg email Your own address.\n'
  '@arg dry_run Says what would be erased, and changes nothing.\n'
  'Erases your account: what identifies you, in all tables and in the states of the audit log, and your personal '
  'organization; it cannot be undone. email is your own address, so that nobody does it by mistake. dryRun: says '
  'what would be erased, and changes nothing. Needs a person who has signed in.';
--! EndIncluded ops/functions/erase_account.sql
--! Included ops/functions/erase_organization.sql
/* A dry run erases, too, and takes it back: so it says what there is, and what stands against it. */
create or replace function ops.erase_organization(slug text, dry_run boolean default false) returns ops.erasure
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_organization constant uuid := app.require('organization:write');
  v_erasure app.erasure;
begin
  perform app.require_person();
  if not exists (select from ops.organization o
                  where o.id = v_organization and o.slug = erase_organization.slug) then
    perform app.refuse('CU004', 'slug must be that of the organization of this request, which is what is erased',
                       'slug', 'erase_organization_slug');
  end if;
  begin
    v_erasure := app.erase_organization(v_organization);
    if dry_run then
      raise exception using errcode = 'CU008';
    end if;
  exception
    when sqlstate 'CU008' then
      v_erasure.id := null;
  end;
  return row(v_erasure.id, v_erasure.kind, v_erasure.subject_id, v_erasure.counts)::ops.erasure;
end;
$$;
alter function ops.erase_organization owner to curestry_definer;
revoke execute on function ops.erase_organization from public;
grant execute on function ops.erase_organization to curestry_member;
comment on function ops.erase_organization is
  E'@notNull\n'
  '@arg slug Its slug.\n'
  '@arg dry_run Says what would be erased, and changes nothing.\n'
  'Erases the organization of this request: all its rows, and their states in its audit log; it cannot be '
  'undone. slug is its slug, so that nobody erases another one by mistake. dryRun: says what would be erased, '
  'and changes nothing. Needs organization:write, and a person who has signed in.';
--! EndIncluded ops/functions/erase_organization.sql
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
  E'@notNull\n'
  '@arg id The run.\n'
  '@arg message Why it failed.\n'
  'Ends a queued or running analysis as failed; the message is kept in meta.error. Needs analyses:write.';
--! EndIncluded ops/functions/fail_analysis_run.sql
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
  E'@notNull\n'
  '@arg id The run.\n'
  '@arg result The document of the analysis.\n'
  '@arg metrics Measured values, each under a key of its own.\n'
  '@arg node_results What the nodes of the pipeline found.\n'
  '@arg scores What judges gave.\n'
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
  v_user := app.user_ensure(email);
  select m.* into v_member from ops.organization_user m where m.organization_id = v_organization and m.user_id = v_user;
  if v_member.status = 'active' then
    perform app.refuse('CU005', 'email: this person is a member already; changeMemberRole changes the role',
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
  return row(v_member.id, v_user, app.email_normalize(email), v_member.role, v_code, v_expires)::ops.new_invitation;
end;
$$;
alter function ops.invite_member owner to curestry_definer;
revoke execute on function ops.invite_member from public;
grant execute on function ops.invite_member to curestry_member;
comment on function ops.invite_member is
  E'@notNull\n@words role MemberRole\n'
  '@arg email Whom to invite.\n'
  '@arg role What the person will be; member if absent.\n'
  'Invites a person by e-mail address, as viewer, member, admin or owner, and returns a code, once: give it to '
  'that person, who accepts with it within 7 days. Needs members:write; only an owner invites admins and owners.';
--! EndIncluded ops/functions/invite_member.sql
--! Included ops/functions/judge_scores_by_score.sql
/*
 * A definer function that filters by organization itself: the operators of numeric are not leakproof, and do not use
 * their index under row level security. A plan for each call leaves out the bounds that are not given.
 */
create or replace function ops.judge_scores_by_score(
  at_least numeric default null, at_most numeric default null, criterion_id uuid default null,
  highest_first boolean default true
) returns setof ops.judge_score
language plpgsql stable security definer set search_path = '' set plan_cache_mode = force_custom_plan rows 100 as $$
declare
  v_organization constant uuid := app.organization_if('analyses:read');
begin
  if highest_first then
    return query
      select s.* from ops.judge_score s
       where s.organization_id = v_organization
         and (at_least is null or s.score >= at_least) and (at_most is null or s.score <= at_most)
         and (judge_scores_by_score.criterion_id is null or s.criterion_id = judge_scores_by_score.criterion_id)
       order by s.score desc, s.occurred_at desc, s.id desc;
  else
    return query
      select s.* from ops.judge_score s
       where s.organization_id = v_organization
         and (at_least is null or s.score >= at_least) and (at_most is null or s.score <= at_most)
         and (judge_scores_by_score.criterion_id is null or s.criterion_id = judge_scores_by_score.criterion_id)
       order by s.score, s.occurred_at, s.id;
  end if;
end;
$$;
alter function ops.judge_scores_by_score owner to curestry_definer;
revoke execute on function ops.judge_scores_by_score from public;
grant execute on function ops.judge_scores_by_score to curestry_member;
comment on function ops.judge_scores_by_score is
  E'@arg at_least The least score; 0 if absent.\n'
  '@arg at_most The greatest score; 10 if absent.\n'
  '@arg criterion_id By which criterion; any if absent.\n'
  '@arg highest_first Otherwise lowest first.\n'
  'The scores that judges gave from atLeast to atMost, both included, highest first or lowest first; of one '
  'criterion, or of all. Needs analyses:read.';
--! EndIncluded ops/functions/judge_scores_by_score.sql
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
  E'@notNull\n'
  'Leaves the organization of this request. Its last owner cannot leave. Needs a person who has signed in.';
--! EndIncluded ops/functions/leave_organization.sql
--! Included ops/functions/legal_holds.sql
create or replace function ops.legal_holds() returns setof ops.legal_hold
language plpgsql stable security definer set search_path = '' rows 10 as $$
declare
  v_organization constant uuid := app.require('audit:read');
begin
  return query
    select h.id, h.reason, h.placed_by <> session_user, h.placed_at, h.released_at
      from app.legal_hold h
     where h.held_organization_id = v_organization
     order by h.released_at is not null, h.placed_at desc, h.id;
end;
$$;
alter function ops.legal_holds owner to curestry_definer;
revoke execute on function ops.legal_holds from public;
grant execute on function ops.legal_holds to curestry_member;
comment on function ops.legal_holds is
  'The legal holds on the organization of this request, those in force first. Needs audit:read.';
--! EndIncluded ops/functions/legal_holds.sql
--! Included ops/functions/place_legal_hold.sql
create or replace function ops.place_legal_hold(reason text) returns ops.legal_hold
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_hold constant app.legal_hold := app.legal_hold_place(app.require('organization:write'), null, reason);
begin
  return row(v_hold.id, v_hold.reason, false, v_hold.placed_at, v_hold.released_at)::ops.legal_hold;
end;
$$;
alter function ops.place_legal_hold owner to curestry_definer;
revoke execute on function ops.place_legal_hold from public;
grant execute on function ops.place_legal_hold to curestry_member;
comment on function ops.place_legal_hold is
  E'@notNull\n'
  '@arg reason Why; whoever tries to erase or delete is told.\n'
  'Places the organization of this request under legal hold: until it is released, nothing of it is erased, '
  'deleted or removed by age. Needs organization:write.';
--! EndIncluded ops/functions/place_legal_hold.sql
--! Included ops/functions/quotas.sql
create or replace function ops.quotas() returns setof ops.quota_state
language plpgsql stable security definer set search_path = '' rows 3 as $$
declare
  v_organization constant uuid := app.require('members:read');
  v_user constant integer := app.session_user_id();
begin
  return query
    select q.name, q.maximum,
           (case q.name
              when 'organizations_of_person' then (
                select count(*) from app.organization_creation c where c.user_id = v_user)
              when 'members_of_organization' then (
                select count(*) from ops.organization_user m
                 where m.organization_id = v_organization and m.status <> 'removed')
              when 'api_keys_of_organization' then (
                select count(*) from ops.api_key k
                 where k.organization_id = v_organization and not k.is_revoked
                   and (k.expires_at is null or k.expires_at > now()))
            end)::integer
      from app.quota q
     where v_user is not null or q.name <> 'organizations_of_person'
     order by q.name;
end;
$$;
alter function ops.quotas owner to curestry_definer;
revoke execute on function ops.quotas from public;
grant execute on function ops.quotas to curestry_member;
comment on function ops.quotas is
  'How much of each quota the organization of this request has used, and the person who asks. An operator changes '
  'quotas. Needs members:read.';
--! EndIncluded ops/functions/quotas.sql
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
  E'@notNull\n'
  '@arg items At most 1000 analyses; each has an outcome of its own.\n'
  'Records analyses in one transaction: run, result document, metrics, node results and judge scores. Returns, '
  'in the order of the items, whether each was inserted, unchanged (its idempotencyKey is known with the same '
  'content), in conflict (known with another content) or invalid (with the reason). Needs analyses:write; at '
  'most 1000 items.';
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
  E'@notNull\n'
  '@arg events At most 10000 events.\n'
  'Records uses of features, all or nothing; returns how many rows were written. Needs features:write.';
--! EndIncluded ops/functions/record_feature_events.sql
--! Included ops/functions/release_legal_hold.sql
/* What an operator holds, nobody else releases: the login that placed a hold tells the API from the command line. */
create or replace function ops.release_legal_hold(id uuid) returns ops.legal_hold
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_organization constant uuid := app.require('organization:write');
  v_hold app.legal_hold;
begin
  select h.* into v_hold from app.legal_hold h
   where h.id = release_legal_hold.id and h.held_organization_id = v_organization;
  if not found then
    perform app.refuse('CU003', format('There is no legal hold %s in force', release_legal_hold.id), 'id');
  elsif v_hold.placed_by <> session_user then
    perform app.refuse('CU002', 'An operator placed this hold: only an operator releases it', 'id', 'legal_hold');
  end if;
  v_hold := app.legal_hold_release(v_hold.id);
  return row(v_hold.id, v_hold.reason, false, v_hold.placed_at, v_hold.released_at)::ops.legal_hold;
end;
$$;
alter function ops.release_legal_hold owner to curestry_definer;
revoke execute on function ops.release_legal_hold from public;
grant execute on function ops.release_legal_hold to curestry_member;
comment on function ops.release_legal_hold is
  E'@notNull\n'
  '@arg id The hold.\n'
  'Releases a legal hold that placeLegalHold placed on the organization of this request. Needs '
  'organization:write.';
--! EndIncluded ops/functions/release_legal_hold.sql
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
  E'@notNull\n'
  '@arg user_id The member.\n'
  'Removes a member, or withdraws an invitation, from their next request on; the API keys that they created for '
  'this organization stop working. Needs members:write; only an owner removes admins and owners. The last owner '
  'cannot be removed.';
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
  E'@notNull\n'
  '@arg id The job.\n'
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
  E'@notNull\n'
  '@arg id The rubric.\n'
  'Creates a new version of a rubric, with copies of its criteria, that can be changed until scores are given by '
  'it. Scores that name the rubric go to the newest version. Needs rubrics:write.';
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
  E'@notNull\n'
  '@arg id The key.\n'
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
  E'@notNull\n'
  '@arg id The key to replace.\n'
  '@arg overlap_seconds How long the old key is still accepted; a day if absent.\n'
  'Creates a successor of an API key, with the same name and scopes, and returns its text, once; the successor '
  'is yours, and can never do more than you. The old key works for the overlap (a day, if not given) and then '
  'stops. Needs keys:write.';
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
  E'@notNull\n'
  '@arg id A queued run to start; a new one if absent.\n'
  '@arg prompt_id The saved prompt to analyse.\n'
  '@arg prompt_content The text to analyse; if absent, that of the prompt.\n'
  '@arg meta Anything else, a JSON object.\n'
  '@arg idempotency_key Chosen by you: the same key again starts no other run.\n'
  'Starts an analysis that is worked on elsewhere: a new run of a saved prompt (promptId) or of a text '
  '(promptContent), or a queued run (id). A repeated idempotencyKey returns the same run. Needs analyses:write.';
--! EndIncluded ops/functions/start_analysis_run.sql
--! Included ops/functions/viewer.sql
create or replace function ops.viewer() returns ops.viewer
language sql stable security definer set search_path = '' as $$
  select row(
           u.id, u.email::text, u.name::text, nullif(current_setting('curestry.api_key_id', true), '')::uuid,
           o.id, o.slug::text,
           (select m.role::text from ops.organization_user m
             where m.organization_id = o.id and m.user_id = u.id and m.status = 'active'),
           coalesce(string_to_array(nullif(btrim(current_setting('curestry.permissions', true)), ''), ' '), '{}'),
           -- A key sees its own organization only.
           (select coalesce(array_agg(row(i.id, i.slug::text, i.name::text, m.role::text,
                                          i.personal_user_id is not distinct from u.id)::ops.viewer_organization
                                      order by i.slug), '{}')
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
alter table core.prompts no force row level security;
alter table app.prompt_search no force row level security;
insert into app.prompt_search (organization_id, prompt_id, created_at, document)
select p.organization_id, p.id, p.created_at, app.prompt_document(p.name, p.description, p.content)
  from core.prompts p
on conflict on constraint pk_prompt_search do nothing;
alter table app.prompt_search force row level security;
alter table core.prompts force row level security;
-- A search reads what is not in the index yet, of all organizations: little of it.
create index if not exists idx_prompt_search_document on app.prompt_search using gin (organization_id, document)
  with (gin_pending_list_limit = 256);
