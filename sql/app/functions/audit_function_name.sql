create or replace function app.audit_function_name(table_name text) returns text
language sql immutable
return 'tg_' || split_part(table_name, '.', 1) || '_' || split_part(table_name, '.', 2) || '__audit';
revoke execute on function app.audit_function_name(text) from public;
comment on function app.audit_function_name(text) is 'The name of the generated audit function of a table, which is in app.';
