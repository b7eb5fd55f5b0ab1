/*
 * Where readers of changes are: a snapshot says which transactions they have seen, also when these commit out of order,
 * and no writer has to wait for it.
 *
 * After a crash, PostgreSQL may give the ids of transactions again whose traces had not reached the disk. Such an id
 * must not count as seen, so the snapshot is handed out once all that was written before it is on the disk: another
 * commit, or the server's writer of the log, sees to that within its time.
 */
create or replace function app.live_position()
returns table (snapshot text, epoch text)
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_written pg_lsn;
begin
  snapshot := pg_current_snapshot()::text;
  v_written := pg_current_wal_insert_lsn();
  for v_try in 1 .. 60 loop
    exit when pg_current_wal_flush_lsn() >= v_written;
    perform pg_sleep(0.01);
  end loop;
  -- The timeline changes with a restore or a failover, the offset where ids of transactions have begun anew
  epoch := left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) || '.'
           || (select s.xid_offset from app.audit_sealer s);
  return next;
end;
$$;
alter function app.live_position owner to curestry_definer;
revoke execute on function app.live_position from public;
grant execute on function app.live_position to curestry_gateway;
comment on function app.live_position is
  'Which transactions have ended, as a snapshot, and the history that it belongs to: after a restore or a failover, '
  'positions of another history mean nothing.';
