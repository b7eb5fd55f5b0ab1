/*
 * The only change that a row of the log can undergo: an erasure, whose record was written in this transaction,
 * removes values from its states.
 */
create or replace function app.tg_audit_log__erase() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  v_erasure constant uuid := nullif(current_setting('curestry.erasure_id', true), '')::uuid;
  v_rest ops.audit_log := NEW;
begin
  v_rest.before_state := OLD.before_state;
  v_rest.after_state := OLD.after_state;
  v_rest.erasure_id := OLD.erasure_id;
  if v_rest is distinct from OLD or OLD.action = 'erase' or NEW.erasure_id is distinct from v_erasure
     or not app.erasure_only_removes(OLD.before_state, NEW.before_state)
     or not app.erasure_only_removes(OLD.after_state, NEW.after_state)
     or not exists (select from app.erasure e
                     where e.id = v_erasure and e.counts is null and e.xid = pg_current_xact_id()::text::bigint) then
    perform app.refuse('CU002', 'The audit log is append-only: nothing in it is changed or removed');
  end if;
  return NEW;
end;
$$;
alter function app.tg_audit_log__erase owner to curestry_definer;
revoke execute on function app.tg_audit_log__erase from public;
comment on function app.tg_audit_log__erase is
  'Trigger: in the transaction of an erasure, an update of the audit log may remove values from states, and nothing '
  'else.';
