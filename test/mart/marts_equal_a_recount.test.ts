import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { withClient } from "../../src/database/open_client.ts";
import { withTestDatabase } from "../helpers/database.ts";
import { makeOrganization, type TestOrganization } from "../helpers/make.ts";

const database = withTestDatabase();

/** An analysis of a random history; scores in tenths, so that sums can be counted exactly. */
interface Recorded {
  hour: number;
  overall: number | null;
  entropy: number;
  metric: number | null;
  word: string | null;
  status: "succeeded" | "failed" | "running";
}

const START = Date.parse("2026-01-01T00:00:00Z");
const at = (hour: number) => new Date(START + hour * 3_600_000 + 60_000).toISOString();

function line(a: Recorded, n: number) {
  const ended = a.status !== "running";
  return {
    line: n,
    record: {
      idempotencyKey: `${crypto.randomUUID()}`,
      promptContent: "a b c",
      status: a.status,
      startedAt: at(a.hour),
      ...(ended ? { finishedAt: at(a.hour) } : {}),
      ...(ended && a.overall !== null
        ? {
          result: {
            detectedLanguage: "en",
            overallScore: a.overall / 10,
            judgeScore: 5,
            semanticEntropy: a.entropy / 10,
            complexityScore: 1,
          },
        }
        : {}),
      metrics: [
        ...(a.metric === null ? [] : [{ key: "latency", valueNum: a.metric / 10 }]),
        ...(a.word === null ? [] : [{ key: "word", valueText: a.word }]),
      ],
    },
  };
}

async function record(organization: TestOrganization, analyses: Recorded[]): Promise<string[]> {
  const rows = await database.query<{ analysis_run_id: string; outcome: string; reason: string }>(
    "select analysis_run_id, outcome, reason from app.analysis_import($1, $2)",
    [organization.id, JSON.stringify(analyses.map(line))],
  );
  for (const row of rows) expect(row, row.reason).toMatchObject({ outcome: "inserted" });
  return rows.map((row) => row.analysis_run_id);
}

async function check(organization: TestOrganization): Promise<unknown[]> {
  return await database.query("select * from app.mart_check_all(only_organization => $1)", [
    organization.id,
  ]);
}

const recorded = fc.record<Recorded>({
  hour: fc.integer({ min: 0, max: 72 }),
  overall: fc.option(fc.integer({ min: 0, max: 100 })),
  entropy: fc.integer({ min: 0, max: 50 }),
  metric: fc.option(fc.integer({ min: -1000, max: 1000 })),
  word: fc.option(fc.constantFrom("yes", "no")),
  status: fc.constantFrom("succeeded", "failed", "running"),
});

const step = fc.oneof(
  fc.record({
    kind: fc.constant("record" as const),
    analyses: fc.array(recorded, { minLength: 1, maxLength: 6 }),
  }),
  fc.record({ kind: fc.constant("delete" as const), nth: fc.nat() }),
  fc.record({
    kind: fc.constant("correct" as const),
    nth: fc.nat(),
    score: fc.integer({ min: 0, max: 100 }),
  }),
  fc.record({
    kind: fc.constant("end" as const),
    nth: fc.nat(),
    hour: fc.integer({ min: 73, max: 90 }),
  }),
  fc.record({ kind: fc.constant("refresh" as const) }),
);

