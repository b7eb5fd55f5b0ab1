/*
 * lines: [{"line": 2, "record": {…}}, …]. The fields of a record may have the names of the API or those that prompt
 * collections use: name, act or title; content, prompt or text; tags, or a category, which becomes a tag. Other
 * fields are kept in extra_metadata. A prompt with the same name and content is not imported again.
 */
create or replace function app.prompt_import(organization uuid, lines jsonb)
returns table (line integer, outcome text, prompt_id text, reason text)
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_line jsonb;
  v_record jsonb;
  v_name text;
  v_content text;
  v_state text; v_message text; v_schema text; v_table text; v_constraint text; v_column text;
begin
  -- Two imports of the same file at the same time must not duplicate it.
  perform app.organization_lock_take(organization, 'import prompts');
  for v_line in select * from jsonb_array_elements(lines) loop
    line := (v_line ->> 'line')::integer;
    v_record := v_line -> 'record';
    outcome := 'refused';
    prompt_id := null;
    reason := null;
    begin
      v_content := coalesce(v_record ->> 'content', v_record ->> 'prompt', v_record ->> 'text');
      v_name := coalesce(v_record ->> 'name', v_record ->> 'act', v_record ->> 'title',
                         btrim(left(split_part(btrim(v_content, E' \t\r\n'), E'\n', 1), 80)));
      if jsonb_typeof(v_record) <> 'object' then
        reason := 'is not an object';
      elsif v_content is null then
        reason := 'content (or prompt, or text) is required';
      elsif char_length(v_name) > 255 then
        reason := 'name must be at most 255 characters';
      elsif char_length(coalesce(v_record ->> 'language', '')) > 10 then
        reason := 'language must be at most 10 characters';
      elsif v_record ? 'tags' and jsonb_typeof(v_record -> 'tags') <> 'array' then
        reason := 'tags must be an array of strings';
      else
        select p.id into prompt_id from core.prompts p
         where p.organization_id = organization and p.name = v_name and p.content = v_content limit 1;
        if found then
          outcome := 'unchanged';
        else
          insert into core.prompts
            (organization_id, name, description, content, format_type, language, tags, extra_metadata)
          values (organization, v_name, v_record ->> 'description', v_content,
                  coalesce(v_record ->> 'formatType', v_record ->> 'format_type', 'auto'),
                  coalesce(v_record ->> 'language', 'auto'),
                  coalesce(v_record -> 'tags',
                           case when v_record ->> 'category' <> '' then jsonb_build_array(v_record ->> 'category') end,
                           '[]'),
                  coalesce(v_record -> 'extraMetadata', v_record -> 'extra_metadata', '{}')
                    || v_record - array['name', 'act', 'title', 'content', 'prompt', 'text', 'description',
                                        'formatType', 'format_type', 'language', 'tags', 'category',
                                        'extraMetadata', 'extra_metadata'])
          returning id into prompt_id;
          outcome := 'inserted';
        end if;
      end if;
    exception
      when integrity_constraint_violation or data_exception then
        get stacked diagnostics v_state = returned_sqlstate, v_message = message_text, v_schema = schema_name,
          v_table = table_name, v_constraint = constraint_name, v_column = column_name;
        outcome := 'refused';
        prompt_id := null;
        reason := app.constraint_violation_message(v_state, v_message, v_schema, v_table, v_constraint, v_column);
    end;
    return next;
  end loop;
end;
$$;
alter function app.prompt_import owner to curestry_definer;
revoke execute on function app.prompt_import from public;
grant execute on function app.prompt_import to curestry_owner;
comment on function app.prompt_import is
  'Imports prompts line by line and returns the outcome of each; an invalid line does not stop the others. For '
  'operators.';
