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
