import fc from "fast-check";
import { expect, test } from "vitest";
import { createClient, document } from "../../src/client/mod.ts";
import { readEvents } from "../../src/client/event_stream.ts";
import { answerError, startFakeGateway } from "./fake_gateway.ts";

const changed = document<
  { promptChanged: { cursor: string; kind: string; number: number } },
  { after?: string | null }
>("subscription ($after: Cursor) { promptChanged(after: $after) { cursor kind number } }");

const eventStream = { "content-type": "text/event-stream" };

function next(number: number): string {
  const data = { data: { promptChanged: { cursor: `c${number}`, kind: "INSERTED", number } } };
  return `event: next\ndata: ${JSON.stringify(data)}\n\n`;
}

function nextError(code: string): string {
  return `event: next\ndata: ${
    JSON.stringify({ errors: [{ message: code, extensions: { code } }] })
  }\n\n`;
}

/** How many events a connection gives before it ends, and how it ends. */
const connection = fc.record({
  events: fc.nat({ max: 5 }),
  end: fc.constantFrom("cut", "closed", "refused", "half", "stopping"),
});

test("whatever breaks, every event comes once, in order", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(connection, { maxLength: 8 }),
      fc.nat({ max: 20 }),
      async (plan, total) => {
        await using gateway = await startFakeGateway(({ variables, headers }, response, number) => {
          expect(headers.accept).toBe("text/event-stream");
          const after = Number(String(variables["after"] ?? "c0").slice(1));
          const { events, end } = plan[number - 1] ?? { events: Infinity, end: "complete" };
          if (end === "refused") return answerError(response, "UNAVAILABLE", 503);
          response.writeHead(200, eventStream);
          response.write(": here\n\n");
          const last = Math.min(total, after + events);
          for (let at = after + 1; at <= last; at++) response.write(next(at));
          if (end === "stopping") response.end(nextError("UNAVAILABLE"));
          else if (end === "closed") response.end();
          else if (end === "half") response.end(next(last + 1).slice(0, -1));
          else if (end === "complete") response.end("event: complete\ndata:\n\n");
          else response.write(": cut", () => response.destroy());
        });
        const client = createClient({ url: gateway.url, pause: () => Promise.resolve() });
        const found: number[] = [];
        for await (const { promptChanged } of client.subscribe(changed)) {
          found.push(promptChanged.number);
        }
        expect(found).toEqual(Array.from({ length: total }, (_, index) => index + 1));
      },
    ),
    { numRuns: 60 },
  );
});

test("it begins after the cursor that it is given, and ends when the caller leaves", async () => {
  let closed!: () => void;
  const ended = new Promise<void>((resolve) => closed = resolve);
  await using gateway = await startFakeGateway((_, response) => {
    response.writeHead(200, eventStream).write(next(8));
    response.on("close", closed);
  });
  const client = createClient({ url: gateway.url });
  for await (const { promptChanged } of client.subscribe(changed, {}, { after: "c7" })) {
    expect(promptChanged.number).toBe(8);
    break;
  }
  await ended;
  expect(gateway.requests.map(({ variables }) => variables["after"])).toEqual(["c7"]);
});

test("a signal ends it while it waits for an event", async () => {
  const leave = new AbortController();
  await using gateway = await startFakeGateway((_, response) =>
    void response.writeHead(200, eventStream).write(next(1))
  );
  const client = createClient({ url: gateway.url });
  const events = client.subscribe(changed, {}, { signal: leave.signal });
  await events.next();
  const waiting = events.next();
  leave.abort(new Error("enough"));
  await expect(waiting).rejects.toThrow("enough");
});

test("a gateway that is silent counts as gone", async () => {
  await using gateway = await startFakeGateway(({ variables }, response) => {
    response.writeHead(200, eventStream);
    if (variables["after"] === "c1") response.end(`${next(2)}event: complete\ndata:\n\n`);
    else response.write(next(1));
  });
  const client = createClient({ url: gateway.url, pause: () => Promise.resolve() });
  const found = [];
  for await (const { promptChanged } of client.subscribe(changed, {}, { silenceMs: 200 })) {
    found.push(promptChanged.number);
  }
  expect(found).toEqual([1, 2]);
});

test("who reads too slowly goes on where it was; what is over a limit from the start does not", async () => {
  await using gateway = await startFakeGateway(({ variables }, response) => {
    response.writeHead(200, eventStream);
    if (variables["after"] === "c1") response.end(nextError("LIMIT"));
    else response.end(next(1) + nextError("LIMIT"));
  });
  const client = createClient({ url: gateway.url, pause: () => Promise.resolve() });
  const events = client.subscribe(changed);
  expect((await events.next()).value).toMatchObject({ promptChanged: { number: 1 } });
  await expect(events.next()).rejects.toMatchObject({ code: "LIMIT" });
  expect(gateway.requests).toHaveLength(2);
});

test("a refusal ends it with its code: as an answer, and as an event", async () => {
  await using gateway = await startFakeGateway((_, response, number) => {
    if (number === 1) answerError(response, "UNAUTHENTICATED", 401);
    else response.writeHead(200, eventStream).end(nextError("NOT_FOUND"));
  });
  const client = createClient({ url: gateway.url });
  await expect(client.subscribe(changed).next()).rejects.toMatchObject({
    code: "UNAUTHENTICATED",
    status: 401,
  });
  await expect(client.subscribe(changed).next()).rejects.toMatchObject({ code: "NOT_FOUND" });
});

test("a document that could not go on is refused at once", async () => {
  const client = createClient({ url: "http://127.0.0.1:1" });
  const without = document<object>("subscription { promptChanged { kind } }");
  await expect(client.subscribe(without).next()).rejects.toThrow(TypeError);
  await expect(client.subscribe(document<object>("{ viewer { name } }")).next())
    .rejects.toThrow(TypeError);
});

test("events are read whatever the pieces in which they come", async () => {
  const text = 'event: next\ndata: {"a":\ndata: 1}\n\n: comment\n\ndata:x\r\nevent:y\r\n\r\n';
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat({ max: text.length })), async (cuts) => {
      const at = [0, ...cuts.sort((a, b) => a - b), text.length];
      async function* pieces() {
        for (let index = 1; index < at.length; index++) {
          yield await Promise.resolve(text.slice(at[index - 1], at[index]));
        }
      }
      const found = [];
      for await (const event of readEvents(pieces())) found.push(event);
      expect(found).toEqual([{ event: "next", data: '{"a":\n1}' }, { event: "y", data: "x" }]);
    }),
  );
});
