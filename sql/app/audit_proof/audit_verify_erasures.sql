/*
 * A row of the log may lack its values only because of an erasure that has an erasure record, and that is logged in
 * the same organization (and so is in its chain) with the number and the digest of exactly these rows.
 */
create or replace function app.audit_verify_erasures(organization uuid default null)
returns table (organization_id uuid, problem text, entry_id uuid, detail text)
language sql stable security definer set search_path = '' as $$
  with act as (
    select distinct on (a.organization_id, a.after_state ->> 'erasure') a.organization_id, a.id, a.after_state as state
      from ops.audit_log a
     where a.action = 'erase'
       and (audit_verify_erasures.organization is null or a.organization_id = audit_verify_erasures.organization)
     order by a.organization_id, a.after_state ->> 'erasure', a.seq desc
  ), erased as (
    select a.organization_id, a.erasure_id, min(a.id::text)::uuid as example
      from ops.audit_log a
     where a.erasure_id is not null
       and (audit_verify_erasures.organization is null or a.organization_id = audit_verify_erasures.organization)
     group by 1, 2
  )
  select e.organization_id, 'erased without a record', a.id, format('erasure %s', e.erasure_id)
    from erased e
    left join app.erasure r on r.id = e.erasure_id
    left join act on act.organization_id = e.organization_id and act.state ->> 'erasure' = e.erasure_id::text
    join ops.audit_log a on a.organization_id = e.organization_id and a.erasure_id = e.erasure_id
   where r.id is null or act.id is null
  union all
  select e.organization_id, 'erased beyond the record', case when m.value ->> 'rows' = '1' then e.example end,
         format('erasure %s, %s: %s rows lack their values, and by its record %s',
                e.erasure_id, m.key, m.value ->> 'rows',
                case when act.state -> 'entries' -> m.key -> 'rows' = m.value -> 'rows'
                     then 'others, or with others left'
                     else coalesce(act.state -> 'entries' -> m.key ->> 'rows', 'none') end)
    from erased e
    join act on act.organization_id = e.organization_id and act.state ->> 'erasure' = e.erasure_id::text,
         lateral jsonb_each(app.erasure_log_entries(e.organization_id, e.erasure_id)) m
   where act.state -> 'entries' -> m.key is distinct from m.value
  union all
  select act.organization_id, case when r.id is null then 'erasure record removed' else 'erasure record changed' end,
         act.id, format('erasure %s', act.state ->> 'erasure')
    from act
    left join app.erasure r on r.id::text = act.state ->> 'erasure'
   where (r.kind, r.counts) is distinct from (act.state ->> 'kind', act.state -> 'counts')
  union all
  select case r.kind when 'user' then '00000000-0000-0000-0000-000000000000' else r.subject_id end::uuid,
         'erasure record added', null,
         format('erasure %s is in no log', r.id)
    from app.erasure r
   where audit_verify_erasures.organization is null
     and not exists (select from act where act.state ->> 'erasure' = r.id::text);
$$;
alter function app.audit_verify_erasures owner to curestry_definer;
revoke execute on function app.audit_verify_erasures from public;
comment on function app.audit_verify_erasures is
  'Lists every row of the audit log that lacks its values without an erasure record, and every erasure record that '
  'was changed.';
