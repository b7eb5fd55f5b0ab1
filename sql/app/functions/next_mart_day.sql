create or replace function app.next_mart_day(organization uuid, zone text, from_ts timestamptz, to_ts timestamptz)
returns table (day date, low timestamptz, high timestamptz)
language sql stable security definer set search_path = '' as $$
  select d.day, d.low, d.high
    from app.mart_extent(organization, zone, from_ts, to_ts) as e, lateral app.mart_days(zone, array[e.first]) as d
   where e.first is not null;
$$;
alter function app.next_mart_day(uuid, text, timestamptz, timestamptz) owner to curestry_definer;
revoke execute on function app.next_mart_day(uuid, text, timestamptz, timestamptz) from public;
comment on function app.next_mart_day(uuid, text, timestamptz, timestamptz) is
  'The first day from one time to before another of which an organization has facts or the marts speak: date, begin and end. No row: none.';
