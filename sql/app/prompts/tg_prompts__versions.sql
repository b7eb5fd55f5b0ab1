/*
 * The new texts of a statement become versions. Changing a prompt locks its row, so its versions are numbered one
 * after the other.
 */
create or replace function app.tg_prompts__versions() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  v_user constant integer := app.user_id();
  v_key constant uuid := nullif(current_setting('curestry.api_key_id', true), '')::uuid;
begin
  if TG_OP = 'INSERT' then
    insert into core.prompt_versions
      (organization_id, prompt_id, version, content, format_type, language, user_id, api_key_id)
    select n.organization_id, n.id, 1, n.content, n.format_type, n.language, v_user, v_key
      from new_rows n;
  else
    insert into core.prompt_versions
      (organization_id, prompt_id, version, content, format_type, language, user_id, api_key_id)
    select n.organization_id, n.id,
           coalesce((select max(v.version) from core.prompt_versions v
                      where v.organization_id = n.organization_id and v.prompt_id = n.id), 0) + 1,
           n.content, n.format_type, n.language, v_user, v_key
      from new_rows n
      join old_rows o on o.organization_id = n.organization_id and o.id = n.id
     where n.content is distinct from o.content;
  end if;
  return null;
end;
$$;
alter function app.tg_prompts__versions owner to curestry_definer;
revoke execute on function app.tg_prompts__versions from public;
comment on function app.tg_prompts__versions is 'Trigger: keeps every text of a prompt in core.prompt_versions.';