test(
  "any history of records, corrections, deletions and refreshes gives what a count gives",
  async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 8 }), async (steps) => {
        const organization = await makeOrganization(database);
        // The same history, kept beside the database
        const kept = new Map<string, Recorded>();
        const pick = (nth: number) => [...kept.entries()][kept.size ? nth % kept.size : 0];
        for (const s of steps) {
          if (s.kind === "record") {
            const ids = await record(organization, s.analyses);
            ids.forEach((id, n) => kept.set(id, { ...s.analyses[n] as Recorded }));
          } else if (s.kind === "refresh") {
            await database.query("select app.mart_refresh_all()");
          } else {
            const entry = pick(s.nth);
            if (!entry) continue;
            const [id, analysis] = entry;
            if (s.kind === "delete") {
              await database.query("delete from ops.analysis_run where id = $1", [id]);
              kept.delete(id);
            } else if (s.kind === "correct") {
              await database.query(
                "update core.analysis_results set overall_score = $2 where analysis_run_id = $1",
                [id, s.score / 10],
              );
              if (analysis.overall !== null && analysis.status !== "running") {
                analysis.overall = s.score;
              }
            } else if (analysis.status === "running") {
              await database.query(
                "update ops.analysis_run set status = 'failed', finished_at = $2 where id = $1",
                [id, at(s.hour)],
              );
              Object.assign(analysis, { status: "failed", overall: null, endHour: s.hour });
            }
          }
        }
        await database.query("select app.mart_refresh_all()");
        expect(await check(organization)).toEqual([]);

        const days = new Map<
          string,
          { analyses: number; scored: number; overall: number; entropy: number }
        >();
        for (const a of kept.values() as Iterable<Recorded & { endHour?: number }>) {
          if (a.status === "running") continue;
          const day = at(a.endHour ?? a.hour).slice(0, 10);
          const sum = days.get(day) ?? { analyses: 0, scored: 0, overall: 0, entropy: 0 };
          sum.analyses++;
          if (a.overall !== null) {
            sum.scored++;
            sum.overall += a.overall;
            sum.entropy += a.entropy;
          }
          days.set(day, sum);
        }
        const rows = await database.query<Record<string, string | number>>(
          `select day::text, analyses, scored, coalesce(sum_overall * 10, 0)::int as overall, coalesce(sum_entropy * 10, 0)::int as entropy,
                round(avg_overall, 12) = round(sum_overall / nullif(scored, 0), 12) as mean
           from mart.analysis_daily where organization_id = $1`,
          [organization.id],
        );
        expect(Object.fromEntries(rows.map(({ day, mean, ...sums }) => {
          expect(mean).not.toBe(false);
          return [day, sums];
        }))).toEqual(Object.fromEntries(days));

        const hours = new Map<string, { n: number; sum: number }>();
        for (const a of kept.values() as Iterable<Recorded & { endHour?: number }>) {
          if (a.metric === null) continue;
          // With its run, in all marts: when that ended, whenever it was recorded
          const hour = new Date(START + (a.endHour ?? a.hour) * 3_600_000).toISOString();
          const total = hours.get(hour) ?? { n: 0, sum: 0 };
          total.n++;
          total.sum += a.metric;
          hours.set(hour, total);
        }
        const buckets = await database.query<{ bucket: Date; n: number; sum: number }>(
          `select ts_bucket as bucket, numeric_count::int as n, (value_sum * 10)::int as sum
           from mart.metric_timeseries where organization_id = $1 and metric_key = 'latency' and granularity = 'hour'`,
          [organization.id],
        );
        expect(
          Object.fromEntries(
            buckets.map(({ bucket, n, sum }) => [bucket.toISOString(), { n, sum }]),
          ),
        )
          .toEqual(Object.fromEntries(hours));
      }),
      { numRuns: 30 },
    );
  },
  600_000,
);

