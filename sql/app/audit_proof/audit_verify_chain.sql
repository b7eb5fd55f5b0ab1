/*
 * Besides changed rows and seals: a row that is missing is accounted for only if app.audit_accepted_detachments says
 * so, and, as long as the table with what left exists, is in it.
 */
create or replace function app.audit_verify_chain(organization uuid default null)
returns table (organization_id uuid, problem text, entry_id uuid, detail text)
language plpgsql stable security definer set search_path = '' set timezone = 'UTC' as $$
declare
  v_seal app.audit_seal;
  v_expected_seq integer;
  v_previous bytea;
  v_entry record;
  v_sealed_through bigint;
  v_next bigint;
  v_retention app.audit_retention;
begin
  for v_seal in
    select * from app.audit_seal s
     where audit_verify_chain.organization is null or s.organization_id = audit_verify_chain.organization
     order by s.organization_id, s.seq
  loop
    if organization_id is distinct from v_seal.organization_id then
      organization_id := v_seal.organization_id;
      v_expected_seq := 1;
      v_previous := decode(repeat('00', 32), 'hex');
    end if;
    entry_id := null;
    if v_seal.seq <> v_expected_seq then
      problem := 'seal removed';
      detail := format('seal %s follows %s', v_seal.seq, v_expected_seq - 1);
      return next;
    elsif v_seal.previous_hash <> v_previous then
      problem := 'seal changed';
      detail := format('seal %s does not go with the one before it', v_seal.seq);
      return next;
    end if;
    if v_seal.hash <> app.audit_seal_hash(v_seal) then
      problem := 'seal changed';
      detail := format('seal %s', v_seal.seq);
      return next;
    end if;
    v_expected_seq := v_seal.seq + 1;
    v_previous := v_seal.hash;
  end loop;

  /*
   * Each sealed row beside the row of the log, in one join of both: the cost grows with the rows, where a look-up for
   * each seal or row grew with their square. A row that claims to be from before the last seal has to be in one, and
   * none is of a transaction that has not been yet: it would not be sealed before that.
   */
  select s.through_xid,
         s.xid_offset + greatest(pg_snapshot_xmax(pg_current_snapshot())::text::bigint,
                                 pg_current_xact_id_if_assigned()::text::bigint + 1)
    into v_sealed_through, v_next
    from app.audit_sealer s;
  for v_entry in
    with accepted as materialized (
      select d.* from app.audit_accepted_detachments(audit_verify_chain.organization) d
    )
    select coalesce(s.organization_id, a.organization_id) as organization_id, coalesce(s.id, a.id) as id,
           case when s.id is null then 'row added' when a.id is null then 'row removed' else 'row changed'
             end as problem,
           case when s.id is null and a.xid >= v_next
                then format('it says %s, and transaction %s, which has not been yet', a.ts, a.xid)
                when s.id is null then format('it says %s, but is in no seal', a.ts)
                else format('sealed at %s, in seal %s', s.sealed_at, s.seq) end as detail
      from (select s.organization_id, s.seq, s.sealed_at, e.id, e.state_digest, e.digest, e.n
              from app.audit_seal s,
                   unnest(s.entry_ids, s.state_digests, s.entry_digests) with ordinality
                     as e (id, state_digest, digest, n)
             where audit_verify_chain.organization is null
                or s.organization_id = audit_verify_chain.organization) s
      full join (select * from ops.audit_log a
                  where (a.xid < v_sealed_through or a.xid >= v_next)
                    and (audit_verify_chain.organization is null
                         or a.organization_id = audit_verify_chain.organization)) a
        on a.organization_id = s.organization_id and a.id = s.id
     where case
             when s.id is null then true
             when a.id is null
             then not exists (select from accepted d
                               where d.organization_id = s.organization_id and d.seq = s.seq
                                 and d.positions @> s.n::integer)
             -- Whether the row may be erased, app.audit_verify_erasures checks.
             else (a.erasure_id is null and app.audit_state_digest(a::ops.audit_log) <> s.state_digest)
                  or app.audit_entry_digest(a::ops.audit_log, s.state_digest) <> s.digest
           end
     order by 1, s.seq, s.n, a.ts, 2
  loop
    organization_id := v_entry.organization_id;
    problem := v_entry.problem;
    entry_id := v_entry.id;
    detail := v_entry.detail;
    return next;
  end loop;

  -- Only as many rows are missing as the act says. That an act which left says so, its acceptance shows.
  for v_entry in
    select d.organization_id, d.entry_id as id, r.partition_name, d.rows, (a.after_state ->> 'rows')::bigint as said
      from (select d.organization_id, d.entry_id, d.retention_id, sum(upper(p) - lower(p)) as rows
              from app.audit_accepted_detachments(audit_verify_chain.organization) d, unnest(d.positions) as p
             group by d.organization_id, d.entry_id, d.retention_id) d
      join app.audit_retention r on r.id = d.retention_id
      join ops.audit_log a on a.organization_id = d.organization_id and a.id = d.entry_id
     where d.rows <> (a.after_state ->> 'rows')::bigint
  loop
    organization_id := v_entry.organization_id;
    problem := 'row removed';
    entry_id := v_entry.id;
    detail := format('%s rows of %s are missing; by retention, says the log, %s',
                     v_entry.rows, v_entry.partition_name, coalesce(v_entry.said, 0));
    return next;
  end loop;

  -- As long as what left is still here, it is what the seals say
  for v_retention in
    select * from app.audit_retention r where r.dropped_at is null order by r.detached_at, r.id
  loop
    if to_regclass(format('app.%I', v_retention.table_name)) is null then
      organization_id := null;
      problem := 'row removed';
      entry_id := null;
      detail := format('app.%s, with what left %s by retention, is gone', v_retention.table_name,
                       v_retention.partition_name);
      return next;
      continue;
    end if;
    return query execute format($query$
      select s.organization_id, 'row removed', e.id,
             format('sealed at %%s, in seal %%s; it left %%s, but is not in app.%%s', s.sealed_at, s.seq, $2, $3)
        from app.audit_accepted_detachments($1) d
        join app.audit_seal s on s.organization_id = d.organization_id and s.seq = d.seq,
             unnest(s.entry_ids) with ordinality as e (id, n)
       where d.retention_id = $4 and d.positions @> e.n::integer
         and not exists (select from app.%I l where l.organization_id = s.organization_id and l.id = e.id)
         -- Its erasure removes an organization from there as well
         and (s.organization_id = '00000000-0000-0000-0000-000000000000'
              or exists (select from ops.organization o where o.id = s.organization_id))
       order by 1, s.seq, e.n
    $query$, v_retention.table_name)
      using audit_verify_chain.organization, v_retention.partition_name, v_retention.table_name, v_retention.id;
  end loop;

  return query select * from app.audit_verify_erasures(audit_verify_chain.organization);
end;
$$;
alter function app.audit_verify_chain owner to curestry_definer;
revoke execute on function app.audit_verify_chain from public;
grant execute on function app.audit_verify_chain to curestry_owner;
comment on function app.audit_verify_chain is
  'Recomputes the hash chain of the audit log, of one or all organizations, and lists every row and seal that has '
  'changed since it was sealed.';
