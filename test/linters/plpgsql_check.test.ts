import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { query, withTestDatabase } from "../helpers/database.ts";

/** Runs every function and trigger of ours through plpgsql_check, which Debian has for PostgreSQL 15. */

const database = withTestDatabase();
const bad = withTestDatabase();

const NAME = "plpgsql_check (where the server has it: apt-get install postgresql-15-plpgsql-check)";

/** Trigger functions are checked for each of their tables, with all transition tables that they get there. */
const CHECK = `
  select p.oid::regprocedure || coalesce(' on ' || t.tgrelid::regclass, '') as name, c.level, c.lineno, c.message, c.query
    from pg_proc p
    join pg_namespace n on n.oid = p.pronamespace
    join pg_language l on l.oid = p.prolang
    left join (select tgfoid, tgrelid, max(tgoldtable) as old_table, max(tgnewtable) as new_table
                 from pg_trigger where not tgisinternal group by tgfoid, tgrelid) t on t.tgfoid = p.oid
   cross join lateral plpgsql_check.plpgsql_check_function_tb(
                p.oid, relid => coalesce(t.tgrelid, 0), oldtable => t.old_table, newtable => t.new_table,
                fatal_errors => false, security_warnings => true, use_incomment_options => false) c
   where n.nspname in ('app', 'core', 'ops', 'mart', 'report') and l.lanname = 'plpgsql'
     and (p.prorettype <> 'trigger'::regtype or t.tgrelid is not null)
   order by name, c.lineno`;

interface Finding {
  name: string;
  level: string;
  lineno: number;
  message: string;
  query: string | null;
}

/** Errors and breaches of security; it also has hints. */
async function check(url: string): Promise<Finding[]> {
  await query(url, "create schema if not exists plpgsql_check");
  await query(url, "create extension if not exists plpgsql_check schema plpgsql_check");
  return (await query<Finding>(url, CHECK)).filter(({ level }) => /error|security/.test(level));
}

test(NAME, async ({ skip }) => {
  const [extension] = await database.query(
    "select from pg_available_extensions where name = 'plpgsql_check'",
  );
  if (!extension) skip("This PostgreSQL has no extension plpgsql_check");

  // Silence counts only of a linter that has found something
  await bad.query("drop schema app, core, ops, mart, report cascade");
  await bad.query(await readFile(new URL("bad_schema.sql", import.meta.url), "utf8"));
  expect(
    (await check(bad.adminUrl)).map(({ name, level, message }) => `${name}: ${level}: ${message}`),
  ).toEqual([
    'app.bad_column(): error: column "nothing" of relation "open" does not exist',
    "app.bad_execute(text): security: text type variable is not sanitized",
    'app.tg_bad_field() on ops.open: error: record "new" has no field "nothing"',
  ]);

  expect(await check(database.adminUrl)).toEqual([]);
});
