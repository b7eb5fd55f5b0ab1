create or replace function app.tg_api_key__life() returns trigger
language plpgsql set search_path = '' as $$
begin
  if OLD.is_revoked and (not NEW.is_revoked or NEW.revoked_at is distinct from OLD.revoked_at) then
    perform app.refuse('CU005', 'A revoked API key stays revoked', 'isRevoked', 'api_key_life');
  end if;
  if (NEW.key_hash, NEW.scopes, NEW.user_id, NEW.by_operator, NEW.parent_key_id)
     is distinct from (OLD.key_hash, OLD.scopes, OLD.user_id, OLD.by_operator, OLD.parent_key_id)
     -- What "on delete set null" does to the keys of a deleted user; they then have no permissions.
     and (NEW.key_hash, NEW.scopes, NEW.user_id, NEW.by_operator, NEW.parent_key_id)
         is distinct from (OLD.key_hash, OLD.scopes, null, OLD.by_operator, OLD.parent_key_id) then
    perform app.refuse('CU005', 'What an API key is and may do cannot change; make another one', 'id', 'api_key_life');
  end if;
  return NEW;
end;
$$;
revoke execute on function app.tg_api_key__life from public;
comment on function app.tg_api_key__life is
  'Trigger: revocation is permanent, and a key''s secret, scopes and creator cannot change.';
