/*
 * What an API key may do now: its scopes, as far as its maker may do the same. A key that a person made is bounded by that
 * person's membership as it is today; an operator's key by nothing more; a key that was made with another key by that key's
 * scopes too, as long as that one is in force (one generation: a key that was made with a key cannot have keys:write).
 */
create or replace function app.key_permissions(key ops.api_key) returns text[]
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
alter function app.key_permissions(ops.api_key) owner to curestry_definer;
revoke execute on function app.key_permissions(ops.api_key) from public;
comment on function app.key_permissions(ops.api_key) is
  'The permissions of an API key: those of its scopes that its maker has too, now.';
