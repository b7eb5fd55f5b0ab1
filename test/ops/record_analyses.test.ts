import { beforeAll, describe, expect, test } from "vitest";
import { withTestDatabase } from "../helpers/database.ts";
import { withGateway } from "../helpers/gateway.ts";
import { graphql, graphqlData } from "../helpers/graphql.ts";
import { recordAnalyses, RESULT } from "../helpers/graphql_analyses.ts";
import { makeKey, makeOrganization, type TestOrganization } from "../helpers/make.ts";

const database = withTestDatabase();
const gateway = withGateway(database);

let organization: TestOrganization;
let key: string;
let promptId: string;

beforeAll(async () => {
  organization = await makeOrganization(database);
  key = await makeKey(database, organization, [
    "prompts:read",
    "prompts:write",
    "analyses:read",
    "analyses:write",
    "rubrics:read",
    "rubrics:write",
  ]);
  const { createPrompt, createJudgeRubric } = await graphqlData<
    { createPrompt: { prompt: { id: string } }; createJudgeRubric: { judgeRubric: { id: string } } }
  >(gateway.url, {
    key,
    query: `mutation {
      createPrompt(input: { prompt: { name: "Greeting", content: "Say hello, nicely." } }) { prompt { id } }
      createJudgeRubric(input: { judgeRubric: { name: "Quality" } }) { judgeRubric { id } }
    }`,
  });
  promptId = createPrompt.prompt.id;
  await graphqlData(gateway.url, {
    key,
    query: `mutation ($rubric: UUID!) {
      a: createJudgeCriterion(input: { judgeCriterion: { rubricId: $rubric, key: "clarity", title: "Clarity" } }) { clientMutationId }
      b: createJudgeCriterion(input: { judgeCriterion: { rubricId: $rubric, key: "safety", title: "Safety" } }) { clientMutationId }
    }`,
    variables: { rubric: createJudgeRubric.judgeRubric.id },
  });
});

async function runs(): Promise<number> {
  const [row] = await database.query<{ n: number }>(
    "select count(*)::int as n from ops.analysis_run where organization_id = $1",
    [organization.id],
  );
  return row?.n ?? 0;
}

test("writes the run, its document, metrics, node results and scores in one call, and reads them back", async () => {
  const [outcome] = await recordAnalyses(gateway.url, key, [{
    idempotencyKey: "whole",
    promptId,
    startedAt: "2026-03-01T10:00:00Z",
    finishedAt: "2026-03-01T10:00:05Z",
    meta: { model: "m" },
    result: {
      ...RESULT,
      contradictions: [{ a: 1 }],
      patches: [],
      clarifyQuestions: ["Who?"],
      extraMetadata: { k: "v" },
    },
    metrics: [
      { key: "latency_ms", valueNum: 120.25 },
      { key: "model", valueText: "judge-1" },
      { key: "trace", valueJson: { steps: 3 } },
    ],
    nodeResults: [{ node: "entropy", status: "warn", score: 4.5, details: { n: 5 } }],
    scores: [
      { rubric: "Quality", criterion: "clarity", score: 9.5, comment: "Clear", evidence: { q: 1 } },
      { rubric: "Quality", criterion: "safety", score: 0 },
    ],
  }]);
  expect(outcome).toMatchObject({ outcome: "inserted", message: null });

  const { analysisRun } = await graphqlData<{ analysisRun: Record<string, unknown> }>(gateway.url, {
    key,
    query: `query ($id: UUID!) {
      analysisRun(id: $id) {
        status startedAt finishedAt meta idempotencyKey
        prompt { name }
        analysisResult { promptContent overallScore lengthChars lengthWords translated formatValid clarifyQuestions analysisExtraMetadata }
        analysisMetrics(orderBy: KEY_ASC) { nodes { key valueNum valueText valueJson } }
        analysisNodeResults { nodes { node status score details } }
        judgeScores { nodes { score comment evidence criterion { key rubric { name } } } }
      }
    }`,
    variables: { id: outcome?.analysisRunId },
  });
  expect(analysisRun).toMatchObject({
    status: "succeeded",
    idempotencyKey: "whole",
    meta: { model: "m" },
    prompt: { name: "Greeting" },
    analysisResult: {
      promptContent: "Say hello, nicely.",
      overallScore: 8,
      lengthChars: 18,
      lengthWords: 3,
      translated: false,
      formatValid: true,
      clarifyQuestions: ["Who?"],
      analysisExtraMetadata: { k: "v" },
    },
    analysisNodeResults: {
      nodes: [{ node: "entropy", status: "warn", score: 4.5, details: { n: 5 } }],
    },
  });
  expect(Date.parse(String(analysisRun.startedAt))).toBe(Date.parse("2026-03-01T10:00:00Z"));
  expect(Date.parse(String(analysisRun.finishedAt))).toBe(Date.parse("2026-03-01T10:00:05Z"));
  const { nodes } = analysisRun.analysisMetrics as { nodes: Record<string, unknown>[] };
  expect(Object.fromEntries(nodes.map((m) => [m.key, m.valueNum ?? m.valueText ?? m.valueJson])))
    .toEqual({
      complexity_score: "3",
      judge_score: "7.5",
      latency_ms: "120.25",
      length_chars: "18",
      length_words: "3",
      model: "judge-1",
      overall_score: "8",
      semantic_entropy: "0.5",
      trace: { steps: 3 },
    });
  const scores = (analysisRun.judgeScores as {
    nodes: { score: number; comment: string | null; criterion: unknown }[];
  }).nodes;
  expect(scores).toHaveLength(2);
  expect(scores).toContainEqual(expect.objectContaining({
    score: 9.5,
    comment: "Clear",
    criterion: { key: "clarity", rubric: { name: "Quality" } },
  }));
});

