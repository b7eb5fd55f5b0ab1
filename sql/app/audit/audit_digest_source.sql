create or replace function app.audit_digest_source(audited app.audited_table, alias text) returns text
language sql immutable
return format('jsonb_build_object(%s)', concat_ws(', ',
  '''secrets'', ' || app.audit_secret_source(audited, alias),
  case when audited.summarize_inserts then
    format('''digest'', hashtextextended(hash_record_extended(%s, 0)::text, 0)::text', alias) end));
revoke execute on function app.audit_digest_source from public;
grant execute on function app.audit_digest_source to curestry_definer;
comment on function app.audit_digest_source is
  'The expression for the digests that the audit log has of a row of a table, which has this alias in a query.';
