import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ImportSummary } from "../../src/cli/import/import_records.ts";
import { repositoryRoot } from "../../src/shared/settings.ts";
import { cliJson } from "../helpers/cli.ts";
import { query, withTestDatabase } from "../helpers/database.ts";
import { withGateway } from "../helpers/gateway.ts";
import { graphqlData } from "../helpers/graphql.ts";
import {
  DATA,
  HAS_DATA,
  readPrompts,
  readQuestions,
  readReviews,
  readRubricNames,
  type Review,
  reviewFiles,
} from "./real_data.ts";

/**
 * What docs/walkthrough.md does, with its commands and scripts: through public interfaces only. What
 * comes back is compared with what a few lines compute here from the files.
 */
describe.skipIf(!HAS_DATA)(
  "the walk-through with real data (skipped without ../shared/data)",
  () => {
    const database = withTestDatabase();
    const gateway = withGateway(database);
    const { env } = database;
    let folder = "";
    let key = "";
    let analystUrl = "";

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), "curestry-walkthrough-"));
    });
    afterAll(() => rm(folder, { recursive: true }));

    /** Runs a script of docs/walkthrough to its end and answers what it printed. */
    async function script(name: string, ...args: string[]): Promise<string> {
      const { promise, resolve, reject } = Promise.withResolvers<string>();
      const child = spawn(process.execPath, [
        "run",
        "-R",
        "-E",
        "-N",
        `docs/walkthrough/${name}.ts`,
        ...args,
      ], {
        cwd: repositoryRoot,
        env: { ...process.env, CURESTRY_URL: gateway.url, CURESTRY_KEY: key },
      });
      let output = "";
      child.stdout.on("data", (data) => output += data);
      child.stderr.on("data", (data) => output += data);
      child.on("error", reject);
      child.on("close", (code) => {
        if (code === 0) resolve(output);
        else reject(new Error(`${name} exited ${code}:\n${output}`));
      });
      return await promise;
    }

    /** What was recorded, by id of the review: the question, and the scores by rubric and criterion. */
    const expectedReviews = new Map<string, ExpectedReview>();
    /** Lengths of the comments, by day. */
    const expectedDays = new Map<string, { chars: number; words: number }[]>();

    function expectRecorded(day: string, reviews: Review[]): void {
      const rubrics = readRubricNames();
      for (const { review_id, question_id, reviewer_id, score, text } of reviews) {
        expectedReviews.set(review_id, {
          question: question_id,
          rubric: rubrics.get(reviewer_id) ?? "",
          score,
          text,
        });
        const lengths = {
          chars: Array.from(text).length,
          words: text.split(/\s+/).filter(Boolean).length,
        };
        expectedDays.set(day, [...expectedDays.get(day) ?? [], lengths]);
      }
    }

    /** Mean and number of the scores of each criterion, as "rubric criterion". */
    function expectedAverages(): Record<string, { count: number; average: number }> {
      const scores: Record<string, number[]> = {};
      for (const { rubric, score } of expectedReviews.values()) {
        score.forEach((number, index) =>
          (scores[`${rubric} answer_${index + 1}`] ??= []).push(number)
        );
      }
      return Object.fromEntries(
        Object.entries(scores).map(([name, all]) => [
          name,
          { count: all.length, average: expect.closeTo(mean(all), 10) },
        ]),
      );
    }

    test("an organization, a key for a program, a login for an analyst", async () => {
      await cliJson([
        ...["organization", "create", "--slug", "arena", "--name", "Arena"],
        ...["--owner", "judge@example.com"],
      ], { env });
      ({ key } = await cliJson<{ key: string }>([
        ...["api-key", "create", "--organization", "arena", "--name", "walk", "--scope"],
        "prompts:read,analyses:read,analyses:write,rubrics:read,rubrics:write,marts:read",
      ], { env }));
      ({ url: analystUrl } = await cliJson<{ url: string }>([
        ...["analyst", "create", "--organization", "arena"],
        ...["--name", database.roleName("walker")],
      ], { env }));
    });

    test("217 prompts and 80 questions are imported, once", async () => {
      for (const [file, count] of [["prompts.csv", 217], ["questions.jsonl", 80]] as const) {
        const args = ["import", "prompts", join(DATA, file), "--organization", "arena"];
        const first = await cliJson<ImportSummary>(args, { env });
        expect(first).toMatchObject({ read: count, inserted: count, unchanged: 0, refused: [] });
        const second = await cliJson<ImportSummary>(args, { env });
        expect(second).toMatchObject({ read: count, inserted: 0, unchanged: count });
      }
    });

    test("the judges' rubrics are made, and every review is recorded in batches", async () => {
      await script("make_rubrics", join(DATA, "judge_prompts.jsonl"));
      for (const [index, file] of reviewFiles().entries()) {
        const day = `2023-03-${22 + index}`;
        const items = join(folder, "items.jsonl");
        await writeFile(items, await script("reviews_to_items", file, "--day", day));
        const summary = JSON.parse(await script("record_items", items));
        expect(summary).toEqual({ read: 80, inserted: 80, unchanged: 0, refused: [] });
        expectRecorded(day, readReviews(file));
      }
    });

    test("of a file with a score of -1 and a broken line, those are refused and the rest is recorded, by script and import", async () => {
      const [file = ""] = reviewFiles();
      const lines = (await readFile(file, "utf8")).trim().split("\n").slice(0, 10)
        .map((line) => JSON.stringify({ ...JSON.parse(line), review_id: crypto.randomUUID() }));
      lines[2] = JSON.stringify({ ...JSON.parse(lines[2] ?? ""), score: [-1, -1] });
      lines[4] = lines[4]?.slice(0, 100) ?? "";
      const faulty = join(folder, "faulty.jsonl");
      await writeFile(faulty, lines.join("\n"));
      const items = join(folder, "faulty_items.jsonl");
      await writeFile(items, await script("reviews_to_items", faulty, "--day", "2023-04-01"));
      expectRecorded(
        "2023-04-01",
        lines.filter((_, index) => index !== 2 && index !== 4).map((line) => JSON.parse(line)),
      );

      const args = ["import", "analyses", items, "--organization", "arena"];
      const imported = await cliJson<ImportSummary>(args, { env });
      expect(imported).toMatchObject({ read: 10, inserted: 8, unchanged: 0 });
      expect(imported.refused).toEqual([
        { line: 3, reason: "scores: score must be from 0 to 10" },
        { line: 5, reason: expect.stringContaining("is not valid JSON") },
      ]);

      const recorded: ImportSummary = JSON.parse(await script("record_items", items));
      expect(recorded).toMatchObject({ read: 10, inserted: 0, unchanged: 8 });
      expect(recorded.refused).toEqual([
        { line: 3, reason: "invalid: scores: score must be from 0 to 10" },
        { line: 5, reason: expect.stringContaining("JSON") },
      ]);
    });

    test("GraphQL gives back the prompts, and the runs with their scores", async () => {
      const prompts = await readPages<{ name: string; content: string }>("prompts", "name content");
      const expected = [
        ...readPrompts().map(({ act, prompt }) => ({ name: act, content: prompt })),
        ...readQuestions().map(({ text }) => ({ name: text.slice(0, 80).trim(), content: text })),
      ];
      expect(new Set(prompts.map(({ content }) => content)))
        .toEqual(new Set(expected.map(({ content }) => content)));
      expect(prompts.map(({ name }) => name.trim()).sort())
        .toEqual(expected.map(({ name }) => name).sort());

      const runs = await readPages<Run>(
        "analysisRuns",
        `idempotencyKey status prompt { extraMetadata }
       judgeScores { nodes { score comment criterion { key rubric { name } } } }`,
      );
      expect(runs.every(({ status }) => status === "succeeded")).toBe(true);
      const found = new Map(runs.map((run) => {
        const scores = run.judgeScores.nodes.sort((a, b) =>
          a.criterion.key < b.criterion.key ? -1 : 1
        );
        return [run.idempotencyKey, {
          question: run.prompt.extraMetadata.question_id,
          rubric: scores[0]?.criterion.rubric.name,
          score: scores.map(({ score }) => Number(score)),
          text: scores[0]?.comment,
        }];
      }));
      expect(found.size).toBe(4 * 80 + 8);
      expect(found).toEqual(expectedReviews);
    });

    test("GraphQL aggregates the average score of each criterion", async () => {
      const { judgeRubrics: { nodes } } = await graphqlData<{ judgeRubrics: { nodes: Rubric[] } }>(
        gateway.url,
        {
          key,
          query: `{ judgeRubrics { nodes { name judgeCriteria { nodes {
          key judgeScores { totalCount aggregates { average { score } } } } } } } }`,
        },
      );
      const averages = nodes.flatMap(({ name, judgeCriteria }) =>
        judgeCriteria.nodes.map(({ key, judgeScores: { totalCount, aggregates } }) => [
          `${name} ${key}`,
          { count: totalCount, average: Number(aggregates.average.score) },
        ])
      );
      expect(Object.fromEntries(averages)).toEqual(expectedAverages());
    });

    test("the rollup fills the daily marts, the same by GraphQL and for the analyst", async () => {
      await cliJson(["rollup"], { env });
      await cliJson(["rollup", "--check"], { env });
      const days = [...expectedDays].map(([day, lengths]) => ({ day, analyses: lengths.length }));
      const metrics = [...expectedDays].flatMap(([day, lengths]) =>
        (["chars", "words"] as const).map((kind) => {
          const values = lengths.map((length) => length[kind]);
          return {
            key: `length_${kind}`,
            day,
            mean: expect.closeTo(mean(values), 8),
            count: values.length,
            sum: values.reduce((sum, value) => sum + value, 0),
            max: Math.max(...values),
          };
        })
      ).sort((a, b) => `${a.key} ${a.day}` < `${b.key} ${b.day}` ? -1 : 1);

      const { analysesByDay, metricTimeseries } = await graphqlData<Marts>(gateway.url, {
        key,
        query: `{
        analysesByDay(orderBy: DAY_ASC) { nodes { day analyses } }
        metricTimeseries(filter: { source: { equalTo: "metric" }, granularity: { equalTo: "day" } }, orderBy: [METRIC_KEY_ASC, TS_BUCKET_ASC]) {
          nodes { metricKey tsBucket valueNum sampleCount valueSum valueMax }
        }
      }`,
      });
      expect(analysesByDay.nodes).toEqual(days);
      expect(metricTimeseries.nodes.map((node) => ({
        key: node.metricKey,
        day: new Date(node.tsBucket).toISOString().slice(0, 10),
        mean: Number(node.valueNum),
        count: Number(node.sampleCount),
        sum: Number(node.valueSum),
        max: Number(node.valueMax),
      }))).toEqual(metrics);

      expect(
        await query(
          analystUrl,
          "select day::text, analyses::int from mart.analysis_daily order by day",
        ),
      ).toEqual(days);
      expect(
        await query(
          analystUrl,
          `select metric_key as key, to_char(ts_bucket at time zone 'UTC', 'YYYY-MM-DD') as day,
                value_num::float8 as mean, sample_count::int as count, value_sum::float8 as sum, value_max::float8 as max
           from mart.metric_timeseries where source = 'metric' and granularity = 'day' order by metric_key, ts_bucket`,
        ),
      ).toEqual(metrics);
      const [usage] = await query<{ events: number }>(
        analystUrl,
        "select sum(events)::int as events from mart.feature_daily where feature_key = 'analyses.record'",
      );
      expect(usage?.events).toBe(expectedReviews.size);
    });

    test("the analyst reads the same with SQL, only this organization's, and writes nothing", async () => {
      const averages = await query<{ name: string; count: number; average: number }>(
        analystUrl,
        `select r.name || ' ' || c.key as name, count(*)::int as count, avg(s.score)::float8 as average
         from ops.judge_score s
         join ops.judge_criterion c on c.id = s.criterion_id
         join ops.judge_rubric r on r.id = c.rubric_id
        group by r.name, c.key`,
      );
      expect(Object.fromEntries(averages.map(({ name, ...rest }) => [name, rest])))
        .toEqual(expectedAverages());

      await cliJson([
        ...["organization", "create", "--slug", "other", "--name", "Other"],
        ...["--owner", "bob@example.com"],
      ], { env });
      const stdin = '{"name": "Theirs", "content": "theirs"}';
      await cliJson(["import", "prompts", "-", "--organization", "other"], { env, stdin });
      const count = "select count(*)::int as count from core.prompts";
      expect(await database.query(count)).toEqual([{ count: 298 }]);
      expect(await query(analystUrl, count)).toEqual([{ count: 297 }]);
      await expect(query(analystUrl, "update core.prompts set name = 'mine'")).rejects.toThrow();
      await expect(query(analystUrl, "begin read write; update core.prompts set name = 'mine'"))
        .rejects.toThrow("permission denied");
    });

    /** All nodes of a connection, page by page. */
    async function readPages<N>(field: string, fields: string): Promise<N[]> {
      const found: N[] = [];
      for (let after: string | null = null;;) {
        const page: Record<string, Page<N>> = await graphqlData(gateway.url, {
          key,
          query: `query ($after: Cursor) { ${field}(first: 100, after: $after) {
          totalCount nodes { ${fields} } pageInfo { hasNextPage endCursor } } }`,
          variables: { after },
        });
        const { nodes, pageInfo, totalCount } = page[field] as Page<N>;
        found.push(...nodes);
        after = pageInfo.endCursor;
        if (pageInfo.hasNextPage) continue;
        expect(totalCount).toBe(found.length);
        return found;
      }
    }
  },
);

interface ExpectedReview {
  question: number;
  rubric: string;
  score: number[];
  text: string;
}

interface Page<N> {
  totalCount: number;
  nodes: N[];
  pageInfo: { hasNextPage: boolean; endCursor: string };
}

interface Run {
  idempotencyKey: string;
  status: string;
  prompt: { extraMetadata: { question_id: number } };
  judgeScores: {
    nodes: {
      score: string;
      comment: string;
      criterion: { key: string; rubric: { name: string } };
    }[];
  };
}

interface Rubric {
  name: string;
  judgeCriteria: {
    nodes: {
      key: string;
      judgeScores: { totalCount: number; aggregates: { average: { score: string } } };
    }[];
  };
}

interface Marts {
  analysesByDay: { nodes: { day: string; analyses: number }[] };
  metricTimeseries: {
    nodes: {
      metricKey: string;
      tsBucket: string;
      valueNum: string;
      sampleCount: string;
      valueSum: string;
      valueMax: string;
    }[];
  };
}

function mean(values: number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
