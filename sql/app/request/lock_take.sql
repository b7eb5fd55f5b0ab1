create or replace function app.lock_take(lock_name text) returns void
language plpgsql volatile security definer set search_path = '' as $$
begin
  perform from app.lock l where l.name = lock_name for update;
  if not found then
    raise exception 'There is no lock %', lock_name;
  end if;
end;
$$;
alter function app.lock_take owner to curestry_definer;
revoke execute on function app.lock_take from public;
comment on function app.lock_take is
  'Waits for a lock of the installation, which this transaction then holds until it ends.';
