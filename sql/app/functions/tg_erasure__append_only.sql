create or replace function app.tg_erasure__append_only() returns trigger
language plpgsql set search_path = '' as $$
begin
  -- The counts are known when all is done.
  if TG_OP = 'UPDATE' and OLD.counts is null and OLD.xid = pg_current_xact_id()::text::bigint
     and to_jsonb(NEW) - 'counts' = to_jsonb(OLD) - 'counts' then
    return NEW;
  end if;
  perform app.refuse('CU002', 'The receipts of erasures are append-only');
  return null;
end;
$$;
revoke execute on function app.tg_erasure__append_only() from public;
comment on function app.tg_erasure__append_only() is 'Trigger: a receipt gets its counts in its own transaction, and nothing else happens to it.';
