import { connect, createServer, type Socket } from "node:net";
import { beforeAll, describe, expect, test } from "vitest";
import { withTestDatabase } from "../helpers/database.ts";
import { eventually } from "../helpers/eventually.ts";
import { startGateway } from "../helpers/gateway.ts";
import { graphql } from "../helpers/graphql.ts";
import { makeKey, makeOrganization } from "../helpers/make.ts";
import { pgbouncer, startPgbouncer } from "../helpers/pgbouncer.ts";

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

describe.skipIf(pgbouncer === null)("through PgBouncer, in transaction mode", () => {
  test("the gateway finds it out, and every answer is right", async () => {
    const bouncer = await startPgbouncer(database.gatewayUrl);
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
