import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type pg from "pg";
import { repositoryRoot } from "../../src/shared/settings.ts";
import { breakConditions } from "./break_conditions.ts";
import type { Mutant } from "./mutant.ts";

/**
 * What runs when a migration does, and never again: it makes policies and triggers, which are broken themselves. And
 * what only the checks of developers and operators call.
 */
const AT_MIGRATIONS = [
  "app.table_%",
  "app.audit_table",
  "app.audit_trigger_source",
  "app.audit_trigger_function_name",
  "app.mart_source_table",
  "app.personal_table",
  "app.security_findings",
  "app.job_grant_queue",
];

/** All generated audit triggers have one source: these two have every branch of it. */
const AUDIT_TRIGGERS = ["app.tg_core_prompts__audit", "app.tg_ops_judge_score__audit"];

/** Every rule of a migrated database that can be broken, broken. */
export async function listMutants(client: pg.Client): Promise<Mutant[]> {
  const sql = await readFile(
    join(repositoryRoot, "test/mutations/catalogue_mutants.sql"),
    "utf8",
  );
  const { rows } = await client.query<Mutant>(sql);
  const mutants = [...rows, ...await listDefinitions(client)];
  const seen = new Map<string, number>();
  return mutants.map((mutant) => {
    const times = (seen.get(mutant.name) ?? 0) + 1;
    seen.set(mutant.name, times);
    return times === 1 ? mutant : { ...mutant, name: `${mutant.name} (${times})` };
  });
}

interface Definition {
  kind: "function" | "view";
  object: string;
  /** What makes it again. */
  head: string;
  /** Its text, in which conditions are broken. */
  body: string;
}

async function listDefinitions(client: pg.Client): Promise<Mutant[]> {
  const { rows } = await client.query<Definition>(
    `select 'function' as kind, object, left(definition, split) as head,
            substr(definition, split + 1) as body
       from pg_proc p,
            lateral (select p.pronamespace::regnamespace || '.' || p.proname,
                            pg_get_functiondef(p.oid)) d (object, definition),
            lateral (select regexp_instr(definition,
                              E'\\n(AS \\\\$function\\\\$|RETURN |BEGIN ATOMIC)')) s (split)
      where p.pronamespace = any (array['app', 'core', 'ops', 'mart']::regnamespace[])
        and p.prokind in ('f', 'p') and object not like all ($1)
        and (object not like 'app.tg\\_%\\_\\_audit' or object = any ($2))
     union all
     select 'view', object,
            format('create or replace view %s with (%s) as ', object,
                   array_to_string(c.reloptions, ', ')),
            pg_get_viewdef(c.oid)
       from pg_class c, lateral (select c.oid::regclass::text) o (object)
      where c.relnamespace = 'report'::regnamespace and c.relkind = 'v'
      order by object, head`,
    [AT_MIGRATIONS, AUDIT_TRIGGERS],
  );
  return rows.flatMap(({ kind, object, head, body }) =>
    breakConditions(body).map(({ what, text, ...parts }) => ({
      kind,
      object,
      ...parts,
      name: `${kind} ${object}: ${what}`,
      statement: head + text,
    }))
  );
}
