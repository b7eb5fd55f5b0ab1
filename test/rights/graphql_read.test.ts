import { beforeAll, describe, expect, test } from "vitest";
import { GraphQLInputObjectType, type GraphQLSchema } from "postgraphile/graphql";
import { withTestDatabase } from "../helpers/database.ts";
import { withGateway } from "../helpers/gateway.ts";
import { graphql, type GraphqlAnswer } from "../helpers/graphql.ts";
import {
  apiTypes,
  documents,
  nodeIdOf,
  type Probe,
  readProbes,
  readSchema,
  type Relation,
  relationsOf,
} from "./graphql_cells.ts";
import { allows, holds, readRights, type Rights, whoseRows } from "./rights.ts";
import { readTargets, type Targets, type Wrong } from "./table_cells.ts";
import { makeWorld, type Principal, type World } from "./world.ts";

/** The rights of `test/rights.json`, tried over HTTP by reading: sessions, API keys and nobody. */

const database = withTestDatabase();
const gateway = withGateway(database);
let rights: Rights;
let world: World;
let schema: GraphQLSchema;
let askers: Principal[];
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

function ask(
  { token, key, slug }: Principal,
  query: string,
  variables: Record<string, unknown> = {},
): Promise<GraphqlAnswer<Record<string, unknown>>> {
  return graphql(gateway.url, {
    query,
    variables,
    ...(token ? { token } : {}),
    ...(key ? { key } : {}),
    ...(slug !== null ? { organization: slug } : {}),
  });
}

/** Node ids anywhere in an answer that name a row of the other organization. */
function foreignNodes(answer: unknown): string[] {
  if (typeof answer !== "object" || answer === null) return [];
  return Object.entries(answer).flatMap(([name, value]) => {
    if (name !== "nodeId" || typeof value !== "string") return foreignNodes(value);
    const [type, id] = JSON.parse(atob(value)) as [string, unknown];
    const isForeign = type === "User" ? id === world.theirs.ownerUserId : id === world.theirs.id;
    return isForeign ? [`${type} ${id}`] : [];
  });
}

/** Sends probes for every asker and tells which came back otherwise than they should. */
async function run(probes: Probe[]): Promise<{ cells: number; wrong: Wrong[] }> {
  const wrong: Wrong[] = [];
  let cells = 0;
  for (const { text, probes: part } of documents("query", probes)) {
    await Promise.all(askers.map(async (asker) => {
      const targets = targetsOf.get(asker) ?? new Map();
      const values = part.map((probe) => probe.values(targets, asker));
      const variables = Object.fromEntries(
        part.flatMap(({ types }, index) =>
          Object.entries(types).map((
            [name, type],
          ) => [`${name}${index}`, values[index]?.[name] ?? (type.startsWith("Int") ? 0 : NOBODY)])
        ),
      );
      const { data, errors } = await ask(asker, text, variables);
      expectRefusals(asker, errors, text);
      for (const foreign of foreignNodes(data)) {
        wrong.push({ cell: asker.name, expected: "nothing foreign", found: foreign });
      }
      part.forEach((probe, index) => {
        if (values[index] === null) return;
        // In an organization of their own they see that one
        if (!asker.inOurs && probe.isList === true) return;
        cells++;
        const expected = probe.expects(asker);
        const value = data?.[`p${index}`];
        const found = value !== null && probe.found(value);
        if (found === expected) return;
        wrong.push({
          cell: `${asker.name}: ${probe.cell}`,
          expected: expected ? "yes" : "no",
          found: JSON.stringify(data?.[`p${index}`]),
        });
      });
    }));
  }
  return { cells, wrong };
}

/** A read that is not allowed finds nothing, or says which permission it needs; it does not fail otherwise. */
function expectRefusals(
  asker: Principal,
  errors: GraphqlAnswer<unknown>["errors"],
  text: string,
): void {
  for (const error of errors ?? []) {
    const [, permission] = /^This needs the permission ([a-z]+:[a-z]+),/.exec(error.message) ?? [];
    if (
      error.extensions?.code === "FORBIDDEN" && permission !== undefined &&
      !(asker.inOurs && asker.permissions.has(permission))
    ) continue;
    throw new Error(`${asker.name}: ${JSON.stringify(error)}\n${text}`);
  }
}

