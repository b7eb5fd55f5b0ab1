import fc from "fast-check";
import { beforeAll, expect, test } from "vitest";
import { withClient } from "../../src/database/open_client.ts";
import { withTestDatabase } from "../helpers/database.ts";
import { withGateway } from "../helpers/gateway.ts";
import { graphql, graphqlData } from "../helpers/graphql.ts";
import { recordAnalyses, RESULT } from "../helpers/graphql_analyses.ts";
import { makeKey, makeOrganization, type TestOrganization } from "../helpers/make.ts";
import { asMember } from "../helpers/member.ts";

const database = withTestDatabase();
const gateway = withGateway(database);
let organization: TestOrganization;
let key: string;

beforeAll(async () => {
  organization = await makeOrganization(database);
  key = await makeKey(database, organization, [
    "prompts:read",
    "prompts:write",
    "analyses:write",
    "audit:read",
  ]);
});

interface Entry {
  action: string;
  entityType: string;
  entityId: string;
  actorApiKeyId: string | null;
  actorRole: string;
  requestId: string | null;
  beforeState: Record<string, unknown> | null;
  afterState: Record<string, unknown> | null;
  changedColumns: string[] | null;
}

async function history(entityId: string): Promise<Entry[]> {
  const { auditLogs } = await graphqlData<{ auditLogs: { nodes: Entry[] } }>(gateway.url, {
    key,
    query: `query ($id: String!) {
      auditLogs(filter: { entityId: { equalTo: $id } }, orderBy: TS_ASC) {
        nodes { action entityType entityId actorApiKeyId actorRole requestId beforeState afterState changedColumns }
      }
    }`,
    variables: { id: entityId },
  });
  return auditLogs.nodes;
}

test("tells who changed what through the API, with the request id", async () => {
  const send = async (query: string, requestId: string, variables = {}) =>
    (await graphql<Record<string, { prompt: { id: string } }>>(gateway.url, {
      key,
      query,
      variables,
      headers: { "x-request-id": requestId },
    })).data;
  const made = await send(
    `mutation { createPrompt(input: { prompt: { name: "a", content: "one" } }) { prompt { id } } }`,
    "audit-insert",
  );
  const id = made?.createPrompt?.prompt.id ?? "";
  await send(
    `mutation ($id: String!) { updatePrompt(input: { id: $id, patch: { content: "two" } }) { prompt { id } } }`,
    "audit-update",
    { id },
  );
  await send(
    `mutation ($id: String!) { deletePrompt(input: { id: $id }) { prompt { id } } }`,
    "audit-delete",
    { id },
  );
  const entries = await history(id);
  expect(entries).toMatchObject([
    {
      action: "insert",
      entityType: "core.prompts",
      requestId: "audit-insert",
      beforeState: null,
      afterState: { name: "a", content: "one" },
    },
    {
      action: "update",
      requestId: "audit-update",
      beforeState: { content: "one" },
      afterState: { content: "two" },
      changedColumns: ["content", "updated_at"],
    },
    {
      action: "delete",
      requestId: "audit-delete",
      beforeState: { content: "two" },
      afterState: null,
    },
  ]);
  const [stored] = await database.query<{ id: string }>(
    "select id from ops.api_key where organization_id = $1",
    [organization.id],
  );
  for (const entry of entries) {
    expect(entry.actorApiKeyId).toBe(stored?.id);
    expect(entry.actorRole).toBe("curestry_gateway");
  }
});

test("a change in psql is recorded with its login", async () => {
  await database.query(
    "insert into core.prompts (organization_id, id, name, content) values ($1, 'by-hand', 'x', 'x')",
    [organization.id],
  );
  const [entry] = await history("by-hand");
  expect(entry).toMatchObject({ action: "insert", actorApiKeyId: null, requestId: null });
  expect(entry?.actorRole).toBe(new URL(database.adminUrl).username);
});

test("a change of rows that fails is not recorded", async () => {
  await withClient(database.adminUrl, async (client) => {
    await client.query("begin");
    await client.query("update core.prompts set name = 'y' where id = 'by-hand'");
    await client.query("rollback");
  });
  expect(await history("by-hand")).toHaveLength(1);
});

test("facts are summarized per statement, documents and runs are recorded one by one", async () => {
  const outcomes = await recordAnalyses(
    gateway.url,
    key,
    [1, 2, 3].map((n) => ({
      promptContent: `x ${n}`,
      result: RESULT,
      metrics: [{ key: "m", valueNum: n }],
    })),
  );
  expect(outcomes.map(({ outcome }) => outcome)).toEqual(["inserted", "inserted", "inserted"]);
  const ids = outcomes.map(({ analysisRunId }) => analysisRunId);
  const rows = await database.query<{ entity_type: string; n: number }>(
    `select entity_type, count(*)::int as n from ops.audit_log
      where organization_id = $1 and ts = (select max(ts) from ops.audit_log where organization_id = $1)
      group by 1 order by 1`,
    [organization.id],
  );
  expect(rows).toEqual([
    { entity_type: "core.analysis_results", n: 3 },
    { entity_type: "ops.analysis_metric", n: 2 },
    { entity_type: "ops.analysis_run", n: 3 },
    { entity_type: "ops.feature_event", n: 1 },
  ]);
  for (const id of ids) expect(await history(id ?? "")).toHaveLength(1);
});

