import fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import { query, withTestDatabase } from "../helpers/database.ts";
import { withGateway } from "../helpers/gateway.ts";
import { graphql } from "../helpers/graphql.ts";
import { makeKey, makeOrganization, type TestOrganization } from "../helpers/make.ts";

const database = withTestDatabase();
const gateway = withGateway(database);

let organization: TestOrganization;

beforeEach(async () => {
  organization = await makeOrganization(database);
});

/** Runs with one metric each. */
async function record(times: string[], value: string | number = 1, key = "latency") {
  await database.query(
    `with r as (
       insert into ops.analysis_run (organization_id, status, started_at, finished_at, prompt_content)
       select $1, 'succeeded', t, t, 'x' from unnest($2::timestamptz[]) as t returning id, occurred_at
     )
     insert into ops.analysis_metric (organization_id, analysis_run_id, key, value_num, value_text, occurred_at)
     select $1, r.id, $3, $4::numeric, $5, r.occurred_at from r`,
    [
      organization.id,
      times,
      key,
      typeof value === "number" ? value : null,
      typeof value === "string" ? value : null,
    ],
  );
}

async function refresh(): Promise<void> {
  await database.query("select app.refresh_organization($1)", [organization.id]);
}

async function check(): Promise<Record<string, unknown>[]> {
  return await database.query(
    "select mart, bucket, waiting from app.check_marts(only_organization => $1)",
    [organization.id],
  );
}

async function buckets(size: string, zone = "UTC"): Promise<string[]> {
  const rows = await database.query<{ start: string }>(
    `select to_char(ts_bucket at time zone $3, 'MM-DD HH24:MI') as start from mart.metric_timeseries
      where organization_id = $1 and granularity = $2 order by ts_bucket`,
    [organization.id, size, zone],
  );
  return rows.map(({ start }) => start);
}

describe("quantiles", () => {
  test("are within 1 % of the number at that rank, and merge exactly", async () => {
    const number = fc.oneof(
      fc.double({ min: -1e6, max: 1e6, noNaN: true }),
      fc.double({ min: -1e290, max: 1e290, noNaN: true }).filter((x) => Math.abs(x) > 1e-290),
      fc.constant(0),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(number.map((x) => Math.abs(x) < 1e-290 ? 0 : x), { minLength: 1, maxLength: 60 }),
        fc.array(number.map((x) => Math.abs(x) < 1e-290 ? 0 : x), { maxLength: 60 }),
        fc.integer({ min: 0, max: 100 }),
        async (one, two, percent) => {
          const [row] = await database.query<
            { quantile: number; merged: object; whole: object }
          >(
            `with s as (
               select part, app.sketch_slot(x::numeric) as slot, count(*) as n
                 from (select 1 as part, unnest($1::float8[]) as x union all select 2, unnest($2::float8[])) v group by 1, 2
             ), p as (select jsonb_object_agg(slot, n) as sketch from s group by part),
             w as (select jsonb_object_agg(slot, n) as sketch from (select slot, sum(n) as n from s group by slot) t)
             select mart.quantile(w.sketch, $3::numeric / 100)::float8 as quantile,
                    (select mart.merge_sketches(array_agg(sketch)) from p) as merged, w.sketch as whole from w`,
            [one, two, percent],
          );
          const sorted = [...one, ...two].toSorted((a, b) => a - b);
          const exact = sorted[Math.max(Math.ceil(sorted.length * percent / 100) - 1, 0)] ?? NaN;
          expect(Math.abs((row?.quantile ?? NaN) - exact))
            .toBeLessThanOrEqual(Math.abs(exact) * 0.0100001);
          expect(row?.merged).toEqual(row?.whole);
        },
      ),
      { numRuns: 100 },
    );
  });

  test("of numbers beyond a double's range are held by the largest and the smallest", async () => {
    await record(["2026-01-01T05:00Z"], 1, "huge");
    await database.query(
      "update ops.analysis_metric set value_num = 1e2000 where organization_id = $1",
      [organization.id],
    );
    await refresh();
    const [row] = await database.query(
      "select (value_json ->> 'p50')::numeric = 1e2000 as is_exact from mart.metric_timeseries where organization_id = $1 and granularity = 'day'",
      [organization.id],
    );
    expect(row).toEqual({ is_exact: true });
    expect(await check()).toEqual([]);
  });
});

test("of many distinct texts 100 are counted one by one, and days still merge exactly", async () => {
  for (let n = 0; n < 250; n++) {
    const time = `2026-01-01T${String(n % 5).padStart(2, "0")}:10Z`;
    await record(n % 3 ? [time] : [time, "2026-01-01T09:10Z"], `text ${n}`, "text");
  }
  await refresh();
  const [day] = await database.query<{ words: number; counted: number; other: number }>(
    `select (select count(*)::int from jsonb_object_keys(value_json -> 'counts')) as words,
            (select sum(value::int)::int from jsonb_each_text(value_json -> 'counts')) as counted,
            (value_json ->> 'other')::int as other
       from mart.metric_timeseries where organization_id = $1 and granularity = 'day'`,
    [organization.id],
  );
  expect(day?.words).toBe(100);
  expect((day?.counted ?? 0) + (day?.other ?? 0)).toBe(250 + 84);
  expect(await check()).toEqual([]);
});

