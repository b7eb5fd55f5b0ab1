/*
 * Midnight, or the first moment after it where clocks skip it, or the first of two where clocks show it twice: the
 * first quarter of an hour with this date or a later one. Since 2000, every zone has been whole quarters of an hour
 * from UTC.
 */
create or replace function app.bucket_day_start_by_search(zone text, day date) returns timestamptz
language sql stable parallel safe set search_path = '' as $$
  select coalesce(min(m.midnight - k.n * interval '15 minutes')
                    filter (where ((m.midnight - k.n * interval '15 minutes') at time zone zone)::date >= day),
                  min(m.midnight))
    from (select day::timestamp at time zone zone as midnight) m, generate_series(0, 8) as k (n);
$$;
revoke execute on function app.bucket_day_start_by_search from public;
grant execute on function app.bucket_day_start_by_search to curestry_definer;
comment on function app.bucket_day_start_by_search is
  'When a day begins in a time zone, also where clocks change at midnight.';
