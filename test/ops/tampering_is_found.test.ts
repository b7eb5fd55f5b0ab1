import fc from "fast-check";
import type { Client } from "pg";
import { beforeAll, expect, test } from "vitest";
import { withClient } from "../../src/database/open_client.ts";
import { withTestDatabase } from "../helpers/database.ts";
import { makeKey, type TestOrganization } from "../helpers/make.ts";
import { sealAll } from "../helpers/seal.ts";
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

/** A way to tamper, by somebody who can switch triggers off; what the checks must say of it. */
interface Tampering {
  name: string;
  /** @returns what must be named by the checks: an id of a row of the log or of an entity */
  tamper(client: Client, nth: number): Promise<{ problem: string; id?: string | undefined }>;
}

async function pick(client: Client, sql: string, nth: number): Promise<Record<string, string>> {
  const { rows } = await client.query(sql);
  return rows[nth % rows.length];
}

const SEALED =
  "select a.id, a.organization_id from ops.audit_log a, app.audit_sealer s where a.xid < s.through_xid order by a.xid, a.seq";
const SEALS = "select organization_id, seq from app.audit_seal order by 1, 2";

/** Removes sealed rows of one organization, and claims that each left by an act. */
async function detach(
  client: Client,
  gone: (string | undefined)[],
  acts: (string | undefined)[],
  retention?: string,
): Promise<void> {
  const { rows: [made] } = await client.query(
    `insert into app.audit_retention (partition_name, from_ts, to_ts, table_name, dropped_at)
     values ('audit_log_2020_01', '2020-01-01Z', '2020-02-01Z', 'audit_log_2020_01_detached_1', now()) returning id`,
  );
  for (const [n, id] of gone.entries()) {
    await client.query(
      `insert into app.audit_detachment (organization_id, seq, retention_id, entry_id, positions)
       select s.organization_id, s.seq, $2, $3, int4multirange(int4range(e.n::int, e.n::int, '[]'))
         from app.audit_seal s, unnest(s.entry_ids) with ordinality as e (id, n) where e.id = $1
       on conflict do nothing`,
      [id, retention ?? made.id, acts[n]],
    );
  }
  await client.query("delete from ops.audit_log where id = any ($1)", [gone]);
}

/** Columns of which the log has a digest only, and what an intruder would put there. */
const SECRETS = [
  { table: "ops.api_key", column: "key_hash", value: "encode(sha256('mine'), 'hex')" },
  { table: "core.sessions", column: "jwt_id", value: "gen_random_uuid()::text" },
  { table: "core.auth_accounts", column: "access_token", value: "'mine'" },
  { table: "ops.invitation", column: "code_hash", value: "encode(sha256('mine'), 'hex')" },
  { table: "ops.provider_credential", column: "credential_ref", value: "'vault://mine'" },
  { table: "ops.analysis_run", column: "request_digest", value: "sha256('mine')" },
];

const editing = (name: string, set: string, where = ""): Tampering => ({
  name,
  async tamper(client, nth) {
    const { id } = await pick(client, SEALED.replace("order by", `${where} order by`), nth);
    await client.query(`update ops.audit_log set ${set} where id = $1`, [id]);
    return { problem: "row changed", id };
  },
});

