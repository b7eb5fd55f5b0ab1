create or replace function app.audit_trigger_function_name(table_name text) returns text
language sql immutable
return 'tg_' || split_part(table_name, '.', 1) || '_' || split_part(table_name, '.', 2) || '__audit';
revoke execute on function app.audit_trigger_function_name from public;
comment on function app.audit_trigger_function_name is
  'The name of the generated audit function of a table, which is in app.';
