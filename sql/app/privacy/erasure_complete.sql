/*
 * The erasure is logged in every organization whose log lost values, with the rows that did, and sealed there like
 * any entry. So the chain proves which rows may lack their values. An earlier erasure, some of whose rows this one
 * erased again, is logged again as it is now.
 */
create or replace function app.erasure_complete(erasure app.erasure, counts jsonb) returns app.erasure
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_counts jsonb;
  v_erasure app.erasure;
begin
  select erasure_complete.counts || jsonb_build_object('ops.audit_log', count(*)) into v_counts
    from ops.audit_log a where a.erasure_id = erasure.id;
  update app.erasure e set counts = v_counts where e.id = erasure.id returning * into v_erasure;

  insert into ops.audit_log (organization_id, action, entity_type, entity_id, after_state)
  select o.organization_id, 'erase',
         case e.kind when 'user' then 'core.users' else 'ops.organization' end, e.subject_id,
         jsonb_build_object('erasure', e.id, 'kind', e.kind, 'counts', e.counts,
                            'entries', app.erasure_log_entries(o.organization_id, e.id))
    from (select distinct a.organization_id from ops.audit_log a where a.erasure_id = erasure.id
          union
          select case erasure.kind when 'user' then '00000000-0000-0000-0000-000000000000'
                                   else erasure.subject_id end::uuid) o
    join app.erasure e
      on e.id = erasure.id
      or app.erasure_log_entries(o.organization_id, e.id) <> (
           select a.after_state -> 'entries'
             from ops.audit_log a
            where a.organization_id = o.organization_id and a.action = 'erase'
              and a.after_state ->> 'erasure' = e.id::text
              and a.entity_type = case e.kind when 'user' then 'core.users' else 'ops.organization' end
              and a.entity_id = e.subject_id
            order by a.seq desc
            limit 1);
  perform set_config('curestry.erasure_id', '', true);
  return v_erasure;
end;
$$;
alter function app.erasure_complete owner to curestry_definer;
revoke execute on function app.erasure_complete from public;
comment on function app.erasure_complete is
  'Completes the erasure record and logs the erasure in every organization that it concerns.';
