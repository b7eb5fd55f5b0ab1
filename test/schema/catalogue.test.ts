import { expect, test } from "vitest";
import { withClient } from "../../src/database/open_client.ts";
import { withTestDatabase } from "../helpers/database.ts";

/** Rules that every table, function and policy keeps. Each also finds its breach, in a bad twin. */

const database = withTestDatabase();

const OURS = "('app', 'core', 'ops', 'mart')";

const rules: { name: string; sql: string; breach: string; found: string }[] = [
  {
    name: "row level security is on and forced on every table",
    sql: `select c.oid::regclass::text as finding
            from pg_class c join pg_namespace n on n.oid = c.relnamespace
           where n.nspname in ${OURS} and c.relkind in ('r', 'p')
             and not (c.relrowsecurity and c.relforcerowsecurity)`,
    breach:
      "create table ops.bad (id uuid primary key); alter table ops.bad enable row level security",
    found: "ops.bad",
  },
  {
    name: "every foreign key has an index that serves it",
    sql: `select c.conname::text as finding
            from pg_constraint c join pg_namespace n on n.oid = c.connamespace
           where c.contype = 'f' and n.nspname in ${OURS}
             and not exists (
               select from pg_index i
                where i.indrelid = c.conrelid and i.indpred is null
                  and (i.indkey::int2[])[0:cardinality(c.conkey) - 1] @> c.conkey
                  and (i.indkey::int2[])[0:cardinality(c.conkey) - 1] <@ c.conkey)`,
    breach:
      "alter table ops.judge_score add column bad integer constraint fk_bad references core.users (id)",
    found: "fk_bad",
  },
  {
    name: "foreign keys between tenant tables are composite",
    sql: `select c.conname::text as finding
            from pg_constraint c
            join pg_attribute f on f.attrelid = c.conrelid and f.attname = 'organization_id'
            join pg_attribute t on t.attrelid = c.confrelid and t.attname = 'organization_id'
           where c.contype = 'f'
             and not exists (select from generate_subscripts(c.conkey, 1) as s
                              where c.conkey[s] = f.attnum and c.confkey[s] = t.attnum)`,
    breach: `create unique index bad on core.prompts (id);
             alter table ops.judge_score add column bad varchar constraint fk_bad references core.prompts (id)`,
    found: "fk_bad",
  },
  {
    name: "organization_id is not null, and first in every primary and unique key",
    sql: `select coalesce(i.indexrelid, a.attrelid)::regclass::text as finding
            from pg_attribute a
            join pg_class c on c.oid = a.attrelid and c.relkind in ('r', 'p')
            join pg_namespace n on n.oid = c.relnamespace and n.nspname in ${OURS}
            left join pg_index i on i.indrelid = c.oid and i.indisunique and i.indkey[0] <> a.attnum
           where a.attname = 'organization_id' and (not a.attnotnull or i.indexrelid is not null)
             -- A key is looked up before its organization is known
             and i.indexrelid is distinct from 'ops.unq_api_key_key_hash'::regclass`,
    breach: "alter table ops.judge_score add constraint unq_bad unique (id)",
    found: "ops.unq_bad",
  },
  {
    name: "definer functions have an empty search path and belong to curestry_definer",
    sql: `select p.oid::regprocedure::text as finding
            from pg_proc p join pg_namespace n on n.oid = p.pronamespace
           where n.nspname in ${OURS} and p.prosecdef
             and (not coalesce(p.proconfig @> array['search_path=""'], false) or p.proowner <> 'curestry_definer'::regrole)`,
    breach:
      "create function app.bad() returns int language sql security definer set search_path = public as 'select 1'",
    found: "app.bad()",
  },
  {
    name: "nobody may execute a function of ours by default",
    sql: `select p.oid::regprocedure::text as finding
            from pg_proc p join pg_namespace n on n.oid = p.pronamespace
           where n.nspname in ${OURS} and has_function_privilege('public', p.oid, 'execute')`,
    breach:
      "create function app.bad() returns int language sql as 'select 1'; grant execute on function app.bad() to public",
    found: "app.bad()",
  },
  {
    name: "no policy reads a setting, and members' policies are written to curestry_member",
    sql: `select p.polname::text as finding
            from pg_policy p
           where pg_get_expr(p.polqual, p.polrelid) like '%current_setting%'
              or pg_get_expr(p.polwithcheck, p.polrelid) like '%current_setting%'
              or p.polroles @> array[0::oid]`,
    breach: "create policy bad on core.prompts using (true)",
    found: "bad",
  },
  {
    name:
      "no role of a request may truncate, reference or trigger, which look past row level security",
    sql: `select c.oid::regclass::text as finding
            from pg_class c join pg_namespace n on n.oid = c.relnamespace,
                 unnest(array['curestry_anonymous', 'curestry_member', 'curestry_analyst', 'curestry_gateway', 'curestry_worker']) as r (role)
           where n.nspname in ${OURS} and c.relkind in ('r', 'p')
             and has_table_privilege(r.role, c.oid, 'truncate, references, trigger')`,
    breach: "grant truncate on core.prompts to curestry_member",
    found: "core.prompts",
  },
  {
    name: "every table of core and ops has its audit triggers",
    sql: `select c.oid::regclass::text as finding
            from pg_class c join pg_namespace n on n.oid = c.relnamespace
           where n.nspname in ('core', 'ops') and c.relkind in ('r', 'p') and c.oid <> 'ops.audit_log'::regclass
             and 4 <> (select count(*) from pg_trigger t where t.tgrelid = c.oid and t.tgname like '\\_900\\_audit\\_%' and t.tgenabled = 'O')`,
    breach: "alter table core.prompts disable trigger _900_audit_update",
    found: "core.prompts",
  },
  {
    name: "tables with updated_at keep it",
    sql: `select c.oid::regclass::text as finding
            from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'updated_at'
            join pg_namespace n on n.oid = c.relnamespace and n.nspname in ${OURS}
           where c.relkind in ('r', 'p')
             and not exists (select from pg_trigger t where t.tgrelid = c.oid and t.tgname = '_100_updated_at')`,
    breach: "alter table ops.judge_score add column updated_at timestamptz",
    found: "ops.judge_score",
  },
  {
    name: "constraints and indexes are named by the conventions",
    sql: `select c.conname::text as finding
            from pg_constraint c join pg_namespace n on n.oid = c.connamespace
           where n.nspname in ${OURS} and c.conrelid <> 0
             and not starts_with(c.conname, case c.contype when 'p' then 'pk' when 'u' then 'unq' when 'f' then 'fk' when 'c' then 'chk' end
                                   || '_' || (select relname from pg_class where oid = c.conrelid))
             and c.contype in ('p', 'u', 'f', 'c')
          union all
          select i.indexrelid::regclass::text
            from pg_index i join pg_class x on x.oid = i.indexrelid
            join pg_class c on c.oid = i.indrelid join pg_namespace n on n.oid = c.relnamespace
           where n.nspname in ${OURS} and c.relkind in ('r', 'p')
             and x.relname !~ ('^(pk|unq|idx)_' || c.relname)`,
    breach: "create index bad on core.prompts (name)",
    found: "core.bad",
  },
  {
    name: "everything has a comment",
    sql: `select c.oid::regclass::text as finding
            from pg_class c join pg_namespace n on n.oid = c.relnamespace
           where n.nspname in ${OURS} and c.relkind in ('r', 'p', 'v') and obj_description(c.oid, 'pg_class') is null
          union all
          select c.oid::regclass || '.' || a.attname
            from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
           where n.nspname in ${OURS} and c.relkind in ('r', 'p', 'v', 'c') and a.attnum > 0 and not a.attisdropped
             and col_description(c.oid, a.attnum) is null
          union all
          select t.oid::regtype::text
            from pg_type t join pg_namespace n on n.oid = t.typnamespace left join pg_class c on c.oid = t.typrelid
           where n.nspname in ${OURS} and (t.typtype = 'e' or c.relkind = 'c') and obj_description(t.oid, 'pg_type') is null
          union all
          select p.oid::regprocedure::text
            from pg_proc p join pg_namespace n on n.oid = p.pronamespace
           where n.nspname in ${OURS} and obj_description(p.oid, 'pg_proc') is null
          union all
          select c.conname::text
            from pg_constraint c join pg_namespace n on n.oid = c.connamespace
           where n.nspname in ${OURS} and c.contype in ('p', 'u', 'f', 'c') and c.conrelid <> 0
             and obj_description(c.oid, 'pg_constraint') is null and obj_description(c.conindid, 'pg_class') is null
          union all
          select p.polname::text from pg_policy p join pg_class c on c.oid = p.polrelid join pg_namespace n on n.oid = c.relnamespace
           where n.nspname in ${OURS} and obj_description(p.oid, 'pg_policy') is null
          union all
          select rolname::text from pg_roles where rolname like 'curestry\\_%' and shobj_description(oid, 'pg_authid') is null
          union all
          select nspname::text from pg_namespace where nspname in ${OURS} and obj_description(oid, 'pg_namespace') is null`,
    breach: "alter table core.prompts add column bad text",
    found: "core.prompts.bad",
  },
  {
    name: "every column that is a number with bounds, or a floating point number, has a check",
    sql: `select a.attrelid::regclass || '.' || a.attname as finding
            from pg_attribute a join pg_class c on c.oid = a.attrelid and c.relkind in ('r', 'p')
            join pg_namespace n on n.oid = c.relnamespace and n.nspname in ('core', 'ops')
           where a.atttypid in ('float8'::regtype, 'numeric'::regtype) and not a.attisdropped
             and not exists (select from pg_constraint k where k.conrelid = c.oid and k.contype = 'c' and k.conkey @> array[a.attnum])`,
    breach: "alter table core.prompts add column bad numeric",
    found: "core.prompts.bad",
  },
];

test.each(rules)("$name", async ({ sql, breach, found }) => {
  expect((await database.query<{ finding: string }>(sql)).map(({ finding }) => finding)).toEqual(
    [],
  );
  // The rule is alive: it names a breach, which is undone
  expect(await withBreach(breach, sql)).toContain(found);
});

async function withBreach(breach: string, sql: string): Promise<string[]> {
  return await withClient(database.adminUrl, async (client) => {
    await client.query("begin");
    await client.query(breach);
    const { rows } = await client.query<{ finding: string }>(sql);
    await client.query("rollback");
    return rows.map(({ finding }) => finding);
  });
}
