import { describe, expect, test } from "vitest";
import {
  listReportChanges,
  parseReportChangelog,
  readReportChangelog,
} from "../../src/develop/report_changelog.ts";
import { readReportColumns } from "../../src/develop/report_dictionary.ts";
import { withTestDatabase } from "../helpers/database.ts";

/** Dashboards are built on `report`: none of its columns changes without a line in the changelog. */

const database = withTestDatabase();

async function missingLines(): Promise<string[]> {
  const { columns } = await readReportChangelog();
  return listReportChanges(columns, await readReportColumns(database.adminUrl));
}

test("docs/report-changelog.md adds up to the columns of the database", async () => {
  expect(await missingLines(), "lines that docs/report-changelog.md lacks, under a new version")
    .toEqual([]);
});

test("a column that is added, retyped, renamed or removed without a line is seen", async () => {
  await database.query(`
    drop view report.metrics;
    alter view report.members rename column email to e_mail;
    create view report.extra as select 1 as one;
    drop view report.analysis_daily;
    create view report.analysis_daily as
      select o.slug as organization, m.day, m.analyses::text as analyses
        from mart.analysis_daily m join ops.organization o on o.id = m.organization_id`);
  expect((await missingLines()).toSorted()).toEqual([
    "- added `extra.one` as `integer`",
    "- added `members.e_mail` as `character varying(255)`",
    ...["avg_entropy", "avg_overall", "scored", "sum_entropy", "sum_overall"]
      .map((column) => `- removed \`analysis_daily.${column}\``),
    "- removed `members.email`",
    ...["analysis_run_id", "metric", "occurred_at", "organization", "value_json", "value_num"]
      .map((column) => `- removed \`metrics.${column}\``),
    "- removed `metrics.value_text`",
    "- retyped `analysis_daily.analyses` to `text`",
  ]);
});

describe("a changelog", () => {
  const first = "## 1.0, 2026-01-01\n\n- added `v.a` as `text`\n- added `v.b` as `numeric(3,1)`\n";

  test("adds up from its oldest version to its newest, which is first", () => {
    const text = `# Changes

## 2.0, 2026-01-03

- renamed \`v.a\` to \`w.a\`: it moved
- retyped \`v.b\` to \`bigint\`
- removed \`v.c\`: use \`v.b\`

## 1.1, 2026-01-02

Words.

- added \`v.c\` as \`text[]\`

${first}`;
    expect(parseReportChangelog(text)).toEqual({
      version: "2.0",
      columns: new Map([["v.b", "bigint"], ["w.a", "text"]]),
    });
  });

  test.for([
    ["## 1.1, 2026-01-02\n- removed `v.a`\n", "the version must be 2.0"],
    ["## 1.1, 2026-01-02\n- renamed `v.a` to `v.c`\n", "the version must be 2.0"],
    ["## 1.1, 2026-01-02\n- retyped `v.a` to `json`\n", "the version must be 2.0"],
    ["## 2.0, 2026-01-02\n- added `v.c` as `json`\n", "the version must be 1.1"],
    ["## 1.1, 2026-01-02\n- added `v.a` as `json`\n", "Line 2: v.a was there already"],
    ["## 2.0, 2026-01-02\n- removed `v.c`\n", "Line 2: v.c was not there"],
    ["## 2.0, 2026-01-02\n- retyped `v.c` to `json`\n", "Line 2: v.c was not there"],
    ["## 1.1, 2026-01-02\n- added `v.c`\n", "Line 2 lacks something"],
    ["- added `v.c` as `json`\n", "Line 1: a change must stand under its version"],
    ["## Version 2\n", "Line 1: a heading must be like"],
  ])("that contradicts itself is refused: %j", ([text, message]) => {
    expect(() => parseReportChangelog(`${text}${first}`)).toThrow(message);
  });
});
