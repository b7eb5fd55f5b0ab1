/*
 * Roles, and what they may do with this database as a whole.
 *
 * Run it before the migrations, with a login that may create roles and owns the database: `deno task migrate` does
 * so every time, and a DBA can do it by hand with `psql -f migrations/install.sql` where the login of DATABASE_URL
 * may not.  It can be run any number of times, on any number of databases of one server.  Nothing in it needs a
 * superuser; what only a superuser can do is tried, and skipped with a notice.
 */

do $roles$
declare
  v_role record;
  v_super constant boolean := (select rolsuper from pg_catalog.pg_roles where rolname = current_user);
  v_set_option constant text := case when current_setting('server_version_num')::int >= 160000
                                     then ' with set true, inherit true' else '' end;
begin
  for v_role in
    select * from (values
      ('curestry_owner',     'nologin',           'Owns every object of Curestry; migrations act as this role. Nobody logs in as it.'),
      ('curestry_definer',   'nologin',           'Owns the functions that look past row level security, and holds only the rights that they need. Nobody logs in as it.'),
      ('curestry_anonymous', 'nologin',           'A request to the API without credentials.'),
      ('curestry_member',    'nologin',           'A request to the API with accepted credentials: a person''s session or an API key.'),
      ('curestry_analyst',   'nologin',           'The group of the analysts'' own logins: reads the organizations granted to each, writes nothing.'),
      ('curestry_gateway',   'login noinherit',   'What the gateway logs in as. It has no rights of its own but to check credentials and to become curestry_member or curestry_anonymous.'),
      ('curestry_worker',    'login',             'What the worker logs in as. It executes the job functions and uses the job queue; it reads and writes no table of ours.'),
      ('curestry_backup',    'nologin',           'For backups: reads everything, past row level security where the server allows it. A DBA gives it a login and a password.')
    ) as r (name, attributes, description)
  loop
    if not exists (select from pg_catalog.pg_roles where rolname = v_role.name) then
      begin
        execute format('create role %I %s', v_role.name, v_role.attributes);
      exception when duplicate_object or unique_violation then
        null; -- another database of this server is being installed at the same moment
      end;
      execute format('comment on role %I is %L', v_role.name, v_role.description);
    end if;
  end loop;

  -- The administrator acts as the owner in migrations and on the command line. A superuser may do so anyway.
  if not v_super then
    for v_role in select unnest(array['curestry_owner', 'curestry_definer']) as name loop
      if not pg_catalog.pg_has_role(current_user, v_role.name, 'usage') then
        execute format('grant %I to %I', v_role.name, current_user) || v_set_option;
      end if;
    end loop;
  end if;

  -- The owner hands functions over to the definer.
  if not pg_catalog.pg_has_role('curestry_owner', 'curestry_definer', 'usage') then
    execute 'grant curestry_definer to curestry_owner' || v_set_option;
  end if;
  -- Become, not inherit: the gateway's own login can do nothing with data until a credential was accepted.
  if not pg_catalog.pg_has_role('curestry_gateway', 'curestry_member', 'member') then
    grant curestry_member to curestry_gateway;
  end if;
  if not pg_catalog.pg_has_role('curestry_gateway', 'curestry_anonymous', 'member') then
    grant curestry_anonymous to curestry_gateway;
  end if;

  -- Only a member of a login may end its sessions, as the functions of the definer do with those of analysts.
  for v_role in
    select r.rolname as name
      from pg_catalog.pg_roles r
      join pg_catalog.pg_auth_members m on m.member = r.oid and m.roleid = 'curestry_analyst'::regrole
     where r.rolcanlogin and not r.rolsuper and not pg_catalog.pg_has_role('curestry_definer', r.oid, 'usage')
       -- Since 16, the administrator who made the group is a member, too
       and not pg_catalog.pg_has_role(r.oid, 'curestry_owner', 'member')
     group by r.rolname
  loop
    begin
      execute format('grant %I to curestry_definer', v_role.name);
    exception when insufficient_privilege then
      raise notice 'The sessions of the analyst % cannot be ended by the worker: a superuser has to run "grant % to curestry_definer"', v_role.name, v_role.name;
    end;
  end loop;

  if not exists (select from pg_catalog.pg_db_role_setting s join pg_catalog.pg_roles r on r.oid = s.setrole
                  where r.rolname = 'curestry_gateway' and s.setdatabase = 0) then
    alter role curestry_gateway set statement_timeout = '15s';
    alter role curestry_gateway set idle_in_transaction_session_timeout = '30s';
  end if;

  begin
    if not (select rolbypassrls from pg_catalog.pg_roles where rolname = 'curestry_backup') then
      alter role curestry_backup bypassrls;
    end if;
    if not pg_catalog.pg_has_role('curestry_backup', 'pg_read_all_data', 'member') then
      grant pg_read_all_data to curestry_backup;
    end if;
  exception when insufficient_privilege then
    raise notice 'curestry_backup cannot look past row level security here: a superuser has to run "alter role curestry_backup bypassrls; grant pg_read_all_data to curestry_backup"%',
      coalesce((select '. Everybody may connect to the databases ' || string_agg(d.datname, ', ')
              || ' of this server, analysts too: unless others need that, revoke it ("revoke connect, temporary on database … from public")'
         from pg_catalog.pg_database d
        where d.datname in ('postgres', 'template1') and d.datallowconn
          and has_database_privilege('curestry_analyst', d.oid, 'connect')), '');
  end;
