/*
 * Runs with the rights of the administrator who calls it. PostgreSQL itself drops a login that is connected, and leaves its
 * sessions in a state that nothing defines: so this refuses to.
 */
create or replace function app.drop_analyst(analyst name) returns void
language plpgsql volatile set search_path = '' as $$
declare
  v_connections bigint;
begin
  select a.connections into v_connections from app.list_analysts() a where a.name = analyst;
  if not found then
    perform app.refuse('CU003', format('There is no analyst named %s', analyst), 'name');
  end if;
  if v_connections > 0 then
    perform app.refuse('CU005',
      format('%s is connected (%s): wait until that ends, or end it with "select pg_terminate_backend(pid) from pg_stat_activity where usename = %L", then drop it again',
             analyst, v_connections, analyst), 'name');
  end if;
  perform app.revoke_analyst(analyst, app.organization_by_slug(o))
     from app.list_analysts() a, unnest(a.organizations) as o
    where a.name = analyst;
  -- What the login may have left behind (default privileges, for one) must not keep it. Acting for a role takes being its member.
  if not pg_catalog.pg_has_role(current_user, analyst, 'usage') then
    execute format('grant %I to %I', analyst, current_user);
  end if;
  execute format('drop owned by %I', analyst);
  execute format('drop role %I', analyst);
end;
$$;
revoke execute on function app.drop_analyst(name) from public;
comment on function app.drop_analyst(name) is 'Removes an analyst''s login and what it was granted. For operators who may drop roles.';
