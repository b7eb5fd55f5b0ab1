/*
 * Checks the live database for what would make it unsafe, or unlike the rest of it, and says how to cure it. Each rule
 * is one query, written as rule, cure, and what breaks it. A breach that somebody made by hand is found just as one
 * that a migration brought.
 */
create or replace function app.security_findings() returns table (rule text, object text, cure text)
language sql stable set search_path = 'pg_catalog' as $$
  with ours (oid, nspname) as (
    select n.oid, n.nspname from pg_namespace n where n.nspname in ('app', 'core', 'ops', 'mart', 'report')
  ), ours_by_month (oid) as ( -- named and described by the table that they are parts of
    select c.oid
      from pg_class c
     where c.relnamespace = 'app'::regnamespace
       and (c.relispartition or c.relname ~ '^audit_log_\d{4}_\d\d_detached_')
  )
  select 'row level security is on and forced on every table', f.finding,
         'alter table … enable row level security; alter table … force row level security; then write its policies'
    from (
      select c.oid::regclass::text as finding
        from pg_class c
        join ours n on n.oid = c.relnamespace
       where c.relkind in ('r', 'p') and not (c.relrowsecurity and c.relforcerowsecurity)
    ) f
  union all
  select 'every foreign key has an index that serves it', f.finding,
         'create index idx_<table>_<columns> on … (<the columns of the foreign key>)'
    from (
      select c.conname::text as finding
        from pg_constraint c
        join ours n on n.oid = c.connamespace
       where c.contype = 'f'
         and not exists (
           select from pg_index i
            where i.indrelid = c.conrelid and i.indpred is null
              and (i.indkey::int2[])[0:cardinality(c.conkey) - 1] @> c.conkey
              and (i.indkey::int2[])[0:cardinality(c.conkey) - 1] <@ c.conkey)
    ) f
  union all
  select 'foreign keys between tenant tables are composite', f.finding,
         'make it (organization_id, <column>) references … (organization_id, id): '
         'foreign keys are checked past row level security'
    from (
      select c.conname::text as finding
        from pg_constraint c
        join pg_attribute f on f.attrelid = c.conrelid and f.attname = 'organization_id'
        join pg_attribute t on t.attrelid = c.confrelid and t.attname = 'organization_id'
       where c.contype = 'f'
         and not exists (select from generate_subscripts(c.conkey, 1) as s
                          where c.conkey[s] = f.attnum and c.confkey[s] = t.attnum)
    ) f
  union all
  select 'organization_id is not null, and first in every primary and unique key', f.finding,
         'make organization_id not null, and the first column of the key'
    from (
      select coalesce(i.indexrelid, a.attrelid)::regclass::text as finding
        from pg_attribute a
        join pg_class c on c.oid = a.attrelid and c.relkind in ('r', 'p')
        join ours n on n.oid = c.relnamespace
        left join pg_index i on i.indrelid = c.oid and i.indisunique and i.indkey[0] <> a.attnum
       where a.attname = 'organization_id' and (not a.attnotnull or i.indexrelid is not null)
         -- A key is looked up before its organization is known
         and i.indexrelid is distinct from 'ops.unq_api_key_key_hash'::regclass
    ) f
  union all
  select 'definer functions have an empty search path and belong to curestry_definer', f.finding,
         'alter function … set search_path = ''''; alter function … owner to curestry_definer'
    from (
      select p.oid::regprocedure::text as finding
        from pg_proc p
        join ours n on n.oid = p.pronamespace,
             lateral (select coalesce(p.proconfig @> array['search_path=""'], false) as is_empty) path
       where p.prosecdef
         and not (path.is_empty and p.proowner = 'curestry_definer'::regrole)
         -- Only the owner of a table can attach and detach its partitions
         and not (path.is_empty and p.proowner = 'curestry_owner'::regrole
                  and p.oid::regprocedure::text in (
                        'app.partition_make_all()', 'app.retention_apply_audit(boolean)',
                        'app.retention_drop_detached(interval)', 'app.retention_apply_facts(boolean,integer)'))
    ) f
  union all
  select 'nobody may execute a function of ours by default', f.finding,
         'revoke execute on function … from public; grant it to the roles that need it'
    from (
      select p.oid::regprocedure::text as finding
        from pg_proc p
        join ours n on n.oid = p.pronamespace
       where has_function_privilege('public', p.oid, 'execute')
    ) f
  union all
  select 'no policy reads a setting, and members'' policies are written to curestry_member', f.finding,
         'write the policy to a role, and compare with app.organization_if(…) or app.analyst_organizations()'
    from (
      select p.polname::text as finding
        from pg_policy p
       where pg_get_expr(p.polqual, p.polrelid) like '%current_setting%'
          or pg_get_expr(p.polwithcheck, p.polrelid) like '%current_setting%'
          or p.polroles @> array[0::oid]
    ) f
  union all
  select 'no role of a request may truncate, reference or trigger, which look past row level security', f.finding,
         'revoke truncate, references, trigger on … from <role>'
    from (
      select c.oid::regclass::text as finding
        from pg_class c
        join ours n on n.oid = c.relnamespace,
             unnest(array['curestry_anonymous', 'curestry_member', 'curestry_analyst',
                          'curestry_gateway', 'curestry_worker']) as r (role)
       where c.relkind in ('r', 'p') and has_table_privilege(r.role, c.oid, 'truncate, references, trigger')
    ) f
  union all
  select 'every table of core and ops has its audit triggers, made for its columns', f.finding,
         'select app.audit_table(''<table>'', …) in the file of the table, again whenever its columns change; '
         'alter table … enable trigger …'
    from (
      select c.oid::regclass::text as finding
        from pg_class c
        join ours n on n.oid = c.relnamespace and n.nspname in ('core', 'ops')
       where c.relkind in ('r', 'p') and c.oid <> 'ops.audit_log'::regclass
         and 4 <> (select count(*)
                     from pg_trigger t
                     join app.audited_table a on a.table_name = n.nspname || '.' || c.relname
                     join pg_proc p on p.oid = t.tgfoid and p.prosrc = app.audit_trigger_source(a)
                    where t.tgrelid = c.oid and t.tgname like '\_900\_audit\_%' and t.tgenabled = 'O')
    ) f
  union all
  select 'nobody but the functions that keep it may write to the audit log or its seals', f.finding,
         'revoke insert, update, delete, truncate on … from <role>'
    from (
      select distinct c.oid::regclass || ': ' || coalesce(r.rolname, 'public') as finding
        from pg_class c
        join pg_namespace n on n.oid = c.relnamespace
        left join pg_attribute k on k.attrelid = c.oid and k.attacl is not null,
             lateral (select * from aclexplode(c.relacl) union all select * from aclexplode(k.attacl)) a
        left join pg_roles r on r.oid = a.grantee
       where (c.oid in ('ops.audit_log'::regclass, 'app.audit_seal'::regclass, 'app.audit_sealer'::regclass,
                        'app.audit_retention'::regclass, 'app.audit_detachment'::regclass, 'app.erasure'::regclass)
              or n.nspname = 'app' and c.relname ~ '^audit_log_')
         and a.privilege_type in ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE')
         and a.grantee not in (c.relowner, 'curestry_definer'::regrole)
    ) f
  union all
  select 'columns named like secrets are left out of the audit log', f.finding,
         'name it in secret_columns of app.audit_table in the file of the table'
    from (
      select t.table_name || '.' || a.attname as finding
        from app.audited_table t
        join pg_attribute a on a.attrelid = to_regclass(t.table_name) and a.attnum > 0 and not a.attisdropped
       where a.attname ~* '(hash|token|secret|cipher|password|credential|private|jwt)'
         and a.attname <> all (t.secret_columns)
    ) f
  union all
  select 'columns named like personal data are known to the erasure', f.finding,
         'name it in app.personal_table in the file of the table'
    from (
      select c.oid::regclass || '.' || a.attname as finding
        from pg_class c
        join ours n on n.oid = c.relnamespace and n.nspname <> 'report'
        join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        left join app.personal_data p on p.table_name = n.nspname || '.' || c.relname
       where c.relkind in ('r', 'p') and not c.relispartition
         and (a.attname ~ ('(e_?mail|phone|avatar|user_agent|first_name|last_name|full_name|display_name|nickname|'
                           'birth|gender|profile|address|provider_account|(^|_)ip(_|$))')
              or a.attname in ('name', 'login') and p.person_column = 'id')
         and a.attname <> all (coalesce(p.personal_columns, '{}'))
    ) f
  union all
  select 'tables with updated_at keep it', f.finding,
         'create trigger _100_updated_at before update on … for each row execute function app.tg__updated_at()'
    from (
      select c.oid::regclass::text as finding
        from pg_class c
        join ours n on n.oid = c.relnamespace
        join pg_attribute a on a.attrelid = c.oid and a.attname = 'updated_at'
       where c.relkind in ('r', 'p')
         and not exists (select from pg_trigger t where t.tgrelid = c.oid and t.tgname = '_100_updated_at')
    ) f
  union all
  select 'constraints and indexes are named by the conventions', f.finding,
         'rename it: pk_, unq_, fk_, chk_ or idx_, then the table, then the columns'
    from (
      select k.conname::text as finding
        from pg_constraint k
        join ours n on n.oid = k.connamespace
        join pg_class c on c.oid = k.conrelid
        join (values ('p'::"char", 'pk'), ('u', 'unq'), ('f', 'fk'), ('c', 'chk')) as kind (contype, prefix)
          on kind.contype = k.contype
       where c.oid not in (select * from ours_by_month)
         and not starts_with(k.conname, kind.prefix || '_' || c.relname)
      union all
      select i.indexrelid::regclass::text
        from pg_index i
        join pg_class x on x.oid = i.indexrelid
        join pg_class c on c.oid = i.indrelid
        join ours n on n.oid = c.relnamespace
       where c.relkind in ('r', 'p') and c.oid not in (select * from ours_by_month)
         and x.relname !~ ('^(pk|unq|idx)_' || c.relname)
    ) f
  union all
  select 'everything has a comment', f.finding,
         'comment on … is ''…'', in words for its users'
    from (
      select c.oid::regclass::text as finding
        from pg_class c
        join ours n on n.oid = c.relnamespace
       where c.relkind in ('r', 'p', 'v') and obj_description(c.oid, 'pg_class') is null
      union all
      select c.oid::regclass || '.' || a.attname
        from pg_attribute a
        join pg_class c on c.oid = a.attrelid
        join ours n on n.oid = c.relnamespace
       where c.relkind in ('r', 'p', 'v', 'c') and a.attnum > 0 and not a.attisdropped
         and c.oid not in (select * from ours_by_month)
         and col_description(c.oid, a.attnum) is null
      union all
      select t.oid::regtype::text
        from pg_type t
        join ours n on n.oid = t.typnamespace
        left join pg_class c on c.oid = t.typrelid
       where (t.typtype = 'e' or c.relkind = 'c') and obj_description(t.oid, 'pg_type') is null
      union all
      select p.oid::regprocedure::text
        from pg_proc p
        join ours n on n.oid = p.pronamespace
       where obj_description(p.oid, 'pg_proc') is null
      union all
      select c.conname::text
        from pg_constraint c
        join ours n on n.oid = c.connamespace
       where c.contype in ('p', 'u', 'f', 'c') and c.conrelid <> 0
         and c.conrelid not in (select * from ours_by_month)
         and obj_description(c.oid, 'pg_constraint') is null and obj_description(c.conindid, 'pg_class') is null
      union all
      select p.polname::text
        from pg_policy p
        join pg_class c on c.oid = p.polrelid
        join ours n on n.oid = c.relnamespace
       where c.oid not in (select * from ours_by_month) and obj_description(p.oid, 'pg_policy') is null
      union all
      select r.rolname::text
        from pg_roles r
       where r.rolname like 'curestry\_%' and shobj_description(r.oid, 'pg_authid') is null
      union all
      select n.nspname::text
        from ours n
       where obj_description(n.oid, 'pg_namespace') is null
    ) f
  union all
  select 'every column that is a number with bounds, or a floating point number, has a check', f.finding,
         'add constraint chk_<table>_<column>, which also refuses NaN'
    from (
      select a.attrelid::regclass || '.' || a.attname as finding
        from pg_attribute a
        join pg_class c on c.oid = a.attrelid and c.relkind in ('r', 'p')
        join ours n on n.oid = c.relnamespace and n.nspname in ('core', 'ops')
       where a.atttypid in ('float8'::regtype, 'numeric'::regtype) and not a.attisdropped
         and not exists (select from pg_constraint k
                          where k.conrelid = c.oid and k.contype = 'c' and k.conkey @> array[a.attnum])
    ) f
  union all
  select 'views act with the rights of whoever reads them', f.finding,
         'alter view … set (security_invoker = true); '
         'a materialized view becomes a table with row level security'
    from (
      select c.oid::regclass::text as finding
        from pg_class c
        join ours n on n.oid = c.relnamespace
       where c.relkind = 'm'
          or c.relkind = 'v' and not coalesce(c.reloptions @> array['security_invoker=true'], false)
    ) f
  union all
  select 'nothing is granted to PUBLIC', f.finding,
         'revoke all on … from public'
    from (
      select c.oid::regclass::text as finding
        from pg_class c
        join ours n on n.oid = c.relnamespace,
             lateral aclexplode(c.relacl) a
       where a.grantee = 0
      union all
      select n.nspname::text
        from pg_namespace n
        join ours o on o.oid = n.oid,
             lateral aclexplode(n.nspacl) a
       where a.grantee = 0
    ) f
  union all
  select 'members'' policies are one indexed comparison', f.finding,
         'write it as organization_id = app.organization_if(''<permission>'')'
    from (
      select p.polname || ' on ' || p.polrelid::regclass as finding
        from pg_policy p
       where p.polroles @> array['curestry_member'::regrole::oid]
         and exists (select from pg_attribute a where a.attrelid = p.polrelid and a.attname = 'organization_id')
         and coalesce(pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid))
             !~ '^\(organization_id = app\.organization_if\(''[a-z]+:[a-z]+''::text\)\)$'
    ) f
  union all
  select 'logins of ours are what they should be', f.finding,
         'alter role … nologin nosuperuser nobypassrls …; run migrations/install.sql, which makes them right'
    from (
      select r.rolname::text as finding
        from pg_roles r,
             lateral (select r.rolsuper or r.rolbypassrls or r.rolcreaterole or r.rolcreatedb as is_powerful) p
       where (r.rolname in ('curestry_owner', 'curestry_definer', 'curestry_anonymous', 'curestry_member',
                            'curestry_analyst')
              and (r.rolcanlogin or p.is_powerful))
          or (r.rolname in ('curestry_gateway', 'curestry_worker') and p.is_powerful)
          or (r.rolname = 'curestry_gateway' and r.rolinherit)
          or (r.rolname not in ('curestry_gateway', 'curestry_member') and not r.rolsuper
              and pg_has_role(r.oid, 'curestry_member', 'member')
              and not pg_has_role(r.oid, 'curestry_owner', 'member'))
    ) f
  union all
  select 'temporary tables are nobody''s by default', f.finding,
         'revoke temporary on database … from public (migrations/install.sql does): '
         'a temporary table can stand in for another'
    from (
      select current_database()::text as finding
       where has_database_privilege('public', current_database(), 'temporary')
    ) f
  order by 1, 2;
$$;
revoke execute on function app.security_findings from public;
comment on function app.security_findings is
  'What is unsafe in this database, or unlike the rest of it, and how to cure it. Behind "curestry doctor --security".';
