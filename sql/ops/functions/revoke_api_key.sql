create or replace function ops.revoke_api_key(id uuid) returns ops.api_key
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_key ops.api_key := app.api_key_own(id);
begin
  if not v_key.is_revoked then
    update ops.api_key k set is_revoked = true, revoked_at = now()
     where k.organization_id = v_key.organization_id and k.id = v_key.id
    returning k.* into v_key;
  end if;
  return v_key;
end;
$$;
alter function ops.revoke_api_key owner to curestry_definer;
revoke execute on function ops.revoke_api_key from public;
grant execute on function ops.revoke_api_key to curestry_member;
comment on function ops.revoke_api_key is
  E'@notNull\n'
  '@arg id The key.\n'
  'Revokes an API key permanently: it is refused from the next request on. Needs keys:write.';
