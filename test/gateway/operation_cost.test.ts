import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { buildSchema, getIntrospectionQuery, getOperationAST, parse } from "postgraphile/graphql";
import { checkOperation } from "../../src/gateway/graphql/check_operation.ts";
import { defaultOperationLimits } from "../../src/gateway/graphql/operation_limits.ts";
import { repositoryRoot } from "../../src/shared/settings.ts";
import { withTestDatabase } from "../helpers/database.ts";
import { startGateway, withGateway } from "../helpers/gateway.ts";
import { graphql, graphqlData } from "../helpers/graphql.ts";
import { makeKey, makeOrganization, type TestOrganization } from "../helpers/make.ts";
import { costlyOperations, repeat, wideInputs } from "../helpers/request_bombs.ts";

const database = withTestDatabase();
const gateway = withGateway(database);
let acme: TestOrganization;
let key = "";

beforeAll(async () => {
  acme = await makeOrganization(database, { slug: "acme" });
  key = await makeKey(database, acme, [
    "prompts:read",
    "prompts:write",
    "analyses:read",
    "analyses:write",
    "marts:read",
  ]);
});

const schema = buildSchema(readFileSync(join(repositoryRoot, "schema.graphql"), "utf8"));

function cost(document: string, variables: Record<string, unknown> = {}): number {
  const parsed = parse(document);
  const operation = getOperationAST(parsed);
  if (!operation) throw new Error("There is no operation");
  const limits = { ...defaultOperationLimits, cost: Infinity };
  const { cost, refusal } = checkOperation(schema, parsed, operation, variables, limits);
  if (refusal) throw refusal;
  return cost;
}

describe("what costs too much is refused before it is planned, with its cost and the bound", () => {
  test.each(costlyOperations)("%s", async (_name, query, variables = {}) => {
    const { status, data, errors } = await graphql(gateway.url, { query, variables, key });
    expect(errors?.[0]?.message).toMatch(
      /^This operation may cost \d+, and the most that one may cost is 100000: /,
    );
    expect({ status, data, code: errors?.[0]?.extensions?.code })
      .toEqual({ status: 400, data: undefined, code: "LIMIT" });
    expect(await database.query("select from core.prompts where name = 'costly'")).toEqual([]);
  });

  test.each(wideInputs)("wide input: %s", async (_name, query, variables = {}) => {
    const { status, errors } = await graphql(gateway.url, { query, variables, key });
    expect([status, errors?.[0]?.extensions?.code]).toEqual([400, "LIMIT"]);
    expect(errors?.[0]?.message).toMatch(
      /^The arguments of an operation may have \d+ (values|objects), these have \d+ or more; split it$/,
    );
  });
});

