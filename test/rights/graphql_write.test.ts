import { beforeAll, expect, test } from "vitest";
import type { GraphQLSchema } from "postgraphile/graphql";
import { withTestDatabase } from "../helpers/database.ts";
import { withGateway } from "../helpers/gateway.ts";
import { graphql } from "../helpers/graphql.ts";
import { signIn } from "../helpers/token.ts";
import { documents, type Probe, readSchema } from "./graphql_cells.ts";
import { functionProbes, type Things, writeProbes } from "./graphql_write_cells.ts";
import { readRights, type Rights } from "./rights.ts";
import { readTargets, type Row, type Targets, type Wrong } from "./table_cells.ts";
import { makeWorld, type Principal, type World } from "./world.ts";

/** The rights of `test/rights.json`, tried over HTTP by writing. What succeeds is done for good. */

const database = withTestDatabase();
const gateway = withGateway(database);
let rights: Rights;
let world: World;
let schema: GraphQLSchema;
let askers: Principal[];
let tried: string[] = [];
const targetsOf = new Map<Principal, Targets>();

beforeAll(async () => {
  rights = await readRights();
  schema = await readSchema();
  world = await makeWorld(database, rights);
  askers = world.principals.filter(({ role }) => role === "member");
  for (const asker of askers) {
    targetsOf.set(asker, await readTargets(database, rights, world, asker));
  }
});

/** Codes of a refusal: never "internal error", which would hide something that happened. */
const refusals = ["FORBIDDEN", "NOT_FOUND", "UNAUTHENTICATED", "INVALID", "CONFLICT"];

async function run(
  probes: Probe[],
  tokenOf: (asker: Principal) => string | undefined = ({ token }) => token,
): Promise<{ cells: number; wrong: Wrong[] }> {
  const wrong: Wrong[] = [];
  let cells = 0;
  // Keys first: they end when their maker leaves
  for (const asker of askers.toSorted((a, b) => Number(!a.key) - Number(!b.key))) {
    const targets: Targets = targetsOf.get(asker) ?? new Map();
    for (const { text, probes: part } of documents("mutation", probes)) {
      const values = part.map((probe) => probe.values(targets, asker));
      const variables = Object.fromEntries(
        part.flatMap(({ types }, index) =>
          Object.entries(types).map((
            [name, type],
          ) => [`${name}${index}`, values[index]?.[name] ?? (type.startsWith("Int") ? 0 : NOBODY)])
        ),
      );
      const token = tokenOf(asker);
      const { data, errors } = await graphql(gateway.url, {
        query: text,
        variables,
        ...(token ? { token } : {}),
        ...(asker.key ? { key: asker.key } : {}),
        ...(asker.slug !== null ? { organization: asker.slug } : {}),
      });
      if (!data) throw new Error(`${asker.name}: ${JSON.stringify(errors)}\n${text}`);
      part.forEach((probe, index) => {
        if (values[index] === null) return;
        cells++;
        const alias = `p${index}`;
        const error = errors?.find(({ path }) => path?.[0] === alias);
        const expected = probe.expects(asker);
        const isRefused = data[alias] === null
          ? refusals.includes(error?.extensions?.code ?? "")
          : !probe.found(data[alias]);
        if (expected ? data[alias] !== null && probe.found(data[alias]) : isRefused) return;
        wrong.push({
          cell: `${asker.name}: ${probe.cell}`,
          expected: expected ? "yes" : "no",
          found: JSON.stringify(data[alias] ?? error),
        });
      });
    }
  }
  tried = [...tried, ...probes.map(({ field }) => /^\w+/.exec(field)?.[0] ?? "")];
  return { cells, wrong };
}

const NOBODY = "00000000-0000-0000-0000-000000000000";

/** Everything that the other organization has, so that a change to it is seen. */
async function fingerprint(): Promise<Record<string, string>> {
  const sums: Record<string, string> = {};
  for (const [table, entry] of Object.entries(rights.tables)) {
    if (entry.type === undefined || entry.rows?.person !== undefined || table === "ops.api_key") {
      continue;
    }
    const column = entry.rows?.organization ?? "organization_id";
    const [row] = await database.query<{ sum: string }>(
      `select md5(string_agg(t::text, '' order by t.id)) as sum from ${table} t where ${column} = $1`,
      [world.theirs.id],
    );
    sums[table] = row?.sum ?? "";
  }
  return sums;
}

test("rows are created, changed and deleted as the table says, by every key", async () => {
  const before = await fingerprint();
  const spares = new Map<string, Row[]>();
  for (const [table, { member }] of Object.entries(rights.tables)) {
    if (member?.delete === undefined || table === "ops.organization") continue;
    const rows = await database.query<{ row: Row }>(
      `select to_jsonb(t) as row from ${table} t where organization_id = $1
        order by coalesce(to_jsonb(t) ->> 'name', to_jsonb(t) ->> 'key') like 'spare%' nulls first, id desc`,
      [world.ours.id],
    );
    const kept = new Set([...targetsOf.values()].map((targets) => targets.get(table)?.own?.row.id));
    spares.set(table, rows.map(({ row }) => row).filter(({ id }) => !kept.has(id)));
  }
  const spare = (table: string) => {
    const row = spares.get(table)?.pop();
    if (row === undefined) throw new Error(`No spare row of ${table} is left`);
    return row;
  };
  const { cells, wrong } = await run(writeProbes(schema, rights, spare));
  console.log(`${cells} cells of the table of rights tried by GraphQL mutations of rows`);
  expect(wrong).toEqual([]);
  expect(cells).toBeGreaterThan(1_000);
  expect(await fingerprint()).toEqual(before);
});