/** What functions answer that refuse everybody else. */
const OPERATORS_ONLY = ["failedJobs", "taskRuns"];

const NOBODY = "00000000-0000-0000-0000-000000000000";

test("everybody finds what the table says, by id, in lists, through filters, orders and aggregates", async () => {
  const { cells, wrong } = await run(readProbes(schema, rights));
  console.log(`${cells} cells of the table of rights tried by GraphQL queries`);
  expect(wrong).toEqual([]);
  expect(cells).toBeGreaterThan(3_000);
});

test("what a key may not read is refused by name, and spoils nothing beside it", async () => {
  const lists = [...apiTypes(schema, rights).values()].map(({ list }) => list);
  const text = `{ ${lists.map((list) => `${list} { totalCount }`).join(" ")} viewer { userId } }`;
  const keys = askers.filter(({ key, inOurs }) => key && inOurs);
  let refused = 0;
  for (const asker of keys) {
    const { status, data, errors } = await ask(asker, text);
    expect(status).toBe(200);
    expectRefusals(asker, errors, text);
    const paths = new Set(errors?.map(({ path }) => path?.join(".")));
    expect(data?.viewer).not.toBeUndefined();
    for (const list of lists) {
      expect([asker.name, list, data?.[list] === null]).toEqual([
        asker.name,
        list,
        paths.has(list),
      ]);
    }
    refused += paths.size;
  }
  // A key with one scope is refused most of the lists
  expect(refused).toBeGreaterThan(10 * keys.length);
});

test("every field of Query is tried", () => {
  const tried = new Set(
    readProbes(schema, rights).map(({ field }) => /^\w+/.exec(field)?.[0] ?? ""),
  );
  const others = Object.keys(schema.getQueryType()?.getFields() ?? {}).filter((name) =>
    !tried.has(name)
  );
  expect(others.toSorted()).toEqual(
    [
      ...["nodeId", "entityAsOf", "entityHistory", "viewer"],
      ...OPERATORS_ONLY,
      ...Object.keys(REFUSING),
    ].toSorted(),
  );
});

test("the history of a row is told with audit:read only, and never another organization's", async () => {
  const query = `query ($id: String!) {
    entityAsOf(type: "Prompt", id: $id, at: "2100-01-01T00:00:00Z")
    entityHistory(type: "Prompt", id: $id) { totalCount }
  }`;
  for (const asker of askers) {
    for (const whose of ["own", "other"] as const) {
      const id = targetsOf.get(asker)?.get("core.prompts")?.[whose]?.row.id;
      const { data, errors } = await ask(asker, query, { id });
      const name = `${asker.name}, ${whose}`;
      // Who is not in ours asks in an organization of their own
      if (asker.inOurs && !asker.permissions.has("audit:read")) {
        const codes = errors?.map(({ extensions }) => extensions?.code);
        expect(codes, name).toEqual(["FORBIDDEN", "FORBIDDEN"]);
        expect(data, name).toEqual({ entityAsOf: null, entityHistory: null });
        continue;
      }
      expect(errors, name).toBeUndefined();
      const found = asker.inOurs && whose === "own";
      expect(data?.entityAsOf !== null, name).toBe(found);
      const { totalCount } = data?.entityHistory as { totalCount: number };
      expect(totalCount > 0, name).toBe(found);
    }
  }
});

test.each(OPERATORS_ONLY)("%s is for operators in person", async (field) => {
  for (const asker of askers) {
    const { data, errors } = await ask(asker, `{ ${field} { nodes { task } } }`);
    const found = errors?.[0]?.extensions?.code ?? JSON.stringify(data);
    expect([asker.name, found]).toEqual([
      asker.name,
      asker.operator ? expect.stringContaining('"task":') : "FORBIDDEN",
    ]);
  }
});

