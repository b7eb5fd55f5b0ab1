import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { repositoryRoot } from "../../src/shared/settings.ts";
import { withTestDatabase } from "../helpers/database.ts";

/** Reads the user's specification and looks for all of it here; docs/specification.md says what differs. */

const FILE = join(repositoryRoot, "../shared/spec/database-guidelines.md");
const present = existsSync(FILE);
if (!present) console.warn(`Skipped: the specification is not at ${FILE}`);

const database = withTestDatabase();

interface Column {
  table: string;
  column: string;
  type: string;
  isRequired: boolean;
}

/** Examples of the conventions' section, which are no tables of the system. */
const EXAMPLES = ["user_preferences"];

function readSpecification(): { columns: Column[]; indexes: string[]; checks: string[] } {
  const text = readFileSync(FILE, "utf8");
  const columns: Column[] = [];
  const checks: string[] = [];
  for (const [, name, body] of text.matchAll(/CREATE TABLE ([\w.]+) \(\n([\s\S]*?)\n\);/g)) {
    if (!name || !body || EXAMPLES.includes(name)) continue;
    const table = name.includes(".") ? name : `core.${name}`;
    for (const line of body.split("\n")) {
      const [, column, type] = /^ {4}(\w+)\s+([A-Za-z]+(?:\(\d+\))?)/.exec(line) ?? [];
      if (!column || !type || /^(UNIQUE|CONSTRAINT|PRIMARY|CHECK)$/.test(column)) {
        for (const [, word] of line.matchAll(/'(\w+)'/g)) if (word) checks.push(`${table}:${word}`);
        continue;
      }
      columns.push({ table, column, type, isRequired: /NOT NULL|PRIMARY KEY/.test(line) });
    }
  }
  const indexes = [...text.matchAll(/^CREATE INDEX (\w+) ON/gm)].map(([, name]) => name ?? "");
  return { columns, indexes, checks };
}

const TYPES: Record<string, string> = {
  VARCHAR: "character varying",
  TEXT: "text",
  JSONB: "jsonb",
  TIMESTAMPTZ: "timestamp with time zone",
  BOOLEAN: "boolean",
  FLOAT: "double precision",
  INTEGER: "integer",
  SERIAL: "integer",
  UUID: "uuid",
  NUMERIC: "numeric",
  DATE: "date",
};

describe.skipIf(!present)("the specification", () => {
  const { columns, indexes, checks } = present
    ? readSpecification()
    : { columns: [], indexes: [], checks: [] };

  test("names tables, columns and indexes that can be read from it", () => {
    expect(new Set(columns.map(({ table }) => table)).size).toBe(23);
    expect(columns.length).toBeGreaterThan(140);
    expect(indexes).toHaveLength(11);
  });

  test("every table and column is here, with its type, and required where it is", async () => {
    const rows = await database.query<{ column: string; type: string; required: boolean }>(
      `select a.attrelid::regclass || '.' || a.attname as column, format_type(a.atttypid, a.atttypmod) as type, a.attnotnull as required
         from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
        where n.nspname in ('core', 'ops', 'mart') and c.relkind in ('r', 'p') and a.attnum > 0 and not a.attisdropped`,
    );
    const here = new Map(rows.map((row) => [row.column, row]));
    const wrong = columns.flatMap(({ table, column, type, isRequired }) => {
      const found = here.get(`${table}.${column}`);
      const [word = "", length = ""] = type.split("(");
      const expected = (TYPES[word.toUpperCase()] ?? word) + (length ? `(${length}` : "");
      if (found?.type === expected && (found.required || !isRequired)) return [];
      return [`${table}.${column} ${expected}: ${JSON.stringify(found)}`];
    });
    expect(wrong).toEqual([]);
  });

  test("every index is here, by its name", async () => {
    const rows = await database.query<{ name: string }>(
      "select relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.relkind = 'i' and n.nspname in ('core', 'ops', 'mart')",
    );
    const here = rows.map(({ name }) => name);
    expect(indexes.filter((name) => !here.includes(name))).toEqual([]);
  });

  test("every word that a column may hold is in a check of its table", async () => {
    const rows = await database.query<{ table: string; definition: string }>(
      "select conrelid::regclass::text as table, string_agg(pg_get_constraintdef(oid), ' ') as definition from pg_constraint where contype = 'c' group by 1",
    );
    const definitions = new Map(rows.map((row) => [row.table, row.definition]));
    expect(checks.length).toBeGreaterThan(20);
    const missing = checks.filter((check) => {
      const [table = "", word] = check.split(":");
      return !definitions.get(table)?.includes(`'${word}'`);
    });
    expect(missing).toEqual([]);
  });
});
