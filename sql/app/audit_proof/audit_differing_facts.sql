/*
 * A fact has the time of the transaction that recorded it, and so has the row of the log. Rows that were changed or
 * removed since, within the log, make a time differ as well: this is for finding, and proves nothing.
 */
create or replace function app.audit_differing_facts(audited text, organization uuid) returns text
language plpgsql stable set search_path = '' as $$
declare
  v_found text;
begin
  perform from pg_catalog.pg_attribute a
    where a.attrelid = audited::regclass and a.attname = 'created_at' and not a.attisdropped;
  if not found then
    return null;
  end if;
  execute format($query$
    select string_agg(d.at::text, ', ' order by d.at)
      from (select l.ts as at
              from (select a.ts, sum((a.after_state ->> 'digest')::numeric) as digest
                      from ops.audit_log a
                     where a.organization_id = $2 and a.entity_type = $1 and a.action = 'insert'
                       and a.after_state ? 'digest'
                     group by a.ts) l
              left join (select t.created_at, sum(hashtextextended(hash_record_extended(t, 0)::text, 0)) as digest
                           from %s t
                          where t.organization_id = $2
                          group by 1) p on p.created_at = l.ts
             where p.digest is distinct from l.digest
             order by l.ts
             limit 5) d
  $query$, audited::regclass) into v_found using audited, organization;
  return v_found;
end;
$$;
revoke execute on function app.audit_differing_facts from public;
grant execute on function app.audit_differing_facts to curestry_definer;
comment on function app.audit_differing_facts is
  'The times, at most five, at which an organization recorded facts of a table that are not what the log has of them; '
  'null if none can be told.';
