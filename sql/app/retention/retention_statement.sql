/* In this form the log and its seals have it, so it never changes. The session's time zone decides how times look. */
create or replace function app.retention_statement(retention app.audit_retention, rows bigint) returns jsonb
language sql stable
return jsonb_build_object('retention_id', retention.id, 'from', retention.from_ts, 'to', retention.to_ts, 'rows', rows,
                          'table', retention.table_name);
revoke execute on function app.retention_statement from public;
grant execute on function app.retention_statement to curestry_definer;
comment on function app.retention_statement is
  'What the log says of an act of retention and the number of rows that left. Called in the time zone UTC.';
