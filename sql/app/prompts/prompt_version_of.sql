create or replace function app.prompt_version_of(organization uuid, prompt text, analysed text) returns uuid
language sql stable set search_path = '' as $$
  select v.id from core.prompt_versions v
   where v.organization_id = organization and v.prompt_id = prompt and (analysed is null or v.content = analysed)
   order by v.version desc
   limit 1;
$$;
revoke execute on function app.prompt_version_of from public;
grant execute on function app.prompt_version_of to curestry_definer;
comment on function app.prompt_version_of is
  'The newest version of a prompt with this text, or its current one if no text is given; null if it never had that '
  'text.';
