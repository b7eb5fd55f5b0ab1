import { beforeAll, describe, expect, test } from "vitest";
import { withTestDatabase } from "../helpers/database.ts";
import { withGateway } from "../helpers/gateway.ts";
import { graphql, graphqlData } from "../helpers/graphql.ts";
import { recordAnalyses, RESULT } from "../helpers/graphql_analyses.ts";
import { makeAnalyst, makeKey, makeOrganization, type TestOrganization } from "../helpers/make.ts";
import { query } from "../helpers/database.ts";

/** What clients and dashboards read from the marts. */

const database = withTestDatabase();
const gateway = withGateway(database);

interface Point {
  bucketStart: string;
  bucketEnd: string;
  count: number;
  mean: number | null;
  p50: number | null;
  max: number | null;
  counts: Record<string, number> | null;
  previousStart: string;
  previous: { count: number; mean: number | null } | null;
}

let organization: TestOrganization;
let key: string;
let blind: string;

/** Days of 2026 on which there is a latency: its value is the day of the year. */
const DAYS = Array.from({ length: 365 }, (_, n) => n).filter((n) => n % 10 !== 3);
const timeOf = (n: number) => new Date(Date.UTC(2026, 0, 1 + n, 11, 30)).toISOString();

beforeAll(async () => {
  organization = await makeOrganization(database);
  key = await makeKey(database, organization, ["analyses:write", "marts:read"]);
  blind = await makeKey(database, organization, ["analyses:read"]);
  for (let n = 0; n < DAYS.length; n += 100) {
    const items = DAYS.slice(n, n + 100).map((day) => ({
      promptContent: "x",
      finishedAt: timeOf(day),
      result: { ...RESULT, overallScore: day % 10, detectedLanguage: day % 2 ? "de" : "en" },
      metrics: [{ key: "latency", valueNum: String(day + 1) }, { key: "colour", valueText: "red" }],
    }));
    for (const { outcome, message } of await recordAnalyses(gateway.url, key, items)) {
      expect(outcome, message ?? "").toBe("inserted");
    }
  }
  // Sometimes a number, sometimes a text
  for (const [day, value] of [[0, { valueNum: 5 }], [1, { valueText: "five" }]] as const) {
    await recordAnalyses(gateway.url, key, [{
      promptContent: "x",
      finishedAt: timeOf(day),
      status: "failed",
      metrics: [{ key: "mixed", ...value }],
    }]);
  }
  await recordAnalyses(gateway.url, key, [{
    promptContent: "x",
    finishedAt: new Date(Date.parse(timeOf(1)) + 3_600_000).toISOString(),
    status: "failed",
  }]);
  // Another organization, elsewhere, with other numbers
  const other = await makeOrganization(database);
  await database.query("update ops.organization set time_zone = 'Asia/Tokyo' where id = $1", [
    other.id,
  ]);
  await recordAnalyses(
    gateway.url,
    await makeKey(database, other, ["analyses:write"]),
    [0, 1, 2, 40].map((day) => ({
      promptContent: "x",
      finishedAt: timeOf(day),
      result: { ...RESULT, detectedLanguage: "de" },
      metrics: [{ key: "latency", valueNum: 1000 }],
    })),
  );
  await database.query("select app.mart_refresh_all()");
});

const POINTS =
  `bucketStart bucketEnd count mean p50 max counts previousStart previous { count mean }`;

async function series(args: string): Promise<Point[]> {
  const { metricSeries } = await graphqlData<{ metricSeries: Point[] }>(gateway.url, {
    key,
    query: `{ metricSeries(${args}) { ${POINTS} } }`,
  });
  return metricSeries;
}

const midnight = (point: { bucketStart: string }) => new Date(point.bucketStart).toISOString();

