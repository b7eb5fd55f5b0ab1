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
