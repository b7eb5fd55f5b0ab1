/*
 * A definer function that filters by organization itself: the operators of full text and jsonb are not leakproof, and
 * do not use their index under row level security. The index of the words has the organization, too, and reads of both
 * lists only what they may have in common: a word that all others use costs a small organization nothing.
 *
 * With a plan for each call, filters that are not given vanish from it, and with them the look at core.prompts; and
 * words that must not be there, which would have the whole index read, are looked for in the organization's own rows.
 */
create or replace function core.search_prompts(
  query text default null, tags text[] default null, match core.tag_match default 'ANY', language text default null,
  format_type text default null
) returns setof core.prompt_match
language plpgsql stable security definer set search_path = '' set plan_cache_mode = force_custom_plan
set client_min_messages = warning rows 100 as $$
declare
  v_organization constant uuid := app.require('prompts:read');
  v_any constant text[] := case match when 'ANY' then nullif(search_prompts.tags, '{}') end;
  v_all constant jsonb := case match when 'ALL' then to_jsonb(nullif(search_prompts.tags, '{}')) end;
  v_language constant text := search_prompts.language;
  v_format constant text := search_prompts.format_type;
  v_query tsquery;
begin
  if char_length(query) > 1000 then
    perform app.refuse('CU004', 'query must be at most 1,000 characters', 'query', 'search_prompts_query');
  elsif cardinality(search_prompts.tags) > 100 then
    perform app.refuse('CU004', 'tags must be at most 100', 'tags', 'search_prompts_tags');
  end if;
  v_query := app.prompt_query(query);

  if coalesce(numnode(v_query), 0) = 0 then
    return query
      select 0::real, p.organization_id, p.id
        from core.prompts p
       where p.organization_id = v_organization
         and (v_any is null or p.tags operator(pg_catalog.?|) v_any)
         and (v_all is null or p.tags operator(pg_catalog.@>) v_all)
         and (v_language is null or p.language = v_language)
         and (v_format is null or p.format_type = v_format)
       order by p.created_at desc, p.id desc;
    return;
  end if;
  return query
    select ts_rank(s.document, v_query, 1), s.organization_id, s.prompt_id
      from app.prompt_search s
      left join core.prompts p on p.organization_id = s.organization_id and p.id = s.prompt_id
     where s.organization_id = v_organization
       and s.document operator(pg_catalog.@@) v_query
       and (v_any is null or p.tags operator(pg_catalog.?|) v_any)
       and (v_all is null or p.tags operator(pg_catalog.@>) v_all)
       and (v_language is null or p.language = v_language)
       and (v_format is null or p.format_type = v_format)
     order by 1 desc, s.created_at desc, s.prompt_id desc;
end;
$$;
alter function core.search_prompts owner to curestry_definer;
revoke execute on function core.search_prompts from public;
grant execute on function core.search_prompts to curestry_member;
comment on function core.search_prompts is
  E'@words format_type PromptFormat\n'
  '@arg query Words, a "phrase", this or that, -without.\n'
  '@arg tags Labels, as they are written.\n'
  '@arg match Whether one of the tags is enough; ANY if absent.\n'
  '@arg language Only prompts of this language.\n'
  '@arg format_type Only prompts of this format.\n'
  'The prompts that match, best first. query: words that must all be in the name, the description or the '
  'content, in any language and case; "a phrase"; this or that; -without. At most 1,000 characters; without a '
  'word in it, all prompts that the filters leave, newest first. tags: with any (ANY) or all (ALL) of them. '
  'Needs prompts:read.';
