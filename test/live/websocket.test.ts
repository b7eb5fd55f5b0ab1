import { connect } from "node:net";
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { withTestDatabase } from "../helpers/database.ts";
import { eventually } from "../helpers/eventually.ts";
import { startGateway, withGateway } from "../helpers/gateway.ts";
import { createPrompt, PROMPTS, subscribe } from "../helpers/live.ts";
import { makeKey, makeOrganization } from "../helpers/make.ts";

const database = withTestDatabase();
const gateway = withGateway(database, { corsOrigins: ["https://app.example"] });
let key = "";
const opened: WebSocket[] = [];

beforeAll(async () => {
  key = await makeKey(database, await makeOrganization(database), [
    "prompts:read",
    "prompts:write",
  ]);
});
afterEach(() => {
  for (const socket of opened.splice(0)) socket.terminate();
});

interface RawSocket {
  send(message: unknown): void;
  readonly received: readonly { type: string; id?: string; payload?: unknown }[];
  readonly closed: { code: number; reason: string } | null;
  readonly status: number | null;
  socket: WebSocket;
}

/** A client that says what it likes. */
async function open(
  options: {
    url?: string;
    protocol?: string | string[];
    headers?: Record<string, string>;
    path?: string;
  } = {},
): Promise<RawSocket> {
  const { url = gateway.url, protocol = "graphql-transport-ws", headers = {} } = options;
  const address = `${url.replace("http", "ws")}${options.path ?? "/graphql"}`;
  const socket = new WebSocket(address, protocol, { headers });
  opened.push(socket);
  const received: { type: string; id?: string }[] = [];
  let closed: RawSocket["closed"] = null;
  let status: number | null = null;
  socket.on("message", (data) => received.push(JSON.parse(String(data))));
  socket.on("close", (code, reason) => closed = { code, reason: String(reason) });
  socket.on("error", () => {});
  socket.on("unexpected-response", (_request, response) => {
    status = response.statusCode ?? 0;
    response.destroy();
  });
  await eventually(() =>
    expect(socket.readyState === WebSocket.OPEN || status !== null || closed !== null).toBe(true)
  );
  return {
    socket,
    received,
    send: (message) => socket.send(typeof message === "string" ? message : JSON.stringify(message)),
    get closed() {
      return closed;
    },
    get status() {
      return status;
    },
  };
}

async function openWithKey(url = gateway.url): Promise<RawSocket> {
  const raw = await open({ url });
  raw.send({ type: "connection_init", payload: { authorization: `Bearer ${key}` } });
  await eventually(() => expect(raw.received).toEqual([{ type: "connection_ack" }]));
  return raw;
}

const ask = { id: "1", type: "subscribe", payload: { query: "{ __typename }" } };
const listen = { id: "1", type: "subscribe", payload: { query: PROMPTS } };

describe("what breaks the protocol closes the socket, with the protocol's code:", () => {
  test.each<[string, unknown, number]>([
    ["no JSON", "{", 4400],
    ["no object", "[]", 4400],
    ["no type", {}, 4400],
    ["an unknown type", { type: "start" }, 4400],
    ["connection_init with a payload that is no object", {
      type: "connection_init",
      payload: "x",
    }, 4400],
    ["connection_init with a header that is no text", {
      type: "connection_init",
      payload: { Authorization: 1 },
    }, 4400],
    ["an operation before connection_init", ask, 4401],
    ["no credential", { type: "connection_init" }, 4403],
    ["a bad credential", {
      type: "connection_init",
      payload: { Authorization: "Bearer nonsense" },
    }, 4403],
    ["a message that is too long", `"${"x".repeat(2 * 1024 * 1024)}"`, 1009],
  ])("%s", async (_name, message, code) => {
    const raw = await open();
    raw.send(message);
    await eventually(() => expect(raw.closed?.code).toBe(code));
    expect(raw.received).toEqual([]);
  });

  test.each<[string, unknown[], number]>([
    ["connection_init twice", [{ type: "connection_init" }], 4429],
    ["an id twice", [listen, listen], 4409],
    ["no id", [{ ...ask, id: undefined }], 4400],
    ["an empty id", [{ ...ask, id: "" }], 4400],
    ["no payload", [{ id: "1", type: "subscribe" }], 4400],
    ["no query", [{ ...ask, payload: {} }], 4400],
    ["complete without an id", [{ type: "complete" }], 4400],
  ])("%s", async (_name, messages, code) => {
    const raw = await openWithKey();
    for (const message of messages) raw.send(message);
    await eventually(() => expect(raw.closed?.code).toBe(code));
  });

  test.each([["graphql-ws"], [[]]])("the subprotocol %j", async (protocol) => {
    const raw = await open({ protocol });
    // A client that wanted another protocol ends by itself when none was chosen
    await eventually(() => expect([4406, 1006]).toContain(raw.closed?.code));
  });

  test("silence instead of connection_init", async () => {
    const hasty = await startGateway(database, { socketInitMs: 50 });
    try {
      const raw = await open({ url: hasty.url });
      await eventually(() => expect(raw.closed?.code).toBe(4408));
      const quick = await startGateway(database);
      try {
        await openWithKey(quick.url);
      } finally {
        await quick.stop();
      }
    } finally {
      await hasty.stop();
    }
  });
});