test("a truncate is recorded", async () => {
  await database.query("truncate ops.provider_credential");
  const [row] = await database.query<{ n: number }>(
    "select count(*)::int as n from ops.audit_log where action = 'truncate' and entity_type = 'ops.provider_credential'",
  );
  expect(row?.n).toBe(1);
});

test("secrets are left out", async () => {
  await database.query(
    "insert into ops.provider_credential (organization_id, provider, credential_ref) values ($1, 'openai', 'canary-credential')",
    [organization.id],
  );
  await database.query("update ops.provider_credential set credential_ref = 'canary-credential-2'");
  await database.query("insert into core.users (email) values ('s@x.example')");
  await database.query(
    "insert into core.sessions (user_id, jwt_id, expires_at) select id, 'canary-session', now() + interval '1 hour' from core.users where email = 's@x.example'",
  );
  await database.query(
    "insert into core.auth_accounts (user_id, provider, provider_account_id, access_token, refresh_token) select id, 'github', '1', 'canary-access', 'canary-refresh' from core.users where email = 's@x.example'",
  );
  const [hash] = await database.query<{ key_hash: string }>(
    "select key_hash from ops.api_key limit 1",
  );
  const rows = await database.query<{ entity_type: string }>(
    "select distinct entity_type from ops.audit_log where entity_type in ('ops.provider_credential', 'core.sessions', 'core.auth_accounts', 'ops.api_key')",
  );
  expect(rows).toHaveLength(4);
  const [leaks] = await database.query<{ n: number }>(
    "select count(*)::int as n from ops.audit_log a where a::text like '%canary%' or a::text like '%' || $1 || '%'",
    [hash?.key_hash],
  );
  expect(leaks?.n).toBe(0);
});

test("nobody who works through the API can write it, and only audit:read reads it", async () => {
  for (
    const statement of [
      "delete from ops.audit_log",
      "update ops.audit_log set action = 'x'",
      "insert into ops.audit_log default values",
    ]
  ) {
    await expect(asMember(database, key, (client) => client.query(statement))).rejects
      .toMatchObject({ code: "42501" });
  }
  const blind = await makeKey(database, organization, ["prompts:read"]);
  const refused = await graphql(gateway.url, {
    key: blind,
    query: "{ auditLogs { totalCount } }",
  });
  expect(refused.data).toEqual({ auditLogs: null });
  expect(refused.errors).toMatchObject([{ extensions: { code: "FORBIDDEN" } }]);
  const { auditLogs: seen } = await graphqlData<{ auditLogs: { totalCount: number } }>(
    gateway.url,
    { key, query: "{ auditLogs { totalCount } }" },
  );
  expect(seen.totalCount).toBeGreaterThan(0);
});

test("replaying the log gives the table, whatever was done to it", async () => {
  const own = await makeOrganization(database);
  const change = fc.record({
    kind: fc.constantFrom("insert", "update", "delete", "update all", "move"),
    name: fc.integer({ min: 0, max: 4 }).map((n) => `n${n}`),
    content: fc.string({ minLength: 1, maxLength: 20 }).filter((s) =>
      /\S/.test(s) && !s.includes("\0")
    ),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 12 }), async (changes) => {
      await withClient(database.adminUrl, async (client) => {
        for (const { kind, name, content } of changes) {
          const values = [own.id, name, content];
          switch (kind) {
            case "insert":
              await client.query(
                "insert into core.prompts (organization_id, name, content) values ($1, $2, $3), ($1, $2, $3 || '!')",
                values,
              );
              break;
            case "update":
              await client.query(
                "update core.prompts set content = $3 where organization_id = $1 and name = $2",
                values,
              );
              break;
            case "delete":
              await client.query(
                "delete from core.prompts where organization_id = $1 and name = $2 and content <> $3",
                values,
              );
              break;
            case "update all":
              await client.query(
                "update core.prompts set description = $2 where organization_id = $1 and $3 <> ''",
                values,
              );
              break;
            case "move":
              await client.query(
                "update core.prompts set name = name || $2 where organization_id = $1 and length(name) < 50 and $3 <> ''",
                values,
              );
          }
        }
        const { rows: differences } = await client.query(
          `with last as (
             select distinct on (entity_id) entity_id, action, after_state
               from ops.audit_log
              where organization_id = $1 and entity_type = 'core.prompts'
              order by entity_id, ts desc)
           select * from (select entity_id, after_state from last where action <> 'delete') l
             full join (select id, to_jsonb(p) as state from core.prompts p where organization_id = $1) p on p.id = l.entity_id
            where p.state is distinct from l.after_state`,
          [own.id],
        );
        expect(differences).toEqual([]);
      });
    }),
    { numRuns: 25 },
  );
});
