import { afterAll, beforeAll, expect, test } from "vitest";
import type { Gateway } from "../../src/gateway/serve.ts";
import { withClient } from "../../src/database/open_client.ts";
import { cliJson } from "../helpers/cli.ts";
import { query, withTestDatabase } from "../helpers/database.ts";
import { startGateway } from "../helpers/gateway.ts";
import { recordAnalyses, RESULT } from "../helpers/graphql_analyses.ts";
import { makeKey, makeOrganization, type TestOrganization } from "../helpers/make.ts";

/** What an organization does not keep goes, but never before the marts have it; their numbers stay. */

const database = withTestDatabase();
let gateway: Gateway;
let short: TestOrganization;
let forEver: TestOrganization;
let key: string;

const DAY = 24 * 3600 * 1000;
const ago = (days: number) => new Date(Date.now() - days * DAY).toISOString();

const item = (days: number, n: number) => ({
  idempotencyKey: `${days} ${n}`,
  promptContent: "x",
  finishedAt: ago(days),
  result: RESULT,
  metrics: [{ key: "latency", valueNum: String(n) }],
  nodeResults: [{ node: "n", status: "ok", score: "5" }],
});

interface Removed {
  organizationId: string;
  analysisRuns: number;
  featureEvents: number;
}
const retain = async (...args: string[]) =>
  (await cliJson<{ removed: Removed[] }>(["retain", ...args], { env: database.env })).removed;

const count = async (table: string, { id }: TestOrganization, older: number) => {
  const [row] = await database.query<{ n: number }>(
    `select count(*)::int as n from ${table} where organization_id = $1 and occurred_at < $2`,
    [id, ago(older)],
  );
  return row?.n;
};
const numbers = () =>
  database.query(
    `select 'm' as mart, source || metric_key as key, granularity || ts_bucket::text as bucket, to_jsonb(t) as row from mart.metric_timeseries t
     union all select 'a', '', day::text, to_jsonb(t) from mart.analysis_daily t
     union all select 'f', feature_key, day::text, to_jsonb(t) from mart.feature_daily t
     order by 1, 2, 3, 4`,
  );
const refresh = () => database.query("select app.mart_refresh_all()");
const problems = () =>
  database.query("select problem, entity_type, detail from app.audit_verify_entities()");

beforeAll(async () => {
  short = await makeOrganization(database, { slug: "short" });
  forEver = await makeOrganization(database, { slug: "for-ever" });
  gateway = await startGateway(database);
  for (const organization of [short, forEver]) {
    key = await makeKey(database, organization, ["analyses:write", "features:write"]);
    await recordAnalyses(
      gateway.url,
      key,
      [100, 61, 40, 20, 3].flatMap((days) => [1, 2, 3].map((n) => item(days, n))),
    );
    await database.query(
      `insert into ops.feature_event (organization_id, feature_key, occurred_at, user_id)
       select $1, 'f', now() - n * interval '10 days', $2 from generate_series(0, 12) as n`,
      [organization.id, organization.ownerUserId],
    );
  }
  key = await makeKey(database, short, ["analyses:write", "analyses:read", "features:write"]);
  // It began long ago and goes on: it stays, whatever its age
  await recordAnalyses(gateway.url, key, [
    { idempotencyKey: "goes on", promptContent: "x", status: "running", startedAt: ago(200) },
  ]);
  await query(database.workerUrl, "select app.partition_make_all()");
  await refresh();
});
afterAll(() => gateway.stop());

test("without a setting nothing goes", async () => {
  expect(await retain("--dry-run")).toEqual([]);
  expect(await retain()).toEqual([]);
});

test("a dry run says what would go, and changes nothing", async () => {
  await database.query("update ops.organization set raw_retention_days = 30 where id = $1", [
    short.id,
  ]);
  const before = await numbers();
  expect(await retain("--dry-run")).toEqual([
    expect.objectContaining({ organizationId: short.id, analysisRuns: 9, featureEvents: 9 }),
  ]);
  expect(await count("ops.analysis_run", short, 31)).toBe(10);
  expect(await numbers()).toEqual(before);
});

