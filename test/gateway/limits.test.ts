import { beforeAll, describe, expect, test } from "vitest";
import { getIntrospectionQuery } from "postgraphile/graphql";
import { limits } from "../../src/gateway/graphql/limits.ts";
import { withTestDatabase } from "../helpers/database.ts";
import { withGateway } from "../helpers/gateway.ts";
import { graphql, graphqlData } from "../helpers/graphql.ts";
import { makeKey, makeOrganization } from "../helpers/make.ts";

const database = withTestDatabase();
const gateway = withGateway(database);
let key = "";

beforeAll(async () => {
  const acme = await makeOrganization(database, { slug: "acme" });
  key = await makeKey(database, acme, [
    "prompts:read",
    "prompts:write",
    "analyses:read",
    "rubrics:read",
  ]);
  await database.query(
    `insert into core.prompts (organization_id, name, content)
     select $1, 'prompt ' || n, 'content' from generate_series(1, 130) as n`,
    [acme.id],
  );
});

/** Sends a document and measures it: its own time, which is the time that everybody else waits. */
async function measure(query: string, variables: Record<string, unknown> = {}) {
  const start = performance.now();
  const { status, data, errors } = await graphql(gateway.url, { query, variables, key });
  return { status, data, errors, ms: performance.now() - start };
}

function repeat(count: number, make: (index: number) => string): string {
  return Array.from({ length: count }, (_, index) => make(index)).join(" ");
}

/** Each of its fragments spreads the next one four times. */
const fragments = repeat(
  12,
  (n) =>
    `fragment F${n} on Prompt { ${
      repeat(
        4,
        (m) => `a${m}: promptRelationsBySourceId { nodes { target { ...F${n + 1} } } }`,
      )
    } }`,
) + " fragment F12 on Prompt { id }";

/** A document as large as the limits. Its name makes it another one, which is planned anew. */
const largest = (name: string) =>
  `query ${name} { ${
    repeat(20, (n) =>
      `a${n}: prompts(first: ${n + 1}) { totalCount nodes { id name
          analysisRuns(first: 5) { nodes { id judgeScores(first: 5) { nodes { score criterion { key } } } } } } }`)
  } }`;

describe("too much is refused before it is planned", () => {
  /** How long the largest document takes that is planned: those that are refused take no longer. */
  let planned = 0;
  beforeAll(async () => {
    const { status, ms } = await measure(largest("Planned"));
    expect(status).toBe(200);
    planned = ms;
  });

  test.each([
    ["10,000 aliases", `{ ${repeat(10_000, (n) => `a${n}: prompts { totalCount }`)} }`],
    ["2,400 aliases", `{ ${repeat(2_400, (n) => `a${n}: prompts { totalCount }`)} }`],
    ["aliases of __typename", `{ viewer { ${repeat(101, (n) => `a${n}: __typename`)} } }`],
    ["root fields", `{ ${repeat(31, (n) => `a${n}: viewer { userId }`)} }`],
    [
      "root fields in fragments",
      `{ ${repeat(31, () => "...F")} } fragment F on Query { __typename }`,
    ],
    ["one field 9,000 times", `{ viewer { ${repeat(9_000, () => "userId")} } }`],
    ["fields", `{ prompts { nodes { ${repeat(2_001, () => "id")} } } }`],
    [
      "objects",
      `{ prompts { nodes { ${repeat(201, () => "analysisRuns { totalCount }")} } } }`,
    ],
    [
      "equal fields, which have to be compared with each other",
      `{ prompts { nodes { ${repeat(1_500, () => "id")} } } }`,
    ],
    [
      "levels",
      `{ prompts { nodes { ${repeat(6, () => "organization { prompts { nodes {")} id ${
        repeat(6, () => "} } }")
      } } } }`,
    ],
    ["levels without end", `{ ${repeat(4_000, () => "a {")} b ${repeat(4_000, () => "}")} }`],
    ["directives", `{ viewer { userId ${repeat(60, () => "@skip(if: false)")} } }`],
    ["directives without end", `{ viewer { userId ${repeat(20_000, () => "@a")} } }`],
    ["fragments that multiply", `{ prompts { nodes { ...F0 } } } ${fragments}`],
    [
      "a literal that is nested too deep",
      `{ prompts(filter: ${repeat(60, () => "{ not:")} {} ${
        repeat(60, () => "}")
      }) { totalCount } }`,
    ],
  ])("%s", async (_name, document) => {
    const { status, data, errors, ms } = await measure(document);
    expect(errors?.[0]).toMatchObject({ extensions: { code: "LIMIT" } });
    expect({ status, data }).toEqual({ status: 400, data: undefined });
    expect(ms).toBeLessThan(5 * planned);
  });

  test("variables that are nested too deep", async () => {
    let filter: Record<string, unknown> = {};
    for (let level = 0; level < 60; level++) filter = { not: filter };
    const { errors } = await measure(
      "query ($f: PromptFilter) { prompts(filter: $f) { totalCount } }",
      {
        f: filter,
      },
    );
    expect(errors?.[0]?.extensions?.code).toBe("LIMIT");
  });

  test("introspection that goes round in circles", async () => {
    const { status, errors, ms } = await measure(
      `{ __schema { types { ${repeat(20, () => "fields { type {")} name ${
        repeat(20, () => "} }")
      } } } }`,
    );
    expect(status).toBe(400);
    expect(errors).toHaveLength(1);
    expect(ms).toBeLessThan(5 * planned);
  });

  test("fragments in a circle", async () => {
    const { status } = await measure(
      "{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }",
    );
    expect(status).toBe(400);
  });

  test("a list of operations", async () => {
    const answer = await fetch(`${gateway.url}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${key}` },
      body: JSON.stringify([{ query: "{ viewer { userId } }" }]),
    });
    expect(answer.status).toBe(400);
    expect(await answer.json()).toMatchObject({ errors: [{ extensions: { code: "LIMIT" } }] });
  });
});

