import fc from "fast-check";
import { beforeAll, expect, test } from "vitest";
import { withClient } from "../../src/database/open_client.ts";
import { withTestDatabase } from "../helpers/database.ts";
import { makeKey, type TestOrganization } from "../helpers/make.ts";
import { sealAll } from "../helpers/seal.ts";
import { SECRETS, type Tampering, tamperings } from "../helpers/tamperings.ts";
import { CHAIN, TABLES, withAuditedWork } from "./audited_work.ts";

/** Whatever is done to the audit log after it was sealed is found and named. */

const database = withTestDatabase();
const { organizations } = withAuditedWork(database);

beforeAll(async () => {
  const [{ id, ownerUserId }] = organizations as [TestOrganization];
  await makeKey(database, organizations[0] as TestOrganization, ["prompts:read"]);
  await database.query(
    `with session as (
       insert into core.sessions (user_id, jwt_id, expires_at) values ($2, 'theirs', now() + interval '1 day')
     ), account as (
       insert into core.auth_accounts (user_id, provider, provider_account_id, access_token) values ($2, 'github', '1', 'theirs')
     ), credential as (
       insert into ops.provider_credential (organization_id, provider, encryption_key_id, credential_ref)
       values ($1, 'openai', 'k', 'vault://theirs')
     )
     insert into ops.invitation (organization_id, organization_user_id, code_hash, expires_at)
     select m.organization_id, m.id, encode(sha256('theirs'), 'hex'), now() + interval '1 day'
       from ops.organization_user m where m.organization_id = $1`,
    [id, ownerUserId],
  );
  await sealAll(database);
});

test("an untouched log is whole, and the tables are what it says", async () => {
  expect(await database.query(CHAIN)).toEqual([]);
  expect(await database.query(TABLES)).toEqual([]);
});

test("200 tamperings of all kinds are found, each by its name", async () => {
  const seen = new Set<string>();
  await fc.assert(
    fc.asyncProperty(fc.nat(tamperings.length - 1), fc.nat(1000), async (kind, nth) => {
      const tampering = tamperings[kind] as Tampering;
      await withClient(database.adminUrl, async (client) => {
        await client.query("begin");
        await client.query("set local session_replication_role = replica");
        const { problem, id } = await tampering.tamper(client, nth);
        await client.query("set local session_replication_role = origin");
        const found = [
          ...(await client.query(CHAIN)).rows.map((row) => ({
            problem: row.problem,
            id: row.entry_id,
          })),
          ...(await client.query(TABLES)).rows.map((row) => ({
            problem: row.problem,
            id: row.entity_id,
          })),
        ];
        await client.query("rollback");
        expect(found, tampering.name).toContainEqual(
          id === undefined ? expect.objectContaining({ problem }) : { problem, id },
        );
        seen.add(tampering.name);
      });
    }),
    // Each kind once for certain, the rest as chance has it
    { numRuns: 200, examples: tamperings.map((_, kind): [number, number] => [kind, kind]) },
  );
  expect(seen.size).toBe(tamperings.length);
  expect(await database.query(CHAIN)).toEqual([]);
}, 600_000);

test("a truncate is in the log, and what it emptied is no difference", async () => {
  await withClient(database.adminUrl, async (client) => {
    await client.query("begin");
    await client.query("truncate ops.judge_score, core.prompt_relations");
    await client.query("truncate core.prompts cascade");
    expect((await client.query("select from core.prompts")).rowCount).toBe(0);
    const { rows } = await client.query(
      "select entity_type from ops.audit_log where action = 'truncate' order by 1",
    );
    expect(rows.map(({ entity_type }) => entity_type)).toContain("core.prompts");
    expect((await client.query(TABLES)).rows).toEqual([]);
    await client.query("rollback");
  });
});

