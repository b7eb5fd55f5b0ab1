import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { query, withTestDatabase } from "../helpers/database.ts";
import { withGateway } from "../helpers/gateway.ts";
import { graphql, graphqlData } from "../helpers/graphql.ts";
import { makeKey, makeOrganization } from "../helpers/make.ts";
import { makePerson } from "../helpers/token.ts";

const database = withTestDatabase();
const gateway = withGateway(database);
let operator: string;
let owner: string;
let key: string;

beforeAll(async () => {
  operator = (await makePerson(database, "operator@example.com")).token;
  await database.query("select app.platform_admin_grant('Operator@example.com')");
  owner = (await makePerson(database, "owner@example.com")).token;
  const organization = await makeOrganization(database, { owner: "operator@example.com" });
  const [made] = await database.query<{ key: string }>(
    "select key from app.api_key_create($1, $2, 'of an operator', array['prompts:read', 'audit:read'], null)",
    [organization.id, organization.ownerUserId],
  );
  key = made?.key ?? await makeKey(database, organization, ["prompts:read"]);
});
afterEach(() => database.query("delete from graphile_worker._private_jobs"));

/** A job that has failed for good. */
async function makeFailed(): Promise<string> {
  const [job] = await database.query<{ id: string }>(
    `select id from graphile_worker.add_job('refresh_marts', '{"secret": "canary"}', max_attempts => 2)`,
  );
  await database.query(
    "update graphile_worker._private_jobs set attempts = 2, last_error = 'It went wrong' where id = $1",
    [job?.id],
  );
  return job?.id ?? "";
}

const FAILED = "{ failedJobs { nodes { id task attempts maxAttempts error } } }";
const RETRY = "mutation ($id: BigInt!) { retryJob(input: { id: $id }) { result } }";
const CANCEL = "mutation ($id: BigInt!) { cancelJob(input: { id: $id }) { result } }";
const RUNS = "{ taskRuns { nodes { task kind isLate expectedSeconds error } } }";

async function findJobs() {
  return await database.query(
    "select id, attempts, locked_at from graphile_worker.jobs order by id",
  );
}

describe("an operator", () => {
  test("sees the jobs that failed for good, with their error and without their payload", async () => {
    const id = await makeFailed();
    await database.query("select graphile_worker.add_job('refresh_marts')");
    expect(await graphqlData(gateway.url, { token: operator, query: FAILED })).toEqual({
      failedJobs: {
        nodes: [{
          id,
          task: "refresh_marts",
          attempts: 2,
          maxAttempts: 2,
          error: "It went wrong",
        }],
      },
    });
  });

  test("lets a job run again, and takes one out of the queue", async () => {
    const id = await makeFailed();
    const variables = { id };
    expect(await graphqlData(gateway.url, { token: operator, query: RETRY, variables }))
      .toEqual({ retryJob: { result: "refresh_marts" } });
    expect(await findJobs()).toEqual([{ id, attempts: 0, locked_at: null }]);
    expect(await graphqlData(gateway.url, { token: operator, query: CANCEL, variables }))
      .toEqual({ cancelJob: { result: "refresh_marts" } });
    expect(await findJobs()).toEqual([]);
  });

  test("is told when there is no such job, or when it runs just now", async () => {
    const id = await makeFailed();
    await database.query(
      "update graphile_worker._private_jobs set locked_at = now(), locked_by = 'somebody'",
    );
    for (const query of [RETRY, CANCEL]) {
      const running = await graphql(gateway.url, { token: operator, query, variables: { id } });
      expect(running.errors?.[0]).toMatchObject({
        message: `The job ${id} runs just now; wait for its end`,
        extensions: { code: "CONFLICT", field: "id" },
      });
      const absent = await graphql(gateway.url, {
        token: operator,
        query,
        variables: { id: "4711" },
      });
      expect(absent.errors?.[0]).toMatchObject({
        message: "There is no job 4711",
        extensions: { code: "NOT_FOUND" },
      });
    }
    expect(await findJobs()).toMatchObject([{ id, attempts: 2 }]);
  });

  test("sees what runs by itself, and which of it is late", async () => {
    await query(
      database.workerUrl,
      `select app.task_expect('[{"kind": "schedule", "task": "a", "seconds": 60}, {"kind": "poll", "task": "b", "seconds": 12}]')`,
    );
    await query(database.workerUrl, "select app.task_note_end('poll', 'b', 3, 'no luck')");
    await database.query("update app.task_run set expected_since = now() - interval '209 seconds'");
    const node = { error: null, isLate: false };
    expect(await graphqlData(gateway.url, { token: operator, query: RUNS })).toEqual({
      taskRuns: {
        nodes: [
          { ...node, task: "a", kind: "schedule", expectedSeconds: 60 },
          { task: "b", kind: "poll", expectedSeconds: 12, isLate: true, error: "no luck" },
        ],
      },
    });
    await query(database.workerUrl, "select app.task_note_end('poll', 'b', 3, null)");
    const { taskRuns } = await graphqlData<{ taskRuns: { nodes: { isLate: boolean }[] } }>(
      gateway.url,
      { token: operator, query: RUNS },
    );
    expect(taskRuns.nodes.map(({ isLate }) => isLate)).toEqual([false, false]);
  });

  test("is one from grant to revoke", async () => {
    await database.query("select app.platform_admin_grant('owner@example.com')");
    const request = { token: owner, query: FAILED };
    expect((await graphql(gateway.url, request)).errors).toBeUndefined();
    await database.query("select app.platform_admin_revoke('OWNER@example.com')");
    expect((await graphql(gateway.url, request)).errors?.[0]?.extensions?.code).toBe("FORBIDDEN");
    const changes = await database.query(
      "select action from ops.audit_log where entity_type = 'app.platform_admin' order by seq desc limit 2",
    );
    expect(changes).toEqual([{ action: "delete" }, { action: "insert" }]);
  });
});

test.each([FAILED, RUNS, RETRY, CANCEL])(
  "nobody else is let in, not even an operator's API key: %s",
  async (query) => {
    const id = await makeFailed();
    const variables = query.includes("$id") ? { id } : {};
    for (const credential of [{ token: owner }, { key }]) {
      const { errors, data } = await graphql(gateway.url, { ...credential, query, variables });
      expect(errors?.[0]?.extensions?.code).toBe("FORBIDDEN");
      expect(JSON.stringify(data ?? null)).not.toContain("went wrong");
    }
    expect(await findJobs()).toEqual([{ id, attempts: 2, locked_at: null }]);
    // The existing job is there for an operator
    expect(JSON.stringify(await graphqlData(gateway.url, { token: operator, query: FAILED })))
      .toContain("went wrong");
  },
);
