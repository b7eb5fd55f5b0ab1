import type { Client } from "pg";
import { withClient } from "../../src/database/open_client.ts";
import type { TestDatabase } from "../helpers/database.ts";
import type { Outcome, Try } from "./as_principal.ts";
import {
  allows,
  type Rights,
  type TableRights,
  type Verb,
  VERBS,
  type Whose,
  whoseRows,
  words,
} from "./rights.ts";
import type { Principal, World } from "./world.ts";

/** A row that somebody may or may not reach, as JSON. */
export type Row = Record<string, unknown>;

/** One row of each table for each `whose`, as the administrator sees them, and their number. */
export type Targets = Map<string, Partial<Record<Whose, { row: Row; count: number }>>>;

/** Values that say whose a row is. */
export function ownerOf(
  rights: TableRights,
  world: World,
  principal: Principal | null,
  whose: Whose,
): unknown {
  const organization = whose === "other" ? world.theirs : world.ours;
  if (rights.rows?.slug !== undefined) return organization.slug;
  if (rights.rows?.person === undefined) return organization.id;
  if (whose === "other") return world.theirs.ownerUserId;
  return whose === "self" ? principal?.userId : world.colleague;
}

/** The column that says whose a row is. */
export function ownerColumn(rights: TableRights): string {
  const { rows } = rights;
  return rows?.organization ?? rows?.slug ?? rows?.person ?? "organization_id";
}

/** Reads as the administrator, who sees everything, one row of each kind: what "no" hides is there. */
export async function readTargets(
  database: TestDatabase,
  rights: Rights,
  world: World,
  principal: Principal,
): Promise<Targets> {
  return await withClient(
    database.adminUrl,
    (client) => readRows(client, rights, world, principal),
  );
}

async function readRows(
  client: Client,
  rights: Rights,
  world: World,
  principal: Principal,
): Promise<Targets> {
  const targets: Targets = new Map();
  for (const [table, entry] of Object.entries(rights.tables)) {
    if (entry.rows?.nobody !== undefined) {
      const { rowCount } = await client.query(`select from ${table} limit 1`);
      if (rowCount !== 1) throw new Error(`${table} has no row`);
      continue;
    }
    const byWhose: Partial<Record<Whose, { row: Row; count: number }>> = {};
    for (const whose of whoseRows(entry)) {
      const owner = ownerOf(entry, world, principal, whose);
      if (owner === 0) continue;
      const { rows: [found] } = await client.query<{ row: Row; count: number }>(
        `select to_jsonb(t) as row, count(*) over ()::int as count from ${table} t
          where ${ownerColumn(entry)} = $1
          order by coalesce(to_jsonb(t) ->> 'name', to_jsonb(t) ->> 'key') like 'spare%' desc nulls last, 1 limit 1`,
        [owner],
      );
      if (!found) throw new Error(`${table} has no row of ${whose}`);
      byWhose[whose] = found;
    }
    targets.set(table, byWhose);
  }
  return targets;
}

/** A cell that went otherwise than the file says. */
export interface Wrong {
  cell: string;
  expected: string;
  found: string;
}

/** Rows that a member may insert, by table; `$1`-free SQL with the ids of own rows in it. */
export function insertable(targets: Targets, whose: Whose = "own"): Record<string, string> {
  const id = (table: string) => targets.get(table)?.[whose]?.row.id;
  return {
    "core.prompts": "(name, content) values ('new', 'new')",
    "core.prompt_relations": `(source_id, target_id, relation_type) select '${
      id("core.prompts")
    }', '${targets.get("core.prompt_relations")?.[whose]?.row.source_id}', 'overrides'`,
    "core.workflow_runs": "(meta) values ('{}')",
    "core.workflow_nodes": `(run_id, key) values (${id("core.workflow_runs")}, 'new')`,
    "core.evaluation_metrics": `(run_id, metric_name, metric_value) values (${
      id("core.workflow_runs")
    }, 'new', 2)`,
    "ops.judge_rubric": "(name) values ('new')",
    "ops.judge_criterion": `(rubric_id, key, title) values ('${
      id("ops.judge_rubric")
    }', 'new', 'New')`,
  };
}

