import { createServer } from "node:net";
import { beforeAll, describe, expect, test } from "vitest";
import { withTestDatabase } from "../helpers/database.ts";
import { eventually } from "../helpers/eventually.ts";
import { startGateway } from "../helpers/gateway.ts";
import { graphql } from "../helpers/graphql.ts";
import { AWAIT_LOCK, holdLock } from "../helpers/hold_lock.ts";
import { makeKey, makeOrganization } from "../helpers/make.ts";
import { untilBlocked } from "../helpers/sessions.ts";

const database = withTestDatabase();
let key = "";

beforeAll(async () => {
  await database.query(`
    create function ops.test_work() returns boolean
      language plpgsql volatile as 'begin perform ${AWAIT_LOCK}; return true; end';
    grant execute on function ops.test_work to curestry_member`);
  key = await makeKey(database, await makeOrganization(database), ["prompts:read"]);
});

/** Lasts until the lock of `holdLock` is released. */
const WORK = "mutation { testWork(input: {}) { result } }";

/** A backend of PostgreSQL takes a moment to notice that its client has gone. */
async function expectNoConnection(): Promise<void> {
  await eventually(async () => expect(await countConnections()).toBe(0));
}

async function countConnections(): Promise<number> {
  const [row] = await database.query<{ n: number }>(
    `select count(*)::int as n from pg_stat_activity
      where datname = current_database() and usename = 'curestry_gateway'
        -- A statement whose client was cut off goes on until its time-out.
        and query not like '%test_work%'`,
  );
  return row?.n ?? -1;
}

describe("stop", () => {
  test("finishes requests under way, takes no new ones, and leaves no connection", async () => {
    const gateway = await startGateway(database);
    const release = await holdLock(database);
    const underWay = graphql(gateway.url, { query: WORK, key });
    await untilBlocked(database);
    const stopped = gateway.stop();
    await eventually(() => expect(fetch(`${gateway.url}/livez`)).rejects.toThrow());
    await release();
    expect(await underWay).toMatchObject({ status: 200, data: { testWork: { result: true } } });
    await stopped;
    await expectNoConnection();
  });

  test("does not wait for ever", async () => {
    const gateway = await startGateway(database, { stopWaitMs: 500 });
    const release = await holdLock(database);
    const underWay = graphql(gateway.url, { query: WORK, key });
    await untilBlocked(database);
    // What is under way would take as long as the lock is held
    await gateway.stop();
    expect(await underWay).toMatchObject({
      status: 503,
      errors: [{ extensions: { code: "UNAVAILABLE" } }],
    });
    await release();
  });
});

describe("start", () => {
  test("gives up on a database that does not answer, and says so", async () => {
    await expect(startGateway(database, {
      databaseUrl: "postgres://curestry_gateway@127.0.0.1:1/nowhere",
      connectWaitMs: 500,
    })).rejects.toThrow("The database does not answer after 0.5 s; is it running?");
  });

  test("does not wait when the login is refused", async () => {
    const url = new URL(database.gatewayUrl);
    url.password = "wrong";
    // Longer than any test may take
    const connectWaitMs = 3_600_000;
    await expect(startGateway(database, { databaseUrl: url.href, connectWaitMs })).rejects
      .toThrow("The database refuses the gateway's login");
  });

  test("refuses a database that is not migrated", async () => {
    const url = new URL(database.gatewayUrl);
    const name = `${database.name}_empty`;
    url.pathname = `/${name}`;
    await database.query(`create database ${name} template template0`);
    await expect(startGateway(database, { databaseUrl: url.href })).rejects
      .toThrow("The database is not migrated; run `deno task migrate`");
    await database.query(`drop database ${name} with (force)`);
  });

  test("says which port is taken", async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    const { port } = other.address() as { port: number };
    await expect(startGateway(database, { port })).rejects
      .toThrow(`Port ${port} of 127.0.0.1 is in use by another program`);
    other.close();
    await expectNoConnection();
  });

  test("waits for a database that is just starting", async () => {
    const target = new URL(database.gatewayUrl);
    const proxy = createServer((socket) => {
      // Closes the first connections, as a server does that is not there yet.
      if (++connections <= 2) return socket.destroy();
      import("node:net").then(({ connect }) => {
        const onward = connect(Number(target.port), target.hostname);
        socket.pipe(onward).pipe(socket);
        onward.on("error", () => socket.destroy());
        socket.on("error", () => onward.destroy());
      });
    });
    let connections = 0;
    await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
    const url = new URL(database.gatewayUrl);
    url.port = String((proxy.address() as { port: number }).port);
    const gateway = await startGateway(database, { databaseUrl: url.href });
    expect(connections).toBeGreaterThan(2);
    expect((await fetch(`${gateway.url}/readyz`)).status).toBe(200);
    await gateway.stop();
    proxy.close();
  });
});

test("the gateway outlives its database, says so meanwhile, and goes on when it is back", async () => {
  const { connect } = await import("node:net");
  const target = new URL(database.gatewayUrl);
  let up = true;
  const sockets = new Set<{ destroy(): void }>();
  const proxy = createServer((socket) => {
    if (!up) return socket.destroy();
    const onward = connect(Number(target.port), target.hostname);
    for (const end of [socket, onward]) {
      sockets.add(end);
      end.on("error", () => {});
      end.on("close", () => sockets.delete(end));
    }
    socket.pipe(onward).pipe(socket);
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  const url = new URL(database.gatewayUrl);
  url.port = String((proxy.address() as { port: number }).port);
  const gateway = await startGateway(database, { databaseUrl: url.href });
  const query = "{ viewer { organizationSlug } }";
  try {
    expect((await graphql(gateway.url, { query, key })).status).toBe(200);

    up = false;
    for (const socket of sockets) socket.destroy();
    for (let n = 0; n < 3; n++) {
      const { status, errors } = await graphql(gateway.url, { query, key });
      expect([status, errors?.[0]?.extensions?.code]).toEqual([503, "UNAVAILABLE"]);
    }
    // The API of those without credentials is built when it is first asked for: not now.
    expect((await graphql(gateway.url, { query })).status).toBe(503);
    expect((await fetch(`${gateway.url}/livez`)).status).toBe(200);
    expect((await fetch(`${gateway.url}/readyz`)).status).toBe(503);
    expect((await fetch(`${gateway.url}/health`)).status).toBe(503);
    // What is wrong on its face is refused all the same.
    expect((await graphql(gateway.url, { query, key: "nonsense" })).status).toBe(401);

    up = true;
    expect((await graphql(gateway.url, { query, key })).status).toBe(200);
    expect((await graphql(gateway.url, { query })).status).toBe(200);
    expect((await fetch(`${gateway.url}/readyz`)).status).toBe(200);
  } finally {
    await gateway.stop();
    proxy.close();
  }
});
