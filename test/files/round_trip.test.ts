import fc from "fast-check";
import { parse } from "csv-parse/sync";
import { parquetReadObjects } from "hyparquet";
import { expect, test } from "vitest";
import { withTestDatabase } from "../helpers/database.ts";
import { withGateway } from "../helpers/gateway.ts";
import { makeKey, makeOrganization, type TestOrganization } from "../helpers/make.ts";
import { askForFile, exportFile, importFile, readLines } from "./files.ts";

/** Text comes back as it went in, or is refused; what is exported can be imported elsewhere. */

const database = withTestDatabase();
const gateway = withGateway(database);
const scopes = [
  ...["prompts:read", "prompts:write", "analyses:read", "analyses:write", "rubrics:read"],
];
const jsonl = { "content-type": "application/jsonl" };
const csv = { "content-type": "text/csv" };

async function makeOrganizationWithKey(): Promise<TestOrganization & { key: string }> {
  const organization = await makeOrganization(database);
  await database.query(
    `with r as (insert into ops.judge_rubric (organization_id, name) values ($1, 'quality') returning id)
     insert into ops.judge_criterion (organization_id, rubric_id, key, title) select $1, id, 'clarity', 'C' from r`,
    [organization.id],
  );
  return { ...organization, key: await makeKey(database, organization, scopes) };
}

/** Texts, and what is special in one format or another. */
const text = fc.oneof(
  fc.string({ unit: "binary", maxLength: 40 }),
  fc.array(
    fc.constantFrom(
      ...[
        '"',
        '""',
        ",",
        ";",
        "\t",
        "\n",
        "\r",
        "\r\n",
        "=1+1",
        "+",
        "-",
        "@",
        "'",
        "\\",
        "\\u0000",
        "{",
        "[",
      ],
      ...["😀", "é", "e\u0301", "\ufeff", "\u2028", " ", "  ", "null", "\u0007", "\u007f"],
    ),
    { maxLength: 8 },
  ).map((parts) => parts.join("")),
  fc.constantFrom("x".repeat(200_000), '"'.repeat(1_000), "\n".repeat(1_000)),
);
/** For objects that may not be large. */
const shortText = text.map((value) => value.slice(0, 1_000)).filter((value) =>
  value.isWellFormed()
);
const hostile = fc.constantFrom("a\0b", "\ud800", "x\udc00y");
const anyText = fc.oneof({ arbitrary: text, weight: 8 }, { arbitrary: hostile, weight: 1 });

const isStorable = (value: string) => value.isWellFormed() && !value.includes("\0");
/** Whether all texts in a value are, keys included. */
const areStorable = (value: unknown): boolean =>
  typeof value === "string" ? isStorable(value) : typeof value !== "object" || value === null ||
    Object.entries(value).every(([key, inner]) => isStorable(key) && areStorable(inner));
/** Not blank, whatever is in it. */
const someText = anyText.map((value) => `${value}a`);

const prompt = fc.record({
  name: someText.map((value) => [...value].slice(-200).join("")),
  content: someText,
  description: fc.option(anyText),
  extraMetadata: fc.dictionary(
    shortText,
    fc.oneof(shortText, fc.double(), fc.constant(null)),
  ),
});