describe("metricSeries", () => {
  test("gives a year of daily points in one request, and fills gaps as it is told", async () => {
    const year = `key: "latency", from: "2026-01-01T00:00Z", to: "2027-01-01T00:00Z"`;
    const bare = await series(year);
    expect(bare.map(midnight)).toEqual(
      DAYS.map((n) => new Date(Date.UTC(2026, 0, 1 + n)).toISOString()),
    );
    expect(bare[0]).toMatchObject({ count: 1, p50: 1, max: 1, previous: null });
    const gaps = { ZERO: [0, 0], NULL: [0, null], PREVIOUS: [0, 3] } as const;
    for (const [fill, [count, mean]] of Object.entries(gaps)) {
      const filled = await series(`${year}, fill: ${fill}`);
      expect(filled).toHaveLength(365);
      expect(Number(filled[2]?.mean)).toBe(3);
      expect(filled[3]).toMatchObject({ count, mean });
    }
  });

  test("merges weeks and months exactly, beside the period before", async () => {
    const [week] = await series(
      `key: "latency", from: "2026-01-07T00:00Z", to: "2026-01-08T00:00Z", bucket: WEEK`,
    );
    // From Monday the 5th on; the 4th and the 14th have none
    expect(midnight(week as Point)).toBe("2026-01-05T00:00:00.000Z");
    expect(week).toMatchObject({ count: 7, max: 11 });
    expect(Number(week?.mean)).toBe(8);
    expect(week?.previous).toMatchObject({ count: 3 });
    expect(Number(week?.previous?.mean)).toBe(2);

    const [, february] = await series(
      `key: "latency", from: "2026-01-15T00:00Z", to: "2026-02-10T00:00Z", bucket: MONTH`,
    );
    const days = DAYS.filter((n) => n >= 31 && n < 59).map((n) => n + 1);
    expect(february).toMatchObject({ count: days.length, previous: null });
    const median = days[Math.ceil(days.length / 2) - 1] ?? NaN;
    expect(Math.abs(Number(february?.p50) - median)).toBeLessThanOrEqual(median / 100);
  });

  test("counts texts, and has an hour where there is one", async () => {
    const points = await series(
      `key: "colour", from: "2026-03-01T11:00Z", to: "2026-03-02T12:00Z", bucket: HOUR`,
    );
    expect(points.map(midnight)).toEqual(["2026-03-01T11:00:00.000Z", "2026-03-02T11:00:00.000Z"]);
    expect(points[0]).toMatchObject({ counts: { red: 1 }, mean: null });
  });

  test("fills with the last number before, which is not the last text", async () => {
    const days = await series(
      `key: "mixed", from: "2026-01-01T00:00Z", to: "2026-01-04T00:00Z", fill: PREVIOUS`,
    );
    expect(days.map(({ count, mean }) => [count, mean === null ? null : Number(mean)]))
      .toEqual([[1, 5], [1, null], [0, 5]]);
  });

  test("serves other sources", async () => {
    expect(
      await series(
        `key: "latency", from: "2026-01-01T00:00Z", to: "2026-01-02T00:00Z", source: node`,
      ),
    )
      .toEqual([]);
  });

  test.each([
    ["2026-01-01T00:00Z", "2027-06-01T00:00Z", "bucket: HOUR", "LIMIT", "to"],
    ["2026-01-02T00:00Z", "2026-01-01T00:00Z", "bucket: DAY", "INVALID", "to"],
    ["0001-01-01T00:00Z", "2026-01-02T00:00Z", "bucket: DAY", "INVALID", "from"],
    ["1969-12-31T23:59Z", "1970-01-02T00:00Z", "bucket: DAY", "INVALID", "from"],
    ["2199-12-31T00:00Z", "2200-01-01T00:01Z", "bucket: DAY", "INVALID", "from"],
    ["-infinity", "2026-01-02T00:00Z", "bucket: DAY", "INVALID", "from"],
    ["2026-01-02T00:00Z", "infinity", "bucket: DAY", "INVALID", "to"],
    ["yesterday", "2026-01-02T00:00Z", "bucket: DAY", "INVALID", "from"],
    ["2026-01-02T00:00Z", "2026-02-30", "bucket: DAY", "INVALID", "to"],
    ["2026-01-02T00:00Z", "2026-01-02T00:00Z", "bucket: DAY", "INVALID", "to"],
    ["2026-01-01T00:00Z", "2027-02-21T17:00Z", "bucket: HOUR", "LIMIT", "to"],
  ])("refuses from %s to %s with %s: %s", async (from, to, more, code, field) => {
    const { errors } = await graphql(gateway.url, {
      key,
      query: `{ metricSeries(key: "latency", from: "${from}", to: "${to}", ${more}) { count } }`,
    });
    expect(errors?.[0]?.extensions).toMatchObject({ code, field });
  });

  test.each([
    ["1970-01-01T00:00Z", "1970-01-02T00:00Z", "bucket: DAY", 1],
    ["2199-12-31T00:00Z", "2200-01-01T00:00Z", "bucket: DAY", 1],
    ["2026-01-01T00:00Z", "2027-02-21T16:00Z", "bucket: HOUR", 10_000],
    ["2026-01-01T00:30Z", "2026-01-01T02:00Z", "bucket: HOUR", 2],
    ["2026-01-01T01:00Z", "2026-01-01T02:30Z", "bucket: HOUR", 2],
  ])("takes from %s to %s with %s", async (from, to, bucket, points) => {
    expect(await series(`key: "latency", from: "${from}", to: "${to}", ${bucket}, fill: NULL`))
      .toHaveLength(points);
  });

  test("says which metrics there are, if not this one", async () => {
    const { errors } = await graphql(gateway.url, {
      key,
      query:
        `{ metricSeries(key: "latencies", from: "2026-01-01", to: "2026-01-02") { count } metricKeys }`,
    });
    expect(errors).toHaveLength(1);
    expect(errors?.[0]).toMatchObject({
      message: expect.stringMatching(/^key: no metric is called "latencies"; there is .*latency/),
      extensions: { code: "INVALID", field: "key" },
    });
    const { metricKeys, node } = await graphqlData<{ metricKeys: string[]; node: string[] }>(
      gateway.url,
      { key, query: "{ metricKeys node: metricKeys(source: node) }" },
    );
    expect(metricKeys).toEqual([...metricKeys].sort());
    expect(metricKeys).toEqual(expect.arrayContaining(["latency", "colour", "mixed"]));
    expect(node).toEqual([]);
  });

  test("needs marts:read", async () => {
    const { errors } = await graphql(gateway.url, {
      key: blind,
      query:
        `{ metricSeries(key: "latency", from: "2026-01-01T00:00Z", to: "2026-01-02T00:00Z") { count } }`,
    });
    expect(errors?.[0]?.extensions?.code).toBe("FORBIDDEN");
  });
});