test("a change that the marts have not taken is taken first", async () => {
  // Recorded after the last refresh, and older than what is kept
  await recordAnalyses(gateway.url, key, [item(61, 4)]);
  const [row] = await database.query<{ n: number }>(
    "select count(*)::int as n from app.mart_change where organization_id = $1",
    [short.id],
  );
  expect(row?.n).toBeGreaterThan(0);
  const removed = await retain();
  expect(removed).toEqual([
    expect.objectContaining({ organizationId: short.id, analysisRuns: 10 }),
  ]);
  const [day] = await database.query<{ analyses: number }>(
    "select analyses from mart.analysis_daily where organization_id = $1 and day = ($2::timestamptz at time zone 'UTC')::date",
    [short.id, ago(61)],
  );
  expect(day?.analyses).toBe(4);
});

test("what is old is gone, with all that belongs to it, and the rest is there", async () => {
  for (
    const table of [
      "ops.analysis_run",
      "ops.analysis_metric",
      "ops.analysis_node_result",
      "core.analysis_results",
      "ops.feature_event",
    ]
  ) {
    const going = table === "ops.analysis_run" ? 1 : 0;
    expect(await count(table, short, 31), table).toBe(going);
    expect(await count(table, short, -1), table).toBeGreaterThan(0);
    expect(await count(table, forEver, 31), table).toBeGreaterThan(0);
  }
  expect(
    await database.query("select status from ops.analysis_run where idempotency_key = 'goes on'"),
  )
    .toEqual([{ status: "running" }]);
});

test("the marts keep their numbers, whatever is refreshed, checked or rebuilt", async () => {
  const before = await numbers();
  await refresh();
  expect(await numbers()).toEqual(before);
  expect(await database.query("select * from app.mart_check_all()")).toEqual([]);
  const frozen = [{ organization: short.slug, before: expect.stringMatching(/T00:00:00.000Z$/) }];
  expect(await cliJson(["rollup", "--from", "2000-01-01"], { env: database.env }))
    .toMatchObject({ ok: true, frozen });
  expect(await numbers()).toEqual(before);
  expect(await cliJson(["rollup", "--check"], { env: database.env }))
    .toEqual({ ok: true, differences: [], frozen });
  // Nothing is missing from a span in which all is there
  expect(await cliJson(["rollup", "--check", "--from", ago(5)], { env: database.env }))
    .toEqual({ ok: true, differences: [], frozen: [] });
  const [old] = await database.query<{ n: number }>(
    "select count(*)::int as n from mart.metric_timeseries where organization_id = $1 and ts_bucket < $2",
    [short.id, ago(31)],
  );
  expect(old?.n).toBeGreaterThan(0);
});

test("the log says that it went, holds nothing of it instead, and agrees with the tables", async () => {
  const rows = await database.query<{ entity_type: string; before_state: object | null }>(
    `select entity_type, before_state from ops.audit_log
      where organization_id = $1 and action = 'delete' order by 1`,
    [short.id],
  );
  expect(rows.some(({ entity_type }) => entity_type === "ops.analysis_run")).toBe(true);
  expect(rows.some(({ entity_type }) => entity_type === "ops.feature_event")).toBe(true);
  for (const { before_state } of rows) {
    // How many, and a fingerprint of them
    expect(["rows", "digest"]).toEqual(expect.arrayContaining(Object.keys(before_state ?? {})));
  }
  expect(await problems()).toEqual([]);
});

test("the time zone stays, for the marts of before could not be rebuilt for another", async () => {
  const change = (organization: TestOrganization) =>
    database.query("update ops.organization set time_zone = 'Asia/Kolkata' where id = $1", [
      organization.id,
    ]);
  await expect(change(short)).rejects.toMatchObject({
    code: "CU005",
    message: expect.stringContaining("raw_retention_days"),
  });
  await change(forEver);
  await database.query("update ops.organization set time_zone = 'UTC' where id = $1", [forEver.id]);
  await refresh();
});

