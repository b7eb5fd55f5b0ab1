/* The API's type names are PostGraphile's: a test compares them with schema.graphql. */
create or replace function app.api_type_name(table_name text) returns text
language sql immutable parallel safe set search_path = '' as $$
  select replace(initcap(replace(
           case split_part(table_name, '.', 1)
             when 'core' then regexp_replace(split_part(table_name, '.', 2), 's$', '')
             else split_part(table_name, '.', 2)
           end, '_', ' ')), ' ', '');
$$;
revoke execute on function app.api_type_name from public;
grant execute on function app.api_type_name to curestry_definer;
comment on function app.api_type_name is
  'The type of the API that a table of core or ops is: PromptRelation for core.prompt_relations.';