describe("what honest clients ask for passes", () => {
  test.each([
    ["{ viewer { userId } }", 2],
    ["{ prompts(first: 3) { nodes { id name } } }", 5],
    ["{ prompts(first: 3) { edges { cursor node { id name } } } }", 5],
    // Both are one field
    ["{ prompts(first: 3) { nodes { id } nodes { id name } } }", 5],
    ["{ prompts(first: 3) { totalCount } }", 4],
    ["query ($all: Boolean = false) { prompts @include(if: $all) { nodes { id } } }", 1],
    [`{ metricSeries(key: "x", from: "2026-01-01", to: "2026-01-31", bucket: DAY) { mean } }`, 38],
  ])("%s costs %i", (document, expected) => {
    expect(cost(document)).toBe(expected);
  });

  test("a page of 100 with a page of 100 below each, as Relay asks for it", () => {
    const document = `{ prompts(first: 100) { totalCount pageInfo { hasNextPage endCursor }
      edges { cursor node { nodeId id name content createdAt
        analysisRuns(first: 100) { totalCount pageInfo { hasNextPage endCursor }
          edges { cursor node { nodeId id status startedAt finishedAt prompt { id } } } } } } } }`;
    expect(cost(document)).toBeLessThan(defaultOperationLimits.cost);
  });

  test("two thousand fields and the introspection of the whole schema", async () => {
    expect(cost(getIntrospectionQuery())).toBeLessThan(defaultOperationLimits.cost);
    const { status } = await graphql(gateway.url, { query: getIntrospectionQuery(), key });
    expect(status).toBe(200);
  });

  test("each query of the documentation", () => {
    const found = ["README.md", "docs/history.md", "docs/marts.md", "docs/walkthrough.md"]
      .flatMap((page) => {
        const text = readFileSync(join(repositoryRoot, page), "utf8");
        return [...text.matchAll(/^```graphql\n([\s\S]*?)^```/gm)].map(([, query = ""]) => query);
      });
    expect(found.length).toBeGreaterThan(3);
    for (const document of found) {
      expect(cost(document)).toBeLessThan(defaultOperationLimits.cost);
    }
  });

  test("a batch of 100 rich analyses", async () => {
    const items = Array.from({ length: 100 }, (_, n) => ({
      idempotencyKey: `rich ${n}`,
      promptContent: `Prompt ${n}`,
      status: "succeeded",
      startedAt: "2026-01-01T00:00:00Z",
      finishedAt: "2026-01-01T00:00:05Z",
      result: {
        detectedLanguage: "en",
        translated: false,
        formatValid: true,
        overallScore: 7,
        judgeScore: 7,
        semanticEntropy: 1,
        complexityScore: 1,
        lengthChars: 10,
        lengthWords: 2,
        contradictions: [],
        patches: [],
        clarifyQuestions: [],
        extraMetadata: { tags: Array.from({ length: 50 }, String) },
      },
      metrics: Array.from({ length: 20 }, (_, m) => ({ key: `metric ${m}`, valueNum: m })),
      nodeResults: Array.from({ length: 10 }, (_, m) => ({
        node: `node ${m}`,
        status: "ok",
        score: m,
        details: { a: [1, 2, 3] },
      })),
    }));
    const { recordAnalyses: { result } } = await graphqlData<
      { recordAnalyses: { result: { outcome: string; message: string | null }[] } }
    >(gateway.url, {
      key,
      query: `mutation ($items: [AnalysisItemInput!]!) {
        recordAnalyses(input: { items: $items }) { result { outcome message } } }`,
      variables: { items },
    });
    expect(new Set(result.map(({ outcome, message }) => `${outcome} ${message}`)))
      .toEqual(new Set(["inserted null"]));
  });
});

describe("an answer has a bound, too", () => {
  beforeAll(async () => {
    await database.query(
      `insert into core.prompts (organization_id, name, content)
       select $1, 'long ' || n, repeat('a long text ', 80000) from generate_series(1, 40) as n`,
      [acme.id],
    );
  });

  test.each([
    ["long texts in a page", "{ prompts { nodes { content } } }"],
    [
      "long texts under many names",
      `{ prompts(first: 2) { nodes { ${repeat(20, (n) => `a${n}: content`)} } } }`,
    ],
    [
      "long texts below one row",
      "{ organizations { nodes { prompts { nodes { content } } } } }",
    ],
  ])("%s", async (_name, query) => {
    const { status, data, errors } = await graphql(gateway.url, { query, key });
    expect(errors?.map(({ extensions }) => extensions?.code)).toContain("LIMIT");
    expect(new Set(errors?.map(({ extensions }) => extensions?.code)).size).toBe(1);
    expect(status).toBe(400);
    expect(data ?? null).toBeNull();
    // The next request finds a connection that works
    expect((await graphql(gateway.url, { query: "{ viewer { userId } }", key })).status).toBe(200);
  });

  test("what fits is answered", async () => {
    const { prompts } = await graphqlData<{ prompts: { nodes: { content: string }[] } }>(
      gateway.url,
      { key, query: "{ prompts(first: 10) { nodes { content } } }" },
    );
    expect(prompts.nodes.map(({ content }) => content.length)).toEqual(Array(10).fill(960_000));
  });

  test("the bounds are the operator's to choose", async () => {
    const small = await startGateway(database, {
      operationLimits: { cost: 10, answerBytes: 1_000, inputValues: 5 },
    });
    try {
      const ask = async (query: string) =>
        (await graphql(small.url, { query, key })).errors?.[0]?.message ?? "passes";
      expect(await ask("{ prompts(first: 5) { nodes { id } } }")).toBe("passes");
      expect(await ask("{ prompts(first: 15) { nodes { id } } }")).toContain("may cost is 10");
      expect(await ask("{ prompts(first: 1) { nodes { content } } }")).toContain("bytes");
      expect(
        await ask(
          `{ prompts(first: 1, filter: { name: { in: ["1", "2", "3", "4", "5"] } }) { totalCount } }`,
        ),
      )
        .toContain("may have 5 values");
    } finally {
      await small.stop();
    }
  });
});
