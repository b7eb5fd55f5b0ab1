import process from "node:process";
import { afterEach, describe, expect, test } from "vitest";
import { taskFlags } from "../../src/develop/task_flags.ts";
import { withTestDatabase } from "../helpers/database.ts";
import { eventually } from "../helpers/eventually.ts";
import { startGateway, withGateway } from "../helpers/gateway.ts";
import { closeAll, sendPiece, slowRequests, withOpenFiles } from "../helpers/raw_sockets.ts";
import { runProcess, stopProcesses } from "../start/run_process.ts";

const database = withTestDatabase();
afterEach(stopProcesses);
afterEach(closeAll);

describe("clients that are slow", () => {
  const gateway = withGateway(database, { clientTimeoutMs: 1_000, maxClients: 300 });

  test.each(slowRequests)("one that %s is cut off", async (_name, text) => {
    const states = Array.from({ length: 20 }, () => sendPiece(gateway.url, text));
    await eventually(() => expect(states.filter(({ closed }) => !closed)).toEqual([]));
    for (const { received } of states) {
      expect(received.startsWith("HTTP/1.1 200")).toBe(text.startsWith("GET"));
    }
    expect((await fetch(`${gateway.url}/livez`)).status).toBe(200);
  });

  test("more than there may be are closed, and others find room again", async () => {
    const states = Array.from({ length: 400 }, () => sendPiece(gateway.url, ""));
    await eventually(() => expect(states.filter(({ closed }) => !closed)).toEqual([]));
    expect((await fetch(`${gateway.url}/livez`)).status).toBe(200);
  });
});

describe("when there are as many as there may be", () => {
  const full = withGateway(database, { clientTimeoutMs: 600_000, maxClients: 20 });

  test("the oldest that say nothing make room, and a request under way stays", async () => {
    const asked = JSON.stringify({ query: "{ __typename }" });
    const head = "POST /graphql HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\n";
    const slow = sendPiece(full.url, `${head}Content-Length: ${asked.length}\r\n\r\n`);
    // Its header has come when one that came later is answered
    expect((await fetch(`${full.url}/livez`)).status).toBe(200);
    const silent = Array.from({ length: 60 }, () => sendPiece(full.url, ""));
    await eventually(() =>
      expect(silent.filter(({ closed }) => !closed).length).toBeLessThanOrEqual(20)
    );
    expect((await fetch(`${full.url}/livez`)).status).toBe(200);
    expect(slow.closed).toBe(false);
    expect(silent.some(({ closed }) => !closed)).toBe(true);
  });
});

test("two gateways can share a port", async () => {
  const first = await startGateway(database, { sharedPort: true });
  const port = Number(new URL(first.url).port);
  const second = await startGateway(database, { sharedPort: true, port });
  expect(second.url).toBe(first.url);
  expect((await fetch(`${first.url}/livez`)).status).toBe(200);
  await first.stop();
  // Connections that are left open by the first one are of no use any more
  await eventually(async () => expect((await fetch(`${second.url}/livez`)).status).toBe(200));
  await expect(startGateway(database, { port })).rejects.toThrow("is in use");
  await second.stop();
});

test.each(["[bad", "a b", "a/b", "x:99999999"])(
  "a Host header that is no host is refused: %s",
  async (host) => {
    const { url } = gatewayOfHosts;
    const body = "content-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
    for (const [start, end] of [["GET /ruru", "\r\n"], ["POST /graphql", body]]) {
      const state = sendPiece(url, `${start} HTTP/1.1\r\nHost: ${host}\r\n${end}`);
      await eventually(() => expect(state.received).toMatch(/^HTTP\/1\.1 400 /));
    }
  },
);
const gatewayOfHosts = withGateway(database);

test.skipIf(process.platform !== "linux")(
  "a gateway that may open 300 files outlives 400 connections that send nothing",
  async () => {
    const gateway = runProcess(
      ["src/bin/gateway.ts"],
      {
        ...database.env,
        PORT: "0",
        CURESTRY_LOG_LEVEL: "warn",
        CURESTRY_CLIENT_TIMEOUT: "5s",
        CURESTRY_POOL_WAIT: "1min",
      },
      withOpenFiles(300, [process.execPath, ...taskFlags("gateway")]),
    );
    let hasEnded = false;
    gateway.ended.then(() => hasEnded = true);
    const [, url = ""] = await gateway.prints(/ready on (http:\S+)/);
    const states = Array.from({ length: 400 }, () => sendPiece(url, ""));
    await eventually(async () => {
      // Who comes while all are taken is closed; a little later there is room
      expect((await fetch(`${url}/readyz`)).status).toBe(200);
    });
    await eventually(() => expect(states.filter(({ closed }) => !closed)).toEqual([]));
    // It may be listening anew at this moment
    await eventually(async () => expect((await fetch(`${url}/readyz`)).status).toBe(200));
    expect(hasEnded).toBe(false);
  },
);

test.each(["migration", "Retention"])(
  "a request cannot have the name of the system's own work: %s",
  async (name) => {
    const ask = async (id: string) =>
      (await fetch(`${gatewayOfHosts.url}/livez`, { headers: { "x-request-id": id } }))
        .headers.get("x-request-id");
    expect(await ask("mine")).toBe("mine");
    expect(await ask(name)).toMatch(/^[0-9a-f-]{36}$/);
  },
);
