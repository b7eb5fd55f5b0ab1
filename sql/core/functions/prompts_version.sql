create or replace function core.prompts_version(prompt core.prompts) returns integer
language sql stable set search_path = '' as $$
  select max(v.version) from core.prompt_versions v
   where v.organization_id = prompt.organization_id and v.prompt_id = prompt.id;
$$;
revoke execute on function core.prompts_version from public;
grant execute on function core.prompts_version to curestry_member, curestry_analyst;
comment on function core.prompts_version is
  'The number of its current version: how often its content was written.';
