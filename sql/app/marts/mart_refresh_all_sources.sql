create or replace function app.mart_refresh_all_sources(
  organization uuid, zone text, lows timestamptz[], highs timestamptz[]) returns void
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_source text;
begin
  foreach v_source in array array['metric', 'node', 'judge', 'evaluation', 'analysis', 'feature'] loop
    perform app.mart_refresh_buckets(organization, zone, v_source, lows, highs);
  end loop;
end;
$$;
alter function app.mart_refresh_all_sources owner to curestry_definer;
revoke execute on function app.mart_refresh_all_sources from public;
comment on function app.mart_refresh_all_sources is
  'Brings the hours with these starts and ends, and their days, up to date in all marts of an organization.';
