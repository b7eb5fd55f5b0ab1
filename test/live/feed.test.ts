import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Change, ChangeSource } from "../../src/gateway/live/change_source.ts";
import { type Batch, makeFeed } from "../../src/gateway/live/feed.ts";
import { makeLog } from "../../src/shared/log.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const change: Change = {
  seq: "1",
  organization_id: "a",
  topic: "promptChanged",
  action: "INSERTED",
  entity_id: "p",
  prompt_ids: ["p"],
  statuses: [],
  source: null,
  marts: null,
  from_ts: null,
  to_ts: null,
};

function makeDatabase() {
  const asked = { position: 0, changes: [] as { since: string; until: string }[] };
  const failing = { position: false, changes: false };
  let at = 0;
  const source: ChangeSource = {
    readPosition() {
      asked.position++;
      if (failing.position) return Promise.reject(new Error("away"));
      return Promise.resolve({ snapshot: `${at}:${at}:`, epoch: "1" });
    },
    readChanges({ since, until }) {
      if (failing.changes) return Promise.reject(new Error("away"));
      asked.changes.push({ since, until });
      return Promise.resolve([change]);
    },
    readRights: () => Promise.resolve([]),
    readCursorKey: () => Promise.resolve(new Uint8Array(32)),
  };
  return { source, asked, failing, write: () => void at++ };
}

test("the database is asked while somebody listens, once for all, and not otherwise", async () => {
  const { source, asked, write } = makeDatabase();
  let organizations = ["a", "b"];
  const batches: Batch[] = [];
  const feed = makeFeed(source, {
    organizations: () => organizations,
    onChanges: (batch) => void batches.push(batch),
    onOtherHistory: () => {},
  }, makeLog("silent"));
  await feed.look(() => {});
  expect(asked.position).toBe(1);
  await vi.advanceTimersByTimeAsync(10_000);
  const { position } = asked;
  expect(position).toBeGreaterThan(10);
  // Nothing was written
  expect(asked.changes).toEqual([]);
  write();
  await vi.advanceTimersByTimeAsync(1_000);
  expect(asked.changes).toEqual([{ since: "0:0:", until: "1:1:" }]);
  expect(batches).toMatchObject([{ changes: [change], isLast: true }]);
  organizations = [];
  await vi.advanceTimersByTimeAsync(1_000);
  const before = asked.position;
  await vi.advanceTimersByTimeAsync(3_600_000);
  expect(asked.position).toBe(before);
  expect(feed.lagSeconds).toBe(0);
  feed.stop();
});

test("what could not be read is read later, from where it was; and the lag shows it", async () => {
  const { source, asked, failing, write } = makeDatabase();
  const batches: Batch[] = [];
  const feed = makeFeed(source, {
    organizations: () => ["a"],
    onChanges: (batch) => void batches.push(batch),
    onOtherHistory: () => {},
  }, makeLog("silent"));
  await feed.look(() => {});
  failing.changes = true;
  write();
  await vi.advanceTimersByTimeAsync(5_000);
  expect(batches).toEqual([]);
  expect(feed.lagSeconds).toBeGreaterThan(4);
  write();
  failing.changes = false;
  await vi.advanceTimersByTimeAsync(5_000);
  expect(asked.changes).toEqual([
    { since: "0:0:", until: "1:1:" },
    { since: "1:1:", until: "2:2:" },
  ]);
  expect(batches).toHaveLength(2);
  expect(feed.lagSeconds).toBeLessThan(1);
  feed.stop();
});

test("who begins to listen waits for a database that is away, and not for ever", async () => {
  const { source, failing } = makeDatabase();
  failing.position = true;
  const feed = makeFeed(source, {
    organizations: () => [],
    onChanges: () => {},
    onOtherHistory: () => {},
  }, makeLog("silent"));
  const served = feed.look(({ snapshot }) => snapshot);
  await vi.advanceTimersByTimeAsync(5_000);
  failing.position = false;
  await vi.advanceTimersByTimeAsync(1_000);
  expect(await served).toBe("0:0:");
  failing.position = true;
  const late = feed.look(() => {});
  const refused = expect(late).rejects.toThrow("away");
  await vi.advanceTimersByTimeAsync(60_000);
  await refused;
  feed.stop();
  await expect(feed.look(() => {})).rejects.toThrow("stops");
});
