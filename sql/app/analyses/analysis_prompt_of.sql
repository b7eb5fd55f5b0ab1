create or replace function app.analysis_prompt_of(organization uuid, prompt text, name text, content text) returns text
language sql stable set search_path = '' as $$
  select coalesce(
    (select p.id::text from core.prompts p
      where p.organization_id = organization and p.id = analysis_prompt_of.prompt),
    (select p.id::text from core.prompts p
      where p.organization_id = organization and p.name = analysis_prompt_of.name
      order by app.prompt_version_of(organization, p.id, analysis_prompt_of.content) is null, p.created_at, p.id
      limit 1));
$$;
revoke execute on function app.analysis_prompt_of from public;
grant execute on function app.analysis_prompt_of to curestry_definer;
comment on function app.analysis_prompt_of is
  'The prompt of an exported analysis in this organization: the same one, else one of that name, first one that had '
  'the text; null if there is none.';
