create or replace view report.prompts with (security_invoker = true) as
select o.slug as organization, p.id as prompt_id, p.name, p.description, p.content, p.format_type, p.language,
       array(select jsonb_array_elements_text(
                      case when jsonb_typeof(p.tags) = 'array' then p.tags else '[]' end)) as tags,
       p.extra_metadata, p.created_at, p.updated_at
  from core.prompts p
  join ops.organization o on o.id = p.organization_id;
grant select on report.prompts to curestry_analyst;
comment on view report.prompts is 'The prompts, one row each, with their tags as an array.';
comment on column report.prompts.organization is 'Slug of the organization.';
comment on column report.prompts.prompt_id is 'Identifies the prompt; joins to report.analyses.';
comment on column report.prompts.name is 'Display name.';
comment on column report.prompts.description is 'What the prompt is for.';
comment on column report.prompts.content is 'The text of the prompt.';
comment on column report.prompts.format_type is 'auto, text, markdown or xml.';
comment on column report.prompts.language is 'Language code, or auto.';
comment on column report.prompts.tags is 'Labels.';
comment on column report.prompts.extra_metadata is 'Anything else, a JSON object.';
comment on column report.prompts.created_at is 'When the prompt was written.';
comment on column report.prompts.updated_at is 'When it was last changed.';
