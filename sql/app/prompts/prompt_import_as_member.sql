create or replace function app.prompt_import_as_member(lines jsonb)
returns table (line integer, outcome text, id text, reason text)
language plpgsql volatile security definer set search_path = '' as $$
begin
  return query
    select i.line, i.outcome, i.prompt_id, i.reason from app.prompt_import(app.require('prompts:write'), lines) i;
end;
$$;
alter function app.prompt_import_as_member owner to curestry_definer;
revoke execute on function app.prompt_import_as_member from public;
grant execute on function app.prompt_import_as_member to curestry_member;
comment on function app.prompt_import_as_member is
  'Imports prompts into the organization of the request, line by line. Needs prompts:write.';
