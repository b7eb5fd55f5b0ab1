/*
 * The tables come from the catalogue, so that none is forgotten. Most rows are deleted with the organization, by
 * their foreign keys; then those without one, or written by triggers meanwhile. The log keeps who, when and what
 * kind; and, of facts whose inserts are summarized, how many, which is not personal.
 */
create or replace function app.erase_organization_rows(organization uuid, erasure uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_counts jsonb := '{}';
  v_table regclass;
  v_rows bigint;
  v_left boolean;
  v_tables constant regclass[] := array(
    select c.oid
      from pg_catalog.pg_class c
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace and n.nspname in ('app', 'core', 'ops', 'mart')
      join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attname = 'organization_id' and not a.attisdropped
     where c.relkind in ('r', 'p') and not c.relispartition
       and c.oid not in ('ops.audit_log'::regclass, 'app.audit_seal'::regclass, 'app.audit_detachment'::regclass)
     order by n.nspname || '.' || c.relname);
begin
  foreach v_table in array v_tables loop
    execute format('select count(*) from %s t where t.organization_id = $1', v_table) into v_rows using organization;
    if v_rows > 0 then
      v_counts := v_counts || jsonb_build_object(v_table, v_rows);
    end if;
  end loop;
  -- The findings of the nightly check name organizations
  delete from app.mart_check c using ops.organization o
   where o.id = organization and c.details @> jsonb_build_array(jsonb_build_object('organization', o.slug));
  delete from ops.organization o where o.id = organization;
  v_counts := v_counts || jsonb_build_object('ops.organization', 1);
  foreach v_table in array v_tables loop
    execute format('select exists (select from %s t where t.organization_id = $1)', v_table)
       into v_left using organization;
    if v_left then
      execute format('delete from %s t where t.organization_id = $1', v_table) using organization;
    end if;
  end loop;
  update ops.audit_log a set before_state = null, after_state = null, erasure_id = erasure
   where a.organization_id = organization and (a.before_state is not null or a.after_state is not null)
     and a.action in ('baseline', 'insert', 'update', 'delete')
     and not (num_nonnulls(a.before_state, a.after_state) = 1 and coalesce(a.before_state, a.after_state) ? 'rows'
              and coalesce(a.before_state, a.after_state) - '{rows,digest}'::text[] = '{}');
  return v_counts;
end;
$$;
alter function app.erase_organization_rows owner to curestry_definer;
revoke execute on function app.erase_organization_rows from public;
comment on function app.erase_organization_rows is
  'Deletes an organization with all its rows, and the states in its audit log; returns how many rows each table had.';
