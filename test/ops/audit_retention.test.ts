import { randomUUID } from "node:crypto";
import { beforeAll, expect, test } from "vitest";
import { withClient } from "../../src/database/open_client.ts";
import { cliJson } from "../helpers/cli.ts";
import { query, withTestDatabase } from "../helpers/database.ts";
import { makeOrganization, type TestOrganization } from "../helpers/make.ts";
import { sealAll } from "../helpers/seal.ts";

/** What is older than an organization wants to keep leaves the audit log, and the rest still proves itself. */

const database = withTestDatabase();
let short: TestOrganization;
let long: TestOrganization;
let forEver: TestOrganization;

const problems = async () => [
  ...await database.query("select * from app.audit_verify_chain()"),
  ...await database.query("select * from app.audit_verify_entities()"),
];
const seal = () => sealAll(database);
const retain = (dryRun: boolean) =>
  query<{ organization_id: string; partition_name: string; rows: string; detached_table: string }>(
    database.workerUrl,
    "select * from app.retention_apply_audit($1)",
    [dryRun],
  );
const logged = async ({ id }: TestOrganization, condition = "true") => {
  const [row] = await database.query<{ n: number }>(
    `select count(*)::int as n from ops.audit_log where organization_id = $1 and ${condition}`,
    [id],
  );
  return row?.n;
};

/** Changes of all kinds, which the log has so many months ago. */
async function workAgo(
  organizations: TestOrganization[],
  months: number,
  which = "true",
): Promise<void> {
  for (const { id } of organizations) {
    await database.query(
      "insert into core.prompts (organization_id, name, content) values ($1, 'a', 'a'), ($1, 'b', 'b'), ($1, 'c', 'c')",
      [id],
    );
    await database.query(
      "update core.prompts set content = content || '!' where organization_id = $1 and name = 'a'",
      [id],
    );
    await database.query(
      "delete from core.prompts where id = (select id from core.prompts where organization_id = $1 and name = 'b' limit 1)",
      [id],
    );
    await database.query("select app.analysis_import($1, $2)", [
      id,
      JSON.stringify([{
        line: 1,
        record: { promptContent: "x", metrics: [{ key: "m", valueNum: 1 }] },
      }]),
    ]);
  }
  // Clocks do not go back: the rows are moved, before they are sealed
  await withClient(database.adminUrl, async (client) => {
    await client.query("begin; set local session_replication_role = replica");
    await client.query(
      `update ops.audit_log set ts = ts - make_interval(months => $1)
        where xid >= (select through_xid from app.audit_sealer) and ${which}`,
      [months],
    );
    await client.query("commit");
  });
  await query(database.workerUrl, "select app.partition_make_all()");
  await seal();
}

beforeAll(async () => {
  short = await makeOrganization(database, { slug: "short" });
  long = await makeOrganization(database, { slug: "long" });
  forEver = await makeOrganization(database, { slug: "for-ever" });
  for (const months of [14, 8, 3, 0]) await workAgo([short, long, forEver], months);
  expect(await problems()).toEqual([]);
});

test("without a policy nothing leaves", async () => {
  expect(await retain(true)).toEqual([]);
  expect(await retain(false)).toEqual([]);
});

test("each organization's policy is followed, a dry run changes nothing, and the act is recorded", async () => {
  const keep = (organization: TestOrganization, months: number) =>
    database.query("update ops.organization set audit_retention_months = $2 where id = $1", [
      organization.id,
      months,
    ]);
  await keep(short, 6);
  await keep(long, 12);
  const before = await logged(forEver);
  const plan = await retain(true);
  expect(await logged(forEver)).toBe(before);
  expect(plan.filter(({ organization_id }) => organization_id === short.id)).toHaveLength(2);
  expect(plan.filter(({ organization_id }) => organization_id === long.id)).toHaveLength(1);
  expect(plan.some(({ organization_id }) => organization_id === forEver.id)).toBe(false);

  const old = "ts < now() - interval '6 months'";
  expect(await logged(short, old)).toBeGreaterThan(0);
  const done = await retain(false);
  const strip = (rows: typeof plan) => rows.map(({ detached_table: _, ...rest }) => rest);
  expect(strip(done)).toEqual(strip(plan));
  expect(await logged(short, old)).toBe(0);
  expect(await logged(long, "ts < now() - interval '12 months'")).toBe(0);
  expect(await logged(long, old)).toBeGreaterThan(0);
  expect(await logged(forEver)).toBe(before);
  expect(await logged(short, "action = 'detach'")).toBe(2);
  expect(await logged(long, "action = 'detach'")).toBe(1);
  // What left is in tables of its own
  for (const { detached_table, organization_id, rows } of done) {
    const [found] = await database.query<{ n: string }>(
      `select count(*)::text as n from app.${detached_table} where organization_id = $1`,
      [organization_id],
    );
    expect(found?.n).toBe(rows);
  }
  expect(await problems()).toEqual([]);
  await seal();
  expect(await problems()).toEqual([]);
  expect(await retain(false)).toEqual([]);
});