describe("a time zone", () => {
  const HOURS = ["2026-10-31T18:29Z", "2026-10-31T18:31Z", "2026-11-01T05:10Z"];

  test("is that of the organization: hours and days begin on its clocks", async () => {
    await record(HOURS);
    await refresh();
    expect(await buckets("day")).toEqual(["10-31 00:00", "11-01 00:00"]);
    await database.query("update ops.organization set time_zone = 'Asia/Kolkata' where id = $1", [
      organization.id,
    ]);
    // Readers see the old hours until all of it is rebuilt
    expect(await buckets("day")).toEqual(["10-31 00:00", "11-01 00:00"]);
    expect((await check()).every(({ waiting }) => waiting)).toBe(true);
    await refresh();
    expect(await buckets("hour", "Asia/Kolkata")).toEqual([
      "10-31 23:00",
      "11-01 00:00",
      "11-01 10:00",
    ]);
    expect(await buckets("day", "Asia/Kolkata")).toEqual(["10-31 00:00", "11-01 00:00"]);
    expect(await check()).toEqual([]);
    const days = await database.query(
      "select day::text, analyses from mart.analysis_daily where organization_id = $1 order by day",
      [organization.id],
    );
    expect(days).toEqual([{ day: "2026-10-31", analyses: 1 }, { day: "2026-11-01", analyses: 2 }]);
  });

  test("has a day of 25 hours when its clocks are put back", async () => {
    await database.query(
      "update ops.organization set time_zone = 'Europe/Berlin' where id = $1",
      [organization.id],
    );
    const start = Date.parse("2026-10-24T22:00Z");
    await record(
      Array.from({ length: 25 }, (_, n) => new Date(start + (n + 0.5) * 3_600_000).toISOString()),
    );
    await refresh();
    const hours = await buckets("hour", "Europe/Berlin");
    expect(hours).toHaveLength(25);
    expect(hours.filter((hour) => hour === "10-25 02:00")).toHaveLength(2);
    expect(await buckets("day", "Europe/Berlin")).toEqual(["10-25 00:00"]);
    expect(await check()).toEqual([]);
  });

  test("of every kind parts time into hours, and hours into days", async () => {
    // The hours around each change of the clocks, in every zone that has one in these years
    const wrong = await database.query(
      `with change as (
         select z.name as zone, h.hour
           from pg_timezone_names z, generate_series('2007-01-01Z'::timestamptz, '2012-01-01Z', '6 hours') as h (hour)
          where z.name !~ '^(posix|right)/' and z.name ~ any ($1::text[])
            and (h.hour at time zone z.name) + interval '6 hours' <> (h.hour + interval '6 hours') at time zone z.name
       ), hour as (
         select c.zone, c.hour, b.low, b.high,
                lead(b.low) over (partition by c.zone, c.hour order by b.low) as next
           from change c,
                lateral app.mart_hours(c.zone, array(select generate_series(c.hour - interval '6 hours', c.hour + interval '12 hours', '1 hour'))) as b
       )
       select h.zone, h.low, h.high, h.next
         from hour h
        where h.next <> h.high or h.high <= h.low
           or (select count(*) from app.mart_days(h.zone, array[h.low]) as d where h.low >= d.low and h.high <= d.high) <> 1`,
      [[
        "Havana",
        "Azores",
        "Sao_Paulo",
        "Lord_Howe",
        "St_Johns",
        "Caracas",
        "Apia",
        "Cairo",
        "Kathmandu",
        "Chatham",
        "Gaza",
        "New_York",
      ]],
    );
    expect(wrong).toEqual([]);
  });

  test.each(["Europe/Atlantis", "CEST", "+02", "", "europe/berlin", "right/UTC", "x".repeat(99)])(
    "is refused, and nothing changes, if it is %j",
    async (timeZone) => {
      const key = await makeKey(database, organization, ["organization:write"]);
      const change = (zone: string) =>
        graphql<{ updateOrganization: { organization: { timeZone: string } } }>(gateway.url, {
          key,
          query: `mutation ($id: UUID!, $zone: String!) {
            updateOrganization(input: { id: $id, patch: { timeZone: $zone } }) { organization { timeZone } }
          }`,
          variables: { id: organization.id, zone },
        });
      const { errors } = await change(timeZone);
      expect(errors?.[0]?.extensions).toMatchObject({ code: "INVALID", field: "timeZone" });
      const { data } = await change("Pacific/Chatham");
      expect(data?.updateOrganization.organization.timeZone).toBe("Pacific/Chatham");
    },
  );

  test("is not changed without organization:write", async () => {
    const key = await makeKey(database, organization, ["marts:read"]);
    await graphql(gateway.url, {
      key,
      query:
        `mutation { updateOrganization(input: { id: "${organization.id}", patch: { timeZone: "Asia/Tokyo" } }) { clientMutationId } }`,
    });
    expect(
      await database.query("select time_zone from ops.organization where id = $1", [
        organization.id,
      ]),
    ).toEqual([{ time_zone: "UTC" }]);
  });
});

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

  test("a deleted organization leaves no mark that fails", async () => {
    await record(["2026-01-01T05:00Z"]);
    await refresh();
    await record(["2026-01-02T05:00Z"]);
    await database.query("delete from ops.organization where id = $1", [organization.id]);
    const marks = () =>
      database.query("select from app.mart_mark where organization_id = $1", [organization.id]);
    expect((await marks()).length).toBeGreaterThan(0);
    await database.query("select app.refresh_marts()");
    expect(await marks()).toEqual([]);
  });

  test("a refresh that is rolled back leaves the marks in place", async () => {
    await record(["2026-01-01T05:00Z"]);
    await database.query(
      `do $$ begin perform app.refresh_organization('${organization.id}'); raise exception 'crash'; exception when others then null; end $$`,
    );
    expect(await buckets("hour")).toEqual([]);
    await refresh();
    expect(await buckets("hour")).toEqual(["01-01 05:00"]);
  });

  test("what is frozen stays in the marts, and what comes later goes on", async () => {
    await record(["2026-01-01T05:00Z", "2026-01-02T05:00Z"]);
    const [{ kept } = { kept: null }] = await database.query<{ kept: Date }>(
      "select app.freeze_marts($1, '2026-01-02T03:00Z') as kept",
      [organization.id],
    );
    expect(kept).toEqual(new Date("2026-01-02T00:00Z"));
    await database.query(
      "delete from ops.analysis_run where organization_id = $1 and occurred_at < '2026-01-02Z'",
      [organization.id],
    );
    await record(["2026-01-02T06:00Z"]);
    await refresh();
    expect(await buckets("hour")).toEqual(["01-01 05:00", "01-02 05:00", "01-02 06:00"]);
    expect(await check()).toEqual([]);
    // Half of the days could not be counted by another zone
    await expect(
      database.query("update ops.organization set time_zone = 'Asia/Kolkata' where id = $1", [
        organization.id,
      ]),
    ).rejects.toMatchObject({ code: "CU005", column: "timeZone" });
  });

  test("more events than an integer holds do not stop the marts", async () => {
    await database.query(
      `insert into ops.feature_event (organization_id, feature_key, occurred_at, event_count)
       select $1, 'much', '2026-01-01T05:00Z', 1000000 from generate_series(1, 3000)`,
      [organization.id],
    );
    await refresh();
    expect(
      await database.query("select events from mart.feature_daily where organization_id = $1", [
        organization.id,
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
    [organization.id, long],
  );
  await database.query(
    `insert into ops.judge_score (organization_id, analysis_run_id, criterion_id, score, occurred_at)
     select $1, r.id, c.id, 7, r.occurred_at
       from ops.judge_criterion c, ops.analysis_run r where c.organization_id = $1 and r.organization_id = $1`,
    [organization.id],
  );
  await database.query(
    `with w as (insert into core.workflow_runs (organization_id) values ($1) returning id)
     insert into core.evaluation_metrics (organization_id, run_id, metric_name, metric_value, created_at)
     select $1, w.id, 'latency', 2.5, '2026-01-01T05:00Z' from w`,
    [organization.id],
  );
  await refresh();
  const rows = await database.query<{ source: string; key: string }>(
    "select source, metric_key as key from mart.metric_timeseries where organization_id = $1 and granularity = 'day' order by 1, 2",
    [organization.id],
  );
  expect(rows.map(({ source }) => source)).toEqual(["evaluation", "judge", "judge", "metric"]);
  expect(rows[0]?.key).toBe("latency");
  expect(rows[1]?.key).toMatch(/^r{91}~[0-9a-f]{8}$/);
  expect(new Set(rows.map(({ key }) => key)).size).toBe(3);
  const [by] = await database.query(
    `select judged, avg_judged::float8 as avg from mart.analysis_daily_by
      where organization_id = $1 and dimension = 'rubric' and value = $2 || ' v1'`,
    [organization.id, long],
  );
  expect(by).toEqual({ judged: "1", avg: 7 });
  expect(await check()).toEqual([]);
});

test("the nightly check of a sample finds what is wrong, and nothing that only waits", async () => {
  const sample = async () =>
    (await query<{ buckets: number; differences: number; details: unknown[] }>(
      database.workerUrl,
      "select * from app.check_marts_sample(60)",
    ))[0];
  await database.query("select app.refresh_marts()");
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
  await database.query(`select app.start_rebuild${span}`);
  while ((await database.query(`select from app.continue_rebuild${span}`)).length > 0);
  expect(await database.query("select from app.check_marts()")).toEqual([]);
});