const tamperings: Tampering[] = [
  editing(
    "edits the state after",
    `after_state = coalesce(after_state, '{}') || '{"name": "forged"}'`,
  ),
  editing("edits the state before", "before_state = jsonb_build_object('forged', true)"),
  editing("edits the actor", "actor_user_id = coalesce(actor_user_id, 0) + 1"),
  editing("edits the login", "actor_role = 'somebody'"),
  editing("edits the time", "ts = ts - interval '1 microsecond'"),
  editing("edits the action", "action = case action when 'delete' then 'update' else 'delete' end"),
  editing("edits the entity", "entity_id = entity_id || '0'"),
  {
    name: "removes a row from the middle",
    async tamper(client, nth) {
      const { id } = await pick(client, SEALED, nth);
      await client.query("delete from ops.audit_log where id = $1", [id]);
      return { problem: "row removed", id };
    },
  },
  {
    name: "removes the tail of the log",
    async tamper(client, nth) {
      const { rows } = await client.query(
        `${SEALED.replace("order by a.xid, a.seq", "order by a.xid desc, a.seq desc")} limit ${
          1 + nth % 5
        }`,
      );
      await client.query("delete from ops.audit_log where id = any ($1)", [
        rows.map(({ id }) => id),
      ]);
      return { problem: "row removed", id: rows[0].id };
    },
  },
  {
    name: "adds a row to the past",
    async tamper(client, nth) {
      const { id } = await pick(client, SEALED, nth);
      const { rows: [added] } = await client.query(
        `insert into ops.audit_log (ts, organization_id, action, entity_type, entity_id, after_state, xid)
         select ts, organization_id, action, entity_type, entity_id, after_state, xid from ops.audit_log where id = $1 returning id`,
        [id],
      );
      return { problem: "row added", id: added.id };
    },
  },
  {
    name: "adds a row of a transaction that has not been yet, which no seal would cover",
    async tamper(client, nth) {
      const { id } = await pick(client, SEALED, nth);
      const { rows: [added] } = await client.query(
        `insert into ops.audit_log (ts, organization_id, action, entity_type, entity_id, after_state, xid)
         select ts, organization_id, action, entity_type, entity_id, after_state,
                pg_current_xact_id()::text::bigint + 1 + $2 + (select xid_offset from app.audit_sealer)
           from ops.audit_log where id = $1 returning id`,
        [id, nth ** 3],
      );
      return { problem: "row added", id: added.id };
    },
  },
  {
    name: "removes a row and names it as the act by which it left",
    async tamper(client, nth) {
      const { id } = await pick(client, SEALED, nth);
      await detach(client, [id], [id]);
      return { problem: "row removed", id };
    },
  },
  {
    name: "removes rows that name each other, in a circle",
    async tamper(client, nth) {
      const { rows } = await client.query(SEALED);
      const { organization_id } = rows[nth % rows.length];
      const own = rows.filter((row) => row.organization_id === organization_id);
      const gone = own.slice(0, 2 + nth % 4).map(({ id }) => id);
      await detach(client, gone, [...gone.slice(1), gone[0]]);
      return { problem: "row removed", id: gone[nth % gone.length] };
    },
  },
  {
    name: "removes a row and names another that is there, but is no act",
    async tamper(client, nth) {
      const { id } = await pick(client, SEALED, nth);
      const { rows: [other] } = await client.query(
        "select b.id from ops.audit_log a join ops.audit_log b using (organization_id) where a.id = $1 and b.id <> a.id limit 1",
        [id],
      );
      await detach(client, [id], [other.id]);
      return { problem: "row removed", id };
    },
  },
  {
    name: "removes a row and lets an act of retention say so that never had it",
    async tamper(client, nth) {
      const { id } = await pick(client, SEALED, nth);
      const { rows: [act] } = await client.query(
        `with r as (
           insert into app.audit_retention (partition_name, from_ts, to_ts, table_name)
           values ('audit_log_2020_01', '2020-01-01Z', '2020-02-01Z', 'audit_log_2020_01_detached_0') returning *
         )
         insert into ops.audit_log (request_id, organization_id, action, entity_type, entity_id, after_state)
         select 'retention', a.organization_id, 'detach', 'ops.audit_log', r.partition_name, app.retention_statement(r, 1)
           from ops.audit_log a, r where a.id = $1 returning id, after_state ->> 'retention_id' as retention`,
        [id],
      );
      await client.query("create table app.audit_log_2020_01_detached_0 (like ops.audit_log)");
      await client.query("grant select on app.audit_log_2020_01_detached_0 to curestry_definer");
      await detach(client, [id], [act.id], act.retention);
      return { problem: "row removed", id };
    },
  },
  {
    name: "removes a seal",
    async tamper(client, nth) {
      const { rows } = await client.query(SEALS);
      const inner = rows.filter(({ organization_id, seq }) =>
        rows.some((other) => other.organization_id === organization_id && other.seq > seq)
      );
      const { organization_id, seq } = inner[nth % inner.length];
      await client.query("delete from app.audit_seal where organization_id = $1 and seq = $2", [
        organization_id,
        seq,
      ]);
      return { problem: "seal removed" };
    },
  },
  {
    name: "edits a seal",
    async tamper(client, nth) {
      const { organization_id, seq } = await pick(client, SEALS, nth);
      await client.query(
        "update app.audit_seal set sealed_at = sealed_at - interval '1 second' where organization_id = $1 and seq = $2",
        [organization_id, seq],
      );
      return { problem: "seal changed" };
    },
  },
  {
    name: "edits a row and makes its seal fit, but not the next",
    async tamper(client, nth) {
      const { rows } = await client.query(SEALS);
      const inner = rows.filter(({ organization_id, seq }) =>
        rows.some((other) => other.organization_id === organization_id && other.seq > seq)
      );
      const { organization_id, seq } = inner[nth % inner.length];
      await client.query(
        "update ops.audit_log set after_state = '{}' where id = (select entry_ids[1] from app.audit_seal where organization_id = $1 and seq = $2)",
        [organization_id, seq],
      );
      await client.query(
        `update app.audit_seal s
            set state_digests[1] = app.audit_state_digest(a), entry_digests[1] = app.audit_entry_digest(a, app.audit_state_digest(a))
           from ops.audit_log a where a.id = s.entry_ids[1] and s.organization_id = $1 and s.seq = $2`,
        [organization_id, seq],
      );
      await client.query(
        "update app.audit_seal s set hash = app.audit_seal_hash(s) where s.organization_id = $1 and s.seq = $2",
        [organization_id, seq],
      );
      return { problem: "seal changed" };
    },
  },
  {
    name: "changes a row while the trigger is disabled",
    async tamper(client, nth) {
      const { id } = await pick(client, "select id from core.prompts order by id", nth);
      await client.query("alter table core.prompts disable trigger user");
      await client.query("update core.prompts set content = content || ' (forged)' where id = $1", [
        id,
      ]);
      await client.query("alter table core.prompts enable trigger user");
      return { problem: "changed past the log", id };
    },
  },
  {
    name: "removes a row past the triggers",
    async tamper(client, nth) {
      const { id } = await pick(client, "select id from core.prompts order by id", nth);
      await client.query("delete from core.prompts where id = $1", [id]);
      return { problem: "removed past the log", id };
    },
  },
  {
    name: "adds a row past the triggers",
    async tamper(client) {
      const { rows: [row] } = await client.query(
        "insert into core.prompts (organization_id, name, content) values ($1, 'x', 'x') returning id",
        [organizations[0]?.id],
      );
      return { problem: "added past the log", id: row.id };
    },
  },
  {
    name: "brings a deleted row back",
    async tamper(client, nth) {
      const { state } = await pick(
        client,
        "select before_state as state from ops.audit_log where action = 'delete' and entity_type = 'core.prompts' order by seq",
        nth,
      );
      const row = state as unknown as { id: string; organization_id: string };
      await client.query(
        "insert into core.prompts (organization_id, id, name, content) values ($1, $2, 'back', 'x')",
        [row.organization_id, row.id],
      );
      return { problem: "back although deleted", id: row.id };
    },
  },
  {
    name: "removes a fact past the triggers",
    async tamper(client, nth) {
      const { id } = await pick(client, "select id from ops.analysis_metric order by id", nth);
      await client.query("delete from ops.analysis_metric where id = $1", [id]);
      return { problem: "number differs from the log" };
    },
  },
  {
    name: "changes a fact past the triggers",
    async tamper(client, nth) {
      const { id } = await pick(client, "select id from ops.analysis_metric order by id", nth);
      await client.query(
        "update ops.analysis_metric set value_num = value_num + 1e-9 where id = $1",
        [id],
      );
      return { problem: "changed past the log" };
    },
  },
  {
    name: "swaps the numbers of two facts past the triggers",
    async tamper(client, nth) {
      const { rows } = await client.query(
        "select id, value_num from ops.analysis_metric order by id",
      );
      const one = rows[nth % rows.length];
      const other = rows.find(({ value_num }) => value_num !== one.value_num);
      for (const [id, value] of [[one.id, other.value_num], [other.id, one.value_num]]) {
        await client.query("update ops.analysis_metric set value_num = $2 where id = $1", [
          id,
          value,
        ]);
      }
      return { problem: "changed past the log" };
    },
  },
  {
    name: "replaces a secret past the triggers",
    async tamper(client, nth) {
      const { table, column, value } = SECRETS[nth % SECRETS.length] as typeof SECRETS[number];
      const { id } = await pick(client, `select id::text from ${table} order by id`, nth);
      await client.query(`update ${table} set ${column} = ${value} where id::text = $1`, [id]);
      return { problem: "changed past the log", id };
    },
  },
  {
    name: "changes a judge's fact past the triggers",
    async tamper(client, nth) {
      const { id } = await pick(client, "select id from ops.analysis_run order by id", nth);
      await client.query("update ops.analysis_run set meta = '{\"forged\": true}' where id = $1", [
        id,
      ]);
      return { problem: "changed past the log", id };
    },
  },
];

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
