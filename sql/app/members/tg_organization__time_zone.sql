create or replace function app.tg_organization__time_zone() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  v_nearest text;
begin
  -- Older days exist only in the marts, which cannot be recomputed for another zone
  if TG_OP = 'UPDATE' and NEW.time_zone is distinct from OLD.time_zone
     and exists (select from app.mart_state s
                  where s.organization_id = NEW.id
                    and (s.facts_immutable_before is not null or s.marts_immutable_before > '-infinity')) then
    perform app.refuse('CU005',
      'timeZone: stays as it is once something was removed by age (raw_retention_days): '
      'the older marts could not be rebuilt for another zone',
      'timeZone', 'organization_time_zone');
  end if;
  -- The view reads the files of all zones, which takes longer than all else of a new organization
  if NEW.time_zone = 'UTC'
     or NEW.time_zone !~ '^(posix/|right/|Factory$|localtime$|posixrules$)'
        and exists (select from pg_catalog.pg_timezone_names z where z.name = NEW.time_zone) then
    return NEW;
  end if;
  v_nearest := app.time_zone_nearest(NEW.time_zone);
  perform app.refuse('CU004',
    format('timeZone: %s is no time zone; ', coalesce(to_json(NEW.time_zone)::text, 'null'))
      || coalesce('did you mean ' || v_nearest || '?',
                  'it must be a name of the IANA database, such as Europe/Berlin or UTC'),
    'timeZone', 'organization_time_zone');
  return null;
end;
$$;
alter function app.tg_organization__time_zone owner to curestry_definer;
revoke execute on function app.tg_organization__time_zone from public;
comment on function app.tg_organization__time_zone is
  'Trigger: the time zone of an organization is one that the server knows, by its full name, and cannot change once '
  'facts were removed by age.';