test("a repeated call changes nothing; another content under the key is a conflict", async () => {
  const items = [1, 2, 3].map((n) => ({
    idempotencyKey: `again-${n}`,
    promptContent: `text ${n}`,
    result: RESULT,
  }));
  const first = await recordAnalyses(gateway.url, key, items);
  expect(first.map(({ outcome }) => outcome)).toEqual(["inserted", "inserted", "inserted"]);
  const before = await runs();
  const second = await recordAnalyses(gateway.url, key, [
    ...items,
    { idempotencyKey: "again-1", promptContent: "another text" },
  ]);
  expect(second.map(({ outcome }) => outcome)).toEqual([
    "unchanged",
    "unchanged",
    "unchanged",
    "conflict",
  ]);
  expect(second.slice(0, 3).map((o) => o.analysisRunId)).toEqual(
    first.map((o) => o.analysisRunId),
  );
  expect(second[3]?.message).toMatch(/again-1/);
  expect(await runs()).toBe(before);
});

test("the same batch sent ten times at once is recorded once", async () => {
  const items = Array.from({ length: 20 }, (_, n) => ({
    idempotencyKey: `race-${n}`,
    promptContent: "x",
    result: RESULT,
  }));
  const before = await runs();
  const answers = await Promise.all(
    Array.from(
      { length: 10 },
      (_, n) => recordAnalyses(gateway.url, key, n % 2 ? items : items.toReversed()),
    ),
  );
  expect(await runs()).toBe(before + 20);
  const outcomes = answers.flat().map(({ outcome }) => outcome);
  expect(outcomes.filter((o) => o === "inserted")).toHaveLength(20);
  expect(outcomes.filter((o) => o === "unchanged")).toHaveLength(180);
});

