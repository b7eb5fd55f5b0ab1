create or replace function app.audit_heads()
returns table (organization_id uuid, seq integer, hash text, sealed_at timestamptz)
language sql stable security definer set search_path = '' as $$
  select distinct on (s.organization_id) s.organization_id, s.seq, encode(s.hash, 'hex'), s.sealed_at
    from app.audit_seal s
   order by s.organization_id, s.seq desc;
$$;
alter function app.audit_heads owner to curestry_definer;
revoke execute on function app.audit_heads from public;
grant execute on function app.audit_heads to curestry_owner;
comment on function app.audit_heads is 'The newest seal of each chain of the audit log. For operators.';
