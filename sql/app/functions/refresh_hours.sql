create or replace function app.refresh_hours(organization uuid, hours timestamptz[]) returns void
language sql volatile security definer set search_path = '' as $$
  select app.refresh_metric_timeseries(organization, 'hour', hours);
  select app.refresh_metric_timeseries(organization, 'day', array(select distinct date_trunc('day', h, 'UTC') from unnest(hours) as h));
  select app.refresh_days(organization, array(select distinct (h at time zone 'UTC')::date from unnest(hours) as h));
$$;
alter function app.refresh_hours(uuid, timestamptz[]) owner to curestry_definer;
revoke execute on function app.refresh_hours(uuid, timestamptz[]) from public;
comment on function app.refresh_hours(uuid, timestamptz[]) is 'Recomputes all marts for these hours and for the days that they lie in.';
