import { createHash } from "node:crypto";
import { beforeAll, expect, test } from "vitest";
import pg from "pg";
import { pino } from "pino";
import { makeApiUsage } from "../../src/gateway/api_usage.ts";
import { withTestDatabase } from "../helpers/database.ts";
import { eventually } from "../helpers/eventually.ts";
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
  const gateway = await startGateway(database, { apiUsageIntervalMs: 50 });
  for (const name of ["a", "b"]) {
    await graphqlData(gateway.url, {
      token,
      organization: organization.slug,
      query: CREATE,
      variables: { name },
    });
  }
  await eventually(async () => expect(await events()).toEqual({ "api.createPrompt": 2 }));
  await database.query("select app.mart_refresh_all()");
  expect(
    await graphqlData(gateway.url, {
      key,
      query: `{ featuresByDay(filter: { featureKey: { equalTo: "api.createPrompt" } }) {
        nodes { events uniqueUsers } } }`,
    }),
  ).toEqual({ featuresByDay: { nodes: [{ events: 2, uniqueUsers: 1 }] } });
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
    data: { one: { prompt: expect.any(Object) }, two: null },
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
  await database.query("alter function app.api_usage_record(jsonb) rename to recording_aside");
  const pool = new pg.Pool({ connectionString: database.gatewayUrl });
  let lost = 0;
  const refused: string[] = [];
  const log = pino({ level: "warn" }, { write: (line: string) => void refused.push(line) });
  const features = makeApiUsage(pool, 20, log, (count) => lost += count);
  try {
    const caller = { jwtId: null, keyHash: hash(key), organization: null };
    features.note(caller, ["x", "x", "y"]);
    for (let i = 0; i < 10_010; i++) features.note({ ...caller, keyHash: `unknown ${i}` }, ["x"]);
    refused.length = 0;
    await eventually(() => expect(refused).not.toEqual([]));
    expect(await events()).toEqual({});
  } finally {
    await database.query("alter function app.recording_aside(jsonb) rename to api_usage_record");
  }
  await features.stop();
  await pool.end();
  expect(await events()).toEqual({ "api.x": 2, "api.y": 1 });
  expect(lost).toBe(12);
});

function hash(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
