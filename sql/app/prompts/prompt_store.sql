/*
 * lines: [{"line": 2, "record": {…}}, …]; one statement for all of them, all or nothing. The fields of a record may
 * have the names of the API or those that prompt collections use: name, act or title; content, prompt or text; tags,
 * or a category, which becomes a tag. Other fields are kept in extra_metadata. A prompt with the same name and content
 * is not imported again, be it in the table or among the lines. What an export says beside (promptId, createdAt,
 * updatedAt) is passed over. Planner settings: sql/README.md.
 */
create or replace function app.prompt_store(organization uuid, lines jsonb)
returns table (line integer, outcome text, prompt_id text, reason text)
language plpgsql volatile security definer set search_path = '' set plan_cache_mode = force_generic_plan
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off as $$
begin
  return query
    with record as materialized (
      select l.n, (l.line ->> 'line')::integer as line, l.line -> 'record' as fields,
             coalesce(l.line -> 'record' ->> 'content', l.line -> 'record' ->> 'prompt',
                      l.line -> 'record' ->> 'text') as content
        from jsonb_array_elements(lines) with ordinality as l (line, n)
    ), named as materialized (
      select r.*, coalesce(r.fields ->> 'name', r.fields ->> 'act', r.fields ->> 'title',
                           btrim(left(split_part(btrim(r.content, E' \t\r\n'), E'\n', 1), 80))) as name
        from record r
    ), judged as materialized (
      select n.*, gen_random_uuid()::text as new_id,
             case
               when jsonb_typeof(n.fields) <> 'object' then 'is not an object'
               when n.content is null then 'content (or prompt, or text) is required'
               when char_length(n.name) > 255 then 'name must be at most 255 characters'
               when char_length(n.fields ->> 'language') > 10 then 'language must be at most 10 characters'
               when n.fields ? 'tags' and jsonb_typeof(n.fields -> 'tags') <> 'array'
                 then 'tags must be an array of strings'
             end as problem
        from named n
    ), known as materialized (
      select j.*, p.id,
             first_value(j.n) over (partition by j.name, j.content, j.problem order by j.n) as first,
             first_value(j.new_id) over (partition by j.name, j.content, j.problem order by j.n) as first_id
        from judged j
        left join lateral (
          select p.id::text from core.prompts p
           where p.organization_id = organization and p.name = j.name and p.content = j.content and j.problem is null
           limit 1) p on true
    ), stored as (
      insert into core.prompts
        (id, organization_id, name, description, content, format_type, language, tags, extra_metadata)
      select n.new_id, organization, n.name, n.fields ->> 'description', n.content,
             coalesce(n.fields ->> 'formatType', n.fields ->> 'format_type', 'auto'),
             coalesce(n.fields ->> 'language', 'auto'),
             coalesce(n.fields -> 'tags',
                      case when n.fields ->> 'category' <> '' then jsonb_build_array(n.fields ->> 'category') end,
                      '[]'),
             coalesce(n.fields -> 'extraMetadata', n.fields -> 'extra_metadata', '{}')
               || n.fields - array['name', 'act', 'title', 'content', 'prompt', 'text', 'description',
                                   'formatType', 'format_type', 'language', 'tags', 'category',
                                   'extraMetadata', 'extra_metadata', 'promptId', 'createdAt', 'updatedAt']
        from known n
       where n.problem is null and n.id is null and n.n = n.first
       order by n.n
    )
    select k.line,
           case when k.problem is not null then 'refused' when k.id is null and k.n = k.first then 'inserted'
                else 'unchanged' end,
           case when k.problem is null then coalesce(k.id, k.first_id) end, k.problem
      from known k
     order by k.n;
end;
$$;
alter function app.prompt_store owner to curestry_definer;
revoke execute on function app.prompt_store from public;
comment on function app.prompt_store is
  'Imports prompts, all or nothing where a constraint is violated, and returns the outcome of each line.';
