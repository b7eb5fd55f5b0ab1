/*
 * Runs with the rights of the administrator who calls it. Refuses to drop a login that is connected: PostgreSQL would
 * drop it and leave its sessions in an undefined state.
 */
create or replace function app.analyst_drop(analyst name) returns void
language plpgsql volatile set search_path = '' as $$
declare
  v_connections bigint;
begin
  select a.connections into v_connections from app.analyst_list() a where a.name = analyst;
  if not found then
    perform app.refuse('CU003', format('There is no analyst named %s', analyst), 'name');
  end if;
  if v_connections > 0 then
    perform app.refuse('CU005',
      format('%s is connected (%s): wait until that ends, or end it with '
             '"select pg_terminate_backend(pid) from pg_stat_activity where usename = %L", then drop it again',
             analyst, v_connections, analyst), 'name');
  end if;
  perform app.analyst_revoke(analyst, app.organization_by_slug(o))
     from app.analyst_list() a, unnest(a.organizations) as o
    where a.name = analyst;
  -- What the login left behind (default privileges, for one) must not prevent the drop. Acting for a role requires
  -- membership in it.
  if not pg_catalog.pg_has_role(current_user, analyst, 'usage') then
    execute format('grant %I to %I', analyst, current_user);
  end if;
  execute format('drop owned by %I', analyst);
  execute format('drop role %I', analyst);
end;
$$;
revoke execute on function app.analyst_drop from public;
comment on function app.analyst_drop is
  'Removes an analyst''s login and what it was granted. For operators who may drop roles.';
