/*
 * What app.audit_detachment claims counts only with an act of retention behind it: a row of the log that is there, or
 * that left by a later act which itself counts. So nothing proves itself, nor do two each other. Of an act that left,
 * its seal still has the digest of what it said: which retention, from when to when, and of how many rows.
 */
create or replace function app.audit_accepted_detachments(organization uuid default null)
returns setof app.audit_detachment
language sql stable set search_path = '' set timezone = 'UTC' as $$
  with recursive claim as (
    select d.organization_id, d.entry_id, d.retention_id, sum(upper(p) - lower(p))::bigint as rows
      from app.audit_detachment d, unnest(d.positions) as p
     where audit_accepted_detachments.organization is null
        or d.organization_id = audit_accepted_detachments.organization
     group by d.organization_id, d.entry_id, d.retention_id
  ), act_that_left as (
    select c.organization_id, c.entry_id, c.retention_id, e.seq, e.n::integer as n
      from claim c
      join app.audit_retention r on r.id = c.retention_id
      join (select s.organization_id, s.seq, e.id, e.state_digest, e.n
              from app.audit_seal s,
                   unnest(s.entry_ids, s.state_digests) with ordinality as e (id, state_digest, n)) e
        on e.organization_id = c.organization_id and e.id = c.entry_id
     where e.state_digest = sha256(convert_to(E'\x1f' || app.retention_statement(r, c.rows)::text, 'UTF8'))
  ), accepted as (
    select c.organization_id, c.entry_id, c.retention_id
      from claim c
      join app.audit_retention r on r.id = c.retention_id
      join ops.audit_log a on a.organization_id = c.organization_id and a.id = c.entry_id
     where a.action = 'detach' and a.entity_type = 'ops.audit_log'
       and a.after_state - 'rows' = app.retention_statement(r, 0) - 'rows'
    union
    select l.organization_id, l.entry_id, l.retention_id
      from accepted p
      join app.audit_detachment d
        on d.organization_id = p.organization_id and d.entry_id = p.entry_id and d.retention_id = p.retention_id
      join act_that_left l on l.organization_id = d.organization_id and l.seq = d.seq and d.positions @> l.n
  )
  select d.*
    from accepted p
    join app.audit_detachment d
      on d.organization_id = p.organization_id and d.entry_id = p.entry_id and d.retention_id = p.retention_id;
$$;
revoke execute on function app.audit_accepted_detachments from public;
grant execute on function app.audit_accepted_detachments to curestry_definer;
comment on function app.audit_accepted_detachments is
  'Which rows left the seals of one or all organizations by an act of retention that the log proves.';