test("an id can be used again when its operation is over", async () => {
  const raw = await openWithKey();
  for (let n = 1; n <= 3; n++) {
    raw.send(ask);
    await eventually(() =>
      expect(raw.received.filter(({ type }) => type === "complete")).toHaveLength(n)
    );
  }
  raw.send(listen);
  raw.send({ id: "1", type: "complete" });
  raw.send(listen);
  await eventually(() => expect(raw.received.at(-1)).toMatchObject({ type: "next", id: "1" }));
  expect(raw.closed).toBeNull();
});

test("what was completed by the client is told nothing more", async () => {
  const raw = await openWithKey();
  raw.send(listen);
  raw.send({ ...listen, id: "2" });
  await eventually(() =>
    expect(raw.received.filter(({ type }) => type === "next")).toHaveLength(2)
  );
  raw.send({ id: "1", type: "complete" });
  raw.send({ type: "ping", payload: { n: 1 } });
  await eventually(() => expect(raw.received).toContainEqual({ type: "pong", payload: { n: 1 } }));
  await createPrompt(gateway.url, key, "new");
  await eventually(() =>
    expect(raw.received.filter(({ type }) => type === "next")).toHaveLength(3)
  );
  expect(raw.received.at(-1)).toMatchObject({ id: "2" });
});

test("a credential in connection_init goes before that of the request", async () => {
  const raw = await open({ headers: { authorization: "Bearer nonsense" } });
  raw.send({ type: "connection_init", payload: { "X-API-Key": key } });
  await eventually(() => expect(raw.received).toEqual([{ type: "connection_ack" }]));
});

test("pages of other origins may not open websockets, unless they may call", async () => {
  const statuses: Record<string, number | null> = {};
  for (const origin of ["https://evil.example", "null", "https://app.example", gateway.url]) {
    statuses[origin] = (await open({ headers: { origin } })).status;
  }
  expect(statuses).toEqual({
    "https://evil.example": 403,
    null: 403,
    "https://app.example": null,
    [gateway.url]: null,
  });
});

test("other paths have no websockets", async () => {
  expect((await open({ path: "/health" })).status).toBe(404);
});

test("a request that wants to become something else is answered as it is", async () => {
  const { port } = new URL(gateway.url);
  const answer = await new Promise<string>((resolve, reject) => {
    let text = "";
    const socket = connect(Number(port), "127.0.0.1", () => {
      socket.write(
        "GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, close\r\nUpgrade: h2c\r\n\r\n",
      );
    });
    socket.on("data", (data) => text += data);
    socket.on("close", () => resolve(text));
    socket.on("error", reject);
  });
  expect(answer).toMatch(/^HTTP\/1\.1 200 /);
  expect(answer).toContain("alive");
});

