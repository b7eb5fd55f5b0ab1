create or replace function app.tg_audit_log__append_only() returns trigger
language plpgsql set search_path = '' as $$
begin
  -- The row trigger limits what an erasure may change.
  if TG_OP = 'UPDATE' and TG_NARGS > 0 and nullif(current_setting('curestry.erasure_id', true), '') is not null then
    return null;
  end if;
  perform app.refuse('CU002', 'The audit log is append-only: nothing in it is changed or removed');
  return null;
end;
$$;
revoke execute on function app.tg_audit_log__append_only from public;
comment on function app.tg_audit_log__append_only is
  'Trigger: refuses every update, delete and truncate of the audit log; with the argument "erasable", leaves updates '
  'by an erasure to the row trigger.';
