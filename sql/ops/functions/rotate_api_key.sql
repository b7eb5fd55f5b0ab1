create or replace function ops.rotate_api_key(id uuid, overlap_seconds integer default 86400) returns ops.new_api_key
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_old constant ops.api_key := app.api_key_own(id);
  v_parent constant uuid := nullif(current_setting('curestry.api_key_id', true), '')::uuid;
  v_beyond text;
  v_answer ops.new_api_key;
begin
  if overlap_seconds not between 0 and 30 * 86400 then
    perform app.refuse('CU004', 'overlapSeconds: from 0 to 2592000 (30 days)', 'overlapSeconds');
  end if;
  if v_old.is_revoked or v_old.expires_at <= now() then
    perform app.refuse('CU005', 'This API key is revoked or has expired; make a new one', 'id');
  end if;
  -- The successor belongs to the person who rotates the key, and is limited by what they may do, now and later.
  select s into v_beyond from jsonb_array_elements_text(v_old.scopes) as s where app.organization_if(s) is null limit 1;
  if found then
    perform app.refuse('CU002', format('This API key may %s, which is beyond your own permissions', v_beyond), 'id');
  end if;
  if v_parent is not null and v_old.scopes ? 'keys:write' then
    perform app.refuse('CU002', 'A key that is made with a key cannot have keys:write; sign in to rotate it', 'id');
  end if;
  select k.id, k.name, array(select jsonb_array_elements_text(k.scopes)), k.key, k.expires_at, k.created_at
    into v_answer
    from app.api_key_create(
           v_old.organization_id, app.user_id(), v_old.name, array(select jsonb_array_elements_text(v_old.scopes)),
           case when v_old.expires_at is not null then now() + (v_old.expires_at - v_old.created_at) end,
           v_parent) as k;
  update ops.api_key k
     set expires_at = least(k.expires_at, now() + make_interval(secs => overlap_seconds))
   where k.organization_id = v_old.organization_id and k.id = v_old.id;
  return v_answer;
end;
$$;
alter function ops.rotate_api_key owner to curestry_definer;
revoke execute on function ops.rotate_api_key from public;
grant execute on function ops.rotate_api_key to curestry_member;
comment on function ops.rotate_api_key is
  E'@notNull\n'
  '@arg id The key to replace.\n'
  '@arg overlap_seconds How long the old key is still accepted; a day if absent.\n'
  'Creates a successor of an API key, with the same name and scopes, and returns its text, once; the successor '
  'is yours, and can never do more than you. The old key works for the overlap (a day, if not given) and then '
  'stops. Needs keys:write.';
