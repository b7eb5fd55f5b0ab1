create or replace function app.audit_secret_source(audited app.audited_table, alias text) returns text
language sql immutable
return case when audited.secret_columns <> '{}' then
  format('app.audit_secret_digest(jsonb_build_array(%L, %s.%I, %s))', audited.table_name, alias, audited.id_column,
         (select string_agg(format('%s.%I', alias, c), ', ' order by c) from unnest(audited.secret_columns) as c)) end;
revoke execute on function app.audit_secret_source from public;
grant execute on function app.audit_secret_source to curestry_definer;
comment on function app.audit_secret_source is
  'The expression for the digest of the secret columns of a row of a table, which has this alias in a query; null if '
  'it has none.';