/** Tries every cell of a principal with SQL; answers how many there were, and which are wrong. */
export async function tryTables(
  rights: Rights,
  world: World,
  targets: Targets,
  principal: Principal,
  attempt: Try,
): Promise<{ cells: number; wrong: Wrong[] }> {
  const wrong: Wrong[] = [];
  let cells = 0;
  function judge(
    table: string,
    probe: string,
    whose: string,
    allowed: boolean,
    outcome: Outcome,
    may: boolean,
  ) {
    cells++;
    const right = allowed ? outcome.code === undefined && may : isNo(outcome);
    if (right) return;
    wrong.push({
      cell: `${principal.name}: ${probe} ${table} (${whose})`,
      expected: allowed ? "yes" : "no",
      found: outcome.code ? `${outcome.code} ${outcome.message}` : `${outcome.count} rows`,
    });
  }

  for (const [table, entry] of Object.entries(rights.tables)) {
    if (entry.rows?.nobody !== undefined) {
      for (const verb of VERBS) {
        judge(
          table,
          verb,
          "nobody's",
          false,
          await attempt(statement(verb, table, entry.rows.nobody, "")),
          false,
        );
      }
      continue;
    }
    const column = ownerColumn(entry);
    for (const whose of whoseRows(entry)) {
      const target = targets.get(table)?.[whose];
      if (target === undefined) continue;
      const owner = ownerOf(entry, world, principal, whose);
      const readable = allows(entry, principal, "select", whose);
      for (const verb of VERBS) {
        const allowed = allows(entry, principal, verb, whose);
        if (verb === "insert") {
          if (whose === "self" || whose === "colleague") continue;
          const values = allowed && insertable(targets)[table];
          const outcome = await attempt(
            values
              ? `insert into ${table} ${values}`
              : whose === "own" && principal.inOurs
              ? `insert into ${table} ${insertable(targets)[table] ?? "default values"}`
              : entry.rows === undefined
              ? `insert into ${table} (${column}) values ('${owner}')`
              : `insert into ${table} default values`,
          );
          judge(table, verb, whose, allowed, outcome, outcome.count === 1);
          continue;
        }
        if (verb === "select") {
          const outcome = await attempt(`select from ${table} where ${column} = $1`, [owner]);
          const { count } = outcome;
          judge(table, verb, whose, allowed, outcome, count === target.count);
          continue;
        }
        // To find the row takes the right to read it
        const may = allowed && readable;
        const set = words(entry[principal.role]?.update?.columns)[0] ?? column;
        const outcome = await attempt(
          statement(verb, table, set, rowCondition(target.row, column)),
          ["id" in target.row ? target.row.id : owner, owner],
        );
        judge(table, verb, whose, may, outcome, outcome.count === 1);
      }
    }
    // Without a condition: exactly the rows that may be read are read, and changed that may be
    const visible = visibleOwners(entry, world, principal);
    const all = await attempt(`select ${column} from ${table}`);
    // Who is not of our organization has one of their own, which is nobody else's business
    const isElsewhere = principal.person && !principal.inOurs;
    if (isElsewhere) {
      const foreign = all.rows.filter((row) =>
        [world.ours.id, world.theirs.id].includes(row[column]) ||
        world.members.includes(row[column]) && row[column] !== principal.userId
      );
      judge(table, "select all of", "unasked", false, { ...all, count: foreign.length }, false);
      continue;
    }
    const isExact = all.rows.every((row) => visible.has(row[column])) &&
      (entry.rows?.person !== undefined || all.count === targets.get(table)?.own?.count);
    judge(table, "select all of", "unasked", visible.size > 0, all, isExact && all.count > 0);
    const last = words(entry.member?.update?.columns).at(-1);
    if (last !== undefined && table !== "ops.organization") {
      const [whose = "own"] = whoseRows(entry);
      const allowed = allows(entry, principal, "update", whose);
      const blind = await attempt(`update ${table} set ${last} = default`);
      judge(
        table,
        "update all of",
        "unasked",
        allowed,
        // Rows that a rule keeps as they are were reached all the same
        blind.code === "CU005" && allowed ? { ...blind, code: undefined } : blind,
        blind.code === "CU005" || blind.count === targets.get(table)?.[whose]?.count,
      );
    }
  }
  return { cells, wrong };
}

/** Whose rows of a table a principal may read. */
function visibleOwners(entry: TableRights, world: World, principal: Principal): Set<unknown> {
  const visible = new Set<unknown>();
  for (const whose of whoseRows(entry)) {
    if (!allows(entry, principal, "select", whose)) continue;
    if (whose === "colleague") { for (const member of world.members) visible.add(member); }
    else visible.add(ownerOf(entry, world, principal, whose));
  }
  return visible;
}

/** Whether a statement got nowhere, and for the right reason. */
export function isNo({ code, count }: Outcome): boolean {
  // 55000: a view that cannot be written to, whoever asks
  return code === "42501" || code === "55000" || (code === undefined && count === 0);
}

function rowCondition(row: Row, column: string): string {
  return "id" in row ? `id = $1 and ${column} = $2` : `$1::text is not null and ${column} = $2`;
}

function statement(verb: Verb, table: string, column: string, condition: string): string {
  const where = condition && `where ${condition}`;
  if (verb === "select") return `select from ${table}`;
  if (verb === "insert") return `insert into ${table} default values`;
  if (verb === "delete") return `delete from ${table} ${where}`;
  return `update ${table} set ${column} = ${column} ${where}`;
}

/** Tries to write each column of each table by name: what is not in a list of columns is refused. */
export async function tryColumns(
  rights: Rights,
  targets: Targets,
  principal: Principal,
  attempt: Try,
): Promise<{ cells: number; wrong: Wrong[] }> {
  const wrong: Wrong[] = [];
  let cells = 0;
  if (principal.role === "member" && !["owner", "key with all scopes"].includes(principal.name)) {
    return { cells, wrong };
  }
  for (const [table, entry] of Object.entries(rights.tables)) {
    const target = targets.get(table);
    const row = (target?.own ?? target?.colleague)?.row;
    if (row === undefined || table.startsWith("report.")) continue;
    for (const column of Object.keys(row)) {
      for (const verb of ["insert", "update"] as const) {
        const allowance = entry[principal.role]?.[verb];
        const listed = words(allowance?.columns).includes(column);
        const { code, message } = await attempt(
          verb === "insert"
            ? `insert into ${table} (${column}) values (default)`
            : `update ${table} set ${column} = default where false`,
        );
        cells++;
        // A column that may be written gets past the privileges, whatever stops it afterwards
        const refused = code === "42501" && /permission denied/.test(message ?? "");
        if (refused === !listed) continue;
        wrong.push({
          cell: `${principal.name}: ${verb} ${table} (${column})`,
          expected: listed ? "yes" : "no",
          found: `${code} ${message}`,
        });
      }
    }
  }
  return { cells, wrong };
}
