import { beforeAll, expect, test } from "vitest";
import { createClient, type CurestryClient, documents } from "../../src/client/mod.ts";
import { withTestDatabase } from "../helpers/database.ts";
import { withGateway } from "../helpers/gateway.ts";
import { RESULT } from "../helpers/graphql_analyses.ts";
import { makeKey, makeOrganization } from "../helpers/make.ts";

const database = withTestDatabase();
const gateway = withGateway(database);
let client: CurestryClient;

beforeAll(async () => {
  const organization = await makeOrganization(database, { slug: "studio" });
  const credential = await makeKey(database, organization, [
    ...["prompts:read", "prompts:write", "analyses:read", "analyses:write", "rubrics:read"],
    ...["rubrics:write", "features:write", "marts:read"],
  ]);
  client = createClient({ url: gateway.url, credential });
});

test("the documents of a usual day, one after the other", async () => {
  const { viewer } = await client.run(documents.viewer);
  expect(viewer).toMatchObject({ organizationSlug: "studio", email: null });

  const { createPrompt } = await client.run(documents.createPrompt, {
    prompt: { name: "Greeting", content: "Say hello", tags: ["live"] },
  });
  const { id } = createPrompt!.prompt!;
  await client.run(documents.updatePrompt, { id, patch: { content: "Say hello twice" } });
  const { prompt } = await client.run(documents.prompt, { id });
  expect(prompt).toMatchObject({ name: "Greeting", content: "Say hello twice", version: 2 });
  const { prompts } = await client.run(documents.prompts);
  expect(prompts).toMatchObject({ totalCount: 1, nodes: [prompt] });
  const { promptsByTags } = await client.run(documents.promptsByTags, { tags: ["live"] });
  expect(promptsByTags!.nodes).toEqual([prompt]);

  const { createJudgeRubric } = await client.run(documents.createJudgeRubric, {
    judgeRubric: { name: "Quality" },
  });
  const rubricId = createJudgeRubric!.judgeRubric!.id;
  const { createJudgeCriterion } = await client.run(documents.createJudgeCriterion, {
    judgeCriterion: { rubricId, key: "clarity", title: "Is it clear?" },
  });
  const criterion = createJudgeCriterion!.judgeCriterion!;
  const { judgeRubrics } = await client.run(documents.judgeRubrics);
  expect(judgeRubrics!.nodes).toMatchObject([
    { id: rubricId, judgeCriteria: { nodes: [{ ...criterion, weight: 1 }] } },
  ]);

  const recorder = client.recorder();
  const outcome = recorder.record({
    promptId: id,
    startedAt: "2026-03-01T10:00:00Z",
    finishedAt: "2026-03-01T10:00:01Z",
    result: { ...RESULT, semanticEntropy: 1.5 },
    metrics: [{ key: "latency_seconds", valueNum: 1.2 }],
    scores: [{ rubric: "Quality", criterion: "clarity", score: 9 }],
  });
  await recorder.close();
  const { outcome: word, analysisRunId } = await outcome;
  expect(word).toBe("inserted");

  const { analysisRun } = await client.run(documents.analysisRun, { id: analysisRunId! });
  expect(analysisRun).toMatchObject({
    status: "succeeded",
    analysisResult: { overallScore: RESULT.overallScore },
    analysisMetrics: {
      nodes: expect.arrayContaining([
        { key: "latency_seconds", valueNum: "1.2", valueText: null, valueJson: null },
      ]),
    },
    judgeScores: { nodes: [{ criterionId: criterion.id, score: 9 }] },
  });
  const { analysisRuns } = await client.run(documents.analysisRuns, {
    filter: { status: { equalTo: "succeeded" } },
  });
  expect(analysisRuns!.nodes.map(({ id }) => id)).toEqual([analysisRunId]);
  const entropies = client.rows(documents.highEntropyAnalyses, { threshold: 1 });
  expect((await entropies.next()).value).toMatchObject({ analysisRunId, semanticEntropy: 1.5 });

  await client.run(documents.recordFeatureEvents, {
    events: [{ featureKey: "prompt.edit", occurredAt: "2026-03-01T10:00:00Z", count: 1 }],
  });
  await database.query("select app.mart_refresh_all()");
  const { analysesByDay } = await client.run(documents.analysesByDay);
  expect(analysesByDay!.nodes).toMatchObject([{ day: "2026-03-01", analyses: 1 }]);
  const { metricSeries } = await client.run(documents.metricSeries, {
    key: "latency_seconds",
    from: "2026-03-01T00:00:00Z",
    to: "2026-03-02T00:00:00Z",
    bucket: "DAY",
  });
  expect(metricSeries).toMatchObject([{ count: 1, mean: 1.2 }]);
});