test("what is still there can be compared with the log afterwards, and a forgery is found", async () => {
  await withClient(database.adminUrl, async (client) => {
    await client.query("begin; set local session_replication_role = replica");
    const { rows: [prompt] } = await client.query(
      `update core.prompts set content = 'forged' where (organization_id, id) in (
         select organization_id, entity_id from ops.audit_log
          where organization_id = $1 and action = 'baseline' and entity_type = 'core.prompts' limit 1) returning id`,
      [short.id],
    );
    expect(prompt).toBeDefined();
    const { rows } = await client.query(
      "select problem, entity_id from app.audit_verify_entities()",
    );
    expect(rows).toEqual([{ problem: "changed past the log", entity_id: prompt.id }]);
    await client.query("rollback");
  });
});

test("a row that is removed under the cover of retention is found", async () => {
  await withClient(database.adminUrl, async (client) => {
    await client.query("begin; set local session_replication_role = replica");
    // Removed, and added to what retention took
    const { rows: [gone] } = await client.query(
      `with seal as (select * from app.audit_seal where organization_id = $1 order by seq limit 1)
       select s.seq, s.entry_ids[1] as id from seal s`,
      [forEver.id],
    );
    await client.query("delete from ops.audit_log where id = $1", [gone.id]);
    await client.query(
      `insert into app.audit_detachment (organization_id, seq, retention_id, entry_id, positions)
       select $1, $2, r.id, gen_random_uuid(), '{[1,1]}' from app.audit_retention r limit 1`,
      [forEver.id, gone.seq],
    );
    const { rows } = await client.query("select problem from app.audit_verify_chain()");
    expect(rows).toEqual([{ problem: "row removed" }]);
    await client.query("rollback; begin; set local session_replication_role = replica");
    // Added to an act that did take place
    await client.query(
      `update app.audit_detachment set positions = positions + int4multirange(int4range(900, 900, '[]')) where organization_id = $1`,
      [long.id],
    );
    const { rows: more } = await client.query("select problem from app.audit_verify_chain()");
    expect(more).toEqual([{ problem: "row removed" }]);
    await client.query("rollback");
  });
  expect(await problems()).toEqual([]);
});

test("neither a row that left, nor what an act says of others, covers another removal", async () => {
  await withClient(database.adminUrl, async (client) => {
    const { rows: [act] } = await client.query(
      `select d.entry_id, d.retention_id, r.table_name, s.entry_ids[lower(p)] as gone
         from app.audit_detachment d join app.audit_retention r on r.id = d.retention_id
         join app.audit_seal s using (organization_id, seq), unnest(d.positions) as p
        where d.organization_id = $1 limit 1`,
      [short.id],
    );
    const { rows: [victim] } = await client.query(
      `select s.seq, e.id, e.n::int as n from app.audit_seal s, unnest(s.entry_ids) with ordinality as e (id, n)
         join ops.audit_log a on a.id = e.id
        where s.organization_id = $1 and a.action = 'insert'
          and not exists (select from app.audit_detachment d where d.organization_id = s.organization_id and d.seq = s.seq) limit 1`,
      [short.id],
    );
    const removed = async (sql: string, values: unknown[]) => {
      await client.query("begin; set local session_replication_role = replica");
      await client.query("delete from ops.audit_log where id = $1", [victim.id]);
      await client.query(sql, values);
      const { rows } = await client.query("select problem, entry_id from app.audit_verify_chain()");
      await client.query("rollback");
      return rows;
    };
    const claim =
      `insert into app.audit_detachment (organization_id, seq, retention_id, entry_id, positions)
      values ($1, $2, $3, $4, int4multirange(int4range($5, $5, '[]')))`;
    const { seq, n } = victim;
    // A row that did leave by retention, but was no act
    expect(await removed(claim, [short.id, seq, act.retention_id, act.gone, n]))
      .toContainEqual({ problem: "row removed", entry_id: victim.id });
    // An act that did take place
    expect(await removed(claim, [short.id, seq, act.retention_id, act.entry_id, n]))
      .toContainEqual({ problem: "row removed", entry_id: victim.id });
    // And what did leave stays what it was
    expect(await removed(`delete from app.${act.table_name} where id = $1`, [act.gone]))
      .toContainEqual({ problem: "row removed", entry_id: act.gone });
  });
  expect(await problems()).toEqual([]);
});

