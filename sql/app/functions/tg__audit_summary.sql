/*
 * For append-only facts, which are their own evidence: one audit row for all that a statement inserted. Argument: the
 * table's own name. Updates and deletes of such rows are recorded row by row, by app.tg__audit.
 */
create or replace function app.tg__audit_summary() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  insert into ops.audit_log (actor_user_id, actor_api_key_id, request_id, organization_id, action, entity_type, entity_id, after_state)
  select nullif(current_setting('curestry.user_id', true), '')::integer,
         nullif(current_setting('curestry.api_key_id', true), '')::uuid,
         nullif(current_setting('curestry.request_id', true), ''),
         n.organization_id, 'insert', TG_ARGV[0],
         case when count(*) = 1 then min(n.id::text) else count(*) || ' rows' end,
         jsonb_build_object('rows', count(*))
    from new_rows n
   group by n.organization_id;
  return null;
end;
$$;
alter function app.tg__audit_summary() owner to curestry_definer;
revoke execute on function app.tg__audit_summary() from public;
comment on function app.tg__audit_summary() is 'Trigger: records in ops.audit_log how many facts a statement inserted.';