describe("one bad item does not stop the others", () => {
  const good = () => ({ promptContent: "x", result: RESULT });
  const bad: [string, Record<string, unknown>, RegExp][] = [
    ["neither prompt nor text", { result: RESULT }, /promptId or promptContent is required/],
    ["an unknown prompt", { promptId: "nope" }, /promptId: there is no prompt nope/],
    ["a score above 10", { ...good(), result: { ...RESULT, overallScore: 10.1 } }, /overallScore/],
    ["a score below 0", { ...good(), result: { ...RESULT, judgeScore: -1 } }, /judgeScore/],
    [
      "a negative entropy",
      { ...good(), result: { ...RESULT, semanticEntropy: -0.1 } },
      /semanticEntropy/,
    ],
    [
      "a result without a required field",
      { ...good(), result: { overallScore: 1 } },
      /detectedLanguage is required/,
    ],
    ["an unknown status", { ...good(), status: "done" }, /status must be queued, running/],
    ["a document before the end", { ...good(), status: "running" }, /result/],
    [
      "an end before the start",
      { ...good(), startedAt: "2026-01-02T00:00:00Z", finishedAt: "2026-01-01T00:00:00Z" },
      /finishedAt must not lie before startedAt/,
    ],
    [
      "times without an end",
      { ...good(), startedAt: "-infinity", finishedAt: "infinity" },
      /startedAt: Datetime must be a time such as/,
    ],
    [
      "an unknown status of an analysis that has ended",
      { ...good(), status: "weird", finishedAt: "2026-01-01T00:00:00Z" },
      /status must be queued, running/,
    ],
    ["an unknown rubric", {
      ...good(),
      scores: [{ rubric: "Nope", criterion: "clarity", score: 1 }],
    }, /no rubric 'Nope'/],
    ["an unknown criterion", {
      ...good(),
      scores: [{ rubric: "Quality", criterion: "nope", score: 1 }],
    }, /no criterion 'nope'/],
    ["a judge's score of -1", {
      ...good(),
      scores: [{ rubric: "Quality", criterion: "clarity", score: -1 }],
    }, /score must be from 0 to 10/],
    ["two scores for one criterion", {
      ...good(),
      scores: [1, 2].map((score) => ({ rubric: "Quality", criterion: "clarity", score })),
    }, /criterion must not repeat/],
    ["a metric without a value", { ...good(), metrics: [{ key: "k" }] }, /valueNum, valueText/],
    ["a metric without a key", { ...good(), metrics: [{ valueNum: 1 }] }, /key is required/],
    ["a metric twice", {
      ...good(),
      metrics: [1, 2].map((valueNum) => ({ key: "k", valueNum })),
    }, /key must not repeat/],
    ["a metric that contradicts the result", {
      ...good(),
      metrics: [{ key: "overall_score", valueNum: 1 }],
    }, /overall_score must be 8/],
    ["an unknown node status", {
      ...good(),
      nodeResults: [{ node: "n", status: "great" }],
    }, /status must be ok, warn, fail or error/],
    ["a text above 1 MiB", { promptContent: "x".repeat(1048577) }, /at most 1 MiB/],
    ["a metric with a long key", {
      ...good(),
      metrics: [{ key: "k".repeat(101), valueNum: 1 }],
    }, /metrics: key must be at most 100 characters/],
    ["a language that is none", {
      ...good(),
      result: { ...RESULT, detectedLanguage: "something else" },
    }, /result.detectedLanguage must be at most 10 characters/],
    ["a long idempotency key", {
      ...good(),
      idempotencyKey: "k".repeat(256),
    }, /idempotencyKey must be at most 255 characters/],
    [
      "a long status",
      { ...good(), status: "s".repeat(21) },
      /status must be queued, running/,
    ],
    ["a node with a long name", {
      ...good(),
      nodeResults: [{ node: "n".repeat(51), status: "ok" }],
    }, /nodeResults: node must be at most 50 characters/],
    ["a node with a long status", {
      ...good(),
      nodeResults: [{ node: "n", status: "s".repeat(21) }],
    }, /nodeResults\[0\].status must be ok, warn, fail or error/],
    ["a metric that says more than the result", {
      ...good(),
      metrics: [{ key: "overall_score", valueNum: 8, valueText: "eight" }],
    }, /overall_score must be 8/],
    ["a metric that says it in JSON", {
      ...good(),
      metrics: [{ key: "overall_score", valueNum: 8, valueJson: 8 }],
    }, /overall_score must be 8/],
    ["a document before the start", { ...good(), status: "queued" }, /that is queued has none yet/],
    ["a meta that is no object", { ...good(), meta: [1] }, /meta must be a JSON object/],
  ];

  test.each(bad)("%s", async (_, item, reason) => {
    const before = await runs();
    const outcomes = await recordAnalyses(gateway.url, key, [good(), item, good()]);
    expect(outcomes.map(({ outcome }) => outcome)).toEqual(["inserted", "invalid", "inserted"]);
    expect(outcomes[1]?.message).toMatch(reason);
    expect(outcomes[1]?.analysisRunId).toBeNull();
    expect(await runs()).toBe(before + 2);
  });
});

test("what is as long as it may be is recorded", async () => {
  const [outcome] = await recordAnalyses(gateway.url, key, [{
    idempotencyKey: "k".repeat(255),
    promptContent: "x",
    result: { ...RESULT, detectedLanguage: "zh-Hant-TW" },
    metrics: [{ key: "k".repeat(100), valueNum: 1 }],
    nodeResults: [{ node: "n".repeat(50), status: "ok" }],
  }]);
  expect(outcome).toMatchObject({ outcome: "inserted", message: null });
});

