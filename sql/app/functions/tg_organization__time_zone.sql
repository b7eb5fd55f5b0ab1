create or replace function app.tg_organization__time_zone() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  -- What is left of older days are their numbers, and these cannot be counted anew
  if TG_OP = 'UPDATE' and NEW.time_zone is distinct from OLD.time_zone
     and exists (select from app.mart_state s
                  where s.organization_id = NEW.id and (s.closing_before is not null or s.frozen_before > '-infinity')) then
    perform app.refuse('CU005', 'timeZone: stays as it is once something was removed by age (raw_retention_days): the marts of before could not be rebuilt for another',
      'timeZone', 'organization_time_zone');
  end if;
  if NEW.time_zone !~ '^(posix/|right/|Factory$|localtime$|posixrules$)' and exists (select from pg_catalog.pg_timezone_names z where z.name = NEW.time_zone) then
    return NEW;
  end if;
  perform app.refuse('CU004', format('timeZone: %s is no time zone; give a name of the IANA database, such as Europe/Berlin or UTC', coalesce(to_json(NEW.time_zone)::text, 'null')),
    'timeZone', 'organization_time_zone');
  return null;
end;
$$;
alter function app.tg_organization__time_zone() owner to curestry_definer;
revoke execute on function app.tg_organization__time_zone() from public;
comment on function app.tg_organization__time_zone() is 'Trigger: the time zone of an organization is one that the server knows, by its whole name, and stays once facts were removed by age.';
