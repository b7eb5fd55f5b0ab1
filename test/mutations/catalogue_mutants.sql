/* What is broken in the catalogue: policies, triggers and constraints, and the statement that breaks each. */
select 'policy' as kind, object, format('policy %s on %s: %s', policy, object, b.how) as name,
       format(b.statement, quote_ident(policy), object) as statement
  from (select polname as policy, polrelid::regclass::text as object, polcmd,
               pg_get_expr(polqual, polrelid) as reads, pg_get_expr(polwithcheck, polrelid) as writes
          from pg_policy join pg_class c on c.oid = polrelid
         where c.relnamespace = any (array['app', 'core', 'ops', 'mart']::regnamespace[]) and not c.relispartition) p,
       lateral (values ('using (true)', 'alter policy %s on %s using (true)', reads <> 'true'),
                       ('with check (true)', 'alter policy %s on %s with check (true)',
                        polcmd in ('a', 'w', '*') and coalesce(writes, reads) <> 'true'),
                       ('dropped', 'drop policy %s on %s', true)) b (how, statement, breaks)
 where b.breaks
union all
select 'trigger', tgrelid::regclass::text,
       format('trigger %s on %s: %s', tgname, tgrelid::regclass, b.how), format('drop trigger %I on %s;', tgname, tgrelid::regclass) || b.again
  from pg_trigger t join pg_class c on c.oid = t.tgrelid,
       lateral (values ('dropped', ''),
                       ('without when', regexp_replace(pg_get_triggerdef(t.oid), ' WHEN \(.*\) EXECUTE ', ' EXECUTE '))) b (how, again)
 where c.relnamespace = any (array['app', 'core', 'ops', 'mart']::regnamespace[])
   and not t.tgisinternal and not c.relispartition and (b.again = '' or t.tgqual is not null)
union all
select 'constraint', conrelid::regclass::text,
       format('constraint %s on %s: dropped', conname, conrelid::regclass),
       format('alter table %s drop constraint %I', conrelid::regclass, conname)
  from pg_constraint t join pg_class c on c.oid = t.conrelid
 where c.relnamespace = any (array['app', 'core', 'ops', 'mart']::regnamespace[])
   and contype in ('c', 'f', 'u', 'x') and not c.relispartition
union all
select 'constraint', i.indrelid::regclass::text,
       format('unique index %s: dropped', i.indexrelid::regclass), format('drop index %s', i.indexrelid::regclass)
  from pg_index i join pg_class c on c.oid = i.indexrelid
 where c.relnamespace = any (array['app', 'core', 'ops', 'mart']::regnamespace[])
   and i.indisunique and not c.relispartition and not exists (select from pg_constraint where conindid = i.indexrelid)
 order by name;
