/* For functions that report one bad item and go on: what an error of PostgreSQL means, in the words of our comments. */
create or replace function app.constraint_violation_message(
  state text, message text, schema_name text, table_name text, constraint_name text, column_name text
)
returns text
language sql stable set search_path = '' as $$
  select coalesce(
    case
      when state = '23502' then app.api_name(column_name) || ' is required'
      when constraint_name <> '' then
        (select r.message from app.constraint_rule(schema_name, table_name, constraint_name) r)
    end,
    message);
$$;
revoke execute on function app.constraint_violation_message from public;
grant execute on function app.constraint_violation_message to curestry_definer;
comment on function app.constraint_violation_message is
  'What the violation of a constraint means, in plain words.';
