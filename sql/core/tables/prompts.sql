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
