comment on table core.prompt_relations is E'@unique id\nHow one prompt relates to another: it depends on it, overrides it or conflicts with it.';
comment on column core.prompt_relations.id is 'Identifies the relation, a UUID as text; unique across organizations.';
comment on column core.prompt_relations.source_id is 'The prompt that has the relation.';
comment on column core.prompt_relations.target_id is 'The prompt that it has it to.';
comment on column core.prompt_relations.relation_type is 'depends_on, overrides or conflicts_with.';
comment on column core.prompt_relations.description is 'Why the relation holds.';
comment on column core.prompt_relations.extra_metadata is 'Anything else, a JSON object.';
comment on column core.prompt_relations.created_at is 'When the row was written.';
comment on column core.prompt_relations.organization_id is 'The organization that the row belongs to; given by the request, never by the caller.';
comment on constraint pk_prompt_relations on core.prompt_relations is 'One row per organization and id.';
comment on constraint fk_prompt_relations_source_id on core.prompt_relations is 'source_id must name a prompt of the same organization.';
comment on constraint fk_prompt_relations_target_id on core.prompt_relations is 'target_id must name a prompt of the same organization.';
comment on constraint chk_prompt_relations_relation_type on core.prompt_relations is 'relation_type must be depends_on, overrides or conflicts_with';
comment on constraint chk_prompt_relations_target_id on core.prompt_relations is 'a prompt cannot have a relation to itself';
comment on constraint chk_prompt_relations_extra_metadata on core.prompt_relations is 'extra_metadata must be a JSON object of at most 256 KiB, nested at most 32 deep';
comment on constraint chk_prompt_relations_description on core.prompt_relations is 'description must be at most 1 MiB';
comment on index core.unq_prompt_relations_source_target_type is 'this relation between the two prompts exists already';

alter table core.prompt_relations alter column organization_id set default app.organization_id();

alter table core.prompt_relations enable row level security;
alter table core.prompt_relations force row level security;
revoke all on core.prompt_relations from curestry_anonymous, curestry_member, curestry_analyst, curestry_definer;

drop policy if exists select_own on core.prompt_relations;
create policy select_own on core.prompt_relations for select to curestry_member
  using (organization_id = app.organization_if('prompts:read'));
comment on policy select_own on core.prompt_relations is 'Members read the rows of their request''s organization, with prompts:read.';
grant select on core.prompt_relations to curestry_member;

drop policy if exists insert_own on core.prompt_relations;
create policy insert_own on core.prompt_relations for insert to curestry_member
  with check (organization_id = app.organization_if('prompts:write'));
comment on policy insert_own on core.prompt_relations is 'Members write to their request''s organization, with prompts:write.';
grant insert (source_id, target_id, relation_type, description, extra_metadata) on core.prompt_relations to curestry_member;

drop policy if exists update_own on core.prompt_relations;
create policy update_own on core.prompt_relations for update to curestry_member
  using (organization_id = app.organization_if('prompts:write'));
comment on policy update_own on core.prompt_relations is 'Members change the rows of their request''s organization, with prompts:write.';
grant update (relation_type, description, extra_metadata) on core.prompt_relations to curestry_member;

drop policy if exists delete_own on core.prompt_relations;
create policy delete_own on core.prompt_relations for delete to curestry_member
  using (organization_id = app.organization_if('prompts:write'));
comment on policy delete_own on core.prompt_relations is 'Members delete the rows of their request''s organization, with prompts:write.';
grant delete on core.prompt_relations to curestry_member;

drop policy if exists select_granted on core.prompt_relations;
create policy select_granted on core.prompt_relations for select to curestry_analyst
  using (organization_id = any (app.analyst_organizations()));
comment on policy select_granted on core.prompt_relations is 'Analysts read the organizations granted to them.';
grant select on core.prompt_relations to curestry_analyst;

drop policy if exists definer_all on core.prompt_relations;
create policy definer_all on core.prompt_relations for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on core.prompt_relations is 'The functions that look past row level security; the grants say what they may.';
grant select on core.prompt_relations to curestry_definer;

create or replace trigger _200_no_cycle before insert or update of source_id, target_id, relation_type on core.prompt_relations
  for each row when (NEW.relation_type = 'depends_on') execute function app.tg_prompt_relations__no_cycle();
select app.audit_table('core.prompt_relations');
