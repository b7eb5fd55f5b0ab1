import fc from "fast-check";
import pg from "pg";
import { beforeAll, expect, test } from "vitest";
import { cursorHours, makeCursors, type Position } from "../../src/gateway/live/cursor.ts";
import { withTestDatabase } from "../helpers/database.ts";
import { eventually } from "../helpers/eventually.ts";
import { startGateway, withGateway } from "../helpers/gateway.ts";
import {
  createPrompt,
  MARTS,
  PROMPTS,
  recordRun,
  RUNS,
  type TestSubscriber,
  transports,
  withSubscribers,
} from "../helpers/live.ts";
import { makeKey, makeOrganization, type TestOrganization } from "../helpers/make.ts";

const database = withTestDatabase();
const gateway = withGateway(database);
/** Another one of the same installation. */
const second = withGateway(database);

let ours: TestOrganization;
let key = "";
const subscribe = withSubscribers(gateway, () => key);
const insert =
  "insert into core.prompts (organization_id, name, content) select $1, n, 'a' from unnest($2::text[]) n";

beforeAll(async () => {
  ours = await makeOrganization(database);
  key = await makeKey(database, ours, [
    "prompts:read",
    "prompts:write",
    "analyses:read",
    "marts:read",
  ]);
});

const names = (subscriber: TestSubscriber) =>
  subscriber.changes.map(({ prompt }) => prompt.name as string);

test("every event's cursor leads to exactly the events after it, on any gateway", async () => {
  const subscriber = subscribe("websocket", { query: PROMPTS });
  await subscriber.ready();
  // Some in one transaction, some alone
  await database.query(insert, [ours.id, ["a", "b", "c"]]);
  await database.query(insert, [ours.id, ["d"]]);
  await database.query(insert, [ours.id, ["e", "f"]]);
  await eventually(() => expect(names(subscriber)).toHaveLength(6));
  const told = names(subscriber);
  for (const [n, { cursor }] of subscriber.events.entries()) {
    for (const url of [gateway.url, second.url]) {
      const resumed = subscribe("events", { query: PROMPTS, variables: { after: cursor } }, url);
      await resumed.ready();
      expect(names(resumed)).toEqual(told.slice(n));
      // READY says that this is all
      expect(resumed.events.at(-1)?.kind).toBe("READY");
    }
  }
});

test("the first event has a cursor: what happens after it is not lost, though nothing came yet", async () => {
  const subscriber = subscribe("websocket", { query: PROMPTS });
  await subscriber.ready();
  const { cursor } = subscriber.events[0]!;
  subscriber.stop();
  await createPrompt(gateway.url, key, "while away");
  const resumed = subscribe("websocket", { query: PROMPTS, variables: { after: cursor } });
  await resumed.ready();
  expect(names(resumed)).toEqual(["while away"]);
});

test("a cursor leads on in each of the subscriptions", async () => {
  const subscriber = subscribe("websocket", { query: PROMPTS });
  await subscriber.ready();
  const variables = { after: subscriber.events[0]!.cursor };
  const runId = await recordRun(database, ours);
  await database.query("select app.mart_refresh_all()");
  const runs = subscribe("websocket", { query: RUNS, variables });
  const marts = subscribe("websocket", { query: MARTS, variables });
  await runs.ready();
  await marts.ready();
  expect(runs.changes).toMatchObject([{ analysisRunId: runId }]);
  expect(marts.changes).toMatchObject([{ source: "analysis" }]);
});

test("more than a page of changes is told to who was away, in order", async () => {
  const subscriber = subscribe("events", { query: PROMPTS });
  await subscriber.ready();
  const { cursor } = subscriber.events[0]!;
  subscriber.stop();
  const many = Array.from({ length: 2_345 }, (_, n) => `n ${n}`);
  await database.query(insert, [ours.id, many.slice(0, 1_500)]);
  await database.query(insert, [ours.id, many.slice(1_500)]);
  for (const transport of transports) {
    const resumed = subscribe(transport, { query: PROMPTS, variables: { after: cursor } });
    await resumed.ready();
    expect(names(resumed)).toEqual(many);
  }
});

test("a silent subscription gets a fresh cursor from time to time", async () => {
  const impatient = await startGateway(database, { freshCursorMs: 1 });
  try {
    const subscriber = subscribe("websocket", { query: PROMPTS }, impatient.url);
    await eventually(() => expect(subscriber.events.length).toBeGreaterThan(2));
    expect(subscriber.changes).toEqual([]);
    await createPrompt(gateway.url, key, "after it");
    const { cursor } = subscriber.events[2]!;
    const resumed = subscribe("events", { query: PROMPTS, variables: { after: cursor } });
    await resumed.ready();
    expect(names(resumed)).toEqual(["after it"]);
  } finally {
    await impatient.stop();
  }
});

