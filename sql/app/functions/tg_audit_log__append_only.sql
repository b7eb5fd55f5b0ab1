create or replace function app.tg_audit_log__append_only() returns trigger
language plpgsql set search_path = '' as $$
begin
  -- What an erasure may do to a row is bounded by the trigger of each row.
  if TG_OP = 'UPDATE' and TG_NARGS > 0 and nullif(current_setting('curestry.erasure_id', true), '') is not null then
    return null;
  end if;
  perform app.refuse('CU002', 'The audit log is append-only: nothing in it is changed or removed');
  return null;
end;
$$;
revoke execute on function app.tg_audit_log__append_only() from public;
comment on function app.tg_audit_log__append_only() is
  'Trigger: refuses every update, delete and truncate of the audit log; with the argument "erasable", the updates of an erasure are left to the rows'' trigger.';
