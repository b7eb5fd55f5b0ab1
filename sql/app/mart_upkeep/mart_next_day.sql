create or replace function app.mart_next_day(organization uuid, zone text, from_ts timestamptz, to_ts timestamptz)
returns table (day date, low timestamptz, high timestamptz)
language sql stable security definer set search_path = '' as $$
  select d.day, d.low, d.high
    from app.mart_extent(organization, zone, from_ts, to_ts) as e, lateral app.bucket_days(zone, array[e.first]) as d
   where e.first is not null;
$$;
alter function app.mart_next_day owner to curestry_definer;
revoke execute on function app.mart_next_day from public;
comment on function app.mart_next_day is
  'The first day within a span of time of which an organization has facts or rows in the marts: date, start and end. '
  'No row: none.';
