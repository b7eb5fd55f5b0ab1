create or replace function ops.create_api_key(name text, scopes text[], expires_at timestamptz default null)
returns ops.new_api_key
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_organization constant uuid := app.require('keys:write');
  v_parent constant uuid := nullif(current_setting('curestry.api_key_id', true), '')::uuid;
  v_beyond text;
  v_answer ops.new_api_key;
begin
  select s into v_beyond from unnest(scopes) as s
   where s = any (app.role_permissions('owner')) and app.organization_if(s) is null limit 1;
  if found then
    perform app.refuse('CU002', format('scopes: %s is beyond your own permissions', v_beyond), 'scopes');
  end if;
  if v_parent is not null and 'keys:write' = any (scopes) then
    perform app.refuse('CU002',
      'scopes: a key that is made with a key cannot have keys:write; sign in to make it', 'scopes');
  end if;
  select k.id, k.name, array(select jsonb_array_elements_text(k.scopes)), k.key, k.expires_at, k.created_at
    into v_answer
    from app.api_key_create(v_organization, app.user_id(), create_api_key.name, create_api_key.scopes,
                            create_api_key.expires_at, v_parent) as k;
  return v_answer;
end;
$$;
alter function ops.create_api_key owner to curestry_definer;
revoke execute on function ops.create_api_key from public;
grant execute on function ops.create_api_key to curestry_member;
comment on function ops.create_api_key is
  E'@notNull\n'
  '@arg name What the key is for.\n'
  '@arg scopes Permissions, such as prompts:read.\n'
  '@arg expires_at Until when it is accepted; no end if absent.\n'
  'Creates an API key and returns its text, once. Its scopes are permissions that you have, and it can never do '
  'more than you. Needs keys:write.';