/** Reads that say why they answer nothing: an empty chart would be believed. */
const REFUSING = {
  martFreshness: { field: "martFreshness { mart }", needs: "marts:read" },
  metricKeys: { field: "metricKeys", needs: "marts:read" },
  metricSeries: {
    field: `metricSeries(key: "x", from: "2026-01-01T00:00Z", to: "2026-01-02T00:00Z") { count }`,
    needs: "marts:read",
  },
  analysisSeries: {
    field: `analysisSeries(from: "2026-01-01T00:00Z", to: "2026-01-02T00:00Z") { analyses }`,
    needs: "marts:read",
  },
  quotas: { field: "quotas { nodes { used } }", needs: "members:read" },
  legalHolds: { field: "legalHolds { nodes { reason } }", needs: "audit:read" },
  searchPrompts: {
    field: `searchPrompts(query: "content") { nodes { rank } }`,
    needs: "prompts:read",
  },
};

test.each(Object.entries(REFUSING))(
  "%s refuses whoever lacks its permission",
  async (name, { field, needs }) => {
    for (const asker of askers.filter(({ inOurs }) => inOurs)) {
      const { data, errors } = await ask(asker, `query { ${field} }`, {});
      const found = errors ? errors[0]?.extensions?.code : data?.[name] !== null;
      expect(found, asker.name).toBe(holds(asker, needs, "own") ? true : "FORBIDDEN");
    }
  },
);

describe("through relations", () => {
  /** What each asker found by each relation: rows of it, and whether a filter by it matched. */
  const found = new Map<string, Set<string>>();
  const relations: { from: string; table: string; relation: Relation; name: string }[] = [];
  const filterable = new Set<string>();

  beforeAll(async () => {
    const types = apiTypes(schema, rights);
    for (const type of types.values()) {
      const filter = schema.getType(`${type.name}Filter`);
      const filters = filter instanceof GraphQLInputObjectType ? filter.getFields() : {};
      const own = relationsOf(type, types).map((relation) => ({
        from: type.name,
        table: type.table,
        relation,
        name: `${type.name}.${relation.field}`,
      }));
      relations.push(...own);
      if (own.length === 0) continue;
      const fields = own.map(({ relation: { field, list } }) =>
        list ? `${field}(first: 5) { nodes { nodeId } totalCount }` : `${field} { nodeId }`
      );
      const exists = own.flatMap(({ relation: { field, target, list }, name }) => {
        const by = list
          ? `${field}Exist` in filters ? `{ ${field}Exist: true }` : null
          : field in filters
          ? `{ ${field}: { ${anyOf(target)} } }`
          : null;
        if (by === null) return [];
        filterable.add(name);
        return [`${field}: ${type.list}(filter: ${by}) { totalCount }`];
      });
      const text = `{ all: ${type.list}(first: 100) { nodes { nodeId ${fields.join(" ")} } }
        ${exists.join("\n")} }`;
      await Promise.all(askers.map(async (asker) => {
        const { data, errors } = await ask(asker, text);
        expectRefusals(asker, errors, text);
        expect(foreignNodes(data)).toEqual([]);
        const { all, ...counts } = data as unknown as {
          all: { nodes: Record<string, { totalCount?: number } | null>[] } | null;
        } & Record<string, { totalCount: number } | null>;
        const set = found.get(asker.name) ?? new Set();
        found.set(asker.name, set);
        for (const { relation: { field, list }, name } of own) {
          const isSome = all !== null &&
            all.nodes.some((node) =>
              list ? (node[field]?.totalCount ?? 0) > 0 : node[field] !== null
            );
          if (isSome) set.add(name);
          if ((counts[field]?.totalCount ?? 0) > 0) set.add(`filter by ${name}`);
        }
      }));
    }
  });

  /** A condition that every row of a type meets. */
  function anyOf(type: string): string {
    const filter = schema.getType(`${type}Filter`);
    const fields = filter instanceof GraphQLInputObjectType ? filter.getFields() : {};
    return "id" in fields ? "id: { isNull: false }" : "createdAt: { isNull: false }";
  }

  test("nobody finds what they could not read directly, nor learns that it exists", () => {
    const types = apiTypes(schema, rights);
    const wrong: Wrong[] = [];
    let cells = 0;
    for (const asker of askers.filter(({ inOurs }) => inOurs)) {
      for (const { table, relation, name } of relations) {
        const target = types.get(relation.target)?.table ?? "";
        const reads = (table: string) =>
          whoseRows(rights.tables[table] ?? {}).some((whose) =>
            allows(rights.tables[table] ?? {}, asker, "select", whose)
          );
        const may = reads(table) && reads(target);
        const doors = filterable.has(name) ? [name, `filter by ${name}`] : [name];
        for (const door of doors) {
          cells++;
          // What the owner finds, everybody else with the same rights finds too
          const expected = may && (found.get("owner")?.has(door) ?? false) &&
            mayBeOthers(asker, table, target);
          const is = found.get(asker.name)?.has(door) ?? false;
          if (is === expected || is && may) continue;
          wrong.push({
            cell: `${asker.name}: ${door}`,
            expected: String(expected),
            found: String(is),
          });
        }
      }
    }
    console.log(`${cells} cells of the table of rights tried through relations`);
    expect(wrong).toEqual([]);
    expect(cells).toBeGreaterThan(1_500);
  });

  /** Whether the rows that the owner reaches this way are not only the owner's own. */
  function mayBeOthers(asker: Principal, ...tables: string[]): boolean {
    return tables.every((table) =>
      rights.tables[table]?.rows?.person === undefined ||
      asker.person && asker.permissions.has("keys:write")
    );
  }

  test("the owner finds rows by almost all of them, so that nothing is nothing by accident", () => {
    const missed = relations.flatMap(({ name }) =>
      (filterable.has(name) ? [name, `filter by ${name}`] : [name]).filter((door) =>
        !found.get("owner")?.has(door)
      )
    );
    // These are of personal organizations alone
    const personal = ["User.personalOrganization", "Organization.personalUser"];
    expect(missed).toEqual(personal);
  });
});

