import { describe, expect, test } from "vitest";
import { query, withTestDatabase } from "../helpers/database.ts";
import { withOrganization } from "./one_organization.ts";

const database = withTestDatabase();
const own = withOrganization(database);
const { record, refresh, check, buckets } = own;

describe("whatever becomes of facts", () => {
  test("a truncated table leaves no rows in the marts", async () => {
    await record(["2026-01-01T05:00Z"]);
    await refresh();
    await database.query("truncate ops.analysis_metric");
    expect((await check()).length).toBeGreaterThan(0);
    await refresh();
    expect(await check()).toEqual([]);
    expect(await buckets("hour")).toEqual([]);
  });

  test("rows that are right are neither written nor locked", async () => {
    const written = async () =>
      (await database.query<{ metric_key: string; row: string }>(
        "select metric_key, xmin || ' ' || xmax as row from mart.metric_timeseries where organization_id = $1 order by granularity, metric_key",
        [own.organization.id],
      )).map(({ metric_key, row }) => `${metric_key} ${row}`);
    await record(["2026-01-01T05:00Z"], 1, "same");
    await record(["2026-01-01T05:00Z"], 1, "other");
    await refresh();
    const before = await written();
    await record(["2026-01-01T05:10Z"], 2, "other");
    await refresh();
    const after = await written();
    expect(after.filter((row) => row.startsWith("same"))).toEqual(
      before.filter((row) => row.startsWith("same")),
    );
    expect(after.filter((row) => row.startsWith("other"))).not.toEqual(
      before.filter((row) => row.startsWith("other")),
    );
    expect(await check()).toEqual([]);
  });

  test("a slice begins with the oldest change, and then has whole days, whatever came first", async () => {
    await record(["2026-03-01T05:00Z"]);
    const [days, hours] = [30, 24];
    // An hour of each day, then the next hour of each day
    await record(
      Array.from(
        { length: days * hours },
        (_, n) => new Date(Date.UTC(2026, 0, 1 + n % days, Math.floor(n / days))).toISOString(),
      ),
    );
    await refresh();
    const done = await buckets("hour");
    expect(done).toContain("03-01 05:00");
    expect(done.length).toBeLessThan(days * hours);
    const perDay = Map.groupBy(done.slice(0, -1), (start) => start.slice(0, 5));
    expect([...perDay.values()].filter(({ length }) => length < hours).length)
      .toBeLessThanOrEqual(1);
    await refresh();
    expect(await buckets("hour")).toHaveLength(days * hours + 1);
    expect(await check()).toEqual([]);
  });

  test("a deleted organization leaves no mark that fails", async () => {
    await record(["2026-01-01T05:00Z"]);
    await refresh();
    await record(["2026-01-02T05:00Z"]);
    await database.query("delete from ops.organization where id = $1", [own.organization.id]);
    const marks = () =>
      database.query("select from app.mart_change where organization_id = $1", [
        own.organization.id,
      ]);
    expect((await marks()).length).toBeGreaterThan(0);
    await database.query("select app.mart_refresh_all()");
    expect(await marks()).toEqual([]);
  });

  test("a refresh that is rolled back leaves the marks in place", async () => {
    await record(["2026-01-01T05:00Z"]);
    await database.query(
      `do $$ begin perform app.mart_refresh_organization('${own.organization.id}'); raise exception 'crash'; exception when others then null; end $$`,
    );
    expect(await buckets("hour")).toEqual([]);
    await refresh();
    expect(await buckets("hour")).toEqual(["01-01 05:00"]);
  });

  test("what is frozen stays in the marts, and what comes later goes on", async () => {
    await record(["2026-01-01T05:00Z", "2026-01-02T05:00Z"]);
    const [{ kept } = { kept: null }] = await database.query<{ kept: Date }>(
      "select app.mart_make_immutable($1, '2026-01-02T03:00Z') as kept",
      [own.organization.id],
    );
    expect(kept).toEqual(new Date("2026-01-02T00:00Z"));
    await database.query(
      "delete from ops.analysis_run where organization_id = $1 and occurred_at < '2026-01-02Z'",
      [own.organization.id],
    );
    await record(["2026-01-02T06:00Z"]);
    await refresh();
    expect(await buckets("hour")).toEqual(["01-01 05:00", "01-02 05:00", "01-02 06:00"]);
    expect(await check()).toEqual([]);
    // Half of the days could not be counted by another zone
    await expect(
      database.query("update ops.organization set time_zone = 'Asia/Kolkata' where id = $1", [
        own.organization.id,
      ]),
    ).rejects.toMatchObject({ code: "CU005", column: "timeZone" });
  });

  test("more events than an integer holds do not stop the marts", async () => {
    await database.query(
      `insert into ops.feature_event (organization_id, feature_key, occurred_at, event_count)
       select $1, 'much', '2026-01-01T05:00Z', 1000000 from generate_series(1, 3000)`,
      [own.organization.id],
    );
    await refresh();
    expect(
      await database.query("select events from mart.feature_daily where organization_id = $1", [
        own.organization.id,
      ]),
    ).toEqual([{ events: 2147483647 }]);
    expect(await check()).toEqual([]);
  });
});

