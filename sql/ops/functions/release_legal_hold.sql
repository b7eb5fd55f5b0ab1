/* What an operator holds, nobody else releases: the login that placed a hold tells the API from the command line. */
create or replace function ops.release_legal_hold(id uuid) returns ops.legal_hold
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_organization constant uuid := app.require('organization:write');
  v_hold app.legal_hold;
begin
  select h.* into v_hold from app.legal_hold h
   where h.id = release_legal_hold.id and h.held_organization_id = v_organization;
  if not found then
    perform app.refuse('CU003', format('There is no legal hold %s in force', release_legal_hold.id), 'id');
  elsif v_hold.placed_by <> session_user then
    perform app.refuse('CU002', 'An operator placed this hold: only an operator releases it', 'id', 'legal_hold');
  end if;
  v_hold := app.legal_hold_release(v_hold.id);
  return row(v_hold.id, v_hold.reason, false, v_hold.placed_at, v_hold.released_at)::ops.legal_hold;
end;
$$;
alter function ops.release_legal_hold owner to curestry_definer;
revoke execute on function ops.release_legal_hold from public;
grant execute on function ops.release_legal_hold to curestry_member;
comment on function ops.release_legal_hold is
  E'@notNull\n'
  '@arg id The hold.\n'
  'Releases a legal hold that placeLegalHold placed on the organization of this request. Needs '
  'organization:write.';
