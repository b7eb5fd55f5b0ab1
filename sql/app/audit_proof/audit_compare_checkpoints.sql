create or replace function app.audit_compare_checkpoints(checkpoints jsonb)
returns table (organization uuid, seq integer, at text, line integer, found text)
language sql stable security definer set search_path = '' as $$
  select c.organization, c.seq, c.at, c.line, encode(s.hash, 'hex')
    from jsonb_to_recordset(checkpoints) as c (organization uuid, seq integer, hash text, at text, line integer)
    left join app.audit_seal s on s.organization_id = c.organization and s.seq = c.seq
   where encode(s.hash, 'hex') is distinct from c.hash
   order by c.line;
$$;
alter function app.audit_compare_checkpoints owner to curestry_definer;
revoke execute on function app.audit_compare_checkpoints from public;
grant execute on function app.audit_compare_checkpoints to curestry_owner;
comment on function app.audit_compare_checkpoints is
  'The checkpoints, as [{organization, seq, hash, at, line}], whose seal is missing or different. For operators.';
