import pg from "pg";
import { afterEach, beforeAll, describe, expect, inject, onTestFinished, test } from "vitest";
import { behindLocks } from "../../src/database/behind_locks.ts";
import { migrateDatabase } from "../../src/database/migrate_database.ts";
import { openClient, withClient } from "../../src/database/open_client.ts";
import { databaseUrl } from "../../src/database/urls.ts";
import { makeLog } from "../../src/shared/log.ts";
import { startWorker } from "../../src/worker/start_worker.ts";
import { cli } from "../helpers/cli.ts";
import { query, withTestDatabase } from "../helpers/database.ts";
import { eventually } from "../helpers/eventually.ts";
import { makeAnalyst, makeOrganization, type TestOrganization } from "../helpers/make.ts";

/** M1, M2: what an analyst leaves open, or takes, stops nobody. */

const database = withTestDatabase();
let ours: TestOrganization;
let url: string;
const loginOf = (url: string) => decodeURIComponent(new URL(url).username);

beforeAll(async () => {
  ours = await makeOrganization(database);
  url = await makeAnalyst(database, [ours]);
});

const opened: pg.Client[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((client) => client.end().catch(() => {})));
});

async function open(url: string, ...statements: string[]): Promise<pg.Client> {
  const client = await openClient(url);
  opened.push(client);
  for (const statement of statements) await client.query(statement);
  return client;
}

const isOpen = (client: pg.Client) => client.query("select").then(() => true, () => false);

async function record(organization: TestOrganization): Promise<void> {
  await database.query(
    "insert into ops.feature_event (organization_id, feature_key, occurred_at) values ($1, 'f', now())",
    [organization.id],
  );
}

const unsealed = async () =>
  (await database.query<{ seconds: number | null }>(
    "select app.audit_unsealed_seconds() as seconds",
  ))[0]?.seconds;

test("the advisory locks that one can guess stop nothing", async () => {
  const attacker = await open(url);
  for (
    const name of [
      "audit seal",
      "audit retention",
      "facts retention",
      "partitions",
      "migrate",
      ...["refresh", "marts", "prompt relations", "import prompts"].map((n) => `${n} ${ours.id}`),
    ]
  ) {
    await attacker.query("select pg_advisory_lock(hashtextextended($1, 0))", [`curestry ${name}`]);
  }
  await record(ours);
  await withClient(database.adminUrl, async (client) => {
    // Whoever waits fails
    await client.query("set lock_timeout = '2s'; set role curestry_owner");
    expect(
      (await client.query("select app.mart_try_refresh_organization($1) as n", [ours.id])).rows,
    )
      .toEqual([{ n: 1 }]);
    await client.query("select app.partition_make_all()");
    await client.query("select app.prompt_import($1, '[]')", [ours.id]);
    await client.query("select app.audit_continue_xids()");
    await client.query("reset role");
    await client.query("select app.retention_apply_audit()");
    await client.query("select app.retention_apply_facts()");
  });
  await eventually(async () => {
    await database.query("select app.audit_write_seals()");
    expect(await unsealed()).toBeNull();
  });
});

test("the lock that a session holds is in a table that analysts may not touch", async () => {
  await withClient(database.adminUrl, async (client) => {
    await client.query("begin");
    await client.query("select app.organization_lock_take($1, 'marts')", [ours.id]);
    expect(
      await query(
        url,
        "select from pg_locks where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())",
      ),
    ).toEqual([]);
    for (const table of ["app.lock", "app.organization_lock", "app.audit_sealer"]) {
      const writer = await open(url, "set default_transaction_read_only = off");
      await expect(writer.query(`select from ${table} for update`)).rejects.toThrow(
        "permission denied",
      );
    }
    await client.query("rollback");
  });
});