test("analysisSeries gives analyses by language, and freshness says that all is taken up", async () => {
  const { analysisSeries, martFreshness } = await graphqlData<{
    analysisSeries: { analyses: number; avgOverall: number; previous: { analyses: number } }[];
    martFreshness: { mart: string; waiting: number }[];
  }>(gateway.url, {
    key,
    query: `{
      analysisSeries(from: "2026-02-01T00:00Z", to: "2026-03-01T00:00Z", bucket: MONTH, dimension: language, value: "de") {
        analyses avgOverall previous { analyses }
      }
      martFreshness { mart waiting oldestChangeSeconds }
    }`,
  });
  const german = (low: number, high: number) =>
    DAYS.filter((n) => n >= low && n < high && n % 2 === 1);
  expect(analysisSeries).toMatchObject([{
    analyses: german(31, 59).length,
    previous: { analyses: german(0, 31).length },
  }]);
  expect(Number(analysisSeries[0]?.avgOverall)).toBeCloseTo(
    german(31, 59).reduce((sum, n) => sum + n % 10, 0) / german(31, 59).length,
    9,
  );
  expect(martFreshness).toEqual(
    ["analysis_daily", "feature_daily", "metric_timeseries"].map((mart) =>
      expect.objectContaining({ mart, waiting: 0, oldestChangeSeconds: null })
    ),
  );
});

test("analysisSeries fills gaps as it is told, beside the period before", async () => {
  const days = async (more: string) => {
    const { analysisSeries } = await graphqlData<{ analysisSeries: unknown }>(gateway.url, {
      key,
      query:
        `{ analysisSeries(from: "2026-01-03T00:00Z", to: "2026-01-05T00:00Z", dimension: language, value: "en"${more}) {
          bucketStart bucketEnd analyses scored avgOverall avgEntropy previousStart previous { analyses avgOverall } } }`,
    });
    // 2.0000 is 2
    return JSON.parse(
      JSON.stringify(analysisSeries),
      (name, value) => name.startsWith("avg") && value !== null ? Number(value) : value,
    );
  };
  const time = (day: string) => expect.stringContaining(`2026-01-0${day}T00:00:00`);
  const third = {
    bucketStart: time("3"),
    bucketEnd: time("4"),
    analyses: 1,
    scored: 1,
    avgOverall: 2,
    avgEntropy: 0.5,
    previousStart: time("1"),
    previous: { analyses: 1, avgOverall: 0 },
  };
  expect(await days("")).toEqual([third]);
  const none = { bucketStart: time("4"), previousStart: time("2"), analyses: 0, scored: 0 };
  for (
    const [fill, before, averages] of [
      ["ZERO", { analyses: 0, avgOverall: 0 }, { avgOverall: 0, avgEntropy: 0 }],
      ["NULL", { analyses: 0, avgOverall: null }, { avgOverall: null, avgEntropy: null }],
      ["PREVIOUS", { analyses: 0, avgOverall: 0 }, { avgOverall: 2, avgEntropy: 0.5 }],
    ] as const
  ) {
    expect(await days(`, fill: ${fill}`), fill)
      .toMatchObject([third, { ...none, ...averages, previous: before }]);
  }
});

