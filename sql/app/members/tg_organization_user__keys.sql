/* Whichever way a member leaves. Somebody who is invited again makes new keys. */
create or replace function app.tg_organization_user__keys() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  update ops.api_key k set is_revoked = true, revoked_at = now()
   where k.organization_id = OLD.organization_id and k.user_id = OLD.user_id and not k.is_revoked
     and exists (select from ops.organization o where o.id = OLD.organization_id);
  return null;
end;
$$;
alter function app.tg_organization_user__keys owner to curestry_definer;
revoke execute on function app.tg_organization_user__keys from public;
comment on function app.tg_organization_user__keys is 'Trigger: the API keys of a member who leaves are revoked.';
