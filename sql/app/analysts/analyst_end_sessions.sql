/*
 * Analysts read, and nothing that they leave open may stop others. What is ended: at once, whoever blocks somebody who
 * is no analyst; after some seconds, a transaction with an id of its own, which stops the sealing of the audit log; and
 * whatever lasts longer than the limits. Where analysts' logins are concerned, curestry_definer is a member of them,
 * because only a member (or a superuser) may end the sessions of a login.
 */
create or replace function app.analyst_end_sessions(
  statement_limit interval default interval '5 minutes', idle_limit interval default interval '1 minute')
returns table (login text, pid integer, reason text, seconds double precision)
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_session record;
  v_blocked constant integer[] := array(
    select distinct l.pid
      from pg_catalog.pg_locks l
      join pg_catalog.pg_stat_activity w on w.pid = l.pid
      join pg_catalog.pg_roles r on r.oid = w.usesysid
     where not l.granted and not app.analyst_is_login(r.rolname));
begin
  for v_session in
    select s.pid, s.usename,
           case
             when s.pid in (select b from unnest(v_blocked) as w, unnest(pg_catalog.pg_blocking_pids(w)) as b)
               then 'blocked others'
             when s.backend_xid is not null and s.xact_start < clock_timestamp() - interval '5 seconds'
               then 'kept a transaction id, which stops the sealing of the audit log'
             when s.state like 'idle in transaction%' and s.state_change < clock_timestamp() - idle_limit
               then 'left a transaction open'
             when s.xact_start < clock_timestamp() - statement_limit then 'ran too long'
           end as why,
           extract(epoch from clock_timestamp() - coalesce(s.xact_start, s.state_change, s.backend_start)) as age
      from pg_catalog.pg_stat_activity s
     where app.analyst_is_login(s.usename)
       and (s.datname = current_database()
            or s.usename in (select g.role_name from ops.analyst_grant g))
  loop
    continue when v_session.why is null;
    begin
      continue when not pg_catalog.pg_terminate_backend(v_session.pid);
    exception when insufficient_privilege then
      raise warning 'The session % of % % and cannot be ended: run "deno task migrate"',
        v_session.pid, v_session.usename, v_session.why;
      continue;
    end;
    login := v_session.usename;
    pid := v_session.pid;
    reason := v_session.why;
    seconds := v_session.age;
    return next;
  end loop;
end;
$$;
alter function app.analyst_end_sessions owner to curestry_definer;
revoke execute on function app.analyst_end_sessions from public;
grant execute on function app.analyst_end_sessions to curestry_worker, curestry_owner;
comment on function app.analyst_end_sessions is
  'Ends the sessions of analysts that block others or last too long, and answers which and why. A poll of the worker.';
