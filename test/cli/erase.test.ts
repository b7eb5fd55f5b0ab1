import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Client } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { withClient } from "../../src/database/open_client.ts";
import { cli, cliJson } from "../helpers/cli.ts";
import { query, withTestDatabase } from "../helpers/database.ts";
import { withGateway } from "../helpers/gateway.ts";
import { graphql, graphqlData } from "../helpers/graphql.ts";
import { recordAnalyses, RESULT } from "../helpers/graphql_analyses.ts";
import { makeAnalyst, makeKey, makeOrganization, type TestOrganization } from "../helpers/make.ts";
import { asMember } from "../helpers/member.ts";
import { makePerson, type TestPerson } from "../helpers/token.ts";
import { sealAll } from "../helpers/seal.ts";

/** People and organizations are taken out of everything, and the audit log still proves itself. */

const database = withTestDatabase();
const gateway = withGateway(database);
let dataDir: string;
beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "curestry-erase-"));
});
afterAll(() => rm(dataDir, { recursive: true, force: true }));

const env = () => ({ ...database.env, CURESTRY_DATA_DIR: dataDir });

interface Receipt {
  id: string;
  kind: string;
  subjectId: string;
  counts: Record<string, number>;
}
interface Refusal {
  error: { code: string; message: string };
}

const erase = <T = Receipt>(what: string, whom: string, code = 0, ...args: string[]) =>
  cliJson<T>([what, "erase", whom, "--yes", ...args], { env: env() }, code);

const seal = () => sealAll(database);

async function problems(): Promise<string[]> {
  const rows = await database.query<{ problem: string }>(
    `select problem from app.verify_audit_chain()
     union all select problem || ': ' || entity_type || ' ' || coalesce(detail, '') from app.verify_audit_entities()`,
  );
  return rows.map(({ problem }) => problem);
}

