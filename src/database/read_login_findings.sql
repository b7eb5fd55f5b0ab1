/*
 * Who could get at our data past its rules: by an attribute, by being a member of a role of ours, or by a setting.
 * Expected are the superuser that the server began with, the login of DATABASE_URL, and what migrations/install.sql
 * makes.
 */
with
  ours as (
    select r.oid, r.rolname from pg_catalog.pg_roles r
     where r.rolname in ('curestry_owner', 'curestry_definer', 'curestry_anonymous', 'curestry_member',
                         'curestry_gateway', 'curestry_worker', 'curestry_backup', 'curestry_analyst')
  ),
  analysts as (
    select r.oid, r.rolname from pg_catalog.pg_roles r
      join ours g on g.rolname = 'curestry_analyst'
     where r.oid not in (select o.oid from ours o) and not r.rolsuper and r.rolname <> session_user
       and pg_catalog.pg_has_role(r.oid, g.oid, 'member')
  )
select 'no login is a superuser but the server''s own and that of DATABASE_URL' as rule,
       pg_catalog.format('%I is a superuser', r.rolname) as object,
       pg_catalog.format('alter role %I nosuperuser, or drop it: a superuser reads and changes everything, without a '
                         'trace if it wants to; find out who made it', r.rolname) as cure
  from pg_catalog.pg_roles r
 where r.rolsuper and r.oid <> 10 and r.rolname <> session_user
union all
select 'no login looks past row level security but those that back up, and that of DATABASE_URL',
       pg_catalog.format('%I has bypassrls', r.rolname),
       pg_catalog.format('alter role %I nobypassrls', r.rolname)
  from pg_catalog.pg_roles r
 where r.rolbypassrls and not r.rolsuper and r.rolname not in ('curestry_backup', session_user)
union all
select 'nobody connects to our database without a grant of their own',
       pg_catalog.format('everybody may connect to the database %I', d.datname),
       pg_catalog.format('revoke connect on database %I from public', d.datname)
  from pg_catalog.pg_database d,
       pg_catalog.aclexplode(coalesce(d.datacl, pg_catalog.acldefault('d', d.datdba))) a
 where d.datname = pg_catalog.current_database() and a.grantee = 0 and a.privilege_type = 'CONNECT'
union all
select 'analysts'' logins have no power over the server',
       pg_catalog.format('%I has %s', a.rolname,
                         pg_catalog.concat_ws(', ', case when r.rolcreaterole then 'createrole' end,
                                              case when r.rolcreatedb then 'createdb' end,
                                              case when r.rolreplication then 'replication' end)),
       pg_catalog.format('alter role %I nocreaterole nocreatedb noreplication', a.rolname)
  from analysts a join pg_catalog.pg_roles r on r.oid = a.oid
 where r.rolcreaterole or r.rolcreatedb or r.rolreplication
union all
select 'nobody can become a role of ours, or has its rights, but those that install.sql says, and the login of '
       'DATABASE_URL',
       pg_catalog.format('%I is a member of %I', m.rolname, g.rolname),
       pg_catalog.format('revoke %I from %I', g.rolname, m.rolname)
  from pg_catalog.pg_auth_members x
  join pg_catalog.pg_roles g on g.oid = x.roleid
  join pg_catalog.pg_roles m on m.oid = x.member
 where (x.roleid in (select o.oid from ours o where o.rolname <> 'curestry_analyst')
        or g.rolname = session_user or g.rolname = 'curestry_analyst' and x.admin_option)
   and m.rolname <> session_user and not (m.rolsuper and m.oid = 10)
   and (m.rolname, g.rolname) not in (('curestry_owner', 'curestry_definer'), ('curestry_gateway', 'curestry_member'),
                                      ('curestry_gateway', 'curestry_anonymous'))
union all
select 'roles of ours, and analysts, are members of nothing else',
       pg_catalog.format('%I is a member of %I', m.rolname, g.rolname),
       pg_catalog.format('revoke %I from %I', g.rolname, m.rolname)
  from pg_catalog.pg_auth_members x
  join pg_catalog.pg_roles g on g.oid = x.roleid
  join pg_catalog.pg_roles m on m.oid = x.member
 where x.member in (select o.oid from ours o union all select a.oid from analysts a)
   and x.roleid not in (select o.oid from ours o)
   and (m.rolname, g.rolname) <> ('curestry_backup', 'pg_read_all_data')
   -- So that it may end their sessions
   and not (m.rolname = 'curestry_definer' and x.roleid in (select a.oid from analysts a))
union all
select 'no setting of a role or the database changes what our functions and policies mean',
       pg_catalog.format('%s%s has %s', coalesce(r.rolname, 'every role'),
                         case s.setdatabase when 0 then '' else ' in this database' end, c.setting),
       pg_catalog.format('alter %s reset %s',
                         case when s.setrole = 0 then pg_catalog.format('database %I', pg_catalog.current_database())
                              else pg_catalog.format('role %I', r.rolname)
                                   || case s.setdatabase when 0 then ''
                                      else pg_catalog.format(' in database %I', pg_catalog.current_database()) end end,
                         pg_catalog.split_part(c.setting, '=', 1))
  from pg_catalog.pg_db_role_setting s
  left join pg_catalog.pg_roles r on r.oid = s.setrole,
       pg_catalog.unnest(s.setconfig) as c (setting)
 where (s.setdatabase = 0
        or s.setdatabase = (select d.oid from pg_catalog.pg_database d where d.datname = pg_catalog.current_database()))
   and (s.setrole = 0 or r.rolname = session_user
        or s.setrole in (select o.oid from ours o union all select a.oid from analysts a))
   and (pg_catalog.split_part(c.setting, '=', 1) ~ ('^(search_path|session_replication_role|row_security|role|'
          'session_authorization|event_triggers|check_function_bodies|.*preload_libraries|curestry\..*)$')
        or c.setting ~ '^(statement_timeout|idle_in_transaction_session_timeout)=0[a-z]*$'
           and r.rolname = 'curestry_gateway')
 order by 1, 2
