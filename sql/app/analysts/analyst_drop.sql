/*
 * Runs with the rights of the administrator who calls it. Ends the sessions of the login first: PostgreSQL would drop
 * it and leave them in an undefined state.
 */
create or replace function app.analyst_drop(analyst name) returns void
language plpgsql volatile set search_path = '' as $$
begin
  if not exists (select from app.analyst_list() a where a.name = analyst) then
    perform app.refuse('CU003', format('There is no analyst named %s', analyst), 'name');
  end if;
  perform app.analyst_revoke(analyst, app.organization_by_slug(o))
     from app.analyst_list() a, unnest(a.organizations) as o
    where a.name = analyst;
  -- What the login left behind (default privileges, for one) must not prevent the drop. Acting for a role requires
  -- membership in it.
  if not pg_catalog.pg_has_role(current_user, analyst, 'usage') then
    execute format('grant %I to %I', analyst, current_user);
  end if;
  execute format('alter role %I nologin', analyst);
  perform pg_catalog.pg_terminate_backend(a.pid, 5000) from pg_catalog.pg_stat_activity a where a.usename = analyst;
  execute format('drop owned by %I', analyst);
  execute format('drop role %I', analyst);
end;
$$;
revoke execute on function app.analyst_drop from public;
comment on function app.analyst_drop is
  'Removes an analyst''s login, its sessions and what it was granted. For operators who may drop roles.';
