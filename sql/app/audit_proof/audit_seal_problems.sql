/*
 * Sealing follows the oldest transaction that is still running. Locks on transaction ids are shown to everybody; when
 * a transaction began, only to members of its login.
 */
create or replace function app.audit_seal_problems() returns setof text
language sql stable security definer set search_path = '' as $$
  select format('the audit log is %s s behind: ', round(u.seconds))
         || coalesce(
              (select format('a transaction of %s has been open for %s s (process %s)',
                             coalesce('the login ' || a.usename, 'nobody who is connected (it is prepared)'),
                             coalesce(round(extract(epoch from clock_timestamp() - a.xact_start))::text,
                                      'at least ' || round(u.seconds)),
                             coalesce(l.pid::text, 'none'))
                 from pg_catalog.pg_locks l
                 left join pg_catalog.pg_stat_activity a on a.pid = l.pid
                where l.locktype = 'transactionid' and l.mode = 'ExclusiveLock' and l.granted
                  and l.transactionid::text::bigint
                      = pg_snapshot_xmin(pg_current_snapshot())::text::bigint & 4294967295),
              'no worker seals it')
    from (select app.audit_unsealed_seconds() as seconds) u
   where u.seconds > 10;
$$;
alter function app.audit_seal_problems owner to curestry_definer;
revoke execute on function app.audit_seal_problems from public;
comment on function app.audit_seal_problems is
  'If rows of the audit log have not been sealed for 10 seconds: for how long, and who holds it up.';