test("prompts are the same after two organizations, in CSV and in JSON Lines", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(prompt, { minLength: 1, maxLength: 12 }), async (made) => {
      const [first, second, third] = await Promise.all([
        makeOrganizationWithKey(),
        makeOrganizationWithKey(),
        makeOrganizationWithKey(),
      ]);
      const { lines, last } = await importFile(gateway.url, "/import/prompts", {
        key: first.key,
        body: made.map((item) => `${JSON.stringify(item)}\n`).join(""),
        headers: jsonl,
      });
      expect(last.total.read).toBe(made.length);
      const exported = (key: string, format: string) =>
        exportFile(gateway.url, `/export/prompts?format=${format}`, { key });
      const there = readLines(await exported(first.key, "jsonl"));
      for (const { line, outcome, id } of lines) {
        const { name, content, description, extraMetadata } = made[line - 1]!;
        const isGood = areStorable({ name, content, description, extraMetadata });
        expect(outcome === "refused").toBe(!isGood);
        if (outcome !== "inserted") continue;
        const stored = there.find(({ promptId }) => promptId === id);
        expect(stored).toMatchObject({ name, content, description });
        expect(stored!.extraMetadata).toEqual(JSON.parse(JSON.stringify(extraMetadata)));
      }
      for (
        const [format, other, headers] of [["jsonl", second, jsonl], ["csv", third, csv]] as const
      ) {
        const { last: { total } } = await importFile(gateway.url, "/import/prompts", {
          key: other.key,
          body: await exported(first.key, format),
          headers,
        });
        expect(total).toMatchObject({ inserted: there.length, refused: 0 });
        const copied = readLines(await exported(other.key, "jsonl"));
        const plain = (rows: Record<string, unknown>[]) =>
          rows.map(({ promptId: _, createdAt: _c, updatedAt: _u, ...rest }) => JSON.stringify(rest))
            .sort();
        expect(plain(copied)).toEqual(plain(there));
      }
    }),
    { numRuns: 15 },
  );
});

const analysis = fc.record({
  promptContent: someText,
  status: fc.constantFrom("succeeded", "failed"),
  finishedAt: fc.date({
    min: new Date("2001-01-01Z"),
    max: new Date("2030-01-01Z"),
    noInvalidDate: true,
  })
    .map((date) => date.toISOString()),
  meta: fc.dictionary(shortText, shortText),
  result: fc.option(fc.record({
    detectedLanguage: fc.constantFrom("en", "de"),
    overallScore: fc.double({ min: 0, max: 10, noNaN: true }),
    judgeScore: fc.double({ min: 0, max: 10, noNaN: true }),
    semanticEntropy: fc.double({ min: 0, max: 1e6, noNaN: true }),
    complexityScore: fc.double({ min: 0, max: 10, noNaN: true }),
    contradictions: fc.array(text, { maxLength: 3 }),
  })),
  metrics: fc.uniqueArray(
    fc.record({
      key: fc.constantFrom("m1", "m2", "m3"),
      valueText: fc.option(anyText),
      valueNum: fc.bigInt().map(String),
    }),
    { selector: ({ key }) => key },
  ),
  nodeResults: fc.constantFrom([], [{ node: "n", status: "ok", score: "0.10" }]),
  scores: fc.option(
    text.map((
      comment,
    ): { rubric: string; criterion: string; score: string; comment: string }[] => [{
      rubric: "quality",
      criterion: "clarity",
      score: "7.125",
      comment,
    }]),
    { nil: [] },
  ),
});

/** Null and "null" are not the same, also when they are sorted. */
const quoted = ({ valueText }: { valueText: string | null }) => JSON.stringify(valueText);

