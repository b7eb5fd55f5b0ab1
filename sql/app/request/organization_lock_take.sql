/* The statement after it sees what the holder before has written. A deleted organization has no locks. */
create or replace function app.organization_lock_take(organization uuid, lock_name text) returns void
language plpgsql volatile security definer set search_path = '' as $$
begin
  perform from app.organization_lock l where l.organization_id = organization and l.name = lock_name for update;
  if not found then
    insert into app.organization_lock (organization_id, name)
    select o.id, lock_name from ops.organization o where o.id = organization
    on conflict do nothing;
    perform from app.organization_lock l where l.organization_id = organization and l.name = lock_name for update;
  end if;
end;
$$;
alter function app.organization_lock_take owner to curestry_definer;
revoke execute on function app.organization_lock_take from public;
comment on function app.organization_lock_take is
  'Waits for a lock of an organization, which this transaction then holds until it ends.';
