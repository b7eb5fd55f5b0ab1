create or replace function app.tg_organization__time_zone() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if NEW.time_zone !~ '^(posix|right)/' and exists (select from pg_catalog.pg_timezone_names z where z.name = NEW.time_zone) then
    return NEW;
  end if;
  perform app.refuse('CU004', format('timeZone: %s is no time zone; give a name of the IANA database, such as Europe/Berlin or UTC', to_json(NEW.time_zone)),
    'timeZone', 'organization_time_zone');
  return null;
end;
$$;
alter function app.tg_organization__time_zone() owner to curestry_definer;
revoke execute on function app.tg_organization__time_zone() from public;
comment on function app.tg_organization__time_zone() is 'Trigger: the time zone of an organization is one that the server knows, by its whole name.';