test("analyses are the same in another organization, linked to the prompt of the same name", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(analysis, { minLength: 1, maxLength: 8 }), async (made) => {
      const [first, second] = await Promise.all([
        makeOrganizationWithKey(),
        makeOrganizationWithKey(),
      ]);
      await importFile(gateway.url, "/import/prompts", {
        key: first.key,
        body: "name,content\nP,the prompt\n",
        headers: csv,
      });
      const [saved] = readLines(
        await exportFile(gateway.url, "/export/prompts?format=jsonl", { key: first.key }),
      );
      const items = [...made, {
        promptId: saved!.promptId,
        status: "failed",
        finishedAt: "2026-01-01T00:00:00Z",
      }];
      const { lines } = await importFile(gateway.url, "/import/analyses", {
        key: first.key,
        body: items.map((item) => `${JSON.stringify(item)}\n`).join(""),
        headers: jsonl,
      });
      const exported = (key: string) =>
        exportFile(gateway.url, "/export/analyses?format=jsonl", { key });
      const file = await exported(first.key);
      const there = readLines(file);
      for (const { line, outcome, id, message } of lines.slice(0, -1)) {
        const item = made[line - 1]!;
        const isGood = areStorable(item);
        expect([outcome === "refused", message]).toEqual([
          !isGood,
          isGood ? undefined : expect.any(String),
        ]);
        if (outcome !== "inserted") continue;
        const stored = there.find(({ analysisRunId }) => analysisRunId === id)!;
        expect(stored).toMatchObject({ promptContent: item.promptContent, meta: item.meta });
        expect((stored.metrics as { valueText: string | null }[]).map(quoted).sort())
          .toEqual(item.metrics.map(quoted).sort());
        expect((stored.scores as { comment: string }[]).map(({ comment }) => comment))
          .toEqual((item.scores as { comment: string }[]).map(({ comment }) => comment));
      }
      await importFile(gateway.url, "/import/prompts", {
        key: second.key,
        body: await exportFile(gateway.url, "/export/prompts", { key: first.key }),
        headers: csv,
      });
      const send = (key: string) =>
        importFile(gateway.url, "/import/analyses", { key, body: file, headers: jsonl });
      expect((await send(second.key)).last.total).toMatchObject({
        inserted: there.length,
        refused: 0,
      });
      const copied = await exported(second.key);
      // Digits included: as text, not as numbers
      const plain = (lines: string) =>
        lines.trimEnd().split("\n").map((line) =>
          line.replace(/"(analysisRunId|promptId)" : ("[^"]*"|null)/g, "")
        ).sort();
      expect(plain(copied)).toEqual(plain(file));
      expect(readLines(copied).filter(({ promptId }) => promptId !== null)).toMatchObject([{
        promptName: "P",
      }]);
      // Where they are, nothing changes
      for (const key of [first.key, second.key]) {
        expect((await send(key)).last.total).toMatchObject({
          unchanged: there.length,
          inserted: 0,
          refused: 0,
        });
      }
    }),
    { numRuns: 12 },
  );
});

test("an exported analysis that was changed by hand is refused where it came from", async () => {
  const { key } = await makeOrganizationWithKey();
  const item = { promptContent: "x", status: "failed", finishedAt: "2026-01-01T00:00:00Z" };
  await importFile(gateway.url, "/import/analyses", {
    key,
    body: JSON.stringify(item),
    headers: jsonl,
  });
  const line = await exportFile(gateway.url, "/export/analyses?format=jsonl", { key });
  const { lines } = await importFile(gateway.url, "/import/analyses", {
    key,
    body: line.replace('"failed"', '"succeeded"'),
    headers: jsonl,
  });
  expect(lines).toMatchObject([{
    outcome: "refused",
    message: expect.stringContaining("with another content"),
  }]);
});

test("all formats have the texts of the metrics", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(text.filter(isStorable), { minLength: 1, maxLength: 20 }),
      async (texts) => {
        const { key, id } = await makeOrganizationWithKey();
        await database.query(
          `with run as (insert into ops.analysis_run (organization_id, status) values ($1, 'queued') returning id)
         insert into ops.analysis_metric (organization_id, analysis_run_id, key, value_text)
         select $1, run.id, 'm' || n, t from run, unnest($2::text[]) with ordinality as t (t, n)`,
          [id, texts],
        );
        const whole = (format: string) =>
          exportFile(gateway.url, `/export/metrics?format=${format}`, { key });
        const sort = (found: unknown[]) => found.map(String).sort();
        expect(sort(readLines(await whole("jsonl")).map(({ valueText }) => valueText))).toEqual(
          sort(texts),
        );
        const rows = parse(await whole("csv"), { columns: true }) as Record<string, string>[];
        expect(sort(rows.map(({ valueText }) => valueText))).toEqual(sort(texts));
        const parquet = await askForFile(gateway.url, "/export/metrics?format=parquet", { key });
        const read = await parquetReadObjects({ file: await parquet.arrayBuffer() });
        // The reader takes a byte order mark off each text
        const plain = texts.map((value) => value.replace(/^\ufeff/, ""));
        expect(sort(read.map(({ valueText }) => valueText))).toEqual(sort(plain));
      },
    ),
    { numRuns: 15 },
  );
});
