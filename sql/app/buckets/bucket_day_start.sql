/*
 * Midnight, where the clock goes on evenly through the two hours before it: any other answer would need a change of
 * the clock there, and app.bucket_day_start_by_search looks for it.
 */
create or replace function app.bucket_day_start(zone text, day date) returns timestamptz
language sql stable parallel safe
return case
  when (day::timestamp at time zone zone) at time zone zone = day::timestamp
   and ((day::timestamp at time zone zone) - interval '2 hours') at time zone zone = day::timestamp - interval '2 hours'
    then day::timestamp at time zone zone
  else app.bucket_day_start_by_search(zone, day)
end;
revoke execute on function app.bucket_day_start from public;
grant execute on function app.bucket_day_start to curestry_definer;
comment on function app.bucket_day_start is 'When a day begins in a time zone.';
