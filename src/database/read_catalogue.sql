/*
 * What the migrations make, object by object, in a form that is the same on every supported PostgreSQL: owners, rights,
 * bodies, policies, triggers and whether they are enabled. Left out is what belongs to extensions and tools, what
 * follows from something else (the audit triggers' bodies, which app.security_findings compares with their generator),
 * and the order of columns, which legacy tables have of their own. Partitions of months count as one table each.
 */
with
  ours as (
    select n.oid, n.nspname, n.nspowner, n.nspacl from pg_namespace n
     where n.nspname in ('app', 'core', 'ops', 'mart', 'report')
  ),
  of_extensions as (
    select d.classid, d.objid from pg_depend d where d.deptype = 'e'
  ),
  relations as (
    select c.*, n.nspname, format('%I.%I', n.nspname, c.relname) as name,
           format('%I.%I', n.nspname, regexp_replace(c.relname, '_\d{4}_\d{2}$', '_<month>')) as kind_of
      from pg_class c join ours n on n.oid = c.relnamespace
     where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') and c.relname !~ '_\d{4}_\d{2}_detached_[0-9a-f]{8}$'
       and not exists (select from of_extensions e where e.classid = 'pg_class'::regclass and e.objid = c.oid)
  ),
  acls (classid, objid, subid, owner, acl) as (
    select 'pg_namespace'::regclass, oid, 0, nspowner, coalesce(nspacl, acldefault('n', nspowner)) from ours
    union all
    select 'pg_class'::regclass, oid, 0, relowner,
           coalesce(relacl, acldefault(case relkind when 'S' then 's' else 'r' end::"char", relowner)) from relations
    union all
    select 'pg_class'::regclass, a.attrelid, a.attnum, r.relowner, a.attacl
      from pg_attribute a join relations r on r.oid = a.attrelid
     where a.attacl is not null and a.attnum > 0 and not a.attisdropped
    union all
    select 'pg_proc'::regclass, p.oid, 0, p.proowner, coalesce(p.proacl, acldefault('f', p.proowner))
      from pg_proc p join ours n on n.oid = p.pronamespace
    union all
    select 'pg_type'::regclass, t.oid, 0, t.typowner, coalesce(t.typacl, acldefault('T', t.typowner))
      from pg_type t join ours n on n.oid = t.typnamespace
  ),
  /* The owner has every right anyway, and later versions know more of them */
  rights as (
    select x.classid, x.objid, x.subid,
           'owner ' || x.owner::regrole
           || coalesce(string_agg(format(', %s to %s%s', lower(a.privilege_type),
                                         case a.grantee when 0 then 'public' else a.grantee::regrole::text end,
                                         case when a.is_grantable then ' with grant option' else '' end), ''
                                  order by a.grantee::regrole::text collate "C", a.privilege_type)
                         filter (where a.grantee <> x.owner), '') as rights
      from acls x left join lateral aclexplode(x.acl) a on true
     group by x.classid, x.objid, x.subid, x.owner
  ),
  policies as (
    select p.polrelid, p.polname::text as name,
           concat_ws(' ', case when p.polpermissive then 'permissive' else 'restrictive' end, p.polcmd,
                     (select string_agg(case g when 0 then 'public' else g::regrole::text end, ', '
                                        order by g::regrole::text collate "C") from unnest(p.polroles) g),
                     'using', pg_get_expr(p.polqual, p.polrelid),
                     'with check', pg_get_expr(p.polwithcheck, p.polrelid)) as definition
      from pg_policy p join relations r on r.oid = p.polrelid
  ),
  triggers as (
    select t.tgrelid, t.tgname::text as name,
           t.tgenabled::text || ' ' || replace(pg_get_triggerdef(t.oid), r.name, r.kind_of) as definition
      from pg_trigger t join relations r on r.oid = t.tgrelid
     where not t.tgisinternal
    union all
    -- Those of foreign keys
    select t.tgrelid, '(internal)', string_agg(distinct t.tgenabled::text, '')
      from pg_trigger t join relations r on r.oid = t.tgrelid
     where t.tgisinternal and t.tgenabled <> 'O'
     group by t.tgrelid
  ),
  objects (kind, object, at, definition) as (
    select 'schema', quote_ident(n.nspname), quote_ident(n.nspname), r.rights
      from ours n join rights r on r.classid = 'pg_namespace'::regclass and r.objid = n.oid

    union all
    select 'function', f.name, f.name,
           concat_ws(E'\n', r.rights, l.lanname, p.prokind, case when p.prosecdef then 'security definer' end,
                     case when p.proleakproof then 'leakproof' end, case when p.proisstrict then 'strict' end,
                     p.provolatile, p.proparallel, array_to_string(p.proconfig, ', '),
                     pg_get_function_arguments(p.oid), pg_get_function_result(p.oid),
                     case when p.proname ~ '^tg_.*__audit$' and p.prorettype = 'trigger'::regtype then 'generated'
                          else coalesce(pg_get_function_sqlbody(p.oid), p.prosrc) end)
      from pg_proc p
      join ours n on n.oid = p.pronamespace
      join pg_language l on l.oid = p.prolang
      join rights r on r.classid = 'pg_proc'::regclass and r.objid = p.oid,
           lateral (select format('%I.%I(%s)', n.nspname, p.proname,
                                  pg_get_function_identity_arguments(p.oid)) as name) f
     where not exists (select from of_extensions e where e.classid = 'pg_proc'::regclass and e.objid = p.oid)
    union all
    -- What stands in for a function of the system
    select 'function', f.name, f.name, p.prosrc
      from pg_proc p,
           lateral (select format('pg_catalog.%I(%s)', p.proname, pg_get_function_identity_arguments(p.oid)) as name) f
     where p.pronamespace = 'pg_catalog'::regnamespace and p.oid >= 16384
       and not exists (select from of_extensions e where e.classid = 'pg_proc'::regclass and e.objid = p.oid)

    union all
    select case c.relkind when 'S' then 'sequence' when 'v' then 'view' when 'm' then 'view' else 'table' end,
           c.kind_of, c.name,
           concat_ws(E'\n', r.rights, c.relkind, c.relpersistence,
                     case when c.relrowsecurity then 'row level security' end,
                     case when c.relforcerowsecurity then 'forced' end,
                     array_to_string(c.reloptions, ', '),
                     case when c.relkind in ('v', 'm') then pg_get_viewdef(c.oid) end,
                     -- A partition as a whole: each has to have all of it
                     case when c.relispartition then (select string_agg(x.line, E'\n' order by x.line collate "C") from (
                       select 'policy ' || p.name || ' ' || p.definition as line from policies p
                        where p.polrelid = c.oid
                       union all
                       select 'trigger ' || t.name || ' ' || t.definition from triggers t where t.tgrelid = c.oid
                       union all
                       select 'column ' || a.attname || ' ' || k.rights
                         from rights k join pg_attribute a on a.attrelid = k.objid and a.attnum = k.subid
                        where k.classid = 'pg_class'::regclass and k.objid = c.oid and k.subid > 0) x) end)
      from relations c join rights r on r.classid = 'pg_class'::regclass and r.objid = c.oid and r.subid = 0

    union all
    select 'column', format('%s.%I', c.name, a.attname), format('%s.%I', c.name, a.attname),
           concat_ws(E'\n', format_type(a.atttypid, a.atttypmod), case when a.attnotnull then 'not null' end,
                     nullif(a.attidentity, ''), nullif(a.attgenerated, ''),
                     -- After a restore into another server, transaction ids continue with a number added to them
                     regexp_replace(pg_get_expr(d.adbin, d.adrelid),
                                    '^\(*pg_current_xact_id\(\)\)::text\)::bigint( \+ ''?\d+''?(::bigint)?\))?$',
                                    'the transaction'),
                     k.rights)
      from pg_attribute a
      join relations c on c.oid = a.attrelid and c.relkind <> 'S' and not c.relispartition
      left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
      left join rights k on k.classid = 'pg_class'::regclass and k.objid = a.attrelid and k.subid = a.attnum
     where a.attnum > 0 and not a.attisdropped

    union all
    select 'constraint', format('%I on %s', k.conname, c.name), format('%I on %s', k.conname, c.name),
           pg_get_constraintdef(k.oid)
      from pg_constraint k join relations c on c.oid = k.conrelid and not c.relispartition
     where k.contype in ('p', 'u', 'c', 'f', 'x') and k.conparentid = 0
    union all
    select 'index', format('%I on %s', i.relname, c.name), format('%I on %s', i.relname, c.name),
           pg_get_indexdef(i.oid)
      from pg_index x
      join pg_class i on i.oid = x.indexrelid
      join relations c on c.oid = x.indrelid and not c.relispartition
     where x.indisunique and not exists (select from pg_constraint k where k.conindid = i.oid)

    union all
    select 'policy', format('%I on %s', p.name, c.name), format('%I on %s', p.name, c.name), p.definition
      from policies p join relations c on c.oid = p.polrelid and not c.relispartition
    union all
    select 'trigger', format('%I on %s', t.name, c.name), format('%I on %s', t.name, c.name), t.definition
      from triggers t join relations c on c.oid = t.tgrelid and not c.relispartition
    union all
    select 'rule', format('%I on %s', w.rulename, c.name), format('%I on %s', w.rulename, c.name),
           w.ev_enabled::text || ' ' || pg_get_ruledef(w.oid)
      from pg_rewrite w join relations c on c.oid = w.ev_class
     where w.rulename <> '_RETURN'
    union all
    select 'event trigger', quote_ident(e.evtname), quote_ident(e.evtname), e.evtenabled::text || ' ' || e.evtfoid::regproc
      from pg_event_trigger e
     where not exists (select from of_extensions x where x.classid = 'pg_event_trigger'::regclass and x.objid = e.oid)

    union all
    select 'type', format('%I.%I', n.nspname, t.typname), format('%I.%I', n.nspname, t.typname),
           concat_ws(E'\n', r.rights, t.typtype,
                     (select string_agg(l.enumlabel, ', ' order by l.enumsortorder) from pg_enum l
                       where l.enumtypid = t.oid),
                     (select string_agg(format('%I %s', a.attname, format_type(a.atttypid, a.atttypmod)), ', '
                                        order by a.attnum)
                        from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped))
      from pg_type t
      join ours n on n.oid = t.typnamespace
      join rights r on r.classid = 'pg_type'::regclass and r.objid = t.oid
      left join pg_class c on c.oid = t.typrelid
     where t.typtype in ('e', 'd', 'r') or c.relkind = 'c'

    union all
    select 'default privileges', d.name, d.name,
           string_agg(format('%s to %s', lower(a.privilege_type),
                             case a.grantee when 0 then 'public' else a.grantee::regrole::text end), ', '
                      order by a.grantee::regrole::text collate "C", a.privilege_type)
             filter (where a.grantee <> x.defaclrole)
      from pg_default_acl x
      left join ours n on n.oid = x.defaclnamespace
      left join lateral aclexplode(x.defaclacl) a on true,
           lateral (select format('of %s%s for %s', x.defaclrole::regrole, ' in ' || n.nspname,
                                  case x.defaclobjtype when 'r' then 'tables' when 'S' then 'sequences'
                                    when 'f' then 'functions' when 'T' then 'types' else 'schemas' end) as name) d
     where n.oid is not null or x.defaclnamespace = 0
     group by d.name
  )
select kind, object, at, coalesce(definition, '') as definition
  from objects
 order by kind collate "C", object collate "C", at collate "C"