test("a month that is not wholly sealed stays", async () => {
  await withClient(database.adminUrl, async (client) => {
    await client.query("begin; set local session_replication_role = replica");
    await client.query(
      "update app.audit_sealer set through_xid = 0; update ops.organization set audit_retention_months = 1",
    );
    expect((await client.query("select * from app.retention_apply_audit(true)")).rows).toEqual([]);
    await client.query("rollback");
  });
});

test("when all that is in a month may go, the partition is detached; the tables are dropped later", async () => {
  const makePerson = async (email: string) => {
    const [row] = await database.query<{ id: number }>("select app.user_ensure($1) as id", [email]);
    await workAgo([], 8);
    return row?.id;
  };
  const early = await makePerson("early@canary.example");
  const late = await makePerson("late@canary.example");
  // Erased before the month leaves; the receipt in the log leaves as well
  await database.query("select app.erase_user($1)", [early]);
  await workAgo([], 5, "action = 'erase'");
  expect(await problems()).toEqual([]);

  await database.query("update ops.organization set audit_retention_months = 2");
  const partitions = async () => {
    const rows = await database.query<{ name: string }>(
      "select inhrelid::regclass::text as name from pg_inherits where inhparent = 'ops.audit_log'::regclass",
    );
    return rows.map(({ name }) => name);
  };
  const before = await partitions();
  const result = await cliJson<{ detached: { partition: string; table: string; rows: number }[] }>([
    "audit",
    "retain",
  ], { env: database.env });
  expect(result.detached.length).toBeGreaterThan(0);
  expect((await partitions()).length).toBeLessThan(before.length);
  expect(await problems()).toEqual([]);

  const tables = async () => {
    const rows = await database.query<{ name: string }>(
      `select c.oid::regclass::text as name from pg_class c
        where relnamespace = 'app'::regnamespace and relname like '%\\_detached\\_%' and relkind = 'r'`,
    );
    return rows.map(({ name }) => name);
  };
  const mentions = async (email: string) => {
    const names = await tables();
    const [row] = await database.query<{ n: number }>(
      `select count(*)::int as n from (${
        names.map((name) => `select t::text as row from ${name} t`).join(" union all ")
      }) t where position($1 in t.row) > 0`,
      [email],
    );
    return row?.n;
  };
  // Erased after the month left, out of what is still there of it
  expect(await mentions("early@canary.example")).toBe(0);
  expect(await mentions("late@canary.example")).toBeGreaterThan(0);
  await database.query("select app.erase_user($1)", [late]);
  expect(await mentions("late@canary.example")).toBe(0);
  expect(await problems()).toEqual([]);

  const [known] = await database.query<{ n: number }>(
    "select count(*)::int as n from app.audit_retention",
  );
  expect(await tables()).toHaveLength(known?.n ?? 0);
  expect(await database.query("select * from app.security_findings()")).toEqual([]);
  expect(await query(database.workerUrl, "select app.retention_drop_detached()")).toEqual([]);
  const drop = () =>
    cliJson<{ dropped: string[] }>(["audit", "retain", "--drop"], { env: database.env });
  await cliJson(
    ["legal-hold", "place", "--organization", "for-ever", "--reason", "a lawsuit"],
    { env: database.env },
  );
  const unheld = (await drop()).dropped.length;
  expect(unheld).toBeLessThan(known?.n ?? 0);
  expect(await tables()).toHaveLength((known?.n ?? 0) - unheld);
  await database.query("select app.legal_hold_release(id) from app.legal_hold");
  expect((await drop()).dropped).toHaveLength((known?.n ?? 0) - unheld);
  expect(await tables()).toEqual([]);
  expect(await problems()).toEqual([]);
});

