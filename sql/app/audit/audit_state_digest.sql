create or replace function app.audit_state_digest(entry ops.audit_log) returns bytea
language sql stable
return sha256(convert_to(
         coalesce(entry.before_state::text, '') || E'\x1f' || coalesce(entry.after_state::text, ''), 'UTF8'));
revoke execute on function app.audit_state_digest from public;
grant execute on function app.audit_state_digest to curestry_definer;
comment on function app.audit_state_digest is
  'SHA-256 of what a row of the audit log says of the states before and after.';
