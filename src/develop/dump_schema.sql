/*
 * Describes the database's own objects, one statement per row, in an order that depends on names only.
 * Left out: what belongs to tools (graphile_migrate, graphile_worker) and to extensions, and partitions,
 * which come and go like rows. Roles are the server's, see migrations/install.sql.
 */
with
  spaces as (
    select n.oid, n.nspname as schema, n.nspacl, n.nspowner
      from pg_catalog.pg_namespace n
     where n.nspname !~ '^(pg_|information_schema$|graphile_migrate$|graphile_worker$)'
       and not exists (select from pg_catalog.pg_depend d
                        where d.classid = 'pg_namespace'::regclass and d.objid = n.oid and d.deptype = 'e')
  ),
  relations as (
    select c.*, s.schema, format('%I.%I', s.schema, c.relname) as name
      from pg_catalog.pg_class c join spaces s on s.oid = c.relnamespace
     where not c.relispartition
       and not exists (select from pg_catalog.pg_depend d
                        where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
  ),
  tables as (select * from relations where relkind in ('r', 'p')),
  views as (select * from relations where relkind in ('v', 'm')),
  routines as (
    select p.*, s.schema,
           format('%I.%I(%s)', s.schema, p.proname, pg_catalog.pg_get_function_identity_arguments(p.oid)) as name,
           case p.prokind when 'p' then 'procedure' when 'a' then 'aggregate' else 'function' end as kind
      from pg_catalog.pg_proc p join spaces s on s.oid = p.pronamespace
     where not exists (select from pg_catalog.pg_depend d
                        where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e')
  ),
  types as (
    select t.*, s.schema, format('%I.%I', s.schema, t.typname) as name,
           case t.typtype when 'd' then 'domain' else 'type' end as kind
      from pg_catalog.pg_type t join spaces s on s.oid = t.typnamespace
     where (t.typtype in ('d', 'e', 'r')
            or (t.typtype = 'c' and exists (select from pg_catalog.pg_class c where c.oid = t.typrelid and c.relkind = 'c')))
       and not exists (select from pg_catalog.pg_depend d
                        where d.classid = 'pg_type'::regclass and d.objid = t.oid and d.deptype = 'e')
  ),
  /* Where each object stands: section, schema, name, part. All kinds of rights in one list. */
  owned (section, schema, name, kind, owner, acl) as (
    select 10, schema, format('%I', schema), 'schema', nspowner, nspacl from spaces
    union all
    select 30, schema, name, 'type', typowner, typacl from types
    union all
    select case relkind when 'S' then 35 when 'v' then 50 when 'm' then 50 else 40 end, schema, name,
           case relkind when 'S' then 'sequence' else 'table' end, relowner, relacl
      from relations where relkind in ('r', 'p', 'v', 'm', 'S')
       -- A sequence of an identity column goes with its table
       and not exists (select from pg_catalog.pg_depend d
                        where d.classid = 'pg_class'::regclass and d.objid = relations.oid and d.deptype = 'i'
                          and relations.relkind = 'S')
    union all
    select 60, schema, name, kind, proowner, proacl from routines where prokind in ('f', 'p', 'w')
  ),
  rights as (
    select o.section, o.schema, o.name,
           format('grant %s on %s %s to %s%s;', lower(string_agg(a.privilege_type, ', ' order by a.privilege_type)),
                  o.kind, o.name, coalesce(quote_ident(r.rolname), 'public'),
                  case when a.is_grantable then ' with grant option' else '' end) as statement
      from owned o, aclexplode(o.acl) a left join pg_catalog.pg_roles r on r.oid = a.grantee
     where a.grantee <> o.owner
     group by o.section, o.schema, o.name, o.kind, r.rolname, a.is_grantable
    union all
    select section, schema, name, format('revoke all on %s %s from public;', kind, name)
      from owned
     where kind in ('function', 'procedure', 'type') and acl is not null
       and not exists (select from aclexplode(acl) a where a.grantee = 0)
    union all
    select 40, t.schema, t.name,
           format('grant %s on table %s to %s;', g.privileges, t.name, coalesce(quote_ident(r.rolname), 'public'))
      from tables t,
           lateral (select b.grantee, string_agg(format('%s (%s)', lower(b.privilege_type), b.columns), ', '
                                                 order by b.privilege_type) as privileges
                      from (select a.grantee, a.privilege_type,
                                   string_agg(quote_ident(c.attname), ', ' order by c.attnum) as columns
                              from pg_catalog.pg_attribute c, aclexplode(c.attacl) a
                             where c.attrelid = t.oid and c.attnum > 0 and not c.attisdropped
                             group by a.grantee, a.privilege_type) b
                     group by b.grantee) g
      left join pg_catalog.pg_roles r on r.oid = g.grantee
  ),
  columns as (
    select a.attrelid, a.attnum,
           format('  %I %s%s%s%s', a.attname, format_type(a.atttypid, a.atttypmod),
                  case when a.attcollation not in (0, t.typcollation)
                       then (select format(' collate %I.%I', n.nspname, c.collname)
                               from pg_catalog.pg_collation c join pg_catalog.pg_namespace n on n.oid = c.collnamespace
                              where c.oid = a.attcollation) else '' end,
                  case when a.attidentity = 'a' then ' generated always as identity'
                       when a.attidentity = 'd' then ' generated by default as identity'
                       when a.attgenerated = 's' then format(' generated always as (%s) stored', pg_get_expr(d.adbin, d.adrelid))
                       when a.attgenerated = 'v' then format(' generated always as (%s) virtual', pg_get_expr(d.adbin, d.adrelid))
                       when d.adbin is not null then ' default ' || pg_get_expr(d.adbin, d.adrelid)
                       else '' end,
                  case when a.attnotnull then ' not null' else '' end) as line
      from pg_catalog.pg_attribute a
      join pg_catalog.pg_type t on t.oid = a.atttypid
      left join pg_catalog.pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
     where a.attnum > 0 and not a.attisdropped
  ),
  statements (section, schema, name, part, key, statement) as (
    select 10, schema, format('%I', schema), 0, '', format('create schema %I;', schema) from spaces where schema <> 'public'
    union all
    select 20, '', e.extname::text, 0, '', format('create extension %I with schema %I;', e.extname, n.nspname)
      from pg_catalog.pg_extension e join pg_catalog.pg_namespace n on n.oid = e.extnamespace
     where e.extname <> 'plpgsql'

    union all
    select 30, t.schema, t.name, 0, '',
           case t.typtype
             when 'e' then format(E'create type %s as enum (\n  %s\n);', t.name,
                    (select string_agg(quote_literal(e.enumlabel), E',\n  ' order by e.enumsortorder)
                       from pg_catalog.pg_enum e where e.enumtypid = t.oid))
             when 'd' then format('create domain %s as %s%s%s%s;', t.name, format_type(t.typbasetype, t.typtypmod),
                    coalesce(' default ' || t.typdefault, ''), case when t.typnotnull then ' not null' else '' end,
                    (select string_agg(format(E'\n  constraint %I %s', c.conname, pg_get_constraintdef(c.oid, true)), '' order by c.conname)
                       from pg_catalog.pg_constraint c where c.contypid = t.oid and c.contype = 'c'))
             when 'r' then format('create type %s as range (subtype = %s);', t.name,
                    (select format_type(r.rngsubtype, null) from pg_catalog.pg_range r where r.rngtypid = t.oid))
             else format(E'create type %s as (\n%s\n);', t.name,
                    (select string_agg(c.line, E',\n' order by c.attnum) from columns c where c.attrelid = t.typrelid))
           end
      from types t

    union all
    select 35, r.schema, r.name, 0, '',
           format('create sequence %s as %s start %s increment %s minvalue %s maxvalue %s cache %s%s;', r.name,
                  format_type(q.seqtypid, null), q.seqstart, q.seqincrement, q.seqmin, q.seqmax, q.seqcache,
                  case when q.seqcycle then ' cycle' else '' end)
      from relations r join pg_catalog.pg_sequence q on q.seqrelid = r.oid
     where not exists (select from pg_catalog.pg_depend d
                        where d.classid = 'pg_class'::regclass and d.objid = r.oid and d.deptype = 'i')

    union all
    select 40, t.schema, t.name, 0, '',
           format(E'create %stable %s (\n%s\n)%s%s;', case t.relpersistence when 'u' then 'unlogged ' else '' end, t.name,
                  concat_ws(E',\n',
                    (select string_agg(c.line, E',\n' order by c.attnum) from columns c where c.attrelid = t.oid),
                    (select string_agg(format('  constraint %I %s', c.conname, pg_get_constraintdef(c.oid, true)), E',\n'
                                       order by c.contype = 'f', c.contype <> 'p', c.contype, c.conname)
                       from pg_catalog.pg_constraint c
                      where c.conrelid = t.oid and c.contype in ('p', 'u', 'c', 'f', 'x') and c.conparentid = 0)),
                  case when t.relkind = 'p' then ' partition by ' || pg_get_partkeydef(t.oid) else '' end,
                  coalesce(' with (' || array_to_string(t.reloptions, ', ') || ')', ''))
      from tables t
    union all
    select 40, t.schema, t.name, 1, i.relname::text, pg_get_indexdef(i.oid) || ';'
      from tables t
      join pg_catalog.pg_index x on x.indrelid = t.oid
      join pg_catalog.pg_class i on i.oid = x.indexrelid
     where not exists (select from pg_catalog.pg_constraint c where c.conindid = i.oid and c.contype in ('p', 'u', 'x'))
    union all
    select 40, t.schema, t.name, 2, x.stxname::text, pg_get_statisticsobjdef(x.oid) || ';'
      from tables t join pg_catalog.pg_statistic_ext x on x.stxrelid = t.oid
    union all
    select 40, t.schema, t.name, 3, '',
           format('alter table %s enable row level security%s;', t.name,
                  case when t.relforcerowsecurity then ', force row level security' else '' end)
      from tables t where t.relrowsecurity
    union all
    select 40, t.schema, t.name, 4, p.polname::text,
           format('create policy %I on %s%s for %s to %s%s%s;', p.polname, t.name,
                  case when p.polpermissive then '' else ' as restrictive' end,
                  case p.polcmd when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update'
                                when 'd' then 'delete' else 'all' end,
                  (select string_agg(coalesce(quote_ident(r.rolname), 'public'), ', ' order by r.rolname)
                     from unnest(p.polroles) g left join pg_catalog.pg_roles r on r.oid = g),
                  E'\n  using (' || pg_get_expr(p.polqual, p.polrelid) || ')',
                  E'\n  with check (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')')
      from tables t join pg_catalog.pg_policy p on p.polrelid = t.oid
    union all
    select case when r.relkind in ('v', 'm') then 50 else 40 end, r.schema, r.name, 5, g.tgname::text,
           pg_get_triggerdef(g.oid, true) || ';' ||
           case g.tgenabled when 'O' then '' when 'D' then format(E'\nalter table %s disable trigger %I;', r.name, g.tgname)
             when 'A' then format(E'\nalter table %s enable always trigger %I;', r.name, g.tgname)
             else format(E'\nalter table %s enable replica trigger %I;', r.name, g.tgname) end
      from relations r join pg_catalog.pg_trigger g on g.tgrelid = r.oid
     where not g.tgisinternal

    union all
    select 50, v.schema, v.name, 0, '',
           format(E'create %sview %s%s as\n%s', case v.relkind when 'm' then 'materialized ' else '' end, v.name,
                  coalesce(' with (' || array_to_string(v.reloptions, ', ') || ')', ''), pg_get_viewdef(v.oid, true))
      from views v
    union all
    select 50, v.schema, v.name, 1, i.relname::text, pg_get_indexdef(i.oid) || ';'
      from views v join pg_catalog.pg_index x on x.indrelid = v.oid join pg_catalog.pg_class i on i.oid = x.indexrelid

    union all
    select 60, schema, name, 0, '', rtrim(pg_get_functiondef(oid), E'\n') || ';'
      from routines where prokind in ('f', 'p', 'w')

    union all
    select o.section, o.schema, o.name, 6, '',
           format('alter %s %s owner to %I;', o.kind, o.name, r.rolname)
      from owned o join pg_catalog.pg_roles r on r.oid = o.owner
     where r.rolname <> 'curestry_owner' and o.schema <> 'public'
    union all
    select section, schema, name, 7, '', string_agg(statement, E'\n' order by statement collate "C")
      from rights group by section, schema, name

    union all
    select x.section, x.schema, x.name, 8, x.key, format('comment on %s is %L;', x.object, d.description)
      from (
        select 10 as section, schema, format('%I', schema) as name, '' as key, 'schema ' || quote_ident(schema) as object,
               'pg_namespace'::regclass as classoid, oid as objoid, 0 as objsubid
          from spaces where schema <> 'public'
        union all
        select 30, schema, name, '', kind || ' ' || name, 'pg_type'::regclass, oid, 0 from types
        union all
        select 40, t.schema, t.name, '', 'table ' || t.name, 'pg_class'::regclass, t.oid, 0 from tables t
        union all
        select 40, r.schema, r.name, '1' || to_char(a.attnum, '0000'), format('column %s.%I', r.name, a.attname), 'pg_class'::regclass, r.oid, a.attnum
          from relations r join pg_catalog.pg_attribute a on a.attrelid = r.oid
         where r.relkind in ('r', 'p') and a.attnum > 0 and not a.attisdropped
        union all
        select 40, t.schema, t.name, '2' || c.conname, format('constraint %I on %s', c.conname, t.name), 'pg_constraint'::regclass, c.oid, 0
          from tables t join pg_catalog.pg_constraint c on c.conrelid = t.oid
        union all
        select 40, t.schema, t.name, '3' || i.relname, format('index %I.%I', t.schema, i.relname), 'pg_class'::regclass, i.oid, 0
          from tables t join pg_catalog.pg_index x on x.indrelid = t.oid join pg_catalog.pg_class i on i.oid = x.indexrelid
        union all
        select 40, t.schema, t.name, '4' || p.polname, format('policy %I on %s', p.polname, t.name), 'pg_policy'::regclass, p.oid, 0
          from tables t join pg_catalog.pg_policy p on p.polrelid = t.oid
        union all
        select 40, r.schema, r.name, '5' || g.tgname, format('trigger %I on %s', g.tgname, r.name), 'pg_trigger'::regclass, g.oid, 0
          from relations r join pg_catalog.pg_trigger g on g.tgrelid = r.oid where not g.tgisinternal
        union all
        select 50, v.schema, v.name, '',
               case v.relkind when 'm' then 'materialized view ' else 'view ' end || v.name, 'pg_class'::regclass, v.oid, 0
          from views v
        union all
        select 50, v.schema, v.name, '1' || to_char(a.attnum, '0000'), format('column %s.%I', v.name, a.attname), 'pg_class'::regclass, v.oid, a.attnum
          from views v join pg_catalog.pg_attribute a on a.attrelid = v.oid where a.attnum > 0
        union all
        select 60, schema, name, '', kind || ' ' || name, 'pg_proc'::regclass, oid, 0 from routines
      ) x
      join pg_catalog.pg_description d on d.classoid = x.classoid and d.objoid = x.objoid and d.objsubid = x.objsubid

    union all
    select 70, coalesce(n.nspname, ''), format('%s %s', r.rolname, a.defaclobjtype), 0, g.line,
           format('alter default privileges for role %I%s %s;', r.rolname, coalesce(' in schema ' || quote_ident(n.nspname), ''), g.line)
      from pg_catalog.pg_default_acl a
      join pg_catalog.pg_roles r on r.oid = a.defaclrole
      left join pg_catalog.pg_namespace n on n.oid = a.defaclnamespace,
      lateral (select case a.defaclobjtype when 'r' then 'tables' when 'S' then 'sequences' when 'f' then 'functions'
                                           when 'T' then 'types' else 'schemas' end as objects) o,
      lateral (
        select format('grant %s on %s to %s', lower(string_agg(x.privilege_type, ', ' order by x.privilege_type)), o.objects,
                      coalesce(quote_ident(q.rolname), 'public')) as line
          from aclexplode(a.defaclacl) x left join pg_catalog.pg_roles q on q.oid = x.grantee
         where x.grantee <> a.defaclrole
         group by q.rolname
        union all
        select format('revoke all on %s from public', o.objects)
         where a.defaclnamespace = 0 and a.defaclobjtype in ('f', 'T')
           and not exists (select from aclexplode(a.defaclacl) x where x.grantee = 0)
      ) g
     where coalesce(n.nspname, '') not in ('graphile_migrate', 'graphile_worker')
  )
select statement, section, name, part
  from statements
 where statement is not null
 order by section, schema collate "C", name collate "C", part, key collate "C", statement collate "C"
