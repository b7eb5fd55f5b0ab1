import fc from "fast-check";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { withClient } from "../../src/database/open_client.ts";
import { repositoryRoot } from "../../src/shared/settings.ts";
import { withTestDatabase } from "../helpers/database.ts";
import { withGateway } from "../helpers/gateway.ts";
import { graphql, graphqlData } from "../helpers/graphql.ts";
import { makeKey, makeOrganization, type TestOrganization } from "../helpers/make.ts";
import { asMember } from "../helpers/member.ts";
import { makePerson, type TestPerson } from "../helpers/token.ts";

/** Who changed what, when, and what it was then. */

const database = withTestDatabase();
const gateway = withGateway(database);
let organization: TestOrganization;
let anna: TestPerson;
let key: string;

beforeAll(async () => {
  organization = await makeOrganization(database);
  anna = await makePerson(database, "anna@x.example");
  await database.query(
    "insert into ops.organization_user (organization_id, user_id, role) values ($1, $2, 'admin')",
    [organization.id, anna.userId],
  );
  key = await makeKey(database, organization, ["audit:read", "prompts:read", "prompts:write"]);
});

const as = () => ({ token: anna.token, organization: organization.slug });

interface Change {
  at: string;
  action: string;
  actorUserId: number | null;
  actorEmail: string | null;
  actorApiKeyName: string | null;
  actorRole: string;
  requestId: string | null;
  changes: { column: string; before: unknown; after: unknown }[];
  sentence: string;
}

async function history(id: string, who: object = as(), type = "Prompt"): Promise<Change[]> {
  const { entityHistory } = await graphqlData<{ entityHistory: { nodes: Change[] } }>(gateway.url, {
    ...who,
    query: `query ($type: String!, $id: String!) { entityHistory(type: $type, id: $id, first: 50) {
      nodes { at action actorUserId actorEmail actorApiKeyName actorRole requestId changes { column before after } sentence } } }`,
    variables: { type, id },
  });
  return entityHistory.nodes;
}

async function asOf(id: string, at: string, who: object = as(), type = "Prompt") {
  const { entityAsOf } = await graphqlData<{ entityAsOf: Record<string, unknown> | null }>(
    gateway.url,
    {
      ...who,
      query: `query ($type: String!, $id: String!, $at: Datetime!) {
        entityAsOf(type: $type, id: $id, at: $at) }`,
      variables: { type, id, at },
    },
  );
  return entityAsOf;
}

test("says in words and in columns who changed what, newest first, and what it was then", async () => {
  const send = async (query: string, variables: Record<string, unknown>, who: object = as()) =>
    await graphqlData<Record<string, { prompt: { id: string } }>>(gateway.url, {
      ...who,
      query,
      variables,
      headers: { "x-request-id": `history-${variables.n}` },
    });
  const made = await send(
    `mutation { createPrompt(input: { prompt: { name: "a", content: "one" } }) { prompt { id } } }`,
    { n: 1 },
  );
  const id = made.createPrompt?.prompt.id ?? "";
  const patch = `mutation ($id: String!, $patch: PromptPatch!) {
    updatePrompt(input: { id: $id, patch: $patch }) { prompt { id } } }`;
  await send(patch, { n: 2, id, patch: { content: "two", tags: ["x"], name: "b" } });
  await send(patch, { n: 3, id, patch: { description: "d" } }, { key });
  await database.query("update core.prompts set language = 'de' where id = $1", [id]);
  await send(
    `mutation ($id: String!) { deletePrompt(input: { id: $id }) { prompt { id } } }`,
    { n: 5, id },
  );
  const changes = await history(id);
  const login = new URL(database.adminUrl).username;
  expect(changes.map(({ sentence }) => sentence)).toEqual([
    "anna@x.example removed it",
    `the login ${login} changed language from "auto" to "de"`,
    expect.stringMatching(/^the API key "key \d+" changed description to "d"$/),
    `anna@x.example changed content from "one" to "two", name from "a" to "b" and tags`,
    "anna@x.example created it",
  ]);
  expect(changes[3]).toMatchObject({
    action: "update",
    actorUserId: anna.userId,
    actorEmail: "anna@x.example",
    actorApiKeyName: null,
    actorRole: "curestry_gateway",
    requestId: "history-2",
  });
  expect(changes[3]?.changes.filter(({ column }) => column !== "updated_at")).toEqual([
    { column: "content", before: "one", after: "two" },
    { column: "name", before: "a", after: "b" },
    { column: "tags", before: [], after: ["x"] },
  ]);
  expect(changes[4]?.changes).toContainEqual({ column: "content", before: null, after: "one" });
  expect(changes[4]?.changes.map(({ column }) => column)).not.toContain("description");

  const at = (n: number) => changes[n]?.at ?? "";
  expect(await asOf(id, at(4))).toMatchObject({ content: "one", name: "a" });
  expect(await asOf(id, at(3))).toMatchObject({ content: "two", name: "b", description: null });
  expect(await asOf(id, at(1))).toMatchObject({ description: "d", language: "de" });
  expect(await asOf(id, at(0))).toBeNull();
  expect(await asOf(id, "2020-01-01T00:00:00Z")).toBeNull();
  expect(await asOf(id, at(1), as(), "core.prompts")).toMatchObject({ language: "de" });
});

