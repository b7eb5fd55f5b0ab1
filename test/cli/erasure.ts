import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect } from "vitest";
import { readCheckpoints } from "../../src/maintenance/read_checkpoints.ts";
import { readSettings } from "../../src/shared/settings.ts";
import { cliJson } from "../helpers/cli.ts";
import type { TestDatabase } from "../helpers/database.ts";
import { sealAll } from "../helpers/seal.ts";

/** What an erasure leaves of itself. */
export interface Receipt {
  id: string;
  kind: string;
  subjectId: string;
  counts: Record<string, number>;
}

/** How a command refuses, with --json. */
export interface Refusal {
  error: { code: string; message: string };
}

/** What tests of erasures do again and again, on the database of their file. */
export interface Erasures {
  /** For commands: the checkpoints of the audit log are those of this file alone. */
  env(): Record<string, string>;
  /** Runs `curestry WHAT erase WHOM --yes`, which must exit with the code. */
  erase<T = Receipt>(what: "user" | "organization", whom: string, code?: number): Promise<T>;
  seal(): Promise<void>;
  /** What the checks find wrong with the audit log. */
  problems(): Promise<string[]>;
  /** The columns, of whatever table and schema, that hold a text. */
  find(canary: string): Promise<string[]>;
}

/** Call it at the top of the file, after `withTestDatabase`. */
export function withErasures(database: TestDatabase): Erasures {
  let dataDir: string;
  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), "curestry-erase-"));
  });
  afterAll(() => rm(dataDir, { recursive: true, force: true }));
  const env = () => ({ ...database.env, CURESTRY_DATA_DIR: dataDir });
  return {
    env,
    erase: (what, whom, code = 0) => cliJson([what, "erase", whom, "--yes"], { env: env() }, code),
    seal: async () => sealAll(database, await readCheckpoints(readSettings(env()))),
    async problems() {
      const rows = await database.query<{ problem: string }>(
        `select problem from app.audit_verify_chain()
         union all select problem || ': ' || entity_type || ' ' || coalesce(detail, '') from app.audit_verify_entities()`,
      );
      return rows.map(({ problem }) => problem);
    },
    find: (canary) => find(database, canary),
  };
}

async function find(database: TestDatabase, canary: string): Promise<string[]> {
  const columns = await database.query<{ table: string; column: string }>(
    `select c.oid::regclass::text as table, quote_ident(a.attname) as column
       from pg_class c
       join pg_namespace n on n.oid = c.relnamespace
       join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
      where c.relkind in ('r', 'p', 'm') and not c.relispartition and n.nspname not in ('pg_catalog', 'information_schema') and n.nspname not like 'pg_toast%'`,
  );
  expect(columns.length).toBeGreaterThan(200);
  const rows = await database.query<{ place: string }>(
    columns.map(({ table, column }) =>
      `select '${table}.${column}' as place where exists (select from ${table} where position(lower($1) in lower(${column}::text)) > 0)`
    ).join(" union all "),
    [canary],
  );
  return rows.map(({ place }) => place).toSorted();
}
