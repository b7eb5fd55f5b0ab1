create or replace function ops.accept_invitation(code text) returns ops.organization_user
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_user constant integer := app.require_person();
  v_invitation ops.invitation;
  v_member ops.organization_user;
begin
  select i.* into v_invitation
    from ops.organization_user m
    join ops.invitation i on i.organization_id = m.organization_id and i.organization_user_id = m.id
   where m.user_id = v_user and m.status = 'invited'
     and i.code_hash = encode(sha256(convert_to(accept_invitation.code, 'UTF8')), 'hex')
     and i.accepted_at is null and i.expires_at > now();
  if not found then
    -- The same answer for a wrong, an expired and a used code, and for somebody else's.
    perform app.refuse('CU003', 'There is no such invitation for you, or it has expired', 'code');
  end if;
  perform from ops.organization o where o.id = v_invitation.organization_id for no key update;
  update ops.invitation i set accepted_at = now()
   where i.organization_id = v_invitation.organization_id and i.id = v_invitation.id;
  update ops.organization_user m set status = 'active'
   where m.organization_id = v_invitation.organization_id and m.id = v_invitation.organization_user_id
     and m.status = 'invited'
  returning m.* into v_member;
  if not found then
    perform app.refuse('CU003', 'There is no such invitation for you, or it has expired', 'code');
  end if;
  return v_member;
end;
$$;
alter function ops.accept_invitation owner to curestry_definer;
revoke execute on function ops.accept_invitation from public;
grant execute on function ops.accept_invitation to curestry_member;
comment on function ops.accept_invitation is
  E'@notNull\n'
  '@arg code The code of the invitation.\n'
  'Accepts an invitation with its code: you are a member from the next request on. Needs the person who was '
  'invited, signed in.';
