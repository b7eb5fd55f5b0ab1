/* Since PostgreSQL 16, the administrator who made the group is a member, too, and no analyst. */
create or replace function app.analyst_is_login(login name) returns boolean
language sql stable security definer set search_path = '' as $$
  select exists (select from pg_catalog.pg_roles r
                   join pg_catalog.pg_auth_members m on m.member = r.oid and m.roleid = 'curestry_analyst'::regrole
                  where r.rolname = login and r.rolcanlogin and not r.rolsuper
                    and not pg_has_role(r.oid, 'curestry_owner', 'member'));
$$;
alter function app.analyst_is_login owner to curestry_definer;
revoke execute on function app.analyst_is_login from public;
comment on function app.analyst_is_login is 'Whether a role is an analyst''s login.';
