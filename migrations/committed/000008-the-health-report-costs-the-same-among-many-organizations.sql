--! Previous: sha1:cdbe58279bb0499d6210ff43858fa4d1fac23ebc
--! Hash: sha1:ccbede5205d8d4d4a97895342d67e3a5e39f72de
--! Message: The health report costs the same among many organizations

-- The open migration: see CONTRIBUTING.md. Data and tables here; definitions by --!include from sql/.
set local lock_timeout = '3s';
create index if not exists idx_analysis_results_recent on core.analysis_results (created_at);
--! Included app/monitoring/health.sql
/*
 * Degraded: all works, but somebody has to act. Each part gives its own figures and, in v_problems, what is wrong.
 */
create or replace function app.health() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  v_report jsonb;
  v_problems text[] := '{}';
begin
  v_report := jsonb_build_object(
    'recent_analyses_24h', (
      select count(*) from core.analysis_results r where r.created_at > now() - interval '24 hours'),
    'timestamp', to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
    'database', jsonb_build_object('version', current_setting('server_version'), 'migrated', true),
    'workers', jsonb_build_object('alive', app.worker_count_alive()),
    'jobs', (
      select jsonb_build_object('waiting', c.waiting, 'running', c.running, 'failed', c.failed)
        from app.job_counts() c));

  with freshness as (select * from app.mart_freshness_all())
  select v_report || jsonb_build_object('marts', jsonb_build_object(
           'oldest_change_seconds', round(max(f.oldest_change_seconds)::numeric, 1),
           'waiting', max(f.waiting),
           'late', coalesce(bool_or(app.mart_is_late(f.oldest_change_seconds)), false),
           'freshness', jsonb_object_agg(f.mart, round(f.oldest_change_seconds::numeric, 1)))),
         v_problems || array(
           select format('mart %s is %s s behind what was recorded', l.mart, round(l.oldest_change_seconds))
             from freshness l where app.mart_is_late(l.oldest_change_seconds) order by 1)
    into v_report, v_problems
    from freshness f;

  with runs as (select * from app.task_list())
  select v_report || jsonb_build_object('tasks', coalesce(jsonb_agg(jsonb_build_object(
           'task', r.task, 'kind', r.kind, 'late', r.is_late, 'expected_seconds', r.expected_seconds,
           'seconds_since_success', round(extract(epoch from clock_timestamp() - r.succeeded_at), 1))
           order by r.task, r.kind), '[]')),
         v_problems || array(
           select format('task %s (%s) is late', l.task, l.kind) from runs l where l.is_late order by l.task, l.kind)
    into v_report, v_problems
    from runs r;

  v_report := v_report || jsonb_build_object('audit', jsonb_build_object(
    'unsealed_seconds', round(coalesce(app.audit_unsealed_seconds(), 0)::numeric, 1)));
  v_problems := v_problems || array(select p from app.audit_seal_problems() as p);

  with last_check as (select * from app.mart_check c order by c.id desc limit 1)
  select v_report || jsonb_build_object('mart_check', (
           select jsonb_build_object('checked_at', c.checked_at, 'buckets', c.buckets, 'differences', c.differences)
             from last_check c)),
         v_problems || array(
           select format('the nightly check found %s differences in the marts', c.differences)
             from last_check c where c.differences > 0)
    into v_report, v_problems;

  return jsonb_build_object(
    'status', case when v_problems = '{}' then 'healthy' else 'degraded' end,
    'problems', to_jsonb(v_problems)) || v_report;
end;
$$;
alter function app.health owner to curestry_definer;
revoke execute on function app.health from public;
grant execute on function app.health to curestry_gateway, curestry_owner;
comment on function app.health is
  'The health report of the specification: status, analyses of the last 24 hours, the time; and how far the marts '
  'are behind, which tasks are late, how many workers are alive, how many jobs wait and have failed.';
--! EndIncluded app/monitoring/health.sql
