import { beforeAll, expect, test } from "vitest";
import { withTestDatabase } from "../helpers/database.ts";
import { withGateway } from "../helpers/gateway.ts";
import { graphql, graphqlData } from "../helpers/graphql.ts";
import { makeKey, makeOrganization } from "../helpers/make.ts";

const database = withTestDatabase();
const gateway = withGateway(database);
let key: string;

beforeAll(async () => {
  key = await makeKey(database, await makeOrganization(database), [
    "workflows:read",
    "workflows:write",
  ]);
});

async function run(query: string, variables: Record<string, unknown>) {
  const { errors } = await graphql(gateway.url, { key, query, variables });
  return errors?.[0]?.extensions?.code;
}

async function start(): Promise<number> {
  const { createWorkflowRun } = await graphqlData<
    { createWorkflowRun: { workflowRun: { id: number } } }
  >(
    gateway.url,
    {
      key,
      query: "mutation { createWorkflowRun(input: { workflowRun: {} }) { workflowRun { id } } }",
    },
  );
  return createWorkflowRun.workflowRun.id;
}

const node = (runId: number, name: string, status: string) =>
  run(
    `mutation ($n: WorkflowNodeInput!) { createWorkflowNode(input: { workflowNode: $n }) { clientMutationId } }`,
    { n: { runId, key: name, status } },
  );
const end = (id: number, status: string) =>
  run(
    `mutation ($id: Int!, $patch: WorkflowRunPatch!) { updateWorkflowRun(input: { id: $id, patch: $patch }) { clientMutationId } }`,
    { id, patch: { status, finishedAt: new Date(Date.now() + 1000).toISOString() } },
  );

test("a run cannot succeed while a node is open, and can fail", async () => {
  const id = await start();
  expect(await node(id, "detect", "success")).toBeUndefined();
  expect(await node(id, "judge", "running")).toBeUndefined();
  expect(await end(id, "success")).toBe("CONFLICT");
  expect(await end(id, "failed")).toBeUndefined();
  expect(await end(id, "success")).toBe("CONFLICT");
});

test("a run whose nodes have ended succeeds, and takes no open node afterwards", async () => {
  const id = await start();
  await node(id, "detect", "success");
  expect(await end(id, "success")).toBeUndefined();
  expect(await node(id, "late", "running")).toBe("CONFLICT");
  expect(await node(id, "note", "success")).toBeUndefined();
});

test("a node ends once", async () => {
  const id = await start();
  await node(id, "judge", "success");
  const [row] = await database.query<{ id: number }>(
    "select id from core.workflow_nodes where run_id = $1",
    [id],
  );
  const set = (status: string) =>
    run(
      `mutation ($id: Int!, $status: String!) { updateWorkflowNode(input: { id: $id, patch: { status: $status } }) { clientMutationId } }`,
      { id: row?.id, status },
    );
  expect(await set("running")).toBe("CONFLICT");
  expect(await set("success")).toBeUndefined();
});

test("a node and a metric are there once, whatever is repeated", async () => {
  const id = await start();
  await node(id, "judge", "success");
  expect(await node(id, "judge", "success")).toBe("CONFLICT");
  const metric = () =>
    run(
      `mutation ($m: EvaluationMetricInput!) { createEvaluationMetric(input: { evaluationMetric: $m }) { clientMutationId } }`,
      { m: { runId: id, metricName: "cost", metricValue: 1.5, createdAt: "2026-01-01T00:00:00Z" } },
    );
  expect(await metric()).toBeUndefined();
  expect(await metric()).toBe("CONFLICT");
});