describe("refreshing", () => {
  let organization: TestOrganization;
  const analysis: Recorded = {
    hour: 5,
    overall: 50,
    entropy: 5,
    metric: 7,
    word: "yes",
    status: "succeeded",
  };

  beforeAll(async () => {
    organization = await makeOrganization(database);
    await record(organization, [analysis, { ...analysis, word: "no" }, { ...analysis, hour: 6 }]);
    await database.query("select app.mart_refresh_all()");
  });

  test("counts the values of texts, and keeps hours and days apart", async () => {
    const rows = await database.query(
      `select granularity, ts_bucket at time zone 'UTC' = '2026-01-01' as midnight, value_json, sample_count::int, numeric_count::int
         from mart.metric_timeseries where organization_id = $1 and metric_key = 'word' order by granularity, ts_bucket`,
      [organization.id],
    );
    expect(rows).toEqual([
      {
        granularity: "day",
        midnight: true,
        value_json: { counts: { yes: 2, no: 1 } },
        sample_count: 3,
        numeric_count: 0,
      },
      {
        granularity: "hour",
        midnight: false,
        value_json: { counts: { yes: 1, no: 1 } },
        sample_count: 2,
        numeric_count: 0,
      },
      {
        granularity: "hour",
        midnight: false,
        value_json: { counts: { yes: 1 } },
        sample_count: 1,
        numeric_count: 0,
      },
    ]);
  });

  test("a second refresh has nothing to do", async () => {
    expect(await database.query("select * from app.mart_refresh_all()")).toEqual([]);
  });

  test("takes up what a writer commits only after a refresh has run", async () => {
    await withClient(database.adminUrl, async (writer) => {
      await writer.query("begin");
      await writer.query("select app.analysis_import($1, $2)", [
        organization.id,
        JSON.stringify([line({ ...analysis, hour: 7 }, 1)]),
      ]);
      await record(organization, [{ ...analysis, hour: 7 }]);
      await database.query("select app.mart_refresh_all()");
      await writer.query("commit");
    });
    await database.query("select app.mart_refresh_all()");
    expect(await check(organization)).toEqual([]);
    const [row] = await database.query<{ n: number }>(
      "select sample_count::int as n from mart.metric_timeseries where organization_id = $1 and metric_key = 'word' and granularity = 'hour' and ts_bucket = '2026-01-01T07:00Z'",
      [organization.id],
    );
    expect(row?.n).toBe(2);
  });

  test("a refresh reads what changed, and not the history", async () => {
    // The statistics know one organization, and nothing of the next
    await database.query("analyze");
    const another = await makeOrganization(database);
    const hours = Array.from({ length: 600 }, (_, n) => n + 100);
    await record(another, hours.map((hour) => ({ ...analysis, hour, metric: 1 })));
    await database.query(
      `with r as (insert into ops.judge_rubric (organization_id, name) values ($1, 'quality') returning id),
            c as (insert into ops.judge_criterion (organization_id, rubric_id, key, title) select $1, id, 'clear', 'Clear' from r returning id)
       insert into ops.judge_score (organization_id, analysis_run_id, criterion_id, score, occurred_at)
       select $1, r.id, c.id, 7, r.occurred_at from c, ops.analysis_run r where r.organization_id = $1`,
      [another.id],
    );
    await database.query("select app.mart_refresh_all()");
    await record(another, [{ ...analysis, hour: 699, metric: 2 }]);
    const reads = await withClient(database.adminUrl, async (client) => {
      await client.query("begin");
      await client.query("select app.mart_refresh_organization($1)", [another.id]);
      const { rows } = await client.query<{ table: string; n: number }>(
        // Organizations fit a page, which the planner reads as a whole: there the reads of it count
        `select schemaname || '.' || relname as table,
                (case relid when 'ops.organization'::regclass then seq_scan + idx_scan
                      else seq_tup_read + idx_tup_fetch end)::int as n
           from pg_stat_xact_user_tables where schemaname in ('core', 'ops', 'mart')`,
      );
      await client.query("commit");
      return rows;
    });
    expect(reads.filter(({ n }) => n > 0).map(({ table }) => table)).toEqual(
      expect.arrayContaining([
        "ops.analysis_run",
        "ops.analysis_metric",
        "ops.judge_score",
        "core.analysis_results",
        "mart.metric_timeseries",
        "mart.analysis_hourly",
      ]),
    );
    // At most a day of hours, of 25 days
    expect(reads.filter(({ n }) => n > 300)).toEqual([]);
    expect(await check(another)).toEqual([]);
  });

  test("many workers and writers at once agree with a count", async () => {
    await Promise.all([
      ...Array.from({ length: 6 }, () => database.query("select app.mart_refresh_all()")),
      ...Array.from(
        { length: 6 },
        (_, n) => record(organization, [{ ...analysis, hour: n % 3 }, { ...analysis, hour: 30 }]),
      ),
    ]);
    await database.query("select app.mart_refresh_all()");
    expect(await check(organization)).toEqual([]);
  });

  test("a check names what differs, and a rebuild mends it", async () => {
    await database.query(
      "update mart.analysis_daily set analyses = analyses + 1 where organization_id = $1 and day = '2026-01-01'",
      [organization.id],
    );
    await database.query(
      "delete from mart.metric_timeseries where organization_id = $1 and metric_key = 'word' and granularity = 'hour' and ts_bucket = '2026-01-01T06:00Z'",
      [organization.id],
    );
    await database.query(
      "insert into mart.feature_daily (organization_id, day, feature_key, events) values ($1, '2026-01-01', 'ghost', 3)",
      [organization.id],
    );
    const differences = await database.query<{ mart: string; bucket: string; key: string }>(
      "select mart, bucket, key from app.mart_check_all(only_organization => $1)",
      [organization.id],
    );
    expect(differences).toEqual([
      { mart: "analysis_daily", bucket: "2026-01-01", key: "" },
      { mart: "feature_daily", bucket: "2026-01-01", key: "ghost" },
      { mart: "metric_timeseries", bucket: "hour 2026-01-01T06:00Z", key: "word" },
    ]);
    const span = `('2026-01-01', '2026-01-02', '${organization.id}')`;
    await database.query(`select app.mart_rebuild_start${span}`);
    while ((await database.query(`select from app.mart_rebuild_continue${span}`)).length > 0);
    expect(await check(organization)).toEqual([]);
  });
});
