/*
 * The name comes as text: PostgreSQL would cut a longer one off.
 *
 * Runs with the rights of the administrator who calls it: creating a login requires the right to create roles.
 */
create or replace function app.analyst_create(analyst text, analyst_password text, organization_slugs text[])
returns void
language plpgsql volatile set search_path = '' as $$
declare
  v_organizations uuid[];
begin
  if analyst !~ '^[a-z][a-z0-9_]{0,62}$' then
    perform app.refuse('CU004',
      'name: lower-case letters, digits and underscores, starting with a letter, at most 63', 'name');
  end if;
  if analyst ~ '^(curestry|pg)_' then
    perform app.refuse('CU004', 'name: must not start with curestry_ or pg_', 'name');
  end if;
  if coalesce(cardinality(organization_slugs), 0) = 0 then
    perform app.refuse('CU004', 'organization: at least one is required', 'organization');
  end if;
  v_organizations := array(select app.organization_by_slug(s) from unnest(organization_slugs) as s);
  if exists (select from pg_catalog.pg_roles where rolname = analyst) then
    perform app.refuse('CU005', format('There is a role named %s already', analyst), 'name');
  end if;
  execute format('create role %I login connection limit 8 password %L in role curestry_analyst',
    analyst, analyst_password);
  execute format('alter role %I set default_transaction_read_only = on', analyst);
  execute format('alter role %I set statement_timeout = %L', analyst, '60s');
  execute format('alter role %I set idle_in_transaction_session_timeout = %L', analyst, '10min');
  -- Only a member of a login may end its sessions: app.analyst_end_sessions
  execute format('grant %I to curestry_definer', analyst);
  execute format('comment on role %I is %L', analyst, 'An analyst of Curestry');
  -- Grants of an earlier login of this name, which was dropped by hand, do not apply to this one
  perform app.analyst_revoke(analyst::name, app.organization_by_slug(o))
     from app.analyst_list() a, unnest(a.organizations) as o
    where a.name = analyst;
  perform app.analyst_grant(analyst::name, o) from unnest(v_organizations) as o;
end;
$$;
revoke execute on function app.analyst_create from public;
comment on function app.analyst_create is
  'Creates a read-only login for an analyst of these organizations. For operators who may create roles.';