test("of a secret, the sentence tells that it changed, and no value", async () => {
  const [credential] = await database.query<{ id: string }>(
    `insert into ops.provider_credential (organization_id, provider, credential_ref)
     values ($1, 'mistral', 'vault:one') returning id`,
    [organization.id],
  );
  await database.query(
    "update ops.provider_credential set credential_ref = 'vault:two' where id = $1",
    [credential?.id],
  );
  const [change, insert] = await history(credential?.id ?? "", as(), "ProviderCredential");
  expect(change?.sentence).toMatch(/ changed credential_ref$/);
  expect(insert?.changes.map(({ column }) => column)).toContain("provider");
  expect(insert?.changes.map(({ column }) => column)).not.toContain("secrets");
});

test("says what became of a member, by which key of whom, and what was there before the log", async () => {
  const person = await makePerson(database, "bert@x.example");
  const [member] = await database.query<{ id: number }>(
    "insert into ops.organization_user (organization_id, user_id, role, status) values ($1, $2, 'viewer', 'invited') returning id",
    [organization.id, person.userId],
  );
  const id = String(member?.id);
  const change = (set: string) =>
    database.query(`update ops.organization_user set ${set} where id = $1`, [id]);
  await change("status = 'active'");
  await change("role = 'admin'");
  await change("status = 'removed'");
  await change("status = 'active'");
  const login = `the login ${new URL(database.adminUrl).username}`;
  const sentences = async (who: object = as(), type = "OrganizationUser", of = id) =>
    (await history(of, who, type)).map(({ sentence }) => sentence);
  expect(await sentences()).toEqual([
    `${login} changed status from "removed" to "active"`,
    `${login} changed status from "active" to "removed"`,
    `${login} changed role from "viewer" to "admin"`,
    `${login} accepted the invitation: status from "invited" to "active"`,
    `${login} created it`,
  ]);

  const [own] = await database.query<{ key: string }>(
    "select key from app.api_key_create($1, $2, 'by hand', '{prompts:read,prompts:write}', null)",
    [organization.id, anna.userId],
  );
  const { createPrompt } = await graphqlData<{ createPrompt: { prompt: { id: string } } }>(
    gateway.url,
    {
      key: own?.key ?? "",
      query:
        `mutation { createPrompt(input: { prompt: { name: "a", content: "one" } }) { prompt { id } } }`,
    },
  );
  expect(await sentences(as(), "Prompt", createPrompt.prompt.id))
    .toEqual([`anna@x.example (API key "by hand") created it`]);
  // Made before there was a log
  await withClient(database.adminUrl, async (client) => {
    await client.query("begin; set local session_replication_role = replica");
    await client.query(
      "insert into core.prompts (organization_id, id, name, content) values ($1, 'old', 'o', 'o')",
      [organization.id],
    );
    await client.query("commit");
    await client.query("select app.audit_baseline()");
  });
  expect(await sentences(as(), "Prompt", "old")).toEqual(["It was there when this log begins"]);
  // Values are in it while they are short
  for (
    const [column, value] of [
      ["description", "d".repeat(60)],
      ["description", "d".repeat(61)],
      ["extra_metadata", '{"a": 1}'],
    ]
  ) {
    await database.query(
      `update core.prompts set ${column} = $2 where organization_id = $1 and id = 'old'`,
      [
        organization.id,
        value,
      ],
    );
  }
  expect((await sentences(as(), "Prompt", "old")).slice(0, 3)).toEqual([
    `${login} changed extra_metadata`,
    `${login} changed description`,
    `${login} changed description to "${"d".repeat(60)}"`,
  ]);
});

