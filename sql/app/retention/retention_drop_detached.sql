create or replace function app.retention_drop_detached(older_than interval default interval '30 days')
returns setof text
language plpgsql volatile security definer set search_path = '' set lock_timeout = '5s' as $$
declare
  v_retention app.audit_retention;
  v_held boolean;
begin
  for v_retention in
    select * from app.audit_retention r
     where r.dropped_at is null and r.detached_at <= now() - older_than
     order by r.detached_at, r.from_ts
  loop
    if to_regclass(format('app.%I', v_retention.table_name)) is not null then
      execute format(
        'select exists (select from (select distinct a.organization_id from app.%I a) o '
        'where app.legal_hold_exists(o.organization_id))',
        v_retention.table_name) into v_held;
      continue when v_held;
      execute format('drop table app.%I', v_retention.table_name);
    end if;
    update app.audit_retention r set dropped_at = now() where r.id = v_retention.id;
    return next v_retention.table_name;
  end loop;
end;
$$;
revoke execute on function app.retention_drop_detached from public;
grant execute on function app.retention_drop_detached to curestry_worker;
comment on function app.retention_drop_detached is
  'Drops the tables with rows that left the audit log this long ago, except those with rows of an organization under '
  'legal hold; until then they can be archived. A job of the worker.';
