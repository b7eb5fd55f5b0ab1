/* Reads session_user and no setting: SQL can change settings, but not who has logged in. */
create or replace function app.analyst_organizations() returns uuid[]
language sql stable security definer set search_path = '' as $$
  select array(select g.organization_id from ops.analyst_grant g where g.role_name = session_user);
$$;
alter function app.analyst_organizations owner to curestry_definer;
revoke execute on function app.analyst_organizations from public;
grant execute on function app.analyst_organizations to curestry_analyst;
comment on function app.analyst_organizations is
  'The organizations that were granted to the analyst who has logged in.';