describe("what honest clients send passes", () => {
  test("the introspection queries of explorers and generators", async () => {
    for (
      const options of [{}, {
        specifiedByUrl: true,
        directiveIsRepeatable: true,
        schemaDescription: true,
        inputValueDeprecation: true,
      }]
    ) {
      const { status } = await graphql(gateway.url, { query: getIntrospectionQuery(options), key });
      expect(status).toBe(200);
    }
  });

  test("a document as large as the limits, which is planned before the gateway gives up", async () => {
    const { status, errors } = await measure(largest("Honest"));
    expect({ status, errors }).toEqual({ status: 200, errors: undefined });
  });

  test("a text of one megabyte", async () => {
    const content = "é".repeat(512 * 1024);
    const { createPrompt: { prompt } } = await graphqlData<
      { createPrompt: { prompt: { content: string } } }
    >(gateway.url, {
      key,
      query: `mutation ($prompt: PromptInput!) {
        createPrompt(input: { prompt: $prompt }) { prompt { content } }
      }`,
      variables: { prompt: { name: "Long", content } },
    });
    expect(prompt.content === content).toBe(true);
  });
});

describe("pages", () => {
  async function count(query: string, variables: Record<string, unknown> = {}) {
    const data = await graphqlData<{ prompts: { nodes: unknown[]; totalCount: number } }>(
      gateway.url,
      { query, variables, key },
    );
    return [data.prompts.nodes.length, data.prompts.totalCount >= 130];
  }

  test("100 rows when nothing is said, and otherwise what is said", async () => {
    expect(await count("{ prompts { totalCount nodes { id } } }")).toEqual([100, true]);
    expect(await count("{ prompts(first: 3) { totalCount nodes { id } } }")).toEqual([3, true]);
    expect(await count("{ prompts(first: 0) { totalCount nodes { id } } }")).toEqual([0, true]);
    expect(await count("{ prompts(last: 3) { totalCount nodes { id } } }")).toEqual([3, true]);
    const variable = "query ($n: Int) { prompts(first: $n) { totalCount nodes { id } } }";
    expect(await count(variable, { n: 100 })).toEqual([100, true]);
    expect(await count(variable, { n: null })).toEqual([100, true]);
    expect(await count(variable)).toEqual([100, true]);
    expect(await count("query ($n: Int = 7) { prompts(first: $n) { totalCount nodes { id } } }"))
      .toEqual([7, true]);
  });

  test("of functions too", async () => {
    await database.query(`update core.prompts set tags = '["all"]'`);
    const { promptsByTags } = await graphqlData<{ promptsByTags: { nodes: unknown[] } }>(
      gateway.url,
      { query: `{ promptsByTags(tags: ["all"]) { nodes { id } } }`, key },
    );
    expect(promptsByTags.nodes).toHaveLength(limits.pageSize);
  });

  test("pages follow each other by cursor until there are no more", async () => {
    const seen = new Set<string>();
    let after: string | null = null;
    do {
      const { prompts }: {
        prompts: { nodes: { id: string }[]; pageInfo: { endCursor: string; hasNextPage: boolean } };
      } = await graphqlData(gateway.url, {
        key,
        query: `query ($after: Cursor) { prompts(first: 50, after: $after, orderBy: NAME_ASC) {
          nodes { id } pageInfo { endCursor hasNextPage } } }`,
        variables: { after },
      });
      for (const { id } of prompts.nodes) {
        expect(seen.has(id)).toBe(false);
        seen.add(id);
      }
      after = prompts.pageInfo.hasNextPage ? prompts.pageInfo.endCursor : null;
    } while (after !== null);
    expect(seen.size).toBeGreaterThanOrEqual(130);
  });

  test.each([
    ["literally", "{ prompts(first: 101) { totalCount } }"],
    ["from behind", "{ prompts(last: 101) { totalCount } }"],
    ["less than none", "{ prompts(first: -1) { totalCount } }"],
    [
      "below another list",
      "{ prompts { nodes { analysisRuns(first: 2147483647) { totalCount } } } }",
    ],
    ["in a fragment", "{ ...F } fragment F on Query { prompts(first: 101) { totalCount } }"],
    ["in an inline fragment", "{ ... on Query { prompts(first: 101) { totalCount } } }"],
    ["by a variable", "query ($n: Int) { prompts(first: $n) { totalCount } }"],
    ["by a variable's default", "query ($m: Int = 101) { prompts(first: $m) { totalCount } }"],
    [
      "in what a mutation answers",
      `mutation { createPrompt(input: { prompt: { name: "x", content: "x" } }) {
         prompt { analysisRuns(first: 101) { totalCount } } } }`,
    ],
  ])("more than 100 are refused: %s", async (_name, query) => {
    const before = await database.query("select from core.prompts");
    const { status, errors } = await graphql(gateway.url, { query, variables: { n: 101 }, key });
    expect(status).toBe(400);
    expect(errors?.[0]?.extensions?.code).toBe("LIMIT");
    expect(await database.query("select from core.prompts")).toHaveLength(before.length);
  });
});
