import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { migrateDatabase } from "../../src/database/migrate_database.ts";
import { readLoginPasswords } from "../../src/database/login_passwords.ts";
import { databaseUrl, loginUrl } from "../../src/database/urls.ts";
import { type Gateway, makeGateway } from "../../src/gateway/serve.ts";
import { makeLog } from "../../src/shared/log.ts";
import { readJwtKeys } from "../../src/shared/read_jwt_keys.ts";
import { readSettings } from "../../src/shared/settings.ts";
import { type CrashServer, startCrashServer } from "../helpers/crash_server.ts";
import { query } from "../helpers/database.ts";
import { eventually } from "../helpers/eventually.ts";
import {
  PROMPTS,
  subscribe,
  type TestEvent,
  type TestSubscriber,
  transports,
} from "../helpers/live.ts";

/** A server of its own, which is killed while changes are written and told. */
let server: CrashServer;
let dataDir = "";
let adminUrl = "";
let organizationId = "";
let key = "";
let gatewayUrl = "";

beforeAll(async () => {
  server = await startCrashServer();
  dataDir = await mkdtemp(join(tmpdir(), `curestry-temporary-${process.pid}-`));
  adminUrl = databaseUrl(server.url, "live");
  const settings = readSettings({ DATABASE_URL: adminUrl, CURESTRY_DATA_DIR: dataDir });
  const passwords = await readLoginPasswords(settings);
  await migrateDatabase(adminUrl, { passwords });
  gatewayUrl = loginUrl(adminUrl, "curestry_gateway", passwords.curestry_gateway ?? "");
  const [organization] = await query<{ id: string }>(
    adminUrl,
    "select id from app.organization_create('ours', 'ours', 'owner@ours.example')",
  );
  organizationId = organization!.id;
  const [made] = await query<{ key: string }>(
    adminUrl,
    "select key from app.api_key_create($1, null, 'key', '{prompts:read}', null)",
    [organizationId],
  );
  key = made!.key;
});
afterAll(async () => {
  await server?.stop();
  await rm(dataDir, { recursive: true, force: true });
});

async function startGateway(): Promise<Gateway> {
  const settings = readSettings({ DATABASE_URL: adminUrl, CURESTRY_DATA_DIR: dataDir });
  return await makeGateway({
    databaseUrl: gatewayUrl,
    host: "127.0.0.1",
    port: 0,
    jwtKeys: await readJwtKeys(settings),
    log: makeLog("silent"),
    costlyThread: false,
    poolWaitMs: 60_000,
  });
}

const insert = "insert into core.prompts (organization_id, name, content) values ($1, $2, 'a')";
const names = (events: readonly TestEvent[]) => events.map(({ prompt }) => prompt.name as string);

test("a gateway that stops closes websockets with 1001 and tells streams; another one goes on after their cursors", async () => {
  let gateway = await startGateway();
  const subscribers = transports.map((transport) =>
    subscribe(gateway.url, transport, { query: PROMPTS, key })
  );
  for (const subscriber of subscribers) await subscriber.ready();
  await query(adminUrl, insert, [organizationId, "before"]);
  await eventually(() => {
    for (const { changes } of subscribers) expect(names(changes)).toEqual(["before"]);
  });
  await gateway.stop();
  const [websocket, stream] = subscribers as [TestSubscriber, TestSubscriber];
  await eventually(() => expect(websocket.closed?.code).toBe(1001));
  await eventually(() =>
    expect(stream.errors).toMatchObject([{ extensions: { code: "UNAVAILABLE" } }])
  );
  await query(adminUrl, insert, [organizationId, "meanwhile"]);
  gateway = await startGateway();
  try {
    for (const [n, transport] of transports.entries()) {
      const variables = { after: subscribers[n]!.events.at(-1)!.cursor };
      const resumed = subscribe(gateway.url, transport, { query: PROMPTS, key, variables });
      await resumed.ready();
      expect(names(resumed.changes)).toEqual(["meanwhile"]);
      resumed.stop();
    }
  } finally {
    await gateway.stop();
  }
});

test("no change is lost or told twice when the database is killed, and subscriptions outlive it", async () => {
  const gateway = await startGateway();
  const subscribers = transports.map((transport) =>
    subscribe(gateway.url, transport, { query: PROMPTS, key })
  );
  for (const subscriber of subscribers) await subscriber.ready();
  const [first] = subscribers as [TestSubscriber];
  const { cursor } = first.events[0]!;
  let isWriting = true;
  const acknowledged: string[] = [];
  /** Was sent, and the answer did not come. */
  const unknown: string[] = [];

  async function write(writer: number): Promise<void> {
    for (let n = 0; isWriting; n++) {
      const name = `${writer}/${n}`;
      const client = new pg.Client(adminUrl);
      client.on("error", () => {});
      let sent = false;
      try {
        await client.connect();
        await client.query("begin");
        await client.query(insert, [organizationId, name]);
        // Some leave ids of transactions that come to nothing
        const isKept = n % 3 > 0;
        sent = isKept;
        await client.query(isKept ? "commit" : "rollback");
        if (isKept) acknowledged.push(name);
      } catch {
        if (sent) unknown.push(name);
      } finally {
        await client.end().catch(() => {});
      }
    }
  }

  try {
    const writers = [1, 2, 3].map(write);
    for (let crash = 0; crash < 4; crash++) {
      const before = acknowledged.length;
      await eventually(() => expect(acknowledged.length).toBeGreaterThan(before + 20));
      await server.crash();
    }
    isWriting = false;
    await Promise.all(writers);
    await query(adminUrl, insert, [organizationId, "last"]);
    for (const subscriber of subscribers) {
      await eventually(() => expect(names(subscriber.changes)).toContain("last"));
    }
    const resumed = subscribe(gateway.url, "websocket", {
      query: PROMPTS,
      key,
      variables: { after: cursor },
    });
    await resumed.ready();
    const there = await query<{ name: string }>(
      adminUrl,
      "select name from core.prompts where name = 'last' or name like '%/%'",
    );
    const expected = there.map(({ name }) => name).toSorted();
    expect(expected).toEqual(expect.arrayContaining(acknowledged));
    for (const one of [...subscribers, resumed]) {
      expect(names(one.changes).toSorted()).toEqual(expected);
      expect(one.errors).toEqual([]);
    }
    resumed.stop();
  } finally {
    isWriting = false;
    for (const subscriber of subscribers) subscriber.stop();
    await gateway.stop();
  }
});

test("the connection that looks for changes can break", async () => {
  const gateway = await startGateway();
  try {
    const subscriber = subscribe(gateway.url, "websocket", { query: PROMPTS, key });
    await subscriber.ready();
    for (let n = 0; n < 5; n++) {
      await query(
        adminUrl,
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name like '% live'",
      );
      await query(adminUrl, insert, [organizationId, `after break ${n}`]);
      await eventually(() => expect(names(subscriber.changes).at(-1)).toBe(`after break ${n}`));
    }
    expect(subscriber.changes).toHaveLength(5);
    subscriber.stop();
  } finally {
    await gateway.stop();
  }
});
