import { beforeAll, expect, test } from "vitest";
import { withClient } from "../../src/database/open_client.ts";
import { query, withTestDatabase } from "../helpers/database.ts";
import { makeOrganization, type TestOrganization } from "../helpers/make.ts";
import { sealAll } from "../helpers/seal.ts";

/** The audit log and the feature events stand in partitions by month, made before they are needed. */

const database = withTestDatabase();
let organization: TestOrganization;

const PARTITIONS = `
  select c.relname as name, c.relrowsecurity and c.relforcerowsecurity as guarded
    from pg_inherits i join pg_class c on c.oid = i.inhrelid
   where i.inhparent = $1::regclass order by 1`;

beforeAll(async () => {
  organization = await makeOrganization(database);
});

test("this month and the three after it have a partition, beside the default", async () => {
  for (const table of ["audit_log", "feature_event"]) {
    const rows = await database.query<{ name: string; guarded: boolean }>(PARTITIONS, [
      `ops.${table}`,
    ]);
    const [months] = await database.query<{ names: string[] }>(
      `select array_agg($1 || to_char(date_trunc('month', now() at time zone 'UTC') + n * interval '1 month', '_YYYY_MM')) as names
         from generate_series(0, 3) as n`,
      [table],
    );
    expect(rows.map(({ name }) => name)).toEqual(
      expect.arrayContaining([...months?.names ?? [], `${table}_default`]),
    );
    expect(rows.every(({ guarded }) => guarded)).toBe(true);
  }
});

test("the worker makes missing ones, and rows that had none move there", async () => {
  await database.query(
    `insert into ops.feature_event (organization_id, feature_key, occurred_at)
     select $1, 'late', now() - n * interval '1 month' from generate_series(0, 70) as n`,
    [organization.id],
  );
  const seen = "select feature_key, occurred_at from ops.feature_event order by occurred_at";
  const before = await database.query(seen);
  const made = await query<{ name: string }>(
    database.workerUrl,
    "select app.partition_make_all() as name",
  );
  expect(made.length).toBeGreaterThanOrEqual(58);
  expect(await database.query(seen)).toEqual(before);
  // What is older than five years has none of its own
  const [left] = await database.query<{ n: number; young: number }>(
    `select count(*)::int as n, (count(*) filter (where occurred_at > now() - interval '5 years'))::int as young
       from app.feature_event_default`,
  );
  expect(left?.n).toBeGreaterThanOrEqual(9);
  expect(left?.young).toBe(0);
  expect(await query(database.workerUrl, "select app.partition_make_all() as name")).toEqual([]);
});

test("many workers at once make each partition once", async () => {
  await database.query("update app.partitioned_table set months_ahead = 8");
  const made = await Promise.all(
    Array.from(
      { length: 6 },
      () => query(database.workerUrl, "select app.partition_make_all() as name"),
    ),
  );
  expect(made.flat()).toHaveLength(10);
});

test("nobody who logs in reads or writes a partition past its table", async () => {
  const [partition] = await database.query<{ name: string }>(
    "select 'app.' || to_char(now() at time zone 'UTC', '\"audit_log_\"YYYY_MM') as name",
  );
  const name = partition?.name ?? "";
  const [there] = await database.query<{ n: number }>(`select count(*)::int as n from ${name}`);
  expect(there?.n).toBeGreaterThan(0);
  for (const url of [database.gatewayUrl, database.workerUrl]) {
    for (const sql of [`select from ${name}`, `delete from ${name}`, `truncate ${name}`]) {
      await expect(query(url, sql)).rejects.toMatchObject({ code: "42501" });
    }
  }
  // Not even the superuser, unless triggers are switched off
  await expect(database.query(`delete from ${name}`)).rejects.toMatchObject({ code: "CU002" });
});

test("after a restore into a server whose transactions begin anew, sealing goes on", async () => {
  const work = () =>
    database.query(
      "insert into core.prompts (organization_id, name, content) values ($1, 'a', 'a') returning id",
      [organization.id],
    );
  const seal = () => database.query("select * from app.audit_write_seals()");
  const problems = () => database.query("select * from app.audit_verify_chain()");
  await work();
  await sealAll(database);
  // As a log that comes from a server which was a million transactions further; its last rows unsealed
  await withClient(database.adminUrl, async (client) => {
    await client.query("begin; set local session_replication_role = replica");
    await client.query("update ops.audit_log set xid = xid + 1000000");
    await client.query(
      `update app.audit_seal s set from_xid = s.from_xid + 1000000, through_xid = s.through_xid + 1000000,
         entry_digests = array(select app.audit_entry_digest(a, d.digest)
                                 from unnest(s.entry_ids, s.state_digests) with ordinality as d (id, digest, n)
                                 join ops.audit_log a on a.id = d.id order by d.n)`,
    );
    await client.query(
      `do $$ declare s app.audit_seal; p bytea; begin
         for s in select * from app.audit_seal order by organization_id, seq loop
           p := case when s.seq = 1 then s.previous_hash else p end;
           s.previous_hash := p;
           update app.audit_seal t set previous_hash = p, hash = app.audit_seal_hash(s) where t.organization_id = s.organization_id and t.seq = s.seq;
           select t.hash into p from app.audit_seal t where t.organization_id = s.organization_id and t.seq = s.seq;
         end loop; end $$`,
    );
    await client.query("update app.audit_sealer set through_xid = through_xid + 1000000");
    await client.query("commit");
  });
  expect(await problems()).toEqual([]);
  // Until somebody migrates, it says what is the matter
  await work();
  await expect(seal()).rejects.toMatchObject({
    code: "CU007",
    message: expect.stringContaining("migrate"),
  });
  const begin = `begin; set local role curestry_owner; select app.audit_continue_xids(); commit`;
  await withClient(database.adminUrl, async (client) => {
    // The row from between belongs to neither era; a restore migrates before it serves
    await client.query(
      `begin; set local session_replication_role = replica;
       update ops.audit_log set xid = xid + 2000000 where xid < 1000000; commit`,
    );
    await client.query(begin);
    await client.query(begin);
  });
  await work();
  await sealAll(database);
  await work();
  await sealAll(database);
  expect(await problems()).toEqual([]);
  expect(await database.query("select * from app.audit_verify_entities()")).toEqual([]);
});
