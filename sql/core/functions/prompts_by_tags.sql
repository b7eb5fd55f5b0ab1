/*
 * A definer function that filters by organization itself: jsonb operators are not leakproof, and do not use their
 * index under row level security. plpgsql, so that each of the two queries gets a plan with the index.
 */
create or replace function core.prompts_by_tags(tags text[], match core.tag_match default 'ANY')
returns setof core.prompts
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
alter function core.prompts_by_tags owner to curestry_definer;
revoke execute on function core.prompts_by_tags from public;
grant execute on function core.prompts_by_tags to curestry_member;
comment on function core.prompts_by_tags is
  E'@arg tags Labels, as they are written.\n'
  '@arg match Whether one of them is enough; ANY if absent.\n'
  'The prompts with any (ANY) or all (ALL) of these tags, newest first. Needs prompts:read.';
