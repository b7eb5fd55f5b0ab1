create or replace function app.audit_entry_digest(entry ops.audit_log, state_digest bytea) returns bytea
language sql stable
return sha256(convert_to(jsonb_build_array(
         entry.id, extract(epoch from entry.ts), entry.actor_user_id, entry.actor_api_key_id, entry.actor_role,
         entry.request_id, entry.organization_id, entry.action, entry.entity_type, entry.entity_id,
         entry.changed_columns, entry.xid, entry.seq)::text, 'UTF8')
       || state_digest);
revoke execute on function app.audit_entry_digest from public;
grant execute on function app.audit_entry_digest to curestry_definer;
comment on function app.audit_entry_digest is
  'SHA-256 of a row of the audit log, its states by their digest.';
