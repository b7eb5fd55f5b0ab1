/*
 * Seals the rows of transactions that have ended: all that are older than the oldest one still running. So no writer
 * waits, nothing is sealed that may be rolled back, and nothing that commits late is missed. Only one sealer works at
 * a time; another finds nothing to do.
 */
create or replace function app.audit_write_seals()
returns table (organization_id uuid, seq integer, hash text, sealed_rows integer)
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_from bigint;
  v_through bigint;
  v_next bigint;
  v_batch record;
  v_seal app.audit_seal;
begin
  perform from app.audit_sealer for update skip locked;
  if not found then
    return;
  end if;
  -- A further statement, whose snapshot has what the sealer before has written
  select s.through_xid, pg_snapshot_xmin(pg_current_snapshot())::text::bigint + s.xid_offset,
         pg_snapshot_xmax(pg_current_snapshot())::text::bigint + s.xid_offset
    into v_from, v_through, v_next
    from app.audit_sealer s;
  if v_next < v_from then
    perform app.refuse('CU007',
      'Transaction ids have started again, as after a restore into another server: run "deno task migrate", which '
      'lets them continue');
  end if;
  if v_through <= v_from then
    return;
  end if;
  for v_batch in
    select b.organization_id,
           array_agg(b.id order by b.xid, b.seq) as ids,
           array_agg(b.state_digest order by b.xid, b.seq) as state_digests,
           array_agg(b.digest order by b.xid, b.seq) as entry_digests
      from (select a.organization_id, a.id, a.xid, a.seq, s.state_digest,
                   app.audit_entry_digest(a, s.state_digest) as digest,
                   (row_number() over (partition by a.organization_id order by a.xid, a.seq) - 1) / 1000 as part
              from ops.audit_log a, lateral (select app.audit_state_digest(a) as state_digest) s
             where a.xid >= v_from and a.xid < v_through) b
     group by b.organization_id, b.part
     order by b.organization_id, b.part
  loop
    select * into v_seal
      from app.audit_seal s where s.organization_id = v_batch.organization_id
     order by s.seq desc limit 1;
    v_seal.previous_hash := coalesce(v_seal.hash, decode(repeat('00', 32), 'hex'));
    v_seal.seq := coalesce(v_seal.seq, 0) + 1;
    v_seal.organization_id := v_batch.organization_id;
    v_seal.from_xid := v_from;
    v_seal.through_xid := v_through;
    v_seal.entry_ids := v_batch.ids;
    v_seal.state_digests := v_batch.state_digests;
    v_seal.entry_digests := v_batch.entry_digests;
    v_seal.sealed_at := now();
    v_seal.hash := app.audit_seal_hash(v_seal);
    insert into app.audit_seal select v_seal.*;
    organization_id := v_seal.organization_id;
    seq := v_seal.seq;
    hash := encode(v_seal.hash, 'hex');
    sealed_rows := cardinality(v_batch.ids);
    return next;
  end loop;
  update app.audit_sealer s set through_xid = v_through;
end;
$$;
alter function app.audit_write_seals owner to curestry_definer;
revoke execute on function app.audit_write_seals from public;
grant execute on function app.audit_write_seals to curestry_worker, curestry_owner;
comment on function app.audit_write_seals is
  'Seals new rows of the audit log into the hash chain of their organization; returns the new seals, for checkpoints '
  'outside the database. A job of the worker.';
