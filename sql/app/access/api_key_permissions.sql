/*
 * What an API key may do now: its scopes, limited by what its creator may do. A key that a person created is limited
 * by that person's current membership; an operator's key is not limited further; a key created with another key is
 * also limited by that key's scopes, and valid only while that key is (one generation: a key created with a key
 * cannot have keys:write).
 */
create or replace function app.api_key_permissions(key ops.api_key) returns text[]
language plpgsql stable security definer set search_path = '' as $$
declare
  v_scopes jsonb := key.scopes;
  v_role text := 'owner';
begin
  if not key.by_operator then
    select m.role into v_role
      from ops.organization_user m
     where m.organization_id = key.organization_id and m.user_id = key.user_id and m.status = 'active';
  end if;
  if key.parent_key_id is not null then
    select jsonb_agg(s) into v_scopes
      from ops.api_key p, jsonb_array_elements_text(p.scopes) as s
     where p.organization_id = key.organization_id and p.id = key.parent_key_id
       and not p.is_revoked and (p.expires_at is null or p.expires_at > now())
       and key.scopes ? s;
  end if;
  return array(select p from unnest(app.role_permissions(v_role)) as p where v_scopes ? p);
end;
$$;
alter function app.api_key_permissions owner to curestry_definer;
revoke execute on function app.api_key_permissions from public;
comment on function app.api_key_permissions is
  'The current permissions of an API key: those of its scopes that its creator has too.';