end;
$roles$;

do $database$
declare
  v_table record;
  v_database record;
  v_login record;
  v_legacy constant text[] := array['prompts', 'prompt_relations', 'analysis_results', 'users', 'sessions', 'auth_accounts',
                                    'workflow_runs', 'workflow_nodes', 'evaluation_metrics'];
  v_legacy_present constant boolean := exists (
    select from pg_catalog.pg_class c
     where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and c.relname = any (v_legacy));
begin
  execute format('grant connect, create on database %I to curestry_owner', current_database());
  execute format('grant connect on database %I to curestry_gateway, curestry_worker, curestry_analyst, curestry_backup', current_database());
  execute format('revoke temporary on database %I from public', current_database());
  -- While the legacy backends' tables stand in public, their own logins go on using this database.
  if not v_legacy_present then
    execute format('revoke connect on database %I from public', current_database());
  end if;

  -- Analysts read one database. In the server's own ones they could leave temporary tables and large objects behind, or
  -- keep others from making databases. Logins that are there already may still connect to these.
  for v_database in
    select d.datname as name, d.oid
      from pg_catalog.pg_database d
     where d.datname in ('postgres', 'template1') and d.datname <> current_database() and d.datallowconn
       and pg_catalog.pg_has_role(current_user, d.datdba, 'usage')
       and exists (select from pg_catalog.aclexplode(coalesce(d.datacl, pg_catalog.acldefault('d', d.datdba))) a
                    where a.grantee = 0)
  loop
    for v_login in
      select r.rolname as name
        from pg_catalog.pg_roles r
       where r.rolcanlogin and not r.rolsuper and r.rolname not in ('curestry_gateway', 'curestry_worker')
         and (not pg_catalog.pg_has_role(r.oid, 'curestry_analyst', 'member')
              or pg_catalog.pg_has_role(r.oid, 'curestry_owner', 'member'))
    loop
      execute format('grant connect on database %I to %I', v_database.name, v_login.name);
    end loop;
    execute format('revoke all on database %I from public', v_database.name);
    execute format('grant connect on database %I to curestry_owner', v_database.name);
  end loop;
  for v_database in
    select string_agg(d.datname, ', ' order by d.datname) as names
      from pg_catalog.pg_database d
     where d.datallowconn and d.datname not in ('postgres', 'template1', current_database())
       and has_database_privilege('curestry_analyst', d.oid, 'connect')
       and not has_database_privilege('curestry_owner', d.oid, 'create')
    having count(*) > 0
  loop
    raise notice 'Everybody may connect to the databases % of this server, analysts too: unless others need that, revoke it ("revoke connect, temporary on database … from public")',
      v_database.names;
  end loop;

  -- The first migration makes the specification's current tables in public, the third moves them to core.
  if to_regclass('graphile_migrate.migrations') is null or v_legacy_present then
    grant usage, create on schema public to curestry_owner;
    for v_table in
      select c.relname
        from pg_catalog.pg_class c
       where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and c.relname = any (v_legacy)
         and c.relowner <> 'curestry_owner'::regrole
    loop
      begin
        execute format('alter table public.%I owner to curestry_owner', v_table.relname);
      exception when insufficient_privilege then
        raise exception 'The table public.% belongs to another role, which % may not act for', v_table.relname, current_user
          using hint = format('Run "alter table public.%I owner to curestry_owner" as its owner or a superuser, then migrate again.', v_table.relname);
      end;
    end loop;
  end if;

  -- Large objects have no row level security, and one that belongs to an analyst breaks backups.
  if (select rolsuper from pg_catalog.pg_roles where rolname = current_user) then
    revoke execute on function lo_create(oid), lo_creat(integer), lo_from_bytea(oid, bytea), lo_put(oid, bigint, bytea),
      lowrite(integer, bytea) from public;
  end if;
end;
$database$;
