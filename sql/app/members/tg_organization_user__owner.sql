/*
 * An organization keeps an active owner, however the change is made. The organization's row is locked before the
 * owners are counted: if two owners leave at the same time, the second one waits, and is then the last.
 */
create or replace function app.tg_organization_user__owner() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if OLD.role = 'owner' and OLD.status = 'active' then
    perform from ops.organization o where o.id = OLD.organization_id for no key update;
    -- An organization that is being deleted needs none.
    if found and not exists (
         select from ops.organization_user m
          where m.organization_id = OLD.organization_id and m.role = 'owner' and m.status = 'active') then
      perform app.refuse('CU005', 'An organization keeps an active owner: make somebody else an owner first',
                         'role', 'organization_owner');
    end if;
  end if;
  return null;
end;
$$;
alter function app.tg_organization_user__owner owner to curestry_definer;
revoke execute on function app.tg_organization_user__owner from public;
comment on function app.tg_organization_user__owner is
  'Trigger: the last active owner of an organization cannot be removed.';
