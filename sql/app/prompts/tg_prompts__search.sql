create or replace function app.tg_prompts__search() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if TG_OP = 'INSERT' then
    insert into app.prompt_search (organization_id, prompt_id, created_at, document)
    select n.organization_id, n.id, n.created_at, app.prompt_document(n.name, n.description, n.content)
      from new_rows n;
  else
    update app.prompt_search s set document = app.prompt_document(n.name, n.description, n.content)
      from new_rows n
      join old_rows o on o.organization_id = n.organization_id and o.id = n.id
     where s.organization_id = n.organization_id and s.prompt_id = n.id
       and (n.name, n.description, n.content) is distinct from (o.name, o.description, o.content);
  end if;
  return null;
end;
$$;
alter function app.tg_prompts__search owner to curestry_definer;
revoke execute on function app.tg_prompts__search from public;
comment on function app.tg_prompts__search is 'Trigger: keeps the words of each prompt in app.prompt_search.';
