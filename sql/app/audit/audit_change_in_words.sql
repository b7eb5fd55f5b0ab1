create or replace function app.audit_change_in_words(column_name text, before jsonb, after jsonb) returns text
language sql stable set search_path = '' as $$
  select column_name
         || case
              -- a secret, or erased; without its name, an argument would be the column of v
              when audit_change_in_words.before is null and audit_change_in_words.after is null then ''
              when jsonb_typeof(v.before) in ('object', 'array') or jsonb_typeof(v.after) in ('object', 'array')
                or greatest(char_length(v.before #>> '{}'), char_length(v.after #>> '{}')) > 60 then ''
              when v.before = 'null' then ' to ' || v.after::text
              when v.after = 'null' then ' from ' || v.before::text || ' to nothing'
              else ' from ' || v.before::text || ' to ' || v.after::text
            end
    from (select coalesce(before, 'null') as before, coalesce(after, 'null') as after) v;
$$;
revoke execute on function app.audit_change_in_words from public;
grant execute on function app.audit_change_in_words to curestry_definer;
comment on function app.audit_change_in_words is
  'The change of a column for a sentence: its name, and its values where they are short.';
