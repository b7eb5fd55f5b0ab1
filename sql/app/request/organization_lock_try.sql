create or replace function app.organization_lock_try(organization uuid, lock_name text) returns boolean
language plpgsql volatile security definer set search_path = '' as $$
begin
  if not exists (select from app.organization_lock l where l.organization_id = organization and l.name = lock_name) then
    insert into app.organization_lock (organization_id, name)
    select o.id, lock_name from ops.organization o where o.id = organization
    on conflict do nothing;
  end if;
  perform from app.organization_lock l
    where l.organization_id = organization and l.name = lock_name
      for update skip locked;
  return found or not exists (select from ops.organization o where o.id = organization);
end;
$$;
alter function app.organization_lock_try owner to curestry_definer;
revoke execute on function app.organization_lock_try from public;
comment on function app.organization_lock_try is
  'Takes a lock of an organization until the transaction ends; false if another transaction holds it.';
