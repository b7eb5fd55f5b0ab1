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

test("a repeated start under the same key answers the same run", async () => {
  const id = await start("k");
  expect(await start("k")).toBe(id);
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
