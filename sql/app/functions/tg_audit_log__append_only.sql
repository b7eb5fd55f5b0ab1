create or replace function app.tg_audit_log__append_only() returns trigger
language plpgsql set search_path = '' as $$
begin
  perform app.refuse('CU002', 'The audit log is append-only: nothing in it is changed or removed');
  return null;
end;
$$;
revoke execute on function app.tg_audit_log__append_only() from public;
comment on function app.tg_audit_log__append_only() is 'Trigger: refuses every update, delete and truncate of the audit log.';
