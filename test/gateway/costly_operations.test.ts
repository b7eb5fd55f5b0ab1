import { connect, createServer, type Socket } from "node:net";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { startCostlyOperations } from "../../src/gateway/costly/costly_operations.ts";
import type { CostlyOperation } from "../../src/gateway/costly/messages.ts";
import { defaultOperationLimits } from "../../src/gateway/graphql/operation_limits.ts";
import { freePort } from "../../src/database/embedded/ports.ts";
import { makeLog } from "../../src/shared/log.ts";
import { withTestDatabase } from "../helpers/database.ts";
import { eventually } from "../helpers/eventually.ts";
import { startGateway, withGateway } from "../helpers/gateway.ts";
import { graphql } from "../helpers/graphql.ts";
import { makeKey, makeOrganization, type TestOrganization } from "../helpers/make.ts";

/** Costly operations run on another thread: their answers are those of any other. */

const database = withTestDatabase();
const plain = withGateway(database);
const divided = withGateway(database, { costlyThread: true });
let acme: TestOrganization;
let key = "";
const longText = "long ".repeat(10_000);

beforeAll(async () => {
  acme = await makeOrganization(database);
  key = await makeKey(database, acme, ["prompts:read", "prompts:write", "analyses:read"]);
  await database.query(
    `insert into core.prompts (organization_id, name, content)
     select $1, 'prompt ' || n, $2 || n from generate_series(1, 60) as n`,
    [acme.id, longText],
  );
});

/** When a connection of the thread began its last statement, by the database. */
async function lastStatementOfThread(): Promise<Date | null> {
  const [row] = await database.query<{ at: Date | null }>(
    `select max(query_start) as at from pg_stat_activity
      where datname = current_database() and application_name = 'curestry gateway costly'`,
  );
  return row!.at;
}

const pages = (count: number, fields = "nodes { name } totalCount") =>
  Array.from(
    { length: count },
    (_, n) => `p${n}: prompts(first: 3, offset: ${n}, orderBy: NAME_ASC) { ${fields} }`,
  ).join("\n");

test("a document with many pages is answered there, and as it would be here", async () => {
  // The thread does nothing before the first one
  expect(await lastStatementOfThread()).toBeNull();
  const query = `{ ${pages(25)} }`;
  const answers = await Promise.all(
    [plain, divided].map(({ url }) => graphql(url, { query, key })),
  );
  const [here, there] = answers;
  expect(here?.errors).toBeUndefined();
  expect(here?.data).toMatchObject({
    p2: { totalCount: 60, nodes: Array(3).fill({ name: expect.any(String) }) },
  });
  expect([there?.status, there?.data]).toEqual([here?.status, here?.data]);
  expect(there?.headers.get("content-type")).toBe(here?.headers.get("content-type"));
  expect(await lastStatementOfThread()).not.toBeNull();
});

test("an answer with long texts is whole, wherever it is made", async () => {
  const { data, errors } = await graphql<{ prompts: { nodes: { content: string }[] } }>(
    divided.url,
    { query: "{ prompts(first: 60) { nodes { content } } }", key },
  );
  expect(errors).toBeUndefined();
  const lengths = data?.prompts.nodes.map(({ content }) => content.slice(0, longText.length));
  expect(lengths).toEqual(Array(60).fill(longText));
});

test("what is too long there is refused as it is here", async () => {
  const query = `{ ${pages(25, "nodes { content }")} }`;
  const limits = { operationLimits: { answerBytes: 100_000 } };
  const answers = await Promise.all([false, true].map(async (costlyThread) => {
    const gateway = await startGateway(database, { ...limits, costlyThread });
    onTestFinished(() => gateway.stop());
    return await graphql(gateway.url, { query, key });
  }));
  for (const { status, data, errors } of answers) {
    expect([status, data, errors?.[0]?.extensions?.code]).toEqual([400, undefined, "LIMIT"]);
  }
});

test("a costly mutation is made once", async () => {
  const create = Array.from(
    { length: 25 },
    (_, n) =>
      `c${n}: createPrompt(input: { prompt: { name: "made ${n}", content: "x" } }) {
      prompt { name analysisRuns(first: 100) { nodes { id status } } } }`,
  ).join("\n");
  const { data, errors } = await graphql(divided.url, { query: `mutation { ${create} }`, key });
  expect(errors).toBeUndefined();
  expect(Object.keys(data ?? {})).toHaveLength(25);
  expect(
    await database.query(
      "select count(*)::int from core.prompts where name like 'made %'",
    ),
  ).toEqual([{ count: 25 }]);
});

test("errors there have codes, and the request's id", async () => {
  const query = `mutation { ${
    Array.from({ length: 25 }, (_, n) =>
      `c${n}: createPrompt(input: { prompt: { name: "", content: "x" } }) {
        prompt { analysisRuns(first: 100) { nodes { id } } } }`).join("\n")
  } }`;
  const { headers, errors } = await graphql(divided.url, {
    query,
    key,
    headers: { "x-request-id": "costly-1" },
  });
  expect(errors).toHaveLength(25);
  expect(new Set(errors?.map(({ extensions }) => `${extensions?.code} ${extensions?.field}`)))
    .toEqual(new Set(["INVALID name"]));
  expect(headers.get("x-request-id")).toBe("costly-1");
});

describe("a thread without its database", () => {
  const operation = (): CostlyOperation => ({
    caller: {
      role: "curestry_anonymous",
      jwtId: null,
      keyHash: null,
      organization: null,
      requestId: "r",
    },
    work: "x",
    body: { query: "{ __typename }" },
    accept: null,
  });

  test("refuses honestly, and starts again by itself when the database is there", async () => {
    const port = await freePort("127.0.0.1");
    const url = new URL(database.gatewayUrl);
    url.port = String(port);
    const costly = startCostlyOperations(url.href, {
      applicationName: "curestry gateway costly",
      poolSize: 1,
      poolWaitMs: 60_000,
      statementTimeoutMs: 60_000,
      connectWaitMs: 0,
      preparedStatements: true,
      operationLimits: defaultOperationLimits,
    }, makeLog("silent"));
    onTestFinished(() => costly.stop());
    await expect(costly.run(operation())).rejects.toMatchObject({ code: "UNAVAILABLE" });

    const target = new URL(database.gatewayUrl);
    const sockets = new Set<Socket>();
    const way = createServer((socket) => {
      const onward = connect(Number(target.port), target.hostname);
      for (const end of [socket, onward]) {
        sockets.add(end);
        end.on("error", () => {});
      }
      socket.pipe(onward).pipe(socket);
    });
    await new Promise<void>((resolve) => way.listen(port, "127.0.0.1", resolve));
    onTestFinished(() => {
      way.close();
      for (const socket of sockets) socket.destroy();
    });
    const { status, body } = await eventually(() => costly.run(operation()));
    expect([status, new TextDecoder().decode(body)])
      .toEqual([200, '{"data":{"__typename":"Query"}}']);
    expect(costly.underWayCount).toBe(0);
  });
});
