import fc from "fast-check";
import type { Client } from "pg";
import { expect, test } from "vitest";
import { withClient } from "../../src/database/open_client.ts";
import { withTestDatabase } from "../helpers/database.ts";
import { CHAIN, TABLES, withAuditedWork } from "./audited_work.ts";

/** Whatever is done to the audit log after it was sealed is found and named. */

const database = withTestDatabase();
const { organizations } = withAuditedWork(database);

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
