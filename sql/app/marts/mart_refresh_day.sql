create or replace function app.mart_refresh_day(
  organization uuid, zone text, day_low timestamptz, day_high timestamptz) returns void
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_lows timestamptz[];
  v_highs timestamptz[];
begin
  select array_agg(h.low), array_agg(h.high) into v_lows, v_highs
    from app.bucket_hours(zone, array(
           select generate_series(date_trunc('hour', day_low, 'UTC'),
                                  day_high - interval '1 microsecond', interval '1 hour'))) as h
   where h.low >= day_low and h.low < day_high;
  perform app.mart_refresh_all_sources(organization, zone, v_lows, v_highs);
end;
$$;
alter function app.mart_refresh_day owner to curestry_definer;
revoke execute on function app.mart_refresh_day from public;
comment on function app.mart_refresh_day is
  'Brings the day with this start and end up to date in all marts of an organization, with all its hours.';