test("of a person, only who may read members learns more than the number", async () => {
  const [made] = await database.query<{ id: string }>(
    `select entity_id as id from ops.audit_log
      where organization_id = $1 and entity_type = 'core.prompts' and actor_user_id = $2 limit 1`,
    [organization.id, anna.userId],
  );
  const changes = await history(made?.id ?? "", { key });
  expect(changes.at(-1)).toMatchObject({
    actorUserId: anna.userId,
    actorEmail: null,
    sentence: `user ${anna.userId} created it`,
  });
});

test("needs audit:read, and shows nothing of another organization", async () => {
  await database.query(
    "insert into core.prompts (organization_id, id, name, content) values ($1, 'mine', 'x', 'x')",
    [organization.id],
  );
  expect(await history("mine")).toHaveLength(1);
  const operations = [
    `{ entityHistory(type: "Prompt", id: "mine") { nodes { action } } }`,
    `{ entityAsOf(type: "Prompt", id: "mine", at: "2100-01-01T00:00:00Z") }`,
  ];
  const without = await makeKey(database, organization, ["prompts:read"]);
  for (const query of operations) {
    const { errors } = await graphql(gateway.url, { key: without, query });
    expect(errors?.[0]?.extensions?.code).toBe("FORBIDDEN");
    const anonymous = await graphql(gateway.url, { query });
    expect(anonymous.errors?.length).toBeGreaterThan(0);
    expect(anonymous.data ?? null).toBeNull();
  }
  const other = await makeOrganization(database);
  const theirs = { key: await makeKey(database, other, ["audit:read"]) };
  expect(await history("mine", theirs)).toEqual([]);
  expect(await asOf("mine", "2100-01-01T00:00:00Z", theirs)).toBeNull();
  expect(await history("never there")).toEqual([]);
});

test.each([
  ["Nonsense", /'Nonsense' is not audited.*Prompt, /],
  ["core.users", /core\.users belongs to no organization/],
  ["AnalysisMetric", /facts that are recorded many at a time/],
])("refuses %s by name, with what has a history", async (type, message) => {
  for (
    const query of [
      `query ($type: String!) { entityHistory(type: $type, id: "1") { nodes { action } } }`,
      `query ($type: String!) { entityAsOf(type: $type, id: "1", at: "2026-01-01T00:00:00Z") }`,
    ]
  ) {
    const { errors } = await graphql(gateway.url, { ...as(), query, variables: { type } });
    expect(errors?.[0]?.message).toMatch(message);
    expect(errors?.[0]?.extensions).toMatchObject({ code: "INVALID", field: "type" });
  }
});

test("knows every audited table by the name of its type in the API", async () => {
  const { tables } = JSON.parse(
    await readFile(join(repositoryRoot, "test/rights.json"), "utf8"),
  ) as { tables: Record<string, { type?: string }> };
  const audited = await database.query<{ name: string }>(
    "select table_name as name from app.audited_table where organization_column is not null and not summarize_inserts",
  );
  expect(audited.length).toBeGreaterThan(10);
  for (const { name } of audited) {
    const type = tables[name]?.type;
    if (type === undefined) continue;
    expect(await database.query("select app.audit_entity_table($1) as name", [type])).toEqual([
      { name },
    ]);
  }
});

