/* Each step jumps to the next key in the index of the mart, however many buckets a key has. */
create or replace function mart.metric_keys(source text default 'metric') returns text[]
language plpgsql stable security definer set search_path = '' as $$
declare
  v_organization constant uuid := app.require('marts:read');
begin
  return (
    with recursive known (metric_key, n) as (
      (select m.metric_key::text, 1
         from mart.metric_timeseries m
        where m.organization_id = v_organization and m.source = metric_keys.source
        order by m.metric_key limit 1)
      union all
      select (select m.metric_key::text
                from mart.metric_timeseries m
               where m.organization_id = v_organization and m.source = metric_keys.source
                 and m.metric_key > k.metric_key
               order by m.metric_key limit 1), k.n + 1
        from known k where k.metric_key is not null and k.n <= 1000
    )
    select coalesce(array_agg(k.metric_key order by k.n), '{}') from known k where k.metric_key is not null);
end;
$$;
alter function mart.metric_keys owner to curestry_definer;
revoke execute on function mart.metric_keys from public;
grant execute on function mart.metric_keys to curestry_member;
comment on function mart.metric_keys is
  E'@words source MetricSource\n'
  '@arg source Where the metrics are from; metric if absent.\n'
  'The keys that metricSeries knows, in order, at most 1000. Needs marts:read.';