test("without credentials nothing but viewer can be asked for", async () => {
  const fields = Object.keys(schema.getQueryType()?.getFields() ?? {});
  for (const name of fields.filter((name) => !["node", "nodeId", "viewer"].includes(name))) {
    const { data, errors } = await graphql(gateway.url, { query: `{ ${name} { __typename } }` });
    expect(data).toBeUndefined();
    expect(errors).toHaveLength(1);
    expect(errors?.[0]?.message).toMatch(`"${name}" is not there without credentials`);
    expect(errors?.[0]?.extensions?.code).toBe("UNAUTHENTICATED");
  }
  for (const { table, name } of apiTypes(schema, rights).values()) {
    for (const { row } of Object.values(targetsOf.get(askers[0] as Principal)?.get(table) ?? {})) {
      const nodeId = nodeIdOf(name, row);
      const query = `{ node(nodeId: ${JSON.stringify(nodeId)}) { nodeId } }`;
      expect((await graphql(gateway.url, { query })).data).toEqual({ node: null });
    }
  }
  const { data } = await graphql(gateway.url, { query: "{ viewer { userId } }" });
  expect(data).toEqual({ viewer: null });
});

test("invited and removed people are refused in the organization", async () => {
  for (const name of ["invited", "removed"]) {
    const asker = world.principals.find((each) => each.name === name);
    if (!asker) throw new Error("No such principal");
    const { status, data, errors } = await ask(
      { ...asker, slug: world.ours.slug },
      "{ prompts { totalCount } }",
    );
    expect([status, data, errors?.[0]?.extensions?.code]).toEqual([403, undefined, "FORBIDDEN"]);
  }
});
