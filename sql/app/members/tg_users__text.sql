create or replace function app.tg_users__text() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  -- Rows of the old backends keep what they have until it is changed
  if NEW.email is not null and (TG_OP = 'INSERT' or NEW.email is distinct from OLD.email) then
    NEW.email := app.email_normalize(NEW.email);
  end if;
  if NEW.name is not null and (TG_OP = 'INSERT' or NEW.name is distinct from OLD.name) then
    NEW.name := normalize(btrim(NEW.name), NFC);
    if not app.text_is_plain(NEW.name) then
      perform app.refuse('CU004', 'name: must not contain control or invisible characters', 'name', 'users_name');
    end if;
  end if;
  if NEW.avatar_url is not null and (TG_OP = 'INSERT' or NEW.avatar_url is distinct from OLD.avatar_url)
     and (NEW.avatar_url !~* '^https?://[^\s/<>"''`\\@]+(/[^\s<>"''`\\]*)?$' or not app.text_is_plain(NEW.avatar_url))
  then
    perform app.refuse('CU004', 'avatarUrl: must be an address that begins with https:// or http://',
                       'avatarUrl', 'users_avatar_url');
  end if;
  return NEW;
end;
$$;
alter function app.tg_users__text owner to curestry_definer;
revoke execute on function app.tg_users__text from public;
comment on function app.tg_users__text is
  'Trigger: a new e-mail address is normalized, a new name shows all that is in it, a new picture is on the web.';
