/* Locks the row that is held: waits for an erasure in progress, and a later one finds the hold. */
create or replace function app.legal_hold_place(organization uuid, person integer, hold_reason text)
returns app.legal_hold
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_hold app.legal_hold;
begin
  perform from ops.organization o where o.id = organization for share;
  if organization is not null and not found then
    perform app.refuse('CU003', format('There is no organization %s', organization), 'organization');
  end if;
  perform from core.users u where u.id = person and u.erased_at is null for share;
  if person is not null and not found then
    perform app.refuse('CU003', format('There is no user %s', person), 'user');
  end if;
  insert into app.legal_hold (held_organization_id, held_user_id, reason) values (organization, person, hold_reason)
  returning * into v_hold;
  return v_hold;
end;
$$;
alter function app.legal_hold_place owner to curestry_definer;
revoke execute on function app.legal_hold_place from public;
grant execute on function app.legal_hold_place to curestry_owner;
comment on function app.legal_hold_place is
  'Places a legal hold on an organization or on a user: nothing of it is erased or deleted until it is released. For '
  'operators.';
