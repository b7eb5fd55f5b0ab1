/*
 * A definer function that filters by organization itself: jsonb operators are not leakproof, and under row level security
 * they do not use their index. plpgsql, so that each of the two conditions gets the plan with the index.
 */
create or replace function core.prompts_by_tags(tags text[], match core.tag_match default 'ANY') returns setof core.prompts
language plpgsql stable security definer set search_path = '' rows 100 as $$
declare
  v_organization constant uuid := app.organization_if('prompts:read');
begin
  if match = 'ALL' then
    return query
      select p.* from core.prompts p
       where p.organization_id = v_organization and p.tags operator(pg_catalog.@>) to_jsonb(prompts_by_tags.tags)
       order by p.created_at desc, p.id desc;
  else
    return query
      select p.* from core.prompts p
       where p.organization_id = v_organization and p.tags operator(pg_catalog.?|) prompts_by_tags.tags
       order by p.created_at desc, p.id desc;
  end if;
end;
$$;
alter function core.prompts_by_tags(text[], core.tag_match) owner to curestry_definer;
revoke execute on function core.prompts_by_tags(text[], core.tag_match) from public;
grant execute on function core.prompts_by_tags(text[], core.tag_match) to curestry_member;
comment on function core.prompts_by_tags(text[], core.tag_match) is
  'The prompts that bear any (ANY) or all (ALL) of these tags, newest first. Needs prompts:read.';
