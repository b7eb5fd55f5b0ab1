create or replace function app.bucket_days(zone text, moments timestamptz[])
returns table (day date, low timestamptz, high timestamptz)
language sql stable set search_path = '' as $$
  select d.day, d.low, d.high
    from (select c.day, app.bucket_day_start(zone, c.day) as low, app.bucket_day_start(zone, c.day + 1) as high,
                 c.first, c.last
            from (select (m.moment at time zone zone)::date + k.n as day, min(m.moment) as first, max(m.moment) as last
                    -- And the days beside it, because clocks may change at midnight
                    from unnest(moments) as m (moment), generate_series(-1, 1) as k (n)
                   group by 1) c) d
   where d.last >= d.low and d.first < d.high and d.low < d.high
     and exists (select from unnest(moments) as m (moment) where m.moment >= d.low and m.moment < d.high);
$$;
revoke execute on function app.bucket_days from public;
grant execute on function app.bucket_days to curestry_definer;
comment on function app.bucket_days is
  'The days of a time zone that contain these moments: date, start and end.';
