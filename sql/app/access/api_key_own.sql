create or replace function app.api_key_own(key_id uuid) returns ops.api_key
language plpgsql stable security definer set search_path = '' as $$
declare
  v_organization constant uuid := app.require('keys:write');
  v_key ops.api_key;
begin
  select k.* into v_key from ops.api_key k where k.organization_id = v_organization and k.id = key_id;
  if not found then
    perform app.refuse('CU003', format('There is no API key %s in this organization', key_id), 'id');
  end if;
  return v_key;
end;
$$;
alter function app.api_key_own owner to curestry_definer;
revoke execute on function app.api_key_own from public;
comment on function app.api_key_own is
  'The API key with this id of the request''s organization; needs keys:write.';