describe("a worker ends sessions of analysts", () => {
  async function work(times: Record<string, number> = {}) {
    const worker = await startWorker({
      databaseUrl: database.workerUrl,
      log: makeLog("silent"),
      times: { pollIntervalMs: 200, watchIntervalMs: 200, ...times },
    });
    onTestFinished(() => worker.stop());
  }

  test("that keep a transaction id: sealing goes on", async () => {
    await work();
    const session = await open(url, "begin", "select pg_current_xact_id()");
    await record(ours);
    await eventually(async () => expect(await isOpen(session)).toBe(false));
    await eventually(async () => expect(await unsealed()).toBeNull());
  });

  test("that block somebody who is no analyst, at once; and no other", async () => {
    await work();
    const reader = await open(url, "begin", "select from core.prompts limit 1");
    const bystander = await open(url, "begin", "select from core.users limit 1");
    await withClient(database.adminUrl, async (client) => {
      await client.query("begin; set local lock_timeout = '60s'");
      await client.query("lock table core.prompts in access exclusive mode");
      await client.query("rollback");
    });
    expect(await isOpen(reader)).toBe(false);
    expect(await isOpen(bystander)).toBe(true);
  });

  test.each([
    ["idle", { analystIdleLimitMs: 1_000 }, "select"],
    ["long", { analystStatementLimitMs: 1_000 }, "select"],
  ])("that are too %s, and no other", async (_, times, statement) => {
    await work(times);
    const quiet = await open(url);
    const someone = await open(database.adminUrl, "begin", "select");
    const session = await open(url, "begin", "set statement_timeout = 0", statement);
    await eventually(() => expect(session).toMatchObject({ _ended: true }));
    expect(await isOpen(quiet)).toBe(true);
    expect(await isOpen(someone)).toBe(true);
  });
});

test("the health report says who holds sealing up", async () => {
  await open(url, "begin", "select pg_current_xact_id()");
  await record(ours);
  await eventually(async () => {
    const [row] = await database.query<{ health: { problems: string[] } }>(
      "select app.health() as health",
    );
    expect(row?.health.problems.join("\n")).toMatch(
      new RegExp(
        `the audit log is \\d+ s behind: a transaction of the login ${
          loginOf(url)
        } has been open for \\d+ s`,
      ),
    );
  });
});

describe("a migration", () => {
  test("lets others pass while it waits, and says for whom it waits", async () => {
    await open(url, "begin", "select from core.prompts limit 1");
    const lines: unknown[] = [];
    const log = { ...makeLog("silent"), warn: (line: unknown) => lines.push(line) } as never;
    await withClient(database.adminUrl, async (watcher) => {
      const done = behindLocks(watcher, log, async () => {
        await withClient(database.adminUrl, async (client) => {
          await client.query(
            "begin; set local lock_timeout = '2s'; lock table core.prompts in access exclusive mode; commit",
          );
        });
      });
      await eventually(() => expect(JSON.stringify(lines)).toContain(loginOf(url)));
      await query(database.adminUrl, "select from core.prompts limit 1");
      await Promise.all(opened.splice(0).map((client) => client.end()));
      await done;
    });
  });

  test("does not wait for a lock that anybody can take", async () => {
    await open(
      databaseUrl(database.adminUrl, "postgres"),
      "select pg_advisory_lock(hashtextextended('curestry migrate', 0))",
    );
    await open(url, "select pg_advisory_lock(hashtextextended('curestry migrate', 0))");
    const passwords = { curestry_gateway: null, curestry_worker: null };
    await migrateDatabase(database.adminUrl, { passwords });
  });
});

describe("revoke and drop", () => {
  test("end transactions with old snapshots, and cursors that are held", async () => {
    const other = await makeOrganization(database);
    const analyst = await makeAnalyst(database, [ours, other]);
    const snapshot = await open(
      analyst,
      "begin isolation level repeatable read",
      "select from ops.organization",
    );
    const cursor = await open(
      analyst,
      "declare c cursor with hold for select * from ops.organization",
      "fetch 1 from c",
    );
    const args = ["--name", loginOf(analyst), "--organization", other.slug];
    expect(await cli(["analyst", "revoke", ...args], { env: database.env }))
      .toMatchObject({ code: 0, stderr: "" });
    expect(await isOpen(snapshot)).toBe(false);
    expect(await isOpen(cursor)).toBe(false);
    // The others may go on, and so may this one, with what is left
    expect(await query(analyst, "select slug from ops.organization")).toEqual([{
      slug: ours.slug,
    }]);
    const last = await open(analyst, "begin", "select from ops.organization");
    expect(
      (await cli(["analyst", "drop", "--name", loginOf(analyst)], { env: database.env })).code,
    ).toBe(0);
    expect(await isOpen(last)).toBe(false);
  });

  test("refuse to end sessions of others", async () => {
    const someone = await open(database.workerUrl);
    expect(
      await database.query("select app.analyst_disconnect('curestry_worker') as n"),
    ).toEqual([{ n: 0 }]);
    expect(await isOpen(someone)).toBe(true);
  });
});

test.each(["postgres", "template1"])("an analyst does not get into %s", async (name) => {
  expect(await query(databaseUrl(inject("server").url, name), "select 1 as here")).toHaveLength(1);
  await expect(query(databaseUrl(url, name), "select")).rejects.toThrow(
    "permission denied for database",
  );
});