describe("limits", () => {
  test("of operations of one socket", async () => {
    const raw = await openWithKey();
    for (let n = 0; n <= 100; n++) raw.send({ ...listen, id: `${n}` });
    await eventually(() =>
      expect(raw.received).toContainEqual({
        type: "error",
        id: "100",
        payload: [{
          message: expect.stringContaining("100 operations"),
          extensions: { code: "LIMIT" },
        }],
      })
    );
    await eventually(() =>
      expect(raw.received.filter(({ type }) => type === "next")).toHaveLength(100)
    );
    expect(raw.closed).toBeNull();
  });

  test("of subscriptions and sockets of one gateway", async () => {
    const small = await startGateway(database, { maxSubscriptions: 2 });
    try {
      const first = subscribe(small.url, "websocket", { query: PROMPTS, key });
      const second = subscribe(small.url, "events", { query: PROMPTS, key });
      await first.ready();
      await second.ready();
      const third = subscribe(small.url, "events", { query: PROMPTS, key });
      await eventually(() =>
        expect(third.errors).toMatchObject([{ extensions: { code: "LIMIT" } }])
      );
      second.stop();
      await eventually(async () => {
        const fourth = subscribe(small.url, "events", { query: PROMPTS, key });
        try {
          await eventually(() => expect(fourth.events.length + fourth.errors.length).toBe(1));
          expect(fourth.errors).toEqual([]);
        } finally {
          fourth.stop();
        }
      });
      await open({ url: small.url });
      expect((await open({ url: small.url })).status).toBe(503);
      first.stop();
    } finally {
      await small.stop();
    }
  });

  test("of what a key may spend", async () => {
    const poor = await startGateway(database, {
      rateLimit: { key: 2, organization: 1_000, recording: 1_000 },
    });
    try {
      // It has spent all, and waits for more to tell READY
      const first = subscribe(poor.url, "websocket", { query: PROMPTS, key });
      await eventually(async () => expect(await liveSubscriptions(poor.url)).toBe(1));
      const subscriber = subscribe(poor.url, "events", { query: PROMPTS, key });
      await eventually(() =>
        expect(subscriber.errors).toMatchObject([{
          message: expect.stringContaining("per minute"),
          extensions: { code: "LIMIT" },
        }])
      );
      expect(first.events).toEqual([]);
      first.stop();
    } finally {
      await poor.stop();
    }
  });

  test("of what an operation costs", async () => {
    const poor = await startGateway(database, { operationLimits: { cost: 1 } });
    try {
      const subscriber = subscribe(poor.url, "websocket", { query: PROMPTS, key });
      await eventually(() =>
        expect(subscriber.errors).toMatchObject([{
          message: expect.stringContaining("may cost"),
          extensions: { code: "LIMIT" },
        }])
      );
    } finally {
      await poor.stop();
    }
  });
});

describe("who does not read", () => {
  const LONG = `subscription { promptChanged { cursor kind prompt { content } } }`;
  const writeLong = () =>
    database.query(
      `insert into core.prompts (organization_id, name, content)
       select o.id, 'long', repeat('x', 1000000) from ops.organization o, generate_series(1, 10)
        where o.slug <> 'x' and o.personal_user_id is null`,
    );

  test("a websocket is closed, and says why; others are told on", async () => {
    const reading = subscribe(gateway.url, "websocket", { query: LONG, key });
    const raw = await openWithKey();
    raw.send({ id: "1", type: "subscribe", payload: { query: LONG } });
    await eventually(() => expect(raw.received.at(-1)?.type).toBe("next"));
    await reading.ready();
    raw.socket.pause();
    let written = 0;
    await eventually(async () => {
      await writeLong();
      written += 10;
      expect(await liveSubscriptions()).toBe(1);
    });
    raw.socket.resume();
    await eventually(() => expect(raw.closed).not.toBeNull());
    expect([4410, 1006]).toContain(raw.closed?.code);
    await eventually(() => expect(reading.changes).toHaveLength(written));
    expect(reading.errors).toEqual([]);
    reading.stop();
  });

  test("a stream of events is ended", async () => {
    await eventually(async () => expect(await liveSubscriptions()).toBe(0));
    const body = JSON.stringify({ query: LONG });
    const { port } = new URL(gateway.url);
    const socket = connect(Number(port), "127.0.0.1", () => {
      socket.write(
        "POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" +
          `Accept: text/event-stream\r\nAuthorization: Bearer ${key}\r\n` +
          `Content-Length: ${body.length}\r\n\r\n${body}`,
      );
    });
    socket.on("error", () => {});
    try {
      await eventually(async () => expect(await liveSubscriptions()).toBe(1));
      socket.pause();
      await eventually(async () => {
        await writeLong();
        expect(await liveSubscriptions()).toBe(0);
      });
    } finally {
      socket.destroy();
    }
  });
});

async function liveSubscriptions(url = gateway.url): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(/^curestry_live_subscriptions (.*)$/m.exec(text)?.[1]);
}
