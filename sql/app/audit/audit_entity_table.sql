create or replace function app.audit_entity_table(type text) returns text
language plpgsql stable security definer set search_path = '' as $$
declare
  v_name text;
  v_reason text;
  v_table app.audited_table;
begin
  select a.* into v_table
    from app.audited_table a
   where audit_entity_table.type in (a.table_name, app.api_type_name(a.table_name))
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
  select string_agg(n.name, ', ' order by n.name) into v_name
    from app.audited_table a, app.api_type_name(a.table_name) as n (name)
   where a.organization_column is not null and not a.summarize_inserts;
  perform app.refuse('CU004', format('type: %s. What has a history: %s', v_reason, v_name), 'type', 'audited_entity');
  return null;
end;
$$;
alter function app.audit_entity_table owner to curestry_definer;
revoke execute on function app.audit_entity_table from public;
comment on function app.audit_entity_table is
  'The table with this name, which is the table''s (core.prompts) or the API''s (Prompt); refuses what has no '
  'history in an organization.';
