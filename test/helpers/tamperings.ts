import type { Client } from "pg";

/** A way to tamper, by somebody who can switch triggers off; what the checks must say of it. */
export interface Tampering {
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
export const SECRETS = [
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

/** All that we know of. */
export const tamperings: readonly Tampering[] = [
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
        "insert into core.prompts (organization_id, name, content) select id, 'x', 'x' from ops.organization limit 1 returning id",
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
