/*
 * An hour of a zone is one position of the hour hand: where clocks change by half an hour, it lasts half an hour.
 * Hours of UTC are hours of most zones; where they are not, the quarters of an hour decide.
 */
create or replace function app.bucket_hours(zone text, hours timestamptz[])
returns table (low timestamptz, high timestamptz)
language sql stable set search_path = '' as $$
  with hour as (
    select distinct h.hour,
           date_trunc('hour', h.hour, zone) = h.hour
             and date_trunc('hour', h.hour + interval '45 minutes', zone) = h.hour as is_whole
      from unnest(hours) as h (hour)
  ), part as (
    select distinct (select min(p.quarter - k.n * interval '15 minutes')
                       from generate_series(0, 3) as k (n)
                      where date_trunc('hour', p.quarter - k.n * interval '15 minutes', zone)
                            = date_trunc('hour', p.quarter, zone)) as low
      from (select h.hour + k.n * interval '15 minutes' as quarter
              from hour h, generate_series(0, 3) as k (n)
             where not h.is_whole) p
  )
  select h.hour, h.hour + interval '1 hour' from hour h where h.is_whole
  union
  select p.low, (select max(p.low + k.n * interval '15 minutes') + interval '15 minutes'
                   from generate_series(0, 3) as k (n)
                  where date_trunc('hour', p.low + k.n * interval '15 minutes', zone) = date_trunc('hour', p.low, zone))
    from part p;
$$;
revoke execute on function app.bucket_hours from public;
grant execute on function app.bucket_hours to curestry_definer;
comment on function app.bucket_hours is
  'The hours of a time zone that overlap these hours of UTC: start and end.';