test("long names are keys of their own, and judges and workflows are sources", async () => {
  const long = "r".repeat(250);
  await record(["2026-01-01T05:00Z"]);
  await database.query(
    `with r as (
       insert into ops.judge_rubric (organization_id, name) values ($1, $2) returning id
     )
     insert into ops.judge_criterion (organization_id, rubric_id, key, title)
     select $1, r.id, k, k from r, unnest(array['clear', 'short']) as k`,
    [own.organization.id, long],
  );
  await database.query(
    `insert into ops.judge_score (organization_id, analysis_run_id, criterion_id, score, occurred_at)
     select $1, r.id, c.id, 7, r.occurred_at
       from ops.judge_criterion c, ops.analysis_run r where c.organization_id = $1 and r.organization_id = $1`,
    [own.organization.id],
  );
  await database.query(
    `with w as (insert into core.workflow_runs (organization_id) values ($1) returning id)
     insert into core.evaluation_metrics (organization_id, run_id, metric_name, metric_value, created_at)
     select $1, w.id, 'latency', 2.5, '2026-01-01T05:00Z' from w`,
    [own.organization.id],
  );
  await refresh();
  const rows = await database.query<{ source: string; key: string }>(
    "select source, metric_key as key from mart.metric_timeseries where organization_id = $1 and granularity = 'day' order by 1, 2",
    [own.organization.id],
  );
  expect(rows.map(({ source }) => source)).toEqual(["evaluation", "judge", "judge", "metric"]);
  expect(rows[0]?.key).toBe("latency");
  expect(rows[1]?.key).toMatch(/^r{91}~[0-9a-f]{8}$/);
  expect(new Set(rows.map(({ key }) => key)).size).toBe(3);
  const [by] = await database.query(
    `select judged, avg_judged::float8 as avg from mart.analysis_daily_by
      where organization_id = $1 and dimension = 'rubric' and value = $2 || ' v1'`,
    [own.organization.id, long],
  );
  expect(by).toEqual({ judged: "1", avg: 7 });
  expect(await check()).toEqual([]);
});

test("the nightly check of a sample finds what is wrong, and nothing that only waits", async () => {
  const sample = async () =>
    (await query<{ buckets: number; differences: number; details: unknown[] }>(
      database.workerUrl,
      "select * from app.mart_check_sample(60)",
    ))[0];
  await database.query("select app.mart_refresh_all()");
  await record(["2026-01-01T05:00Z", "2026-01-01T06:00Z"]);
  await refresh();
  await record(["2026-01-01T07:00Z"]);
  expect(await sample()).toMatchObject({ differences: 0 });
  await refresh();
  await database.query("delete from mart.metric_timeseries where granularity = 'hour'");
  const found = await sample();
  expect(found?.buckets).toBeGreaterThan(0);
  expect(found?.differences).toBeGreaterThan(0);
  expect(found?.details[0]).toMatchObject({ mart: "metric_timeseries", actual: null });
  expect(await database.query("select from app.mart_check")).toHaveLength(2);
  const span = "('-infinity', 'infinity', null)";
  await database.query(`select app.mart_rebuild_start${span}`);
  while ((await database.query(`select from app.mart_rebuild_continue${span}`)).length > 0);
  expect(await database.query("select from app.mart_check_all()")).toEqual([]);
});
