import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { beforeAll, describe, expect, test } from "vitest";
import { freePort } from "../../src/database/embedded/ports.ts";
import { withTestDatabase } from "../helpers/database.ts";
import { eventually } from "../helpers/eventually.ts";
import { startGateway } from "../helpers/gateway.ts";
import { graphql } from "../helpers/graphql.ts";
import { makeKey, makeOrganization } from "../helpers/make.ts";

const database = withTestDatabase();
let key = "";

beforeAll(async () => {
  key = await makeKey(database, await makeOrganization(database), [
    "prompts:read",
    "prompts:write",
  ]);
});

const read = "{ prompts(first: 1) { totalCount nodes { id } } }";

/** A way to the database which can be stopped as a server or a network stops: nothing comes, nothing ends. */
async function makeStoppableWay() {
  let stopped = false;
  const sockets = new Set<Socket>();
  const target = new URL(database.gatewayUrl);
  const server = createServer((socket) => {
    const onward = connect(Number(target.port), target.hostname);
    for (const [from, to] of [[socket, onward], [onward, socket]] as const) {
      sockets.add(from);
      from.on("data", (data) => {
        if (!stopped) to.write(data);
      });
      from.on("error", () => {});
      from.on("close", () => to.destroy());
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = new URL(database.gatewayUrl);
  url.port = String((server.address() as { port: number }).port);
  return {
    url: url.href,
    stop: () => stopped = true,
    goOn: () => stopped = false,
    close() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

test("a server that hangs is noticed: every request ends with an honest 503, and it goes on by itself", async () => {
  const way = await makeStoppableWay();
  const gateway = await startGateway(database, {
    databaseUrl: way.url,
    statementTimeoutMs: 1_000,
    poolWaitMs: 1_000,
  });
  const ask = (query: string) => graphql(gateway.url, { query, key });
  try {
    expect((await ask(read)).status).toBe(200);
    way.stop();
    const answers = await Promise.all([
      ...Array.from({ length: 12 }, () => ask(read)),
      ask(
        `mutation { createPrompt(input: { prompt: { name: "x", content: "x" } }) { prompt { id } } }`,
      ),
    ]);
    for (const { status, errors } of answers) {
      expect([status, errors?.[0]?.extensions?.code]).toEqual([503, "UNAVAILABLE"]);
    }
    expect((await fetch(`${gateway.url}/livez`)).status).toBe(200);
    expect((await fetch(`${gateway.url}/readyz`)).status).toBe(503);
    expect((await fetch(`${gateway.url}/health`)).status).toBe(503);
    expect(await (await fetch(`${gateway.url}/metrics`)).text())
      .toMatch(/^curestry_database_up 0$/m);
    way.goOn();
    await eventually(async () => expect((await ask(read)).status).toBe(200));
    await eventually(async () => expect((await fetch(`${gateway.url}/readyz`)).status).toBe(200));
  } finally {
    await gateway.stop();
    way.close();
  }
});

const pgbouncer = "/usr/sbin/pgbouncer";

/** Debian's PgBouncer in transaction mode in front of the test's server. */
async function startPgbouncer(): Promise<{ url: string; stop(): Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), "curestry-pgbouncer-"));
  await chmod(folder, 0o755);
  const target = new URL(database.gatewayUrl);
  const port = await freePort("127.0.0.1");
  await writeFile(
    join(folder, "users"),
    `"${target.username}" "${decodeURIComponent(target.password)}"\n`,
  );
  await writeFile(
    join(folder, "pgbouncer.ini"),
    `[databases]
* = host=${target.hostname} port=${target.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = plain
auth_file = ${join(folder, "users")}
pool_mode = transaction
default_pool_size = 3
`,
  );
  const isRoot = process.getuid?.() === 0;
  const child = spawn(pgbouncer, [
    "-q",
    ...(isRoot ? ["-u", "nobody"] : []),
    join(folder, "pgbouncer.ini"),
  ], {
    stdio: "ignore",
  });
  const ended = new Promise((resolve) => child.once("close", resolve));
  const url = new URL(database.gatewayUrl);
  url.hostname = "127.0.0.1";
  url.port = String(port);
  return {
    url: url.href,
    async stop() {
      if (child.pid !== undefined && child.exitCode === null) process.kill(child.pid, "SIGTERM");
      await ended;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

describe.skipIf(!existsSync(pgbouncer))(`through ${pgbouncer}, in transaction mode`, () => {
  test("the gateway finds it out, and every answer is right", async () => {
    const bouncer = await startPgbouncer();
    const logged: string[] = [];
    const gateway = await startGateway(database, { databaseUrl: bouncer.url, poolSize: 8 });
    try {
      await Promise.all(Array.from({ length: 8 }, async (_, client) => {
        for (let n = 0; n < 40; n++) {
          const { status, errors } = await graphql(gateway.url, {
            key,
            query: n % 5 === 4
              ? `mutation { createPrompt(input: { prompt: { name: "b${client} ${n}", content: "x" } }) { prompt { id } } }`
              : `{ prompts(first: ${1 + n % 3}) { totalCount nodes { id name } } }`,
          });
          if (status !== 200 || errors) logged.push(`${status} ${JSON.stringify(errors)}`);
        }
      }));
      expect(logged).toEqual([]);
      expect(await database.query("select count(*)::int as n from core.prompts where name ~ '^b'"))
        .toEqual([{ n: 64 }]);
      for (const path of ["readyz", "health", "metrics"]) {
        expect((await fetch(`${gateway.url}/${path}`)).status, path).toBe(200);
      }
    } finally {
      await gateway.stop();
      await bouncer.stop();
    }
  });
});
