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
