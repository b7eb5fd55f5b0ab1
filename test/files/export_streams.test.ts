import { connect, type Socket } from "node:net";
import { pino } from "pino";
import { afterEach, beforeAll, expect, test } from "vitest";
import { withClient } from "../../src/database/open_client.ts";
import { withTestDatabase } from "../helpers/database.ts";
import { eventually } from "../helpers/eventually.ts";
import { startGateway, withGateway } from "../helpers/gateway.ts";
import { graphqlData } from "../helpers/graphql.ts";
import { makeKey, makeOrganization, type TestOrganization } from "../helpers/make.ts";
import { untilBlocked } from "../helpers/sessions.ts";
import { askForFile, exportFile, fillMetrics, readLines } from "./files.ts";

/** Exports are streams: no faster than the client takes them, and never short without the client seeing it. */

const rowCount = 20_000;
const database = withTestDatabase();
const lines: string[] = [];
// Clients open connections that they never use, and a gateway that stops waits for their requests
const gateway = withGateway(database, { stopWaitMs: 1_000 });
const impatient = withGateway(database, {
  clientTimeoutMs: 500,
  log: pino({ level: "info" }, { write() {} }),
  writeRequestLine: (line) => void lines.push(line),
});

let ours: TestOrganization;
const makeReader = () => makeKey(database, ours, ["analyses:read"]);
beforeAll(async () => {
  ours = await makeOrganization(database);
  // More than all buffers between the gateway and a client hold
  await fillMetrics(database, ours, rowCount, "x".repeat(2_000));
});

const sockets = new Set<Socket>();
afterEach(() => {
  for (const socket of sockets) socket.destroy();
  sockets.clear();
});

/** Asks for an export over a bare connection, and reads nothing of it until `resume`. */
function askAndStall(
  url: string,
  key: string,
): Socket & { received: { bytes: number; end: string } } {
  const { hostname, port } = new URL(url);
  const received = { bytes: 0, end: "" };
  const socket = Object.assign(connect(Number(port), hostname), { received });
  sockets.add(socket);
  socket.on("error", () => {});
  socket.on("data", (data) => {
    received.bytes += data.length;
    received.end = (received.end + data.toString("latin1")).slice(-20);
  });
  socket.pause();
  socket.write(
    `GET /export/metrics HTTP/1.1\r\nHost: here\r\nAuthorization: Bearer ${key}\r\n\r\n`,
  );
  return socket;
}

const endOfChunks = /\r\n0\r\n\r\n$/;

/** Waits until the connections of exports have been used, and are idle, and stay so. */
async function untilIdle(): Promise<void> {
  let before = "";
  await eventually(async () => {
    const sessions = await database.query(
      `select pid, state, state_change::text from pg_stat_activity
        where datname = current_database() and application_name = 'curestry gateway files' order by pid`,
    );
    const [last, now] = [before, JSON.stringify(sessions)];
    before = now;
    await database.query("select pg_sleep(0.3)");
    expect(sessions.length).toBeGreaterThan(0);
    expect(now).toBe(last);
  });
}

/** Ends the idle connections of exports, so that all they did is counted; answers the rows read from the metrics. */
async function countRowsRead(table = "ops.analysis_metric"): Promise<number> {
  await database.query(
    `select pg_terminate_backend(pid, 60000) from pg_stat_activity
      where datname = current_database() and application_name = 'curestry gateway files'`,
  );
  const [row] = await database.query<{ rows: string }>(
    `select coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) as rows
       from pg_stat_user_tables where relid = $1::regclass`,
    [table],
  );
  return Number(row?.rows);
}

test("of a reader that stalls nothing is read ahead, no connection is held, and it goes on", async () => {
  const before = await countRowsRead();
  const socket = askAndStall(gateway.url, await makeReader());
  await untilIdle();
  const read = await countRowsRead() - before;
  expect(read).toBeGreaterThan(0);
  expect(read).toBeLessThan(rowCount / 2);
  socket.resume();
  await eventually(() => expect(socket.received.end).toMatch(endOfChunks));
  expect(socket.received.bytes).toBeGreaterThan(rowCount * 2_000);
});

test.each([
  ["ops.analysis_metric", "metrics?", (id: string) => fillMetrics(database, { id }, 12_000)],
  ["ops.analysis_run", "analyses?format=jsonl&", fillAnalyses],
  ["core.prompts", "prompts?", fillPrompts],
  ["mart.metric_timeseries", "marts?mart=metric_timeseries&", fillTimeseries],
  ["mart.analysis_hourly", "marts?mart=analysis_hourly&", fillHourly],
])(
  "each row of %s is read once, whatever the planner knows of the table",
  async (table, path, fill) => {
    const organization = await makeOrganization(database);
    await fill(organization.id);
    const key = await makeKey(database, organization, [
      ...["prompts:read", "analyses:read", "rubrics:read", "marts:read"],
    ]);
    const before = await countRowsRead(table);
    const file = await exportFile(gateway.url, `/export/${path}from=2020-01-01`, { key });
    expect(file.split("\n").length).toBeGreaterThan(12_000);
    expect(await countRowsRead(table) - before).toBeLessThan(1.2 * 12_000);
  },
);

