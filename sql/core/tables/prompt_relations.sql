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