test("functions are called as the table says", async () => {
  const before = await fingerprint();
  const things = async (organization: string, member: number): Promise<Things> => {
    const [row] = await database.query<Omit<Things, "member">>(
      `select (select min(id) from core.prompts where organization_id = $1 and name <> 'spare') as prompt,
              (select id from ops.analysis_run where organization_id = $1 and status = 'running' limit 1) as run,
              (select id from ops.api_key where organization_id = $1 and name = 'another') as key,
              (select id from ops.judge_rubric where organization_id = $1 and name = 'rubric') as rubric,
              (select min(id) from graphile_worker._private_jobs) as job,
              (select id from app.legal_hold where held_organization_id = $2) as hold`,
      [organization, world.theirs.id],
    );
    if (!row) throw new Error("There is nothing to call functions with");
    return { ...row, member };
  };
  const { ours, theirs } = world;
  const runs = await database.query<{ id: string }>(
    `insert into ops.analysis_run (organization_id, status, started_at, prompt_content)
     select $1, 'running', now(), 'x' from generate_series(1, 40) returning id`,
    [ours.id],
  );
  const members = await database.query<{ id: number }>(
    `with u as (insert into core.users (email) select 'member-' || n || '@supply.example' from generate_series(1, 20) n returning id)
     insert into ops.organization_user (organization_id, user_id, role) select $1, id, 'viewer' from u returning user_id as id`,
    [ours.id],
  );
  const keys = await database.query<{ id: string }>(
    "select k.id from generate_series(1, 40) n, app.api_key_create($1, null, 'key ' || n, array['prompts:read'], null) k",
    [ours.id],
  );
  const holds: { id: string }[] = [];
  const take = <T>(rows: { id: T }[]) => () => {
    const row = rows.pop();
    if (row === undefined) throw new Error("Nothing is left");
    return row.id;
  };
  const probes = functionProbes(
    rights,
    world,
    {
      ours: await things(ours.id, world.colleague),
      theirs: await things(theirs.id, theirs.ownerUserId),
    },
    { run: take(runs), member: take(members), key: take(keys), hold: take(holds) },
  );
  const isLast = ({ cell }: Probe) => /^(leaveOrganization|signOut)/.test(cell);
  const isHold = ({ cell }: Probe) => /^(place|release)LegalHold/.test(cell);
  const parts = [await run(probes.filter((probe) => !isLast(probe) && !isHold(probe)))];
  // What is held is not erased, not even to try
  holds.push(
    ...await database.query<{ id: string }>(
      `insert into app.legal_hold (held_organization_id, reason, placed_by)
       select $1, 'x', 'curestry_gateway' from generate_series(1, 10) returning id`,
      [ours.id],
    ),
  );
  parts.push(await run(probes.filter(isHold)));
  // What takes rights away from who does it: one after the other, each with a session of its own
  for (const name of ["signOut", "signOutEverywhere", "leaveOrganization"]) {
    const tokens = new Map<Principal, string>();
    for (const asker of askers.filter(({ person }) => person)) {
      const [user] = await database.query<{ email: string }>(
        "select email from core.users where id = $1",
        [asker.userId],
      );
      tokens.set(asker, (await signIn(database, user?.email ?? "")).token);
    }
    parts.push(
      await run(
        probes.filter(({ cell }) => cell.startsWith(`${name} `)),
        (asker) => tokens.get(asker),
      ),
    );
  }
  const cells = parts.reduce((sum, part) => sum + part.cells, 0);
  console.log(
    `${cells} cells of the table of rights tried by GraphQL mutations that are functions`,
  );
  expect(parts.flatMap(({ wrong }) => wrong)).toEqual([]);
  expect(cells).toBeGreaterThan(500);
  expect(await fingerprint()).toEqual(before);
});

test("every mutation is tried", () => {
  const fields = Object.keys(schema.getMutationType()?.getFields() ?? {});
  const skipped = fields.filter((name) => !tried.includes(name));
  // Of teams, which have no such key; personal organizations are nobody's but one person's
  expect(skipped.filter((name) => !name.endsWith("OrganizationByPersonalUserId"))).toEqual([]);
});

test("without credentials there are no mutations", async () => {
  const { data, errors } = await graphql(gateway.url, {
    query:
      `mutation { createPrompt(input: { prompt: { name: "a", content: "a" } }) { prompt { id } } }`,
  });
  expect(data).toBeUndefined();
  expect(errors).toHaveLength(1);
  const schema = await graphql(gateway.url, { query: "{ __schema { mutationType { name } } }" });
  expect(schema.data ?? { __schema: { mutationType: null } }).toEqual({
    __schema: { mutationType: null },
  });
});
