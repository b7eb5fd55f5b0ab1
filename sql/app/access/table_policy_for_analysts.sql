/* Reads who has logged in and no setting: whoever has SQL can set settings. */
create or replace function app.table_policy_for_analysts(guarded regclass) returns void
language plpgsql volatile set search_path = '' set client_min_messages = warning as $$
begin
  execute format('drop policy if exists select_granted on %s', guarded);
  execute format('create policy select_granted on %s for select to curestry_analyst'
                 ' using (organization_id = any (app.analyst_organizations()))', guarded);
  execute format('comment on policy select_granted on %s is %L', guarded,
                 'Analysts read the organizations granted to them.');
end;
$$;
revoke execute on function app.table_policy_for_analysts from public;
comment on function app.table_policy_for_analysts is
  'Creates the policy of analysts on a table with an organization_id: the organizations granted to their login. '
  'Called in the file of each such table.';