test("what a truncate emptied does not come back, and the truncate stays in the log", async () => {
  await seal();
  await database.query(
    `with p as (
       insert into core.prompts (organization_id, name, content) values ($1, 'x', 'x'), ($1, 'y', 'y') returning id
     )
     insert into core.prompt_relations (organization_id, source_id, target_id, relation_type)
     select $1, min(id), max(id), 'overrides' from p`,
    [long.id],
  );
  await database.query("truncate core.prompt_relations");
  await workAgo([], 9);
  expect(await problems()).toEqual([]);
  await database.query("update ops.organization set audit_retention_months = 2");
  const done = await retain(false);
  expect(done.some(({ organization_id }) => organization_id === long.id)).toBe(true);
  expect(await problems()).toEqual([]);
  const [row] = await database.query<{ n: number }>(
    "select count(*)::int as n from ops.audit_log where action = 'truncate' and entity_type = 'core.prompt_relations'",
  );
  expect(row?.n).toBe(1);
});

test("an act that left covers what it took, and as many rows again under another name are missed", async () => {
  await workAgo([], 5, "action = 'detach'");
  await retain(false);
  // What is still there is compared with the seals: only what is gone needs proof
  await cliJson(["audit", "retain", "--drop"], { env: database.env });
  await withClient(database.adminUrl, async (client) => {
    await client.query("begin; set local session_replication_role = replica");
    const { rows: [act] } = await client.query(
      `select d.entry_id, d.retention_id, sum(upper(p) - lower(p))::int as rows
         from app.audit_detachment d, unnest(d.positions) as p
        where d.organization_id = $1 and not exists (select from ops.audit_log a where a.id = d.entry_id)
        group by 1, 2 order by rows limit 1`,
      [long.id],
    );
    const { rows: gone } = await client.query(
      `with gone as (
         delete from ops.audit_log where id in (
           select id from ops.audit_log where organization_id = $1 and action <> 'detach' order by ts limit $2)
         returning id
       )
       insert into app.audit_detachment (organization_id, seq, retention_id, entry_id, positions)
       select s.organization_id, s.seq, $3, $4, range_agg(int4range(e.n::int, e.n::int, '[]'))
         from app.audit_seal s, unnest(s.entry_ids) with ordinality as e (id, n)
        where e.id in (select id from gone) group by 1, 2
       returning (select array_agg(id::text) from gone) as ids, (select count(*)::int from gone) as rows`,
      [long.id, act.rows, act.retention_id, randomUUID()],
    );
    expect(gone[0].rows).toBe(act.rows);
    const { rows: found } = await client.query(
      "select entry_id::text from app.audit_verify_chain() where problem = 'row removed'",
    );
    expect(found.map(({ entry_id }) => entry_id)).toEqual(expect.arrayContaining(gone[0].ids));
    await client.query("rollback");
  });
  expect(await problems()).toEqual([]);
});

test("with an act that is removed from the log all that it took is missed", async () => {
  await workAgo([long], 7);
  await retain(false);
  // The rows that are sealed with this act leave before it does
  await workAgo([long], 6, "action <> 'detach'");
  await retain(false);
  await cliJson(["audit", "retain", "--drop"], { env: database.env });
  await seal();
  expect(await problems()).toEqual([]);
  await withClient(database.adminUrl, async (client) => {
    const { rows: acts } = await client.query<{ id: string; took: string[] }>(
      `select a.id, array_agg(e.id::text) as took
         from ops.audit_log a
         join app.audit_detachment d on d.organization_id = a.organization_id and d.entry_id = a.id
         join app.audit_seal s on s.organization_id = d.organization_id and s.seq = d.seq,
              unnest(s.entry_ids) with ordinality as e (id, n)
        where a.action = 'detach' and d.positions @> e.n::int group by 1`,
    );
    expect(acts.length).toBeGreaterThan(3);
    for (const { id, took } of acts) {
      await client.query("begin; set local session_replication_role = replica");
      await client.query("delete from ops.audit_log where id = $1", [id]);
      const { rows } = await client.query(
        "select entry_id::text from app.audit_verify_chain() where problem = 'row removed'",
      );
      expect(rows.map(({ entry_id }) => entry_id)).toEqual(expect.arrayContaining([id, ...took]));
      await client.query("rollback");
    }
  });
});

test("what an organization under legal hold has stays in the log", async () => {
  await workAgo([short], 7);
  const leaving = async () =>
    (await retain(true)).some(({ organization_id }) => organization_id === short.id);
  expect(await leaving()).toBe(true);
  await database.query("select app.legal_hold_place($1, null, 'a lawsuit')", [short.id]);
  expect(await leaving()).toBe(false);
});
