import { createHash } from "node:crypto";
import { beforeAll, expect, test, vi } from "vitest";
import pg from "pg";
import { makeOwnFeatures } from "../../src/gateway/own_features.ts";
import { makeLog } from "../../src/log.ts";
import { withTestDatabase } from "../helpers/database.ts";
import { startGateway } from "../helpers/gateway.ts";
import { graphql, graphqlData } from "../helpers/graphql.ts";
import { makeKey, makeOrganization, type TestOrganization } from "../helpers/make.ts";
import { signIn } from "../helpers/token.ts";

const database = withTestDatabase();
let organization: TestOrganization;
let key: string;
let token: string;
beforeAll(async () => {
  organization = await makeOrganization(database);
  key = await makeKey(database, organization, ["prompts:read", "prompts:write", "marts:read"]);
  token = (await signIn(database, organization.ownerEmail)).token;
});

const CREATE = `mutation ($name: String!) {
  createPrompt(input: { prompt: { name: $name, content: "x" } }) { prompt { id } }
}`;

async function events(): Promise<Record<string, number>> {
  const rows = await database.query<{ feature: string; events: number }>(
    `select feature_key as feature, sum(event_count)::int as events
       from ops.feature_event where organization_id = $1 and feature_key like 'api.%' group by 1`,
    [organization.id],
  );
  return Object.fromEntries(rows.map(({ feature, events }) => [feature, events]));
}

test("a mutation shows up in the mart, with the user who made it, and without features:write", async () => {
  const gateway = await startGateway(database, { ownFeaturesMs: 50 });
  for (const name of ["a", "b"]) {
    await graphqlData(gateway.url, {
      token,
      organization: organization.slug,
      query: CREATE,
      variables: { name },
    });
  }
  await vi.waitFor(async () => expect(await events()).toEqual({ "api.createPrompt": 2 }), 10_000);
  await database.query("select app.refresh_marts()");
  expect(
    await graphqlData(gateway.url, {
      key,
      query: `{ featureDailies(filter: { featureKey: { equalTo: "api.createPrompt" } }) {
        nodes { events uniqueUsers } } }`,
    }),
  ).toEqual({ featureDailies: { nodes: [{ events: 2, uniqueUsers: 1 }] } });
  await gateway.stop();
});

test("queries count too, what failed does not, and nothing is lost when the gateway stops", async () => {
  await database.query("delete from ops.feature_event");
  const gateway = await startGateway(database);
  const query = `query { a: prompts { totalCount } ...more }
    fragment more on Query { b: prompts { totalCount } viewer { email } __typename }`;
  await graphqlData(gateway.url, { key, query });
  // The second field fails, the first was done
  const half = await graphql(gateway.url, {
    key,
    query: `mutation {
      one: createPrompt(input: { prompt: { name: "c", content: "x" } }) { prompt { id } }
      two: deletePrompt(input: { id: "none" }) { prompt { id } }
    }`,
  });
  expect(half).toMatchObject({
    data: { one: { prompt: {} }, two: null },
    errors: [{ path: ["two"] }],
  });
  await graphql(gateway.url, { key, query: "{ nonsense }" });
  await graphql(gateway.url, { query: "{ viewer { email } }" });
  expect(await events()).toEqual({});
  await gateway.stop();
  expect(await events()).toEqual({ "api.prompts": 2, "api.viewer": 1, "api.createPrompt": 1 });
});

test("uses are kept while the database refuses them, and those beyond the bound are counted", async () => {
  await database.query("delete from ops.feature_event");
  await database.query("alter function app.record_own_features(jsonb) rename to recording_aside");
  const pool = new pg.Pool({ connectionString: database.gatewayUrl });
  let lost = 0;
  const features = makeOwnFeatures(pool, 20, makeLog("silent"), (count) => lost += count);
  try {
    const caller = { jwtId: null, keyHash: hash(key), organization: null };
    features.note(caller, ["x", "x", "y"]);
    for (let i = 0; i < 10_010; i++) features.note({ ...caller, keyHash: `unknown ${i}` }, ["x"]);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(await events()).toEqual({});
  } finally {
    await database.query("alter function app.recording_aside(jsonb) rename to record_own_features");
  }
  await features.stop();
  await pool.end();
  expect(await events()).toEqual({ "api.x": 2, "api.y": 1 });
  expect(lost).toBe(12);
});

function hash(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