test("what comes too late is refused by name, beside good items of the same call", async () => {
  const outcomes = await recordAnalyses(gateway.url, key, [item(61, 5), item(1, 5)]);
  expect(outcomes).toEqual([
    expect.objectContaining({
      outcome: "invalid",
      message: expect.stringMatching(/finishedAt: lies before .*raw_retention_days/),
    }),
    expect.objectContaining({ outcome: "inserted" }),
  ]);
  await expect(
    database.query(
      "insert into ops.feature_event (organization_id, feature_key, occurred_at) values ($1, 'f', $2)",
      [short.id, ago(61)],
    ),
  ).rejects.toMatchObject({ code: "CU004", column: "occurred_at", constraint: "raw_retention" });
  // Of another organization it is not too late
  await database.query(
    "insert into ops.feature_event (organization_id, feature_key, occurred_at) values ($1, 'f', $2)",
    [forEver.id, ago(61)],
  );
});

test("who recorded something old and has not committed yet is waited for", async () => {
  await database.query("update ops.organization set raw_retention_days = 15 where id = $1", [
    short.id,
  ]);
  const call = () =>
    query<{ is_done: boolean; runs: string }>(
      database.workerUrl,
      "select is_done, runs from app.retention_apply_facts()",
    );
  await withClient(database.adminUrl, async (late) => {
    await late.query("begin");
    await late.query(
      `insert into ops.analysis_run (organization_id, status, started_at, finished_at) values ($1, 'succeeded', $2, $2)`,
      [short.id, ago(20)],
    );
    for (let n = 0; n < 5; n++) {
      expect(await call()).toEqual([{ is_done: false, runs: "0" }]);
    }
    await late.query("commit");
  });
  await retain();
  const [day] = await database.query<{ analyses: number }>(
    "select analyses from mart.analysis_daily where organization_id = $1 and day = ($2::timestamptz at time zone 'UTC')::date",
    [short.id, ago(20)],
  );
  expect(day?.analyses).toBe(4);
  expect(await count("ops.analysis_run", short, 16)).toBe(1);
  expect(await problems()).toEqual([]);
});

test("a month of an organization that keeps it longer stays, whoever was never asked before", async () => {
  const fresh = await makeOrganization(database, { slug: "fresh" });
  await database.query(
    "insert into ops.feature_event (organization_id, feature_key, occurred_at) values ($1, 'f', now() - interval '3 years')",
    [fresh.id],
  );
  await query(database.workerUrl, "select app.partition_make_all()");
  await refresh();
  await database.query("update ops.organization set raw_retention_days = 3650 where id = $1", [
    fresh.id,
  ]);
  await retain();
  expect(await count("ops.feature_event", fresh, 900)).toBe(1);
  await retain();
  expect(await count("ops.feature_event", fresh, 900)).toBe(1);
  expect(await database.query("select * from app.mart_check_all()")).toEqual([]);
  // The month is empty then, and may go
  await database.query("delete from ops.organization where id = $1", [fresh.id]);
  await retain();
});

test("when nothing of a month has to stay, its partition goes; what is held stays", async () => {
  const partitions = async () => {
    const [row] = await database.query<{ n: number }>(
      "select count(*)::int as n from pg_inherits where inhparent = 'ops.feature_event'::regclass",
    );
    return row?.n ?? 0;
  };
  const before = await partitions();
  const counted = await numbers();
  await database.query("select app.legal_hold_place($1, null, 'a lawsuit')", [forEver.id]);
  await database.query("update ops.organization set raw_retention_days = 15");
  await retain();
  expect(await count("ops.feature_event", forEver, 31)).toBeGreaterThan(0);
  expect(await partitions()).toBe(before);
  await database.query("select app.legal_hold_release(id) from app.legal_hold");
  await retain();
  expect(await count("ops.feature_event", forEver, 16)).toBe(0);
  expect(await count("ops.analysis_run", forEver, 16)).toBe(0);
  expect(await partitions()).toBeLessThan(before);
  await refresh();
  const old = (rows: Awaited<ReturnType<typeof numbers>>) =>
    rows.filter(({ bucket, mart }) => mart === "f" && bucket < ago(16).slice(0, 10));
  expect(old(await numbers()).length).toBeGreaterThanOrEqual(old(counted).length);
  expect(await problems()).toEqual([]);
});
