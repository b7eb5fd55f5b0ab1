create or replace function app.audit_verify_chain(organization uuid default null)
returns table (organization_id uuid, problem text, entry_id uuid, detail text)
language plpgsql stable security definer set search_path = '' as $$
declare
  v_seal app.audit_seal;
  v_expected_seq integer;
  v_previous bytea;
  v_entry record;
  v_sealed_through bigint;
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
   * each seal or row grew with their square. A row that claims to be from before the last seal has to be in one.
   */
  select s.through_xid into v_sealed_through from app.audit_sealer s;
  for v_entry in
    select coalesce(s.organization_id, a.organization_id) as organization_id, coalesce(s.id, a.id) as id,
           case when s.id is null then 'row added' when a.id is null then 'row removed' else 'row changed'
             end as problem,
           case when s.id is null then format('it says %s, but is in no seal', a.ts)
                else format('sealed at %s, in seal %s', s.sealed_at, s.seq) end as detail
      from (select s.organization_id, s.seq, s.sealed_at, e.id, e.state_digest, e.digest, e.n
              from app.audit_seal s,
                   unnest(s.entry_ids, s.state_digests, s.entry_digests) with ordinality
                     as e (id, state_digest, digest, n)
             where audit_verify_chain.organization is null
                or s.organization_id = audit_verify_chain.organization) s
      full join (select * from ops.audit_log a
                  where a.xid < v_sealed_through
                    and (audit_verify_chain.organization is null
                         or a.organization_id = audit_verify_chain.organization)) a
        on a.organization_id = s.organization_id and a.id = s.id
     where case
             when s.id is null then true
             when a.id is null
             then not exists (select from app.audit_detachment d
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

  -- Rows are missing by retention only if the log says so, and only as many as it says.
  for v_entry in
    select d.organization_id, d.entry_id as id, r.partition_name, d.rows, (a.after_state ->> 'rows')::bigint as said
      from (select d.organization_id, d.entry_id, d.retention_id, sum(upper(p) - lower(p)) as rows
              from app.audit_detachment d, unnest(d.positions) as p
             where audit_verify_chain.organization is null or d.organization_id = audit_verify_chain.organization
             group by d.organization_id, d.entry_id, d.retention_id) d
      join app.audit_retention r on r.id = d.retention_id
      left join ops.audit_log a on a.organization_id = d.organization_id and a.id = d.entry_id
                               and a.action = 'detach' and a.after_state ->> 'retention_id' = d.retention_id::text
     where case when a.id is null
                then not exists (select from app.audit_seal s
                                  where s.organization_id = d.organization_id and s.entry_ids @> array[d.entry_id])
                else d.rows <> (a.after_state ->> 'rows')::bigint end
  loop
    organization_id := v_entry.organization_id;
    problem := 'row removed';
    entry_id := v_entry.id;
    detail := format('%s rows of %s are missing; by retention, says the log, %s',
                     v_entry.rows, v_entry.partition_name, coalesce(v_entry.said, 0));
    return next;
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
