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
