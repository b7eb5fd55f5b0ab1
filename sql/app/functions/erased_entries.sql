/* By month, which is how the log is kept and thrown away: a month that is not there any more proves nothing and disproves nothing. */
create or replace function app.erased_entries(organization uuid, erasure uuid) returns jsonb
language sql stable set search_path = '' as $$
  select coalesce(jsonb_object_agg(m.month, jsonb_build_object('rows', m.rows, 'digest', m.digest)), '{}')
    from (select to_char(a.ts at time zone 'UTC', 'YYYY-MM') as month, count(*) as rows,
                 encode(sha256(string_agg(uuid_send(a.id) || app.audit_state_digest(a), ''::bytea order by a.id)), 'hex') as digest
            from ops.audit_log a
           where a.organization_id = organization and a.erasure_id = erasure
           group by 1) m;
$$;
revoke execute on function app.erased_entries(uuid, uuid) from public;
grant execute on function app.erased_entries(uuid, uuid) to curestry_definer;
comment on function app.erased_entries(uuid, uuid) is
  'Which rows of an organization''s audit log bear an erasure, and what is left of their states: number and digest, by month.';
