import { expect, test } from "vitest";
import type { ImportSummary } from "../../src/cli/import/import_records.ts";
import { cli, cliJson } from "../helpers/cli.ts";
import { withTestDatabase } from "../helpers/database.ts";
import { makeOrganization } from "../helpers/make.ts";

const database = withTestDatabase();
const { env } = database;

interface Rollup {
  ok: boolean;
  hours: number;
  organizations: { organizationId: string; hours: number }[];
}

interface Check {
  ok: boolean;
  differences: { organization: string; mart: string; bucket: string; expected: unknown }[];
}

function makeItem(n: number, result: Record<string, unknown> = {}): Record<string, unknown> {
  const hour = String(n % 24).padStart(2, "0");
  return {
    promptContent: `Text ${n}`,
    finishedAt: `2026-03-0${1 + n % 2}T${hour}:30:00Z`,
    result: {
      detectedLanguage: "en",
      overallScore: n % 11,
      judgeScore: 5,
      semanticEntropy: 0.25,
      complexityScore: 3,
      ...result,
    },
  };
}

test("analyses are imported once, bad lines are refused, and the marts follow", async () => {
  const { id, slug } = await makeOrganization(database);
  const lines = Array.from({ length: 30 }, (_, n) => JSON.stringify(makeItem(n)));
  lines[3] = JSON.stringify(makeItem(3, { overallScore: -1 }));
  lines[5] = JSON.stringify({ ...makeItem(5), promtId: "x" });
  lines[7] = "not json";
  const stdin = lines.join("\n");
  const args = ["import", "analyses", "-", "--organization", slug];

  const dry = await cliJson<ImportSummary>([...args, "--dry-run"], { env, stdin });
  expect(await database.query("select from ops.analysis_run")).toEqual([]);
  const summary = await cliJson<ImportSummary>(args, { env, stdin });
  expect(summary).toEqual({ ...dry, dryRun: false });
  expect(summary).toMatchObject({ read: 30, inserted: 27, unchanged: 0 });
  expect(summary.refused).toEqual([
    { line: 4, reason: expect.stringContaining("overallScore must be from 0 to 10") },
    { line: 6, reason: "promtId: is not a field of an analysis" },
    { line: 8, reason: expect.stringContaining("is not valid JSON") },
  ]);
  expect(await cliJson<ImportSummary>(args, { env, stdin }))
    .toMatchObject({ inserted: 0, unchanged: 27 });

  // Not refreshed yet: the check finds the days, and changes nothing
  const before = await cliJson<Check>(["rollup", "--check"], { env }, 1);
  expect(before.ok).toBe(false);
  const missing = before.differences.filter(({ mart }) => mart === "analysis_daily");
  expect(missing.map(({ bucket }) => bucket)).toEqual(["2026-03-01", "2026-03-02"]);
  expect(await database.query("select from mart.analysis_daily")).toEqual([]);

  const rollup = await cliJson<Rollup>(["rollup"], { env });
  expect(rollup.organizations.map(({ organizationId }) => organizationId)).toEqual([id]);
  expect(await cliJson<Check>(["rollup", "--check"], { env })).toEqual({
    ok: true,
    differences: [],
    frozen: [],
  });
  expect(await cliJson<Rollup>(["rollup"], { env })).toMatchObject({ ok: true, hours: 0 });
  expect(
    await database.query("select day::text, analyses::int from mart.analysis_daily order by day"),
  ).toEqual([{ day: "2026-03-01", analyses: 15 }, { day: "2026-03-02", analyses: 12 }]);
});

test("a span of time is rebuilt and checked alone", async () => {
  await database.query("update mart.analysis_daily set analyses = analyses + 1000");
  await cliJson<Rollup>(["rollup", "--from", "2026-03-02", "--to", "2026-03-03T00:00Z"], { env });
  await cliJson<Check>(["rollup", "--check", "--from", "2026-03-02"], { env });
  const { differences } = await cliJson<Check>(["rollup", "--check"], { env }, 1);
  expect(differences.map(({ mart, bucket }) => [mart, bucket])).toEqual([
    ["analysis_daily", "2026-03-01"],
  ]);
});

test("one organization is rebuilt and checked alone, and a killed rebuild goes on", async () => {
  const { id, slug } = await makeOrganization(database);
  const stdin = Array.from(
    { length: 6 },
    (_, n) => JSON.stringify({ ...makeItem(n), finishedAt: `2026-05-0${n + 1}T10:00:00Z` }),
  ).join("\n");
  await cliJson(["import", "analyses", "-", "--organization", slug], { env, stdin });
  await cliJson<Rollup>(["rollup"], { env });
  const only = ["--organization", slug, "--from", "2026-05-01"];
  const broken = async () => {
    const { differences } = await cliJson<Check>(["rollup", "--check", ...only], { env }, 1);
    return differences.filter(({ mart }) => mart === "analysis_daily").map(({ bucket }) => bucket);
  };
  await database.query("update mart.analysis_daily set analyses = analyses + 1000");
  expect(await broken()).toHaveLength(6);

  // Two days of a rebuild that was killed then
  const span = ["2026-05-01", "infinity", id];
  await database.query("select app.mart_rebuild_start($1, $2, $3)", span);
  for (let n = 0; n < 2; n++) {
    await database.query("select app.mart_rebuild_continue($1, $2, $3)", span);
  }
  expect(await broken()).toEqual(["2026-05-03", "2026-05-04", "2026-05-05", "2026-05-06"]);
  // It goes on behind them; the import itself is an event of today
  await database.query("update mart.analysis_daily set analyses = 1 where day = '2026-05-01'");
  const rollup = await cliJson<Rollup>(["rollup", ...only], { env });
  expect(rollup).toMatchObject({
    hours: 5 * 24,
    resumed: true,
    organizations: [{ organizationId: id }],
  });
  await cliJson<Check>(["rollup", "--check", ...only], { env });
  expect(await database.query("select from app.mart_rebuild")).toEqual([]);
  expect(await cliJson<Rollup>(["rollup", ...only], { env })).toMatchObject({
    hours: 7 * 24,
    resumed: false,
  });

  const { code, stderr } = await cli(["rollup", "--organization", "nobody"], { env });
  expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining("nobody") });
});
