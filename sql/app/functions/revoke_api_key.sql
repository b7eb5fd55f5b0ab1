create or replace function app.revoke_api_key(key_id uuid) returns table (id uuid, name text, revoked_at timestamptz)
language plpgsql volatile security definer set search_path = '' as $$
begin
  if not exists (select from ops.api_key k where k.id = key_id) then
    perform app.refuse('CU003', format('There is no API key %s', key_id), 'id');
  end if;
  update ops.api_key k set is_revoked = true, revoked_at = now() where k.id = key_id and not k.is_revoked;
  return query select k.id, k.name::text, k.revoked_at from ops.api_key k where k.id = key_id;
end;
$$;
alter function app.revoke_api_key(uuid) owner to curestry_definer;
revoke execute on function app.revoke_api_key(uuid) from public;
grant execute on function app.revoke_api_key(uuid) to curestry_owner;
comment on function app.revoke_api_key(uuid) is 'Revokes an API key, for good; from the next request on it is refused. For operators.';