test("analysisSeries has each analysis in one hour", async () => {
  const { analysisSeries } = await graphqlData<{ analysisSeries: unknown }>(gateway.url, {
    key,
    query:
      `{ analysisSeries(from: "2026-01-02T11:00Z", to: "2026-01-02T13:00Z", bucket: HOUR, dimension: status, value: "failed") {
        bucketStart analyses } }`,
  });
  expect(analysisSeries).toEqual([
    { bucketStart: expect.stringContaining("2026-01-02T11:00:00"), analyses: 1 },
    { bucketStart: expect.stringContaining("2026-01-02T12:00:00"), analyses: 1 },
  ]);
});

test("analysisSeries refuses a dimension that is none, and who may not read the marts", async () => {
  const ask = (credential: string, dimension: string) =>
    graphql(gateway.url, {
      key: credential,
      query:
        `{ analysisSeries(from: "2026-02-01T00:00Z", to: "2026-03-01T00:00Z", dimension: "${dimension}") { analyses } }`,
    });
  expect((await ask(key, "colour")).errors?.[0]).toMatchObject({
    message: "dimension must be all, status, language or rubric",
    extensions: { code: "INVALID", field: "dimension" },
  });
  // As documents wrote it when it was a text
  expect((await ask(key, "all")).errors).toBeUndefined();
  expect((await ask(blind, "all")).errors?.[0]?.extensions).toMatchObject({ code: "FORBIDDEN" });
});

test("the marts have filters, order and grouped aggregates; analysts read the same", async () => {
  const { analysesByDayAndDimension } = await graphqlData<{
    analysesByDayAndDimension: {
      groupedAggregates: { keys: string[]; sum: { analyses: number } }[];
    };
  }>(gateway.url, {
    key,
    query: `{
      analysesByDayAndDimension(filter: { dimension: { equalTo: "language" } }) {
        groupedAggregates(groupBy: [VALUE]) { keys sum { analyses } }
      }
    }`,
  });
  const counts = Object.fromEntries(
    analysesByDayAndDimension.groupedAggregates.map((
      { keys, sum },
    ) => [keys[0], Number(sum.analyses)]),
  );
  const german = DAYS.filter((n) => n % 2 === 1).length;
  expect(counts).toEqual({ de: german, en: DAYS.length - german });
  const analyst = await makeAnalyst(database, [organization]);
  expect(
    await query(
      analyst,
      "select value, sum(analyses)::int as analyses from report.analysis_daily_by where dimension = 'language' group by 1 order by 1",
    ),
  ).toEqual(Object.entries(counts).map(([value, analyses]) => ({ value, analyses })));
  const [merged] = await query<{ p95: number }>(
    analyst,
    `select mart.quantile(mart.merge_sketches(array_agg(sketch)), 0.95)::float8 as p95
       from report.metric_timeseries where metric = 'latency' and source = 'metric' and granularity = 'day'`,
  );
  const exact = (DAYS[Math.ceil(DAYS.length * 0.95) - 1] ?? NaN) + 1;
  expect(Math.abs((merged?.p95 ?? NaN) - exact)).toBeLessThanOrEqual(exact / 100);
});

test("while the marts are rebuilt for another time zone, series stay what they were", async () => {
  const read = async () =>
    (await series(`key: "latency", from: "2026-01-01T00:00Z", to: "2026-01-11T00:00Z"`))
      .map(({ bucketStart, count, max }) => ({ bucketStart, count, max }));
  const before = await read();
  expect(before).toHaveLength(9);
  const move = (zone: string) =>
    database.query("update ops.organization set time_zone = $2 where id = $1", [
      organization.id,
      zone,
    ]);
  await move("Asia/Tokyo");
  // One step: the first 100 days are there in the new zone, the others in the old one
  await database.query("select app.mart_refresh_organization($1)", [organization.id]);
  expect(
    await database.query(
      "select time_zone, rebuild_time_zone from app.mart_state where organization_id = $1",
      [organization.id],
    ),
  ).toEqual([{ time_zone: "UTC", rebuild_time_zone: "Asia/Tokyo" }]);
  expect(await read()).toEqual(before);
  await move("UTC");
  await database.query("select app.mart_refresh_all()");
  expect(await read()).toEqual(before);
});
