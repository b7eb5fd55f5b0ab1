create or replace function app.analyst_user_ids() returns integer[]
language sql stable security definer set search_path = '' as $$
  select array(select distinct m.user_id
                 from ops.analyst_grant g
                 join ops.organization_user m on m.organization_id = g.organization_id
                where g.role_name = session_user);
$$;
alter function app.analyst_user_ids owner to curestry_definer;
revoke execute on function app.analyst_user_ids from public;
grant execute on function app.analyst_user_ids to curestry_analyst;
comment on function app.analyst_user_ids is
  'The members of the organizations that were granted to the analyst who has logged in.';
