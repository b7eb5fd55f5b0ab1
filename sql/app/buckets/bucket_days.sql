/* Each moment is compared with three days only, found by their date, and each day is computed once. */
create or replace function app.bucket_days(zone text, moments timestamptz[])
returns table (day date, low timestamptz, high timestamptz)
language sql stable set search_path = '' set enable_hashjoin = on as $$
  with moment as materialized (
    select m.moment, (m.moment at time zone zone)::date as day from (select distinct unnest(moments) as moment) m
  ), start as materialized (
    select d.day, app.bucket_day_start(zone, d.day) as low
      -- The days beside it, because clocks may change at midnight, and the end of the last one
      from (select distinct m.day + k.n as day from moment m, generate_series(-1, 2) as k (n)) d
  ), day as materialized (
    select s.day, s.low, lead(s.low) over (order by s.day) as high, lead(s.day) over (order by s.day) as next
      from start s
  )
  select distinct d.day, d.low, d.high
    from (select m.moment, m.day + k.n as day from moment m, generate_series(-1, 1) as k (n)) c
    join day d on d.day = c.day
   where d.next = d.day + 1 and c.moment >= d.low and c.moment < d.high;
$$;
revoke execute on function app.bucket_days from public;
grant execute on function app.bucket_days to curestry_definer;
comment on function app.bucket_days is
  'The days of a time zone that contain these moments: date, start and end.';