async function fillAnalyses(id: string): Promise<void> {
  await database.query(
    `insert into ops.analysis_run (organization_id, status, started_at, finished_at, prompt_content)
     select $1, 'failed', '2026-01-01Z', timestamptz '2026-01-01Z' + n * interval '1 second', 'x'
       from generate_series(1, 12000) as n`,
    [id],
  );
}

async function fillPrompts(id: string): Promise<void> {
  await database.query(
    `insert into core.prompts (organization_id, name, content)
     select $1, 'prompt ' || n, 'x' from generate_series(1, 12000) as n`,
    [id],
  );
}

async function fillTimeseries(id: string): Promise<void> {
  await database.query(
    `insert into mart.metric_timeseries (organization_id, metric_key, granularity, ts_bucket, sample_count, source)
     select $1, 'metric ' || n, 'hour', timestamptz '2026-01-01Z' + n % 1000 * interval '1 hour', 1, 'metric'
       from generate_series(1, 12000) as n`,
    [id],
  );
}

async function fillHourly(id: string): Promise<void> {
  await database.query(
    `insert into mart.analysis_hourly
       (organization_id, ts_bucket, dimension, value, analyses, scored, overall_count, entropy_count, judged)
     select $1, timestamptz '2026-01-01Z' + n * interval '1 hour', 'all', '', 1, 0, 0, 0, 0
       from generate_series(1, 12000) as n`,
    [id],
  );
}

test("a reader that takes nothing for too long is cut off, and sees that there is no end", async () => {
  const socket = askAndStall(impatient.url, await makeReader());
  await eventually(() => expect(lines.some((line) => line.includes("/export/metrics"))).toBe(true));
  let isClosed = false;
  socket.on("close", () => isClosed = true);
  socket.resume();
  await eventually(() => expect(isClosed).toBe(true));
  expect(socket.received.bytes).toBeGreaterThan(0);
  expect(socket.received.bytes).toBeLessThan(rowCount * 2_000);
  expect(socket.received.end).not.toMatch(endOfChunks);
});

test("readers that stall keep neither queries nor other organizations waiting, and their number is bounded", async () => {
  const key = await makeReader();
  const stalled = await Promise.all(
    Array.from({ length: 8 }, () => askForFile(gateway.url, "/export/metrics", { key })),
  );
  expect(stalled.map(({ status }) => status)).toEqual(Array(8).fill(200));
  const refused = await askForFile(gateway.url, "/export/metrics?limit=1", { key });
  expect(refused.status).toBe(429);
  expect(refused.headers.get("retry-after")).toBe("5");
  expect(await refused.text()).toContain("8 exports and imports of an organization");
  const { analysisMetrics } = await graphqlData<{ analysisMetrics: { totalCount: number } }>(
    gateway.url,
    { key, query: "{ analysisMetrics { totalCount } }" },
  );
  expect(analysisMetrics.totalCount).toBe(rowCount);
  const theirs = await makeOrganization(database);
  const theirKey = await makeKey(database, theirs, ["analyses:read"]);
  expect(
    readLines(await exportFile(gateway.url, "/export/metrics?format=jsonl", { key: theirKey })),
  )
    .toEqual([]);
  // Whoever leaves makes room
  for (const { body } of stalled) await body?.cancel();
  await eventually(async () => {
    const { status, body } = await askForFile(gateway.url, "/export/metrics?limit=1", { key });
    await body?.cancel();
    expect(status).toBe(200);
  });
});

test("when the database breaks a page off, the client sees that the file is not whole", async () => {
  const response = await askForFile(gateway.url, "/export/metrics", {
    key: await makeReader(),
    headers: { "accept-encoding": "identity" },
  });
  expect(response.status).toBe(200);
  await untilIdle();
  await withClient(database.adminUrl, async (client) => {
    await client.query("begin; lock table ops.analysis_metric in access exclusive mode");
    const text = response.text().then(() => "whole", () => "broken");
    await untilBlocked(database);
    await client.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'`,
    );
    expect(await text).toBe("broken");
  });
  // The next one is whole
  const csv = await exportFile(gateway.url, "/export/metrics", { key: await makeReader() });
  expect(csv.trimEnd().split("\r\n")).toHaveLength(rowCount + 1);
});

test.each(["csv", "jsonl", "parquet"])(
  "a key that is revoked meanwhile ends a file of %s without an end",
  async (format) => {
    const key = await makeReader();
    const response = await askForFile(gateway.url, `/export/metrics?format=${format}`, { key });
    expect(response.status).toBe(200);
    await database.query(
      "select app.api_key_revoke(id) from ops.api_key where key_hash = encode(sha256($1), 'hex')",
      [Buffer.from(key)],
    );
    await expect(response.arrayBuffer()).rejects.toThrow();
  },
);

test("a connection that files went out on keeps no gateway from stopping", async () => {
  const key = await makeReader();
  const own = await startGateway(database, { stopWaitMs: 600_000 });
  for (const kind of ["metrics", "metrics", "metrics"]) {
    const response = await fetch(`${own.url}/export/${kind}`, {
      headers: { authorization: `Bearer ${key}` },
    });
    expect(response.status).toBe(200);
    await response.text();
  }
  await own.stop();
});