test("prompts, rubrics and criteria are those of the organization, and a criterion is its rubric's", async () => {
  const other = await makeOrganization(database);
  const [foreign] = await database.query<{ prompt: string }>(
    `with p as (insert into core.prompts (organization_id, name, content) values ($1, 'p', 'p') returning id),
          r as (insert into ops.judge_rubric (organization_id, name) values ($1, 'Quality'), ($1, 'Theirs') returning id),
          o as (insert into ops.judge_rubric (organization_id, name) values ($2, 'Speed') returning id),
          c as (insert into ops.judge_criterion (organization_id, rubric_id, key, title)
                select $1::uuid, id, 'theirs', 't' from r union all select $2, id, unnest('{clarity,speed}'::text[]), 't' from o)
     select id as prompt from p`,
    [other.id, organization.id],
  );
  const score = (rubric: string, criterion: string) => ({
    promptContent: "x",
    scores: [{ rubric, criterion, score: 1 }],
  });
  const outcomes = await recordAnalyses(gateway.url, key, [
    { promptId: foreign?.prompt },
    score("Theirs", "theirs"),
    score("Quality", "theirs"),
    score("Quality", "speed"),
    score("Speed", "clarity"),
    score("Quality", "clarity"),
  ]);
  expect(outcomes.map(({ outcome, message }) => message ?? outcome)).toEqual([
    `promptId: there is no prompt ${foreign?.prompt} in this organization`,
    "scores: there is no rubric 'Theirs' in this organization",
    "scores: the rubric 'Quality' has no criterion 'theirs'",
    "scores: the rubric 'Quality' has no criterion 'speed'",
    "inserted",
    "inserted",
  ]);
  const { judgeScores } = await graphqlData<
    { judgeScores: { nodes: { criterion: { rubric: { name: string } } }[] } }
  >(gateway.url, {
    key,
    query: `query ($runs: [UUID!]) {
      judgeScores(filter: { analysisRunId: { in: $runs } }) { nodes { criterion { rubric { name } } } } }`,
    variables: { runs: outcomes.slice(4).map(({ analysisRunId }) => analysisRunId) },
  });
  expect(judgeScores.nodes.map(({ criterion }) => criterion.rubric.name).toSorted())
    .toEqual(["Quality", "Speed"]);
});

test("under a known key another item is a conflict, even a bad one; elsewhere the key is not known", async () => {
  const item = { idempotencyKey: "known", promptContent: "x" };
  const bad = { idempotencyKey: "known", promptId: "nope" };
  await recordAnalyses(gateway.url, key, [item]);
  expect(await recordAnalyses(gateway.url, key, [bad])).toMatchObject([{ outcome: "conflict" }]);
  const elsewhere = await makeKey(database, await makeOrganization(database), ["analyses:write"]);
  expect(await recordAnalyses(gateway.url, elsewhere, [bad, item]))
    .toMatchObject([{ outcome: "invalid" }, { outcome: "inserted" }]);
});

test("a metric that repeats a number of the result is welcome", async () => {
  const [outcome] = await recordAnalyses(gateway.url, key, [{
    promptContent: "x",
    result: { ...RESULT, lengthChars: 1 },
    metrics: [{ key: "length_chars", valueNum: 1 }, { key: "overall_score", valueNum: 8 }],
  }]);
  expect(outcome?.outcome).toBe("inserted");
});

test("an ingest-only key records, and reads nothing", async () => {
  const ingest = await makeKey(database, organization, ["analyses:write"]);
  const [outcome] = await recordAnalyses(gateway.url, ingest, [{ promptId, result: RESULT }]);
  expect(outcome?.outcome).toBe("inserted");
  const { data, errors } = await graphql(gateway.url, {
    key: ingest,
    query: "{ analysisRuns { totalCount } }",
  });
  expect(data).toEqual({ analysisRuns: null });
  expect(errors).toMatchObject([{ extensions: { code: "FORBIDDEN" } }]);
  expect(errors?.[0]?.message).toContain("analyses:read");
});

test("a key without analyses:write is refused, and nothing is written", async () => {
  const reader = await makeKey(database, organization, ["analyses:read"]);
  const before = await runs();
  const { errors } = await graphql(gateway.url, {
    key: reader,
    query:
      `mutation { recordAnalyses(input: { items: [{ promptContent: "x" }] }) { result { outcome } } }`,
  });
  expect(errors?.[0]?.extensions?.code).toBe("FORBIDDEN");
  expect(errors?.[0]?.message).toContain("analyses:write");
  expect(await runs()).toBe(before);
});

test("no items and too many items are refused", async () => {
  for (
    const [items, code] of [[[], "INVALID"], [Array(1001).fill({ promptContent: "x" }), "LIMIT"]]
  ) {
    const { errors } = await graphql(gateway.url, {
      key,
      query:
        `mutation ($items: [AnalysisItemInput!]!) { recordAnalyses(input: { items: $items }) { result { outcome } } }`,
      variables: { items },
    });
    expect(errors?.[0]?.extensions?.code).toBe(code);
    expect(errors?.[0]?.extensions?.field).toBe("items");
  }
});

