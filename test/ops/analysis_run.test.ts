import { beforeAll, describe, expect, test } from "vitest";
import { withTestDatabase } from "../helpers/database.ts";
import { withGateway } from "../helpers/gateway.ts";
import { graphql, graphqlData } from "../helpers/graphql.ts";
import { recordAnalyses, RESULT } from "../helpers/graphql_analyses.ts";
import { makeKey, makeOrganization } from "../helpers/make.ts";

const database = withTestDatabase();
const gateway = withGateway(database);
let key: string;
let foreignKey: string;

beforeAll(async () => {
  key = await makeKey(database, await makeOrganization(database), [
    "analyses:read",
    "analyses:write",
  ]);
  foreignKey = await makeKey(database, await makeOrganization(database), [
    "analyses:read",
    "analyses:write",
  ]);
});

const START =
  `mutation ($key: String) { startAnalysisRun(input: { promptContent: "x", idempotencyKey: $key }) { result { id status startedAt finishedAt } } }`;

async function start(idempotencyKey: string | null = null): Promise<string> {
  const { startAnalysisRun: { result } } = await graphqlData<
    { startAnalysisRun: { result: { id: string; status: string } } }
  >(gateway.url, { key, query: START, variables: { key: idempotencyKey } });
  expect(result.status).toBe("running");
  return result.id;
}

async function step(mutation: string, id: string, credential = key) {
  return await graphql<Record<string, { result: { status: string } }>>(gateway.url, {
    key: credential,
    query: `mutation ($id: UUID!) { ${mutation}(input: { id: $id }) { result { status } } }`,
    variables: { id },
  });
}

test("a run starts, and finishes with its document", async () => {
  const id = await start();
  const { finishAnalysisRun } = await graphqlData<
    { finishAnalysisRun: { result: { status: string; analysisResult: unknown } } }
  >(gateway.url, {
    key,
    query: `mutation ($id: UUID!, $result: AnalysisResultItemInput) {
      finishAnalysisRun(input: { id: $id, result: $result, metrics: [{ key: "cost", valueNum: "0.1" }] }) {
        result { status analysisResult { promptContent overallScore } analysisMetrics { totalCount } }
      }
    }`,
    variables: { id, result: RESULT },
  });
  expect(finishAnalysisRun.result).toEqual({
    status: "succeeded",
    analysisResult: { promptContent: "x", overallScore: 8 },
    analysisMetrics: { totalCount: 7 },
  });
});

describe("the steps that a run may take", () => {
  const steps = ["startAnalysisRun", "finishAnalysisRun", "failAnalysisRun", "cancelAnalysisRun"];
  const ends: Record<string, string> = {
    startAnalysisRun: "running",
    finishAnalysisRun: "succeeded",
    failAnalysisRun: "failed",
    cancelAnalysisRun: "cancelled",
  };
  const allowed: Record<string, string[]> = {
    queued: ["running", "failed", "cancelled"],
    running: ["running", "succeeded", "failed", "cancelled"],
    succeeded: ["succeeded"],
    failed: ["failed"],
    cancelled: ["cancelled"],
  };

  test.each(Object.keys(allowed))("from %s", async (status) => {
    for (const mutation of steps) {
      const [made] = await recordAnalyses(gateway.url, key, [{ promptContent: "x", status }]);
      const id = made?.analysisRunId ?? "";
      const { data, errors } = await step(mutation, id);
      const target = ends[mutation] ?? "";
      const [row] = await database.query<{ status: string }>(
        "select status from ops.analysis_run where id = $1",
        [id],
      );
      if (status !== target && allowed[status]?.includes(target)) {
        expect(errors).toBeUndefined();
        expect(data?.[mutation]?.result.status).toBe(target);
        expect(row?.status).toBe(target);
      } else {
        expect(errors?.[0]?.extensions?.code, `${status} → ${target}`).toBe("CONFLICT");
        expect(row?.status).toBe(status);
      }
    }
  });
});

test("a repeated start under the same key answers the same run; another text is refused", async () => {
  const id = await start("k");
  expect(await start("k")).toBe(id);
  const other = (credential: string) =>
    graphql<{ startAnalysisRun: { result: { id: string } } }>(gateway.url, {
      key: credential,
      query:
        `mutation { startAnalysisRun(input: { promptContent: "y", idempotencyKey: "k" }) { result { id } } }`,
    });
  expect((await other(key)).errors?.[0]?.extensions).toMatchObject({
    code: "CONFLICT",
    field: "idempotencyKey",
  });
  // Another organization has keys of its own
  const foreign = (await other(foreignKey)).data?.startAnalysisRun.result.id;
  expect(foreign).toMatch(/^[0-9a-f-]{36}$/);
  expect(foreign).not.toBe(id);
  expect((await other(foreignKey)).data?.startAnalysisRun.result.id).toBe(foreign);
});

test("a start without a prompt and a text is refused, and a prompt is analysed as it is then", async () => {
  const { errors } = await graphql(gateway.url, {
    key,
    query: `mutation { startAnalysisRun(input: {}) { result { id } } }`,
  });
  expect(errors?.[0]?.extensions).toMatchObject({ code: "INVALID", field: "promptId" });
  const [prompt] = await database.query<{ id: string }>(
    `insert into core.prompts (organization_id, name, content)
     select organization_id, 'p', 'as it is' from ops.api_key where key_hash = encode(sha256($1::text::bytea), 'hex')
     returning id`,
    [key],
  );
  const { startAnalysisRun: { result } } = await graphqlData<
    { startAnalysisRun: { result: { id: string } } }
  >(gateway.url, {
    key,
    query: `mutation ($prompt: String!) {
      startAnalysisRun(input: { promptId: $prompt }) { result { id } } }`,
    variables: { prompt: prompt?.id },
  });
  await database.query("update core.prompts set content = 'as it is later' where id = $1", [
    prompt?.id,
  ]);
  const finished = await graphqlData(gateway.url, {
    key,
    query: `mutation ($id: UUID!, $result: AnalysisResultItemInput) {
      finishAnalysisRun(input: { id: $id, result: $result }) {
        result { promptContent analysisResult { promptContent } promptVersionId } } }`,
    variables: { id: result.id, result: RESULT },
  });
  expect(finished).toEqual({
    finishAnalysisRun: {
      result: {
        promptContent: "as it is",
        analysisResult: { promptContent: "as it is" },
        promptVersionId: expect.any(String),
      },
    },
  });
});

