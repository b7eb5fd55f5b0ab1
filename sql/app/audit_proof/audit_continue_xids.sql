/*
 * Sealing follows transaction ids. In another cluster (after a logical restore) these start again, below those in the
 * log: from then on an offset is added to them, so that they continue to rise. Runs with every migration, before
 * anything is written.
 */
create or replace function app.audit_continue_xids() returns boolean
language plpgsql volatile set search_path = '' as $$
declare
  v_next constant bigint := pg_snapshot_xmax(pg_current_snapshot())::text::bigint;
  v_known bigint;
begin
  -- Nothing is sealed meanwhile
  perform from app.audit_sealer for update;
  select greatest(s.through_xid, (select max(a.xid) + 1 from ops.audit_log a where a.xid >= s.through_xid))
    into v_known
    from app.audit_sealer s;
  if v_next + (select s.xid_offset from app.audit_sealer s) >= v_known then
    return false;
  end if;
  lock table ops.audit_log in share row exclusive mode;
  update app.audit_sealer s set xid_offset = v_known - v_next;
  execute format('alter table ops.audit_log alter column xid set default pg_current_xact_id()::text::bigint + %s',
    v_known - v_next);
  -- Those of the other server are of transactions that nobody here has seen or will see
  truncate app.mart_update;
  return true;
end;
$$;
revoke execute on function app.audit_continue_xids from public;
comment on function app.audit_continue_xids is
  'If transaction ids have started again, as after a restore into another server: lets those of the audit log '
  'continue after the restore. Part of every migration.';
