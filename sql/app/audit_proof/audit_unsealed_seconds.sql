create or replace function app.audit_unsealed_seconds() returns double precision
language sql stable security definer set search_path = '' as $$
  select extract(epoch from clock_timestamp() - a.ts)::double precision
    from app.audit_sealer s,
         lateral (select e.ts from ops.audit_log e where e.xid >= s.through_xid order by e.xid limit 1) a;
$$;
alter function app.audit_unsealed_seconds owner to curestry_definer;
revoke execute on function app.audit_unsealed_seconds from public;
comment on function app.audit_unsealed_seconds is
  'The age of the oldest row of the audit log that is not sealed; null if all are.';
