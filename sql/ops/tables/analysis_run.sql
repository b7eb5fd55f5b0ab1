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
