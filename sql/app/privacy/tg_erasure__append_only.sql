create or replace function app.tg_erasure__append_only() returns trigger
language plpgsql set search_path = '' as $$
begin
  -- The counts are known at the end of the erasure.
  if TG_OP = 'UPDATE' and OLD.counts is null and OLD.xid = pg_current_xact_id()::text::bigint
     and to_jsonb(NEW) - 'counts' = to_jsonb(OLD) - 'counts' then
    return NEW;
  end if;
  perform app.refuse('CU002', 'Erasure records are append-only');
  return null;
end;
$$;
revoke execute on function app.tg_erasure__append_only from public;
comment on function app.tg_erasure__append_only is
  'Trigger: an erasure record gets its counts in its own transaction, and cannot change otherwise.';
