/* The API's type names are PostGraphile's: a test compares them with schema.graphql. */
create or replace function app.audit_entity_table(type text) returns text
language plpgsql stable security definer set search_path = '' as $$
declare
  v_name text;
  v_reason text;
  v_table app.audited_table;
begin
  select a.* into v_table
    from app.audited_table a,
         lateral (select split_part(a.table_name, '.', 1) as schema, split_part(a.table_name, '.', 2) as name) t
   where a.table_name = audit_entity_table.type
      or audit_entity_table.type = replace(initcap(replace(
           case t.schema when 'core' then regexp_replace(t.name, 's$', '') else t.name end, '_', ' ')), ' ', '')
   limit 1;
  if v_table.organization_column is not null and not v_table.summarize_inserts then
    return v_table.table_name;
  end if;
  v_reason := case
    when v_table.table_name is null then format('%s is not audited', quote_literal(audit_entity_table.type))
    when v_table.summarize_inserts then
      format('%s holds facts that are recorded many at a time and have no single history', v_table.table_name)
    else format('%s belongs to no organization', v_table.table_name)
  end;
  select string_agg(a.table_name, ', ' order by a.table_name) into v_name
    from app.audited_table a where a.organization_column is not null and not a.summarize_inserts;
  perform app.refuse('CU004', format('type: %s. What has a history: %s', v_reason, v_name), 'type', 'audited_entity');
  return null;
end;
$$;
alter function app.audit_entity_table owner to curestry_definer;
revoke execute on function app.audit_entity_table from public;
comment on function app.audit_entity_table is
  'The table with this name, which is the table''s (core.prompts) or the API''s (Prompt); refuses what has no '
  'history in an organization.';
