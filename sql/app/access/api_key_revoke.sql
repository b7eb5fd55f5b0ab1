create or replace function app.api_key_revoke(key_id uuid) returns table (id uuid, name text, revoked_at timestamptz)
language plpgsql volatile security definer set search_path = '' as $$
begin
  if not exists (select from ops.api_key k where k.id = key_id) then
    perform app.refuse('CU003', format('There is no API key %s', key_id), 'id');
  end if;
  update ops.api_key k set is_revoked = true, revoked_at = now() where k.id = key_id and not k.is_revoked;
  return query select k.id, k.name::text, k.revoked_at from ops.api_key k where k.id = key_id;
end;
$$;
alter function app.api_key_revoke owner to curestry_definer;
revoke execute on function app.api_key_revoke from public;
grant execute on function app.api_key_revoke to curestry_owner;
comment on function app.api_key_revoke is
  'Revokes an API key permanently; it is refused from the next request on. For operators.';