test("no change is lost or told twice, however transactions and connections cross", async () => {
  type Step =
    | { do: "write"; by: number | null; count: number }
    | { do: "commit" | "rollback"; by: number }
    | { do: "reconnect"; to: number; waits: boolean };
  const writer = fc.integer({ min: 0, max: 2 });
  const step: fc.Arbitrary<Step> = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constant("write" as const),
        by: fc.option(writer),
        count: fc.integer({ min: 1, max: 4 }),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        do: fc.constantFrom("commit" as const, "rollback" as const),
        by: writer,
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        do: fc.constant("reconnect" as const),
        to: fc.integer({ min: 0, max: 3 }),
        waits: fc.boolean(),
      }),
    },
  );
  const clients = await Promise.all([0, 1, 2].map(async () => {
    const client = new pg.Client(database.adminUrl);
    await client.connect();
    return client;
  }));
  let round = 0;
  try {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 30 }), async (steps) => {
        round++;
        let made = 0;
        const committed: string[] = [];
        const open: (string[] | null)[] = [null, null, null];
        const told: string[] = [];
        let cursor: string | undefined;
        let current = connect(0);
        await current.ready();

        function connect(to: number): TestSubscriber {
          return subscribe(
            transports[to % 2]!,
            { query: PROMPTS, variables: { after: cursor ?? null } },
            to < 2 ? gateway.url : second.url,
          );
        }
        function disconnect(): void {
          current.stop();
          told.push(...names(current));
          cursor = current.events.at(-1)?.cursor ?? cursor;
        }
        async function end(by: number, how: "commit" | "rollback"): Promise<void> {
          const written = open[by];
          if (!written) return;
          await clients[by]!.query(how);
          if (how === "commit") committed.push(...written);
          open[by] = null;
        }

        for (const one of steps) {
          if (one.do === "write") {
            const written = Array.from({ length: one.count }, () => `${round}/${++made}`);
            const values = [ours.id, written];
            if (one.by === null) {
              await database.query(insert, values);
              committed.push(...written);
            } else {
              const client = clients[one.by]!;
              if (open[one.by] === null) await client.query("begin");
              await client.query(insert, values);
              open[one.by] = [...open[one.by] ?? [], ...written];
            }
          } else if (one.do === "reconnect") {
            if (one.waits) {
              const before = committed.filter((name) => !told.includes(name)).length;
              await eventually(() =>
                expect(names(current).length).toBeGreaterThanOrEqual(Math.min(1, before))
              );
            }
            disconnect();
            current = connect(one.to);
          } else await end(one.by, one.do);
        }
        for (const by of [0, 1, 2]) await end(by, "commit");
        const last = `${round}/last`;
        await database.query(insert, [ours.id, [last]]);
        await eventually(() => expect(names(current)).toContain(last));
        disconnect();
        expect(told.toSorted()).toEqual([...committed, last].toSorted());
      }),
      { numRuns: 25 },
    );
  } finally {
    for (const client of clients) await client.end();
  }
});

test("a cursor is good for a day, and nobody can read, change or make one", () => {
  const key = new Uint8Array(32).fill(1);
  const position: Position = {
    epoch: "1",
    until: "10:20:15",
    part: { since: "5:6:", seq: "7" },
  };
  let now = 0;
  const cursors = makeCursors(key, () => now);
  const cursor = cursors.close(position);
  const ofAll = { ...position, part: null };
  expect(cursors.open(cursor)).toEqual(position);
  expect(cursors.open(cursors.close(ofAll))).toEqual(ofAll);
  now = cursorHours * 3_600_000;
  expect(cursors.open(cursor)).toEqual(position);
  now += 1_000;
  expect(() => cursors.open(cursor)).toThrow(/24 hours.*subscribe without a cursor/);
  now = 0;
  expect(atob(cursor.replaceAll("-", "+").replaceAll("_", "/"))).not.toContain("10:20");
  const bytes = [...cursor].entries();
  for (const [n, letter] of bytes) {
    const changed = cursor.slice(0, n) + (letter === "A" ? "z" : "A") + cursor.slice(n + 1);
    // The last letter has bits that mean nothing
    if (n < cursor.length - 1) expect(() => cursors.open(changed)).toThrow("must be a cursor");
  }
  const others = makeCursors(new Uint8Array(32).fill(2));
  for (const bad of ["", "A", others.close(position), "A".repeat(20_000)]) {
    expect(() => cursors.open(bad)).toThrow("must be a cursor");
  }
});

test("after a restore, subscriptions end and cursors from before are refused, with what to do", async () => {
  const subscriber = subscribe("events", { query: PROMPTS });
  await subscriber.ready();
  const { cursor } = subscriber.events[0]!;
  // As app.audit_continue_xids does after a restore into another server
  await database.query("update app.audit_sealer set xid_offset = xid_offset + 1");
  const gone = [{
    message: expect.stringContaining("Read anew what you show"),
    extensions: { code: "NOT_FOUND" },
  }];
  await eventually(() => expect(subscriber.errors).toMatchObject(gone));
  const resumed = subscribe("websocket", { query: PROMPTS, variables: { after: cursor } });
  await eventually(() => expect(resumed.errors).toMatchObject(gone));
  expect(resumed.events).toEqual([]);
  const anew = subscribe("websocket", { query: PROMPTS });
  await anew.ready();
  await database.query("update app.audit_sealer set xid_offset = xid_offset - 1");
});
