create or replace function app.verify_audit_chain(organization uuid default null)
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
     where verify_audit_chain.organization is null or s.organization_id = verify_audit_chain.organization
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

    for v_entry in
      select i.id, a.id is null as missing
        from unnest(v_seal.entry_ids) with ordinality as i (id, n)
        left join ops.audit_log a
          on a.organization_id = v_seal.organization_id and a.id = i.id and a.xid >= v_seal.from_xid and a.xid < v_seal.through_xid
       where case
               when a.id is null
               then not exists (select from app.audit_detachment d
                                 where d.organization_id = v_seal.organization_id and d.seq = v_seal.seq and d.positions @> i.n::integer)
               -- Of a row that was erased, app.verify_audit_erasures says whether it may be.
               else (a.erasure_id is null and app.audit_state_digest(a) <> v_seal.state_digests[i.n])
                    or app.audit_entry_digest(a, v_seal.state_digests[i.n]) <> v_seal.entry_digests[i.n]
             end
       order by i.n
    loop
      problem := case when v_entry.missing then 'row removed' else 'row changed' end;
      entry_id := v_entry.id;
      detail := format('sealed at %s, in seal %s', v_seal.sealed_at, v_seal.seq);
      return next;
    end loop;
    v_expected_seq := v_seal.seq + 1;
    v_previous := v_seal.hash;
  end loop;

  -- Rows left by retention only if the log says so, and as many as it says.
  for v_entry in
    select d.organization_id, d.entry_id as id, r.partition_name, d.rows, (a.after_state ->> 'rows')::bigint as said
      from (select d.organization_id, d.entry_id, d.retention_id, sum(upper(p) - lower(p)) as rows
              from app.audit_detachment d, unnest(d.positions) as p
             where verify_audit_chain.organization is null or d.organization_id = verify_audit_chain.organization
             group by d.organization_id, d.entry_id, d.retention_id) d
      join app.audit_retention r on r.id = d.retention_id
      left join ops.audit_log a on a.organization_id = d.organization_id and a.id = d.entry_id
                               and a.action = 'detach' and a.after_state ->> 'retention_id' = d.retention_id::text
     where case when a.id is null
                then not exists (select from app.audit_seal s where s.organization_id = d.organization_id and s.entry_ids @> array[d.entry_id])
                else d.rows <> (a.after_state ->> 'rows')::bigint end
  loop
    organization_id := v_entry.organization_id;
    problem := 'row removed';
    entry_id := v_entry.id;
    detail := format('%s rows of %s are missing; by retention, says the log, %s', v_entry.rows, v_entry.partition_name, coalesce(v_entry.said, 0));
    return next;
  end loop;

  -- A row that claims to be from before the last seal, but stands in none.
  select s.through_xid into v_sealed_through from app.audit_sealer s;
  for v_entry in
    select a.organization_id, a.id, a.ts
      from ops.audit_log a
     where a.xid < v_sealed_through
       and (verify_audit_chain.organization is null or a.organization_id = verify_audit_chain.organization)
       and not exists (select from app.audit_seal s
                        where s.organization_id = a.organization_id and s.from_xid <= a.xid and s.through_xid > a.xid
                          and s.entry_ids @> array[a.id])
  loop
    organization_id := v_entry.organization_id;
    problem := 'row added';
    entry_id := v_entry.id;
    detail := format('it says %s, but stands in no seal', v_entry.ts);
    return next;
  end loop;

  return query select * from app.verify_audit_erasures(verify_audit_chain.organization);
end;
$$;
alter function app.verify_audit_chain(uuid) owner to curestry_definer;
revoke execute on function app.verify_audit_chain(uuid) from public;
grant execute on function app.verify_audit_chain(uuid) to curestry_owner;
comment on function app.verify_audit_chain(uuid) is
  'Recomputes the hash chain of the audit log, of one or all organizations, and names every row and seal that is not as it was sealed.';
