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
