/*
 * The act stands in the log of every organization whose log lost values, with what was taken out of it, and is sealed there
 * like anything else. So the chain proves which rows may be without their values. An erasure whose rows this one took over
 * is said anew, as it is now.
 */
create or replace function app.end_erasure(erasure app.erasure, counts jsonb) returns app.erasure
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_counts jsonb;
  v_erasure app.erasure;
begin
  select end_erasure.counts || jsonb_build_object('ops.audit_log', count(*)) into v_counts
    from ops.audit_log a where a.erasure_id = erasure.id;
  update app.erasure e set counts = v_counts where e.id = erasure.id returning * into v_erasure;

  insert into ops.audit_log (organization_id, action, entity_type, entity_id, after_state)
  select o.organization_id, 'erase', case e.kind when 'user' then 'core.users' else 'ops.organization' end, e.subject_id,
         jsonb_build_object('erasure', e.id, 'kind', e.kind, 'counts', e.counts, 'entries', app.erased_entries(o.organization_id, e.id))
    from (select distinct a.organization_id from ops.audit_log a where a.erasure_id = erasure.id
          union
          select case erasure.kind when 'user' then '00000000-0000-0000-0000-000000000000' else erasure.subject_id end::uuid) o
    join app.erasure e
      on e.id = erasure.id
      or app.erased_entries(o.organization_id, e.id) <> (
           select a.after_state -> 'entries'
             from ops.audit_log a
            where a.organization_id = o.organization_id and a.action = 'erase' and a.after_state ->> 'erasure' = e.id::text
              and a.entity_type = case e.kind when 'user' then 'core.users' else 'ops.organization' end and a.entity_id = e.subject_id
            order by a.seq desc
            limit 1);
  perform set_config('curestry.erasure_id', '', true);
  return v_erasure;
end;
$$;
alter function app.end_erasure(app.erasure, jsonb) owner to curestry_definer;
revoke execute on function app.end_erasure(app.erasure, jsonb) from public;
comment on function app.end_erasure(app.erasure, jsonb) is
  'Completes the receipt of an erasure and records the act in the audit log of every organization that it concerns.';
