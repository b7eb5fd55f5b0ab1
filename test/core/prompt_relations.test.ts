import fc from "fast-check";
import { beforeAll, expect, test } from "vitest";
import { withClient } from "../../src/database/open_client.ts";
import { withTestDatabase } from "../helpers/database.ts";
import { withGateway } from "../helpers/gateway.ts";
import { graphql, graphqlData } from "../helpers/graphql.ts";
import { makeKey, makeOrganization, type TestOrganization } from "../helpers/make.ts";
import { untilBlocked } from "../helpers/sessions.ts";

const database = withTestDatabase();
const gateway = withGateway(database);
let organization: TestOrganization;
let key: string;

beforeAll(async () => {
  organization = await makeOrganization(database);
  key = await makeKey(database, organization, ["prompts:read", "prompts:write"]);
});

async function prompts(n: number): Promise<string[]> {
  const rows = await database.query<{ id: string }>(
    "insert into core.prompts (organization_id, name, content) select $1, 'p' || n, 'x' from generate_series(1, $2) as n returning id",
    [organization.id, n],
  );
  return rows.map(({ id }) => id);
}

async function relate(source: string | undefined, target: string | undefined, type = "depends_on") {
  const { errors } = await graphql(gateway.url, {
    key,
    query:
      `mutation ($r: PromptRelationInput!) { createPromptRelation(input: { promptRelation: $r }) { clientMutationId } }`,
    variables: { r: { sourceId: source, targetId: target, relationType: type } },
  });
  return errors?.[0];
}

test("no prompt relates to itself, twice in the same way, or depends on itself over others", async () => {
  const [a, b, c] = await prompts(3);
  expect((await relate(a, a, "overrides"))?.extensions?.code).toBe("INVALID");
  expect(await relate(a, b)).toBeUndefined();
  expect((await relate(a, b))?.extensions?.code).toBe("CONFLICT");
  expect(await relate(a, b, "conflicts_with")).toBeUndefined();
  expect(await relate(b, c)).toBeUndefined();
  const refused = await relate(c, a);
  expect(refused?.extensions).toMatchObject({ code: "INVALID", field: "targetId" });
  expect(refused?.message).toContain(`${c} → ${a} → ${b} → ${c}`);
  expect(await relate(c, a, "overrides")).toBeUndefined();
});

test("an existing relation cannot be turned into the missing part of a cycle", async () => {
  const [a, b] = await prompts(2);
  await relate(a, b);
  await relate(b, a, "overrides");
  await expect(
    database.query(
      "update core.prompt_relations set relation_type = 'depends_on' where source_id = $1",
      [b],
    ),
  ).rejects.toMatchObject({ code: "CU004" });
});

test("two halves of a cycle at the same moment do not both get in", async () => {
  const [a, b] = await prompts(2);
  const insert =
    "insert into core.prompt_relations (organization_id, source_id, target_id, relation_type) values ($1, $2, $3, 'depends_on')";
  await withClient(database.adminUrl, async (first) => {
    await first.query("begin");
    await first.query(insert, [organization.id, a, b]);
    const second = expect(database.query(insert, [organization.id, b, a])).rejects.toMatchObject({
      code: "CU004",
    });
    await untilBlocked(database);
    await first.query("commit");
    await second;
  });
});

test("any sequence of relations stays without a cycle, and nothing else is refused", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.nat(5), fc.nat(5)), { minLength: 1, maxLength: 20 }),
      async (edges) => {
        const ids = await prompts(6);
        const known = new Map<number, Set<number>>();
        const reaches = (from: number, to: number): boolean =>
          from === to || [...known.get(from) ?? []].some((next) => reaches(next, to));
        await withClient(database.adminUrl, async (client) => {
          for (const [source, target] of edges) {
            const isCycle = reaches(target, source);
            const isDouble = known.get(source)?.has(target) ?? false;
            const outcome = await client.query(
              "insert into core.prompt_relations (organization_id, source_id, target_id, relation_type) values ($1, $2, $3, 'depends_on')",
              [organization.id, ids[source], ids[target]],
            ).then(() => "in", (error) => error.code);
            if (source === target) expect(["23514", "CU004"]).toContain(outcome);
            else if (isCycle) expect(outcome).toBe("CU004");
            else if (isDouble) expect(outcome).toBe("23505");
            else {
              expect(outcome).toBe("in");
              known.set(source, (known.get(source) ?? new Set()).add(target));
            }
          }
        });
      },
    ),
    { numRuns: 20 },
  );
});

test("the dependents of a prompt are found over any number of steps, in one's own organization", async () => {
  const [a, b, c, d] = await prompts(4);
  await relate(b, a);
  await relate(c, b);
  await relate(d, a, "overrides");
  const { prompt } = await graphqlData<{ prompt: { dependents: { nodes: { id: string }[] } } }>(
    gateway.url,
    {
      key,
      query: `query ($id: String!) { prompt(id: $id) { dependents { nodes { id } } } }`,
      variables: { id: a },
    },
  );
  expect(prompt.dependents.nodes.map(({ id }) => id).toSorted()).toEqual([b, c].toSorted());
});
