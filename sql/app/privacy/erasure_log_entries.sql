/* By month, like the partitions of the log: a month that was dropped neither proves nor disproves anything. */
create or replace function app.erasure_log_entries(organization uuid, erasure uuid) returns jsonb
language sql stable set search_path = '' as $$
  select coalesce(jsonb_object_agg(m.month, jsonb_build_object('rows', m.rows, 'digest', m.digest)), '{}')
    from (select to_char(a.ts at time zone 'UTC', 'YYYY-MM') as month, count(*) as rows,
                 encode(sha256(string_agg(uuid_send(a.id) || app.audit_state_digest(a), ''::bytea order by a.id)),
                        'hex') as digest
            from ops.audit_log a
           where a.organization_id = organization and a.erasure_id = erasure
           group by 1) m;
$$;
revoke execute on function app.erasure_log_entries from public;
grant execute on function app.erasure_log_entries to curestry_definer;
comment on function app.erasure_log_entries is
  'Which rows of an organization''s audit log an erasure changed, and what is left of their states: number and '
  'digest, by month.';