test("equal numbers are equal: the same key again with 1.0 for 1 changes nothing", async () => {
  const item = (valueNum: unknown, score: unknown) => ({
    idempotencyKey: "equal numbers",
    promptId,
    metrics: [{ key: "m", valueNum }],
    nodeResults: [{ node: "n", status: "ok", score }],
  });
  const [first] = await recordAnalyses(gateway.url, key, [item("1", 7)]);
  expect(first).toMatchObject({ outcome: "inserted" });
  for (const [valueNum, score] of [["1.0", "7.00"], ["1.000", 7], [1, "7.0"]]) {
    expect(await recordAnalyses(gateway.url, key, [item(valueNum, score)])).toMatchObject([
      { outcome: "unchanged", analysisRunId: first?.analysisRunId },
    ]);
  }
  expect(await recordAnalyses(gateway.url, key, [item("1.01", 7)])).toMatchObject([
    { outcome: "conflict" },
  ]);
});

test("a number that is none refuses its item, and the others go on", async () => {
  const outcomes = await recordAnalyses(gateway.url, key, [
    { promptId, metrics: [{ key: "m", valueNum: "NaN" }] },
    { promptId, metrics: [{ key: "m", valueNum: 1 }] },
    { promptId, nodeResults: [{ node: "n", status: "ok", score: "Infinity" }] },
  ]);
  expect(outcomes).toMatchObject([
    { outcome: "invalid", message: expect.stringContaining("valueNum must be a finite number") },
    { outcome: "inserted" },
    { outcome: "invalid", message: expect.stringContaining("score must be from 0 to 10") },
  ]);
});

test("a double keeps its digits as a metric, and on the way back", async () => {
  const overallScore = 7.123456789012345;
  const [outcome] = await recordAnalyses(gateway.url, key, [
    {
      promptId,
      result: { ...RESULT, overallScore },
      metrics: [{ key: "overall_score", valueNum: String(overallScore) }],
    },
  ]);
  expect(outcome).toMatchObject({ outcome: "inserted" });
  const { analysisRun } = await graphqlData<
    { analysisRun: { analysisResult: object; analysisMetrics: { nodes: { valueNum: string }[] } } }
  >(gateway.url, {
    key,
    query: `query ($id: UUID!) { analysisRun(id: $id) { analysisResult { overallScore }
      analysisMetrics(filter: { key: { equalTo: "overall_score" } }) { nodes { valueNum } } } }`,
    variables: { id: outcome?.analysisRunId },
  });
  expect(analysisRun).toEqual({
    analysisResult: { overallScore },
    analysisMetrics: { nodes: [{ valueNum: "7.123456789012345" }] },
  });
});

test("a number of an old row that is none is a clear error, and no failure of ours", async () => {
  const [outcome] = await recordAnalyses(gateway.url, key, [{ promptId, result: RESULT }]);
  await database.query(
    `alter table core.analysis_results drop constraint chk_analysis_results_semantic_entropy`,
  );
  await database.query(
    "update core.analysis_results set semantic_entropy = 'NaN' where analysis_run_id = $1",
    [outcome?.analysisRunId],
  );
  const { errors } = await graphql(gateway.url, {
    key,
    query: `query ($id: UUID!) { analysisRun(id: $id) { analysisResult { semanticEntropy } } }`,
    variables: { id: outcome?.analysisRunId },
  });
  expect(errors).toMatchObject([{
    message: "The stored value is not a finite number (NaN or Infinity)",
    extensions: { code: "INVALID" },
  }]);
});

test("a text that cannot be stored refuses its item, and the others go on", async () => {
  const outcomes = await recordAnalyses(gateway.url, key, [
    { promptContent: "a\u0000b" },
    { promptContent: "stored" },
    { promptId, metrics: [{ key: "m", valueText: "ok" }, { key: "n", valueText: "\u0000" }] },
    { promptContent: "half: \ud800" },
    { promptContent: "whole: \u{1F600}" },
  ]);
  expect(outcomes.map(({ outcome, message }) => message ?? outcome)).toEqual([
    "promptContent: a text contains the character NUL, which cannot be stored",
    "inserted",
    "metrics[1].valueText: a text contains the character NUL, which cannot be stored",
    "promptContent: a text contains half of a surrogate pair, which cannot be stored",
    "inserted",
  ]);
  const { errors } = await graphql(gateway.url, {
    key,
    query: `mutation ($name: String!) {
      createPrompt(input: { prompt: { name: $name, content: "x" } }) { prompt { id } } }`,
    variables: { name: "half \ud800" },
  });
  expect(errors).toMatchObject([{
    message: "name: a text contains half of a surrogate pair, which cannot be stored",
    extensions: { code: "INVALID" },
  }]);
});
