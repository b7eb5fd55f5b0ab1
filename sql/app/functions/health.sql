create or replace function app.health() returns jsonb
language sql stable security definer set search_path = '' as $$
  select jsonb_build_object(
    'status', 'healthy',
    'recent_analyses_24h',
      (select coalesce(sum(r.n), 0)
         from ops.organization o,
              lateral (select count(*) as n from core.analysis_results r
                        where r.organization_id = o.id and r.created_at > now() - interval '24 hours') r),
    'timestamp', to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
    'database', jsonb_build_object('version', current_setting('server_version'), 'migrated', true),
    'marts', jsonb_build_object(
      'oldest_change_seconds', (select round(extract(epoch from clock_timestamp() - min(m.created_at)), 1) from app.mart_mark m),
      'waiting', (select count(*) from app.mart_mark m)));
$$;
alter function app.health() owner to curestry_definer;
revoke execute on function app.health() from public;
grant execute on function app.health() to curestry_gateway, curestry_owner;
comment on function app.health() is
  'The health report of the specification: status, analyses of the last 24 hours, the time; and how far the marts are behind.';
