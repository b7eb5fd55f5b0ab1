/*
 * cur_<key id>_<secret><checksum>: the id identifies a leaked key, the secret has 256 bits, and the checksum (the
 * start of the SHA-256 of what precedes it) lets a gateway refuse a mistyped key without a query. Only the SHA-256 of
 * the whole key is stored: a fast hash is right for a random secret of this length, which cannot be guessed.
 */
create or replace function app.api_key_create(
  organization uuid, creator_user_id integer, key_name text, key_scopes text[], valid_until timestamptz,
  parent_key uuid default null)
returns table (id uuid, key text, name text, scopes jsonb, expires_at timestamptz, created_at timestamptz)
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_id constant uuid := gen_random_uuid();
  v_secret constant text := encode(
    sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())), 'hex');
  v_start constant text := 'cur_' || replace(v_id::text, '-', '') || '_' || v_secret;
  v_key constant text := v_start || left(encode(sha256(convert_to(v_start, 'UTF8')), 'hex'), 8);
  v_unknown text;
begin
  select s into v_unknown from unnest(key_scopes) as s where s <> all (app.role_permissions('owner')) limit 1;
  if found then
    perform app.refuse('CU004', format('scopes: %L is not a permission; these are: %s', v_unknown,
      array_to_string(app.role_permissions('owner'), ', ')), 'scopes', 'chk_api_key_scopes');
  end if;
  if valid_until <= now() or not isfinite(valid_until) then
    perform app.refuse('CU004', 'expiresAt: must be a time in the future', 'expiresAt');
  end if;
  perform from ops.organization o where o.id = organization for no key update;
  perform app.quota_check('api_keys_of_organization', (
    select count(*) from ops.api_key k
     where k.organization_id = organization and not k.is_revoked and (k.expires_at is null or k.expires_at > now())));
  return query
    insert into ops.api_key as k
      (id, organization_id, user_id, by_operator, parent_key_id, name, key_hash, scopes, expires_at)
    values (v_id, organization, creator_user_id, creator_user_id is null, parent_key, key_name,
            encode(sha256(convert_to(v_key, 'UTF8')), 'hex'),
            (select coalesce(jsonb_agg(distinct s order by s), '[]') from unnest(key_scopes) as s), valid_until)
    returning k.id, v_key, k.name::text, k.scopes, k.expires_at, k.created_at;
end;
$$;
alter function app.api_key_create owner to curestry_definer;
revoke execute on function app.api_key_create from public;
grant execute on function app.api_key_create to curestry_owner;
comment on function app.api_key_create is
  'Creates an API key of an organization and returns it, once: only its hash is stored. Without a creator it belongs '
  'to the operator.';
