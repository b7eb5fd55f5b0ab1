/* An organization that came after the moment that was restored does not exist any more; its seals are in the note. */
create or replace function app.audit_record_restore(restored jsonb) returns void
language sql volatile security definer set search_path = '' as $$
  insert into ops.audit_log (request_id, organization_id, action, entity_type, entity_id, after_state)
  select 'accept-restore', coalesce(o.id, '00000000-0000-0000-0000-000000000000'), 'restore', 'app.audit_seal',
         coalesce(r.holds ->> 'seq', '0'), to_jsonb(r)
    from jsonb_to_recordset(restored) as r (organization uuid, holds jsonb, lost jsonb)
    left join ops.organization o on o.id = r.organization;
$$;
alter function app.audit_record_restore owner to curestry_definer;
revoke execute on function app.audit_record_restore from public;
grant execute on function app.audit_record_restore to curestry_owner;
comment on function app.audit_record_restore is
  'Notes in the audit log that the database was restored to an earlier time: per organization the last seal that '
  'holds, and those that are lost, given as [{organization, holds, lost}]. For operators.';