/** Every column of every table, of whatever schema, that holds a text. */
async function find(canary: string): Promise<string[]> {
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

let made = 0;

/** A person of whom there is something everywhere, also in an organization with others. */
async function makeTraces(): Promise<
  { person: TestPerson; canary: string; shared: TestOrganization; promptId: string; runId: string }
> {
  const canary = `canary${++made}`;
  const shared = await makeOrganization(database);
  const person = await makePerson(database, `${canary}@x.example`);
  await database.query(
    "insert into ops.organization_user (organization_id, user_id, role) values ($1, $2, 'admin')",
    [shared.id, person.userId],
  );
  const send = (operation: string, organization?: string) =>
    graphqlData<Record<string, Record<string, { id: string }>>>(gateway.url, {
      token: person.token,
      ...(organization === undefined ? {} : { organization }),
      query: `mutation { ${operation} }`,
    });
  await send(
    `updateUser(input: { id: ${person.userId}, patch: { name: "${canary} Name", avatarUrl: "https://${canary}.example" } }) { user { id } }`,
  );
  await database.query(
    `insert into core.auth_accounts (user_id, provider, provider_account_id, access_token, raw_profile)
     values ($1, 'github', $2::text, $2::text, jsonb_build_object('login', $2::text))`,
    [person.userId, canary],
  );
  const made_ = await send(
    `createPrompt(input: { prompt: { name: "shared", content: "first" } }) { prompt { id } }`,
    shared.slug,
  );
  const promptId = made_.createPrompt?.prompt?.id ?? "";
  await send(
    `updatePrompt(input: { id: "${promptId}", patch: { content: "second" } }) { prompt { id } }`,
    shared.slug,
  );
  const started = await send(
    `startAnalysisRun(input: { promptId: "${promptId}" }) { result { id } }`,
    shared.slug,
  );
  await send(
    `createApiKey(input: { name: "k", scopes: ["prompts:read"] }) { result { id } }`,
    shared.slug,
  );
  await send(
    `inviteMember(input: { email: "somebody-${
      canary.slice(6)
    }@y.example", role: "viewer" }) { result { userId } }`,
    shared.slug,
  );
  // The personal organization is nobody else's: anything in it may be about the person
  const own = await send(
    `createPrompt(input: { prompt: { name: "${canary}", content: "${canary} one", tags: ["${canary}"] } }) { prompt { id } }`,
  );
  await send(
    `updatePrompt(input: { id: "${own.createPrompt?.prompt?.id}", patch: { content: "${canary} two" } }) { prompt { id } }`,
  );
  await send(`startAnalysisRun(input: { promptContent: "${canary}" }) { result { id } }`);
  await send(
    `recordFeatureEvents(input: { events: [{ featureKey: "${canary}" }] }) { clientMutationId }`,
  );
  const [personal] = await database.query<{ id: string; slug: string }>(
    "select id, slug from ops.organization where personal_user_id = $1",
    [person.userId],
  );
  if (!personal) throw new Error("There is no personal organization");
  const key = await makeKey(
    database,
    { ...personal, ownerUserId: person.userId, ownerEmail: person.email },
    ["analyses:write"],
  );
  await recordAnalyses(gateway.url, key, [{
    promptContent: canary,
    result: RESULT,
    metrics: [{ key: canary, valueText: canary }, { key: `${canary} n`, valueNum: 1 }],
    nodeResults: [{ node: canary, status: "ok" }],
  }]);
  return { person, canary, shared, promptId, runId: started.startAnalysisRun?.result?.id ?? "" };
}

describe("a user", () => {
  test("is taken out of every table and of the log, sealed or not, and the log is whole", async () => {
    const before = await makeTraces();
    const { person, canary, shared, promptId, runId } = before;
    await seal();
    await database.query("select app.refresh_marts()");
    // Not sealed, and marts not yet brought up to date, when the erasure comes
    await graphqlData(gateway.url, {
      token: person.token,
      query:
        `mutation { updateUser(input: { id: ${person.userId}, patch: { name: "${canary} 2" } }) { user { id } }
        recordFeatureEvents(input: { events: [{ featureKey: "${canary} late" }] }) { clientMutationId } }`,
    });
    const traces = await find(canary);
    for (
      const place of [
        "core.users.email",
        "core.users.name",
        "core.users.avatar_url",
        "core.auth_accounts.raw_profile",
        "core.prompts.content",
        "core.prompt_versions.content",
        "ops.analysis_metric.value_text",
        "ops.audit_log.before_state",
        "ops.audit_log.after_state",
        "mart.feature_daily.feature_key",
        "ops.organization.name",
      ]
    ) expect(traces).toContain(place);
    const other = await makeTraces();
    const otherTraces = await find(other.canary);

    const dry = await cliJson<{ dryRun: boolean; counts: object }>(
      ["user", "erase", person.email, "--dry-run"],
      { env: env() },
    );
    expect(dry).toMatchObject({ dryRun: true, counts: { "core.users": 1, "core.sessions": 1 } });
    expect(await find(canary)).toEqual(traces);

    const receipt = await erase("user", person.email.toUpperCase());
    expect(receipt).toMatchObject({
      kind: "user",
      subjectId: String(person.userId),
      counts: {
        "core.users": 1,
        "core.sessions": 1,
        "core.auth_accounts": 1,
        "core.prompts": 1,
        "core.prompt_versions": 2,
        "ops.organization": 1,
        "ops.api_key": 2,
      },
    });
    expect(receipt.counts).toEqual((dry as unknown as Receipt).counts);

    expect(await find(canary)).toEqual([]);
    await database.query("select app.refresh_marts()");
    expect(await find(canary)).toEqual([]);
    expect(await problems()).toEqual([]);
    await seal();
    expect(await find(canary)).toEqual([]);
    const verdict = await cli(["audit", "verify"], { env: env() });
    expect(verdict.stdout).toContain("The audit log is whole");
    expect(verdict.code).toBe(0);
    expect(await find(other.canary)).toEqual(expect.arrayContaining(otherTraces));

    // What they did for the shared organization stays, under a number
    const key = await makeKey(database, shared, ["prompts:read", "analyses:read", "members:read"]);
    const left = await graphqlData(gateway.url, {
      key,
      query: `query ($prompt: String!, $run: UUID!) {
        prompt(id: $prompt) { content promptVersions { nodes { userId } } }
        analysisRun(id: $run) { userId user { email name erasedAt } } }`,
      variables: { prompt: promptId, run: runId },
    });
    expect(left).toEqual({
      prompt: {
        content: "second",
        promptVersions: { nodes: [{ userId: person.userId }, { userId: person.userId }] },
      },
      analysisRun: {
        userId: person.userId,
        user: { email: null, name: null, erasedAt: expect.any(String) },
      },
    });
    const [state] = await database.query(
      `select (select status from ops.organization_user where user_id = $1) as membership,
              (select bool_and(is_revoked) from ops.api_key where user_id = $1) as revoked,
              (select kind || ' ' || subject_id from app.erasure where id = $2) as receipt`,
      [person.userId, receipt.id],
    );
    expect(state).toEqual({
      membership: "removed",
      revoked: true,
      receipt: `user ${person.userId}`,
    });
    const answer = await graphql(gateway.url, {
      token: person.token,
      query: "{ viewer { email } }",
    });
    expect(answer.status).toBe(401);

    const again = await erase<Refusal>("user", person.email, 1);
    expect(again.error).toMatchObject({ code: "NOT_FOUND" });
    expect(again.error.message).toContain("There is no user with the e-mail address");
  });

  test("who is named in what others wrote is told to the operator, who decides", async () => {
    const organization = await makeOrganization(database);
    const person = await makePerson(database, "named@x.example");
    await database.query(
      "insert into core.prompts (organization_id, name, content) values ($1, 'a', 'Write to Named@x.example')",
      [organization.id],
    );
    const dry = await cliJson<{ mentions: object }>(
      ["user", "erase", person.email, "--dry-run"],
      { env: env() },
    );
    const expected = { "core.prompts": 1, "core.prompt_versions": 1, "ops.audit_log": 2 };
    expect(dry.mentions).toEqual(expected);
    expect(await erase("user", person.email)).toMatchObject({ mentions: expected });
    expect(await find("named@x.example")).not.toContain("core.users.email");
  });

  test("is erased with what somebody writes at the same moment, and what is sealed then", async () => {
    const person = await makePerson(database, "busy@x.example");
    const [personal] = await database.query<{ id: string }>(
      "select id from ops.organization where personal_user_id = $1",
      [person.userId],
    );
    await seal();
    await withClient(database.adminUrl, async (writer) => {
      await writer.query("begin");
      await writer.query(
        "insert into core.prompts (organization_id, name, content) values ($1, 'busy@x.example', 'busy@x.example')",
        [personal?.id],
      );
      const erasing = database.query("select * from app.erase_user($1)", [person.userId]);
      await expect.poll(async () =>
        (await database.query<{ n: number }>(
          "select count(*)::int as n from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'",
        ))[0]?.n
      ).toBe(1);
      await seal();
      await writer.query("commit");
      await erasing;
    });
    expect(await find("busy@x.example")).toEqual([]);
    await seal();
    expect(await problems()).toEqual([]);
  });

  test("who was an operator is none any more", async () => {
    const person = await makePerson(database, "operator@x.example");
    await cliJson(["operator", "grant", person.email], { env: env() });
    const rows = () =>
      database.query("select from app.operator where user_id = $1", [person.userId]);
    expect(await rows()).toHaveLength(1);
    expect(await erase("user", person.email)).toMatchObject({ counts: { "app.operator": 1 } });
    expect(await rows()).toHaveLength(0);
    await cliJson(["operator", "list"], { env: env() });
  });

  test("stays erased, whatever a request writes that began before", async () => {
    const person = await makePerson(database, "late@x.example");
    await erase("user", person.email);
    await expect(
      database.query("update core.users set name = 'Late' where id = $1", [person.userId]),
    ).rejects.toMatchObject({ constraint: "chk_users_erased_at" });
  });

  test("who is the last owner of an organization hands over first", async () => {
    const organization = await makeOrganization(database);
    const { error } = await erase<Refusal>("user", organization.ownerEmail, 1);
    expect(error.code).toBe("CONFLICT");
    expect(error.message).toContain(`the last owner of ${organization.slug}`);
    const heir = await makePerson(database);
    await database.query(
      "insert into ops.organization_user (organization_id, user_id, role) values ($1, $2, 'owner')",
      [organization.id, heir.userId],
    );
    expect(await erase("user", organization.ownerEmail)).toMatchObject({ kind: "user" });
  });

  test("whose personal organization has others in it has to part from them first", async () => {
    const person = await makePerson(database, "host@x.example");
    const guest = await makePerson(database, "guest@x.example");
    await database.query(
      `insert into ops.organization_user (organization_id, user_id, role)
       select id, $2, 'viewer' from ops.organization where personal_user_id = $1`,
      [person.userId, guest.userId],
    );
    const { error } = await erase<Refusal>("user", person.email, 1);
    expect(error.message).toContain("has other members: remove them first");
    expect(await find("host@x.example")).toContain("core.users.email");
  });

  test("is not erased without a yes", async () => {
    const person = await makePerson(database, "doubt@x.example");
    const { code, stderr } = await cli(["user", "erase", person.email], { env: env() });
    expect(code).toBe(2);
    expect(stderr).toContain("add --yes");
    expect(await find("doubt@x.example")).toContain("core.users.email");
  });
});

describe("an organization", () => {
  test("is taken out with every row of every table, and its chain stays whole", async () => {
    const canary = `canary${++made}`;
    const organization = await makeOrganization(database, {
      slug: `${canary}-slug`,
      name: `${canary} Inc.`,
      owner: `owner@keeps-${made}.example`,
    });
    const key = await makeKey(database, organization, [
      "prompts:write",
      "prompts:read",
      "analyses:write",
      "features:write",
    ]);
    await makeAnalyst(database, [organization]);
    const { createPrompt: { prompt } } = await graphqlData<
      { createPrompt: { prompt: { id: string } } }
    >(gateway.url, {
      key,
      query:
        `mutation { createPrompt(input: { prompt: { name: "${canary}", content: "${canary}" } }) { prompt { id } } }`,
    });
    await database.query(
      `with r as (insert into ops.judge_rubric (organization_id, name) values ($1, $2) returning id)
       insert into ops.judge_criterion (organization_id, rubric_id, key, title) select $1, id, 'c', $2 from r`,
      [organization.id, canary],
    );
    await database.query(
      `insert into app.mart_check (buckets, differences, details)
       values (1, 1, jsonb_build_array(jsonb_build_object('organization', $1::text)))`,
      [organization.slug],
    );
    await recordAnalyses(gateway.url, key, [{
      promptId: prompt.id,
      result: RESULT,
      metrics: [{ key: canary, valueNum: 1 }],
      scores: [{ rubric: canary, criterion: "c", score: 1, comment: canary }],
    }]);
    await database.query("select app.refresh_marts()");
    await database.query(
      `insert into ops.provider_credential (organization_id, provider, credential_ref) values ($1, 'openai', $2)`,
      [organization.id, canary],
    );
    await seal();
    // A superuser may not erase with it what is not the organization's
    const others = await database.query<{ n: number }>(
      "select count(*)::int as n from ops.audit_log where organization_id <> $1 and erasure_id is not null",
      [organization.id],
    );
    const receipt = await erase("organization", organization.slug);
    expect(receipt.counts).toMatchObject({
      "ops.organization": 1,
      "core.prompts": 1,
      "core.prompt_versions": 1,
      "ops.judge_score": 1,
      "ops.analyst_grant": 1,
      "mart.analysis_daily": 1,
    });
    expect(await find(canary)).toEqual([]);
    const tables = await database.query<{ name: string }>(
      `select c.oid::regclass::text as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
         join pg_attribute a on a.attrelid = c.oid and a.attname = 'organization_id'
        where n.nspname in ('app', 'core', 'ops', 'mart') and c.relkind in ('r', 'p') and not c.relispartition
          and c.relname not in ('audit_log', 'audit_seal', 'audit_detachment')`,
    );
    expect(tables.length).toBeGreaterThan(20);
    for (const { name } of tables) {
      const [row] = await database.query<{ n: number }>(
        `select count(*)::int as n from ${name} where organization_id = $1`,
        [organization.id],
      );
      expect(row?.n, name).toBe(0);
    }
    expect(await problems()).toEqual([]);
    await seal();
    expect(await problems()).toEqual([]);
    const kept = await database.query<{ action: string; entity_type: string }>(
      "select action, entity_type from ops.audit_log where organization_id = $1 order by seq",
      [organization.id],
    );
    expect(kept[0]).toEqual({ action: "insert", entity_type: "ops.organization" });
    expect(kept.at(-1)).toEqual({ action: "erase", entity_type: "ops.organization" });
    expect(
      await database.query(
        "select count(*)::int as n from ops.audit_log where organization_id <> $1 and erasure_id is not null",
        [organization.id],
      ),
    ).toEqual(others);
    const [owner] = await database.query("select email from core.users where id = $1", [
      organization.ownerUserId,
    ]);
    expect(owner).toEqual({ email: organization.ownerEmail });
    expect((await erase<Refusal>("organization", organization.slug, 1)).error.code).toBe(
      "NOT_FOUND",
    );
  });

  test("of a person goes with the person only", async () => {
    const person = await makePerson(database);
    const { error } = await erase<Refusal>("organization", `user-${person.userId}`, 1);
    expect(error.message).toContain("it goes when the user is erased");
  });
});

describe("a forged erasure is found", () => {
  /** As somebody who can switch triggers off; undone after it was looked at. */
  async function tamper(work: (client: Client) => Promise<void>): Promise<string[]> {
    return await withClient(database.adminUrl, async (client) => {
      await client.query("begin");
      await client.query("set local session_replication_role = replica");
      await work(client);
      const { rows } = await client.query<{ problem: string }>(
        "select problem from app.verify_audit_chain()",
      );
      await client.query("rollback");
      return rows.map(({ problem }) => problem);
    });
  }

  let organization: TestOrganization;
  let receipt: Receipt;
  let entry: string;

  beforeAll(async () => {
    const person = await makePerson(database, "forged@x.example");
    receipt = await erase("user", person.email);
    organization = await makeOrganization(database);
    await database.query(
      "insert into core.prompts (organization_id, name, content) values ($1, 'a', 'x'), ($1, 'b', 'x')",
      [organization.id],
    );
    await seal();
    expect(await problems()).toEqual([]);
    const [row] = await database.query<{ id: string }>(
      "select id from ops.audit_log where organization_id = $1 and entity_type = 'core.prompts' limit 1",
      [organization.id],
    );
    entry = row?.id ?? "";
  });

  test.each<[string, (client: Client) => Promise<unknown>, string]>([
    [
      "states taken out and nothing said",
      (client) =>
        client.query("update ops.audit_log set after_state = null where id = $1", [entry]),
      "row changed",
    ],
    [
      "an erasure that has no receipt",
      (client) =>
        client.query(
          "update ops.audit_log set after_state = null, erasure_id = gen_random_uuid() where id = $1",
          [entry],
        ),
      "erased without a receipt",
    ],
    [
      "a receipt that nobody recorded",
      (client) =>
        client.query(
          `with e as (insert into app.erasure (kind, subject_id, counts) values ('user', '1', '{"ops.audit_log": 1}') returning id)
           update ops.audit_log set after_state = null, erasure_id = (select id from e) where id = $1`,
          [entry],
        ),
      "erased without a receipt",
    ],
    [
      "another receipt, of another organization's log",
      (client) =>
        client.query(
          "update ops.audit_log set after_state = null, erasure_id = $2 where id = $1",
          [entry, receipt.id],
        ),
      "erased without a receipt",
    ],
    [
      "one row more than the receipt says",
      (client) =>
        client.query(
          `update ops.audit_log set after_state = null, erasure_id = $1
            where id = (select id from ops.audit_log where entity_type = 'core.users' and action = 'insert' and erasure_id is null limit 1)`,
          [receipt.id],
        ),
      "erased beyond the receipt",
    ],
    [
      "one row instead of another",
      (client) =>
        client.query(
          `update ops.audit_log
              set after_state = null, erasure_id = case when erasure_id is null then $1::uuid end
            where id = any (array[
              (select id from ops.audit_log where entity_type = 'core.users' and action = 'insert' and erasure_id is null limit 1),
              (select id from ops.audit_log where entity_type = 'core.users' and action = 'insert' and erasure_id = $1 limit 1)])`,
          [receipt.id],
        ),
      "erased beyond the receipt",
    ],
    [
      "what an erased row still says",
      (client) =>
        client.query(
          "update ops.audit_log set after_state = after_state || '{\"created_at\": 1}' where erasure_id = $1 and entity_type = 'core.users'",
          [receipt.id],
        ),
      "erased beyond the receipt",
    ],
    [
      "what was erased with other values",
      (client) =>
        client.query(
          `update ops.audit_log set after_state = after_state || '{"name": "Forged"}', erasure_id = null
            where erasure_id = $1 and entity_type = 'core.users'`,
          [receipt.id],
        ),
      "row changed",
    ],
    [
      "the counts of a receipt",
      (client) => client.query(`update app.erasure set counts = '{}' where id = $1`, [receipt.id]),
      "receipt changed",
    ],
    [
      "a receipt that is gone",
      (client) => client.query("delete from app.erasure where id = $1", [receipt.id]),
      "receipt removed",
    ],
    [
      "the act that is gone",
      (client) =>
        client.query(
          "delete from ops.audit_log where action = 'erase' and after_state ->> 'erasure' = $1",
          [
            receipt.id,
          ],
        ),
      "row removed",
    ],
    [
      "the act, to say more",
      (client) =>
        client.query(
          `update ops.audit_log set after_state = after_state || '{"entries": {}}' where action = 'erase' and after_state ->> 'erasure' = $1`,
          [receipt.id],
        ),
      "row changed",
    ],
  ])("%s", async (_, work, problem) => {
    expect(await tamper(async (client) => void await work(client))).toContain(problem);
  });

  test("and the log refuses every update but that of an erasure, also for a superuser", async () => {
    const statement = "update ops.audit_log set after_state = null where id = $1";
    await expect(database.query(statement, [entry])).rejects.toMatchObject({ code: "CU002" });
    const forge = (set: string, counts = "null") =>
      withClient(database.adminUrl, async (client) => {
        await client.query("begin");
        const { rows: [row] } = await client.query<{ id: string }>(
          `insert into app.erasure (kind, subject_id, counts) values ('user', '1', ${counts}) returning id`,
        );
        await client.query("select set_config('curestry.erasure_id', $1, true)", [row?.id]);
        try {
          await client.query(
            `update ops.audit_log set erasure_id = '${row?.id}', ${set} where id = $1`,
            [entry],
          );
        } finally {
          await client.query("rollback");
        }
      });
    // The one that is allowed: values taken out
    await forge("after_state = null");
    await forge("after_state = after_state || '{\"content\": null}'");
    for (
      const set of [
        "action = 'delete'",
        "actor_role = 'x'",
        "entity_id = 'x'",
        'after_state = after_state || \'{"content": "other"}\'',
        "after_state = after_state || '{\"more\": null}'",
        "before_state = '{}'",
        "seq = default",
      ]
    ) await expect(forge(set), set).rejects.toMatchObject({ code: /CU002|23502/ });
    await expect(forge("after_state = null", "'{}'")).rejects.toMatchObject({ code: "CU002" });
  });
});

describe("a legal hold", () => {
  const hold = (...args: string[]) =>
    cliJson<{ id: string }>(["legal-hold", "place", ...args, "--reason", "Smith v. Acme"], {
      env: env(),
    });
  const release = (id: string) => cliJson(["legal-hold", "release", id], { env: env() });

  test("on an organization keeps it, and its members, until it is released", async () => {
    const organization = await makeOrganization(database);
    const member = await makePerson(database, "held-member@x.example");
    await database.query(
      "insert into ops.organization_user (organization_id, user_id, role) values ($1, $2, 'viewer')",
      [organization.id, member.userId],
    );
    const { id } = await hold("--organization", organization.slug);
    const refusals = [
      await erase<Refusal>("organization", organization.slug, 1),
      await erase<Refusal>("user", member.email, 1),
    ];
    for (const { error } of refusals) {
      expect(error.code).toBe("CONFLICT");
      expect(error.message).toContain(`is under legal hold ${id} (Smith v. Acme)`);
    }
    const owner = await makePerson(database, "held-owner@x.example");
    await database.query(
      "insert into ops.organization_user (organization_id, user_id, role) values ($1, $2, 'owner')",
      [organization.id, owner.userId],
    );
    const remove = () =>
      graphql(gateway.url, {
        token: owner.token,
        organization: organization.slug,
        query:
          `mutation { deleteOrganization(input: { id: "${organization.id}" }) { organization { id } } }`,
      });
    const { errors } = await remove();
    expect(errors?.[0]?.message).toContain(`is under legal hold ${id} (Smith v. Acme)`);
    expect(errors?.[0]?.extensions?.code).toBe("CONFLICT");
    expect(await database.query("select app.is_held($1) as held", [organization.id])).toEqual([
      { held: true },
    ]);
    const { holds } = await cliJson<{ holds: unknown[] }>(["legal-hold", "list"], { env: env() });
    expect(holds).toContainEqual(expect.objectContaining({
      id,
      organization: organization.slug,
      reason: "Smith v. Acme",
      releasedAt: null,
    }));
    await release(id);
    expect(await database.query("select app.is_held($1) as held", [organization.id])).toEqual([
      { held: false },
    ]);
    await erase("user", member.email);
    expect((await remove()).errors).toBeUndefined();
    const acts = await database.query(
      "select action from ops.audit_log where entity_type = 'app.legal_hold' and entity_id = $1 order by seq",
      [id],
    );
    expect(acts).toEqual([{ action: "insert" }, { action: "update" }]);
    const { error } = await cliJson<Refusal>(["legal-hold", "release", id], { env: env() }, 1);
    expect(error.message).toContain("There is no legal hold");
  });

  test("on a user keeps their personal organization too; its reason goes when they are erased", async () => {
    const person = await makePerson(database, "held@x.example");
    const [{ id: organization } = { id: "" }] = await database.query<{ id: string }>(
      "select id from ops.organization where personal_user_id = $1",
      [person.userId],
    );
    const { id } = await hold("--user", person.email);
    expect(await database.query("select app.is_held($1) as held", [organization])).toEqual([
      { held: true },
    ]);
    const { error } = await erase<Refusal>("user", person.email, 1);
    expect(error.message).toContain(`is under legal hold ${id}`);
    expect(await find("held@x.example")).toContain("core.users.email");
    await release(id);
    await erase("user", person.email);
    expect(await database.query("select reason from app.legal_hold where id = $1", [id])).toEqual([
      { reason: null },
    ]);
    expect(await problems()).toEqual([]);
  });

  test("needs one thing to hold, and a reason", async () => {
    for (
      const args of [[], ["--organization", "x", "--user", "y@x.example"]]
    ) {
      const { code } = await cli(["legal-hold", "place", ...args, "--reason", "r"], { env: env() });
      expect(code).toBe(2);
    }
    const organization = await makeOrganization(database);
    const { error } = await cliJson<Refusal>(
      ["legal-hold", "place", "--organization", organization.slug, "--reason", " "],
      { env: env() },
      1,
    );
    expect(error.message).toContain("reason must not be blank");
  });
});

test("nobody but operators erases, holds or releases, or touches the log or the receipts", async () => {
  const organization = await makeOrganization(database);
  const person = await makePerson(database, "safe@x.example");
  const key = await makeKey(database, organization, ["organization:write", "audit:read"]);
  const analyst = await makeAnalyst(database, [organization]);
  const statements = [
    `select app.erase_user(${person.userId})`,
    `select app.erase_organization('${organization.id}')`,
    `select app.erase_rows('${organization.id}', gen_random_uuid())`,
    "select app.begin_erasure('user', '1')",
    `select app.place_legal_hold('${organization.id}', null, 'x')`,
    "select app.release_legal_hold(gen_random_uuid())",
    "select app.list_legal_holds()",
    "select * from app.legal_hold",
    "insert into app.erasure (kind, subject_id) values ('user', '1')",
    "update ops.audit_log set after_state = null",
    "delete from ops.audit_log",
    "truncate ops.audit_log",
  ];
  for (const statement of statements) {
    const set =
      "set curestry.erasure_id = '00000000-0000-4000-8000-000000000000'; set transaction_read_only = off";
    for (const url of [analyst, database.workerUrl, database.gatewayUrl]) {
      await expect(
        withClient(url, async (client) => {
          await client.query(`${set}; ${statement}`);
        }),
        statement,
      ).rejects.toMatchObject({ code: "42501" });
    }
    await expect(
      asMember(database, key, async (client) => {
        await client.query(`${set}; ${statement}`);
      }),
    ).rejects.toMatchObject({ code: "42501" });
  }
  expect(
    await query(database.adminUrl, "select email from core.users where id = $1", [person.userId]),
  ).toEqual([{ email: "safe@x.example" }]);
});