test("of two transactions, the one that changed the row last says what it is, whichever began first", async () => {
  await database.query(
    "insert into core.prompts (organization_id, id, name, content) values ($1, 'raced', 'x', 'start'), ($1, 'other', 'x', 'x')",
    [organization.id],
  );
  await withClient(database.adminUrl, async (first) => {
    await first.query("begin");
    // It has its number and its time before the other begins
    await first.query("update core.prompts set content = 'y' where id = 'other'");
    await database.query("update core.prompts set content = 'second' where id = 'raced'");
    await first.query("update core.prompts set content = 'first, but later' where id = 'raced'");
    await first.query("commit");
  });
  expect(await asOf("raced", "2100-01-01T00:00:00Z")).toMatchObject({
    content: "first, but later",
  });
  expect((await history("raced"))[0]?.changes).toContainEqual({
    column: "content",
    before: "second",
    after: "first, but later",
  });
  expect(await database.query("select * from app.audit_verify_entities()")).toEqual([]);
});

test("a truncate ends what was there, once", async () => {
  await database.query(
    `insert into ops.provider_credential (organization_id, id, provider, credential_ref)
     values ($1, '00000000-0000-4000-8000-000000000001', 'openai', 'x')`,
    [organization.id],
  );
  const id = "00000000-0000-4000-8000-000000000001";
  expect(await asOf(id, "2100-01-01T00:00:00Z", as(), "ProviderCredential")).toMatchObject({
    provider: "openai",
  });
  await database.query("truncate ops.provider_credential");
  await database.query("truncate ops.provider_credential");
  expect(await asOf(id, "2100-01-01T00:00:00Z", as(), "ProviderCredential")).toBeNull();
  const changes = await history(id, as(), "ops.provider_credential");
  expect(changes.map(({ action }) => action)).toEqual(["truncate", "insert"]);
  expect(changes[0]?.sentence).toMatch(/ removed all rows of ops\.provider_credential$/);
  expect(changes[1]?.changes.map(({ column }) => column)).not.toContain("credential_ref");
});

test("after any history, the state at each time is the one that was there", async () => {
  const own = await makeOrganization(database);
  const ownKey = await makeKey(database, own, ["audit:read"]);
  const step = fc.record({
    kind: fc.constantFrom("insert", "update", "delete", "rename"),
    id: fc.integer({ min: 0, max: 2 }).map((n) => `p${n}`),
    content: fc.string({ minLength: 1, maxLength: 8 }).filter((s) =>
      /\S/.test(s) && !s.includes("\0")
    ),
    // Several steps in one transaction have one time: the last of them holds
    together: fc.boolean(),
  });
  let round = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 10 }), async (steps) => {
      const prefix = `r${++round}-`;
      const expected: { at: string; states: Record<string, unknown> }[] = [];
      await withClient(database.adminUrl, async (client) => {
        for (const [n, { kind, id, content, together }] of steps.entries()) {
          if (n === 0 || !steps[n - 1]?.together) await client.query("begin");
          const values = [own.id, prefix + id, content];
          if (kind === "insert") {
            await client.query(
              `insert into core.prompts (organization_id, id, name, content) values ($1, $2, 'n', $3)
               on conflict (organization_id, id) do nothing`,
              values,
            );
          } else if (kind === "update") {
            await client.query(
              "update core.prompts set content = $3 where organization_id = $1 and id = $2",
              values,
            );
          } else if (kind === "rename") {
            await client.query(
              "update core.prompts set name = left($3, 200), tags = jsonb_build_array($2::text) where organization_id = $1 and id = $2",
              values,
            );
          } else {
            await client.query(
              "delete from core.prompts where organization_id = $1 and id = $2 and $3 <> ''",
              values,
            );
          }
          if (together && n < steps.length - 1) continue;
          const { rows: [now] } = await client.query<{ at: string; states: object | null }>(
            `select now()::text as at, jsonb_object_agg(p.id, to_jsonb(p)) as states
               from core.prompts p where p.organization_id = $1 and p.id ^@ $2`,
            [own.id, prefix],
          );
          await client.query("commit");
          expected.push({ at: now?.at ?? "", states: { ...now?.states } });
        }
      });
      await asMember(database, ownKey, async (client) => {
        for (const { at, states } of expected) {
          for (const id of ["p0", "p1", "p2"]) {
            const { rows } = await client.query(
              "select ops.entity_as_of('Prompt', $1, $2) as state",
              [prefix + id, at],
            );
            expect(rows[0]?.state).toEqual(states[prefix + id] ?? null);
          }
        }
      });
    }),
    { numRuns: 25 },
  );
});
