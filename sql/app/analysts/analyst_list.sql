create or replace function app.analyst_list() returns table (name text, organizations text[], connections bigint)
language sql stable security definer set search_path = '' as $$
  select r.rolname::text,
         coalesce(array_agg(o.slug::text order by o.slug) filter (where o.id is not null), '{}'),
         (select count(*) from pg_catalog.pg_stat_activity a where a.usename = r.rolname)
    from pg_catalog.pg_roles r
    left join ops.analyst_grant g on g.role_name = r.rolname
    left join ops.organization o on o.id = g.organization_id
   where app.analyst_is_login(r.rolname)
   group by r.rolname
   order by r.rolname;
$$;
alter function app.analyst_list owner to curestry_definer;
revoke execute on function app.analyst_list from public;
grant execute on function app.analyst_list to curestry_owner;
comment on function app.analyst_list is
  'The analysts'' logins of this server, what each may read in this database, and who is connected. For operators.';