test("a run that an operator made of a prompt alone finishes with that prompt's text", async () => {
  // Ids that operators give may be the same elsewhere
  for (const [credential, content] of [[key, "ours"], [foreignKey, "theirs"]]) {
    await database.query(
      `insert into core.prompts (organization_id, id, name, content)
       select k.organization_id, p, p, $2 || p from ops.api_key k, unnest('{same,other}'::text[]) as p
        where k.key_hash = encode(sha256($1::text::bytea), 'hex')`,
      [credential, content],
    );
  }
  const [run] = await database.query<{ id: string }>(
    `insert into ops.analysis_run (organization_id, prompt_id, status, started_at)
     select k.organization_id, 'same', 'running', now() from ops.api_key k
      where k.key_hash = encode(sha256($1::text::bytea), 'hex') returning id`,
    [key],
  );
  const { finishAnalysisRun } = await graphqlData<
    { finishAnalysisRun: { result: { analysisResult: unknown } } }
  >(gateway.url, {
    key,
    query: `mutation ($id: UUID!, $result: AnalysisResultItemInput) {
      finishAnalysisRun(input: { id: $id, result: $result }) {
        result { analysisResult { promptContent } } } }`,
    variables: { id: run?.id, result: RESULT },
  });
  expect(finishAnalysisRun.result.analysisResult).toEqual({ promptContent: "ourssame" });
  const started = await graphqlData(gateway.url, {
    key,
    query:
      `mutation { startAnalysisRun(input: { promptId: "same" }) { result { promptContent } } }`,
  });
  expect(started).toEqual({ startAnalysisRun: { result: { promptContent: "ourssame" } } });
});

test("why a run ended is kept, and who was cancelled before the start never started", async () => {
  const queued = async () =>
    (await recordAnalyses(gateway.url, key, [{ promptContent: "x", status: "queued" }]))[0]
      ?.analysisRunId;
  const end = async (field: string, id: string | null | undefined) => {
    const data = await graphqlData<Record<string, { result: unknown }>>(gateway.url, {
      key,
      query: `mutation ($id: UUID!) {
        ${field} { result { status startedAt finishedAt meta } } }`,
      variables: { id },
    });
    return Object.values(data)[0]?.result;
  };
  const time = expect.any(String);
  expect(await end(`cancelAnalysisRun(input: { id: $id, reason: "why" })`, await queued()))
    .toEqual({ status: "cancelled", startedAt: null, finishedAt: time, meta: { reason: "why" } });
  expect(await end(`failAnalysisRun(input: { id: $id, message: "how" })`, await queued()))
    .toEqual({ status: "failed", startedAt: time, finishedAt: time, meta: { error: "how" } });
  for (const [mutation, status] of [["cancel", "cancelled"], ["fail", "failed"]]) {
    expect(await end(`${mutation}AnalysisRun(input: { id: $id })`, await start()))
      .toEqual({ status, startedAt: time, finishedAt: time, meta: {} });
  }
});

test("a run whose document is refused goes on", async () => {
  const id = await start();
  const { errors } = await graphql(gateway.url, {
    key,
    query: `mutation ($id: UUID!) {
      finishAnalysisRun(input: { id: $id, scores: [{ rubric: "none", criterion: "c", score: 1 }] }) {
        result { status } } }`,
    variables: { id },
  });
  expect(errors?.[0]).toMatchObject({
    message: "scores: there is no rubric 'none' in this organization",
    extensions: { code: "INVALID", field: "scores" },
  });
  expect((await step("cancelAnalysisRun", id)).data?.cancelAnalysisRun?.result.status)
    .toBe("cancelled");
});

test("a run is not for keys that only read", async () => {
  const [id, reader] = [
    await start(),
    (await database.query<{ key: string }>(
      `select n.key from ops.api_key k, app.api_key_create(k.organization_id, null, 'r', '{analyses:read}', null) n
        where k.key_hash = encode(sha256($1::text::bytea), 'hex')`,
      [key],
    ))[0]?.key,
  ];
  const mutations = [
    "startAnalysisRun",
    "finishAnalysisRun",
    "failAnalysisRun",
    "cancelAnalysisRun",
  ];
  for (const mutation of mutations) {
    expect((await step(mutation, id, reader)).errors?.[0]?.extensions?.code).toBe("FORBIDDEN");
  }
});

test("a run of another organization does not exist", async () => {
  const id = await start();
  for (
    const mutation of [
      "startAnalysisRun",
      "finishAnalysisRun",
      "failAnalysisRun",
      "cancelAnalysisRun",
    ]
  ) {
    const { errors } = await step(mutation, id, foreignKey);
    expect(errors?.[0]?.extensions?.code).toBe("NOT_FOUND");
  }
  const [row] = await database.query<{ status: string }>(
    "select status from ops.analysis_run where id = $1",
    [id],
  );
  expect(row?.status).toBe("running");
});
