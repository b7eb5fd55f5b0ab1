/* One day of one organization per call, so that transactions are short and a crash loses little. */
create or replace function app.mart_rebuild_continue(
  from_ts timestamptz, to_ts timestamptz, only_organization uuid default null)
returns table (organization_id uuid, hours integer, seconds double precision)
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_rebuild app.mart_rebuild;
  v_zone text;
  v_immutable_before timestamptz;
  v_day record;
begin
  select r.* into v_rebuild
    from app.mart_rebuild r
   where r.from_ts = mart_rebuild_continue.from_ts and r.to_ts = mart_rebuild_continue.to_ts
     and (only_organization is null or r.organization_id = only_organization)
   order by r.organization_id
   limit 1
     for update skip locked;
  if not found then
    return;
  end if;
  perform app.organization_lock_take(v_rebuild.organization_id, 'marts');
  organization_id := v_rebuild.organization_id;
  if exists (select from app.mart_state s
              where s.organization_id = v_rebuild.organization_id and s.rebuild_change_id is not null) then
    -- Its days are between two time zones: that comes first
    hours := app.mart_refresh_organization(v_rebuild.organization_id);
    seconds := extract(epoch from v_rebuild.last_ts - v_rebuild.next_ts);
    return next;
    return;
  end if;
  select coalesce(s.time_zone, 'UTC'), coalesce(s.marts_immutable_before, '-infinity') into v_zone, v_immutable_before
    from (values (1)) as one (row)
    left join app.mart_state s on s.organization_id = v_rebuild.organization_id;
  select * into v_day
    from app.mart_next_day(v_rebuild.organization_id, v_zone, greatest(v_rebuild.next_ts, v_immutable_before), to_ts);
  hours := 0;
  if found and v_day.low <= v_rebuild.last_ts then
    perform app.mart_refresh_day(v_rebuild.organization_id, v_zone, v_day.low, v_day.high);
    hours := extract(epoch from v_day.high - v_day.low)::integer / 3600;
    update app.mart_rebuild r set next_ts = v_day.high
     where r.organization_id = v_rebuild.organization_id
       and r.from_ts = v_rebuild.from_ts and r.to_ts = v_rebuild.to_ts;
  else
    delete from app.mart_rebuild r
     where r.organization_id = v_rebuild.organization_id
       and r.from_ts = v_rebuild.from_ts and r.to_ts = v_rebuild.to_ts;
  end if;
  select coalesce(sum(greatest(extract(epoch from r.last_ts - r.next_ts), 0)), 0) into seconds
    from app.mart_rebuild r
   where r.from_ts = mart_rebuild_continue.from_ts and r.to_ts = mart_rebuild_continue.to_ts
     and (only_organization is null or r.organization_id = only_organization);
  return next;
end;
$$;
alter function app.mart_rebuild_continue owner to curestry_definer;
revoke execute on function app.mart_rebuild_continue from public;
grant execute on function app.mart_rebuild_continue to curestry_owner;
comment on function app.mart_rebuild_continue is
  'Rebuilds one more day of the marts of one organization; returns which, how many hours, and how much time is left. '
  'No row: the rebuild is finished. For operators.';
