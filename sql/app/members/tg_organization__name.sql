/* The slugs that the system gives are its own: whoever took them would keep others from having an account. */
create or replace function app.tg_organization__name() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if (TG_OP = 'INSERT' or NEW.slug is distinct from OLD.slug)
     and (NEW.slug ~ '^user-[0-9]' or NEW.slug = 'legacy')
     and not coalesce(NEW.slug ~ ('^user-' || NEW.personal_user_id || '(-|$)'), false) then
    perform app.refuse('CU004', format('slug: %s is reserved, take another one', NEW.slug), 'slug',
                       'organization_slug_reserved');
  end if;
  if TG_OP = 'INSERT' or NEW.name is distinct from OLD.name then
    NEW.name := normalize(btrim(NEW.name), NFC);
    if not app.text_is_plain(NEW.name) then
      perform app.refuse('CU004', 'name: must not contain control or invisible characters', 'name',
                         'organization_name');
    end if;
  end if;
  return NEW;
end;
$$;
alter function app.tg_organization__name owner to curestry_definer;
revoke execute on function app.tg_organization__name from public;
comment on function app.tg_organization__name is
  'Trigger: a new slug is none that the system gives, and a new name shows all that is in it.';