test.each(SECRETS)(
  "another $column in $table is found, and named",
  async ({ table, column, value }) => {
    await withClient(database.adminUrl, async (client) => {
      await client.query("begin; set local session_replication_role = replica");
      const { rows: [row] } = await client.query(
        `update ${table} set ${column} = ${value} where id = (select id from ${table} limit 1) returning id::text`,
      );
      const { rows } = await client.query(
        "select problem, entity_type, entity_id, detail from app.audit_verify_entities()",
      );
      expect(rows).toEqual([
        {
          problem: "changed past the log",
          entity_type: table,
          entity_id: row.id,
          detail: "secrets",
        },
      ]);
      await client.query("rollback");
    });
  },
);

test("a secret's digest says nothing of it to who knows the value, and the key is the definer's", async () => {
  const [entry] = await database.query<{ secrets: string; state: string }>(
    `select after_state ->> 'secrets' as secrets, after_state::text as state
       from ops.audit_log where entity_type = 'core.sessions' order by seq desc limit 1`,
  );
  expect(entry?.secrets).toMatch(/^[0-9a-f]{32}$/);
  expect(entry?.state).not.toContain("theirs");
  const [guess] = await database.query<{ found: boolean }>(
    `select bool_or(encode(sha256(convert_to(x, 'UTF8')), 'hex') ^@ $1) as found
       from core.sessions s, lateral (values (s.jwt_id), (jsonb_build_array('core.sessions', s.id, s.jwt_id)::text)) v (x)`,
    [entry?.secrets],
  );
  expect(guess?.found).toBe(false);
  for (const role of ["member", "anonymous", "analyst", "gateway", "worker"]) {
    await withClient(database.adminUrl, async (client) => {
      await client.query(`begin; set local role curestry_${role}`);
      const answer = await client.query("select key from app.installation_secret").catch((error) =>
        error
      );
      expect(answer).toMatchObject({ code: "42501" });
      await client.query("rollback");
    });
  }
});

test("a changed fact is found in the organization whose it is, with the time of its recording", async () => {
  await withClient(database.adminUrl, async (client) => {
    await client.query("begin; set local session_replication_role = replica");
    const { rows: [row] } = await client.query(
      `update ops.analysis_metric m set value_num = value_num * 2 + 1
        where id = (select id from ops.analysis_metric order by id limit 1)
       returning organization_id, created_at::text`,
    );
    const { rows } = await client.query("select * from app.audit_verify_entities()");
    expect(rows).toEqual([{
      organization_id: row.organization_id,
      problem: "changed past the log",
      entity_type: "ops.analysis_metric",
      entity_id: null,
      detail: expect.stringMatching(/: see those recorded at [-0-9:.+ ]+$/),
    }]);
    expect(rows[0].detail).toContain(row.created_at);
    await client.query("rollback");
  });
});

test("facts that are changed, removed and removed by age within the log are no difference", async () => {
  await withClient(database.adminUrl, async (client) => {
    await client.query("begin");
    await client.query(
      `update ops.analysis_metric set value_num = value_num + 1 where id in (select id from ops.analysis_metric order by id limit 3);
       delete from ops.analysis_metric where id in (select id from ops.analysis_metric order by id desc limit 2);
       set local curestry.retention = 'on';
       delete from ops.analysis_metric where id in (select id from ops.analysis_metric order by id desc limit 2);`,
    );
    expect((await client.query(TABLES)).rows).toEqual([]);
    await client.query("rollback");
  });
});

test("a log from before there were digests gets them, and is whole", async () => {
  await withClient(database.adminUrl, async (client) => {
    await client.query("begin; set local session_replication_role = replica");
    await client.query(
      "update ops.audit_log set before_state = before_state - '{secrets,digest}'::text[], after_state = after_state - '{secrets,digest}'::text[]",
    );
    expect((await client.query(TABLES)).rowCount).toBeGreaterThan(0);
    await client.query("select app.audit_baseline()");
    expect((await client.query(TABLES)).rows).toEqual([]);
    const { rows: [log] } = await client.query("select count(*)::int as n from ops.audit_log");
    await client.query("select app.audit_baseline()");
    expect((await client.query("select count(*)::int as n from ops.audit_log")).rows).toEqual([
      log,
    ]);
    await client.query("rollback");
  });
});
