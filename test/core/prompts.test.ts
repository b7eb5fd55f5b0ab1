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

const SCOPES = ["prompts:read", "prompts:write", "analyses:read", "analyses:write"];

beforeAll(async () => {
  key = await makeKey(database, await makeOrganization(database), SCOPES);
  foreignKey = await makeKey(database, await makeOrganization(database), SCOPES);
});

async function create(prompt: Record<string, unknown>, credential = key) {
  return await graphql<{ createPrompt: { prompt: { id: string } } | null }>(gateway.url, {
    key: credential,
    query:
      `mutation ($prompt: PromptInput!) { createPrompt(input: { prompt: $prompt }) { prompt { id } } }`,
    variables: { prompt },
  });
}

async function made(prompt: Record<string, unknown>, credential = key): Promise<string> {
  const { data, errors } = await create(prompt, credential);
  expect(errors).toBeUndefined();
  return data?.createPrompt?.prompt.id ?? "";
}

describe("bad input names the field and the rule, and changes nothing", () => {
  const good = { name: "n", content: "c" };
  test.each([
    ["no content", { name: "n" }, "content", /content/],
    ["a blank name", { ...good, name: " \n" }, "name", /name must not be blank/],
    ["a name of 256 characters", { ...good, name: "ä".repeat(256) }, "name", /at most 255/],
    ["a blank content", { ...good, content: " " }, "content", /content must not be blank/],
    ["a content above 1 MiB", { ...good, content: "ä".repeat(524_289) }, "content", /1 MiB/],
    [
      "an unknown format",
      { ...good, formatType: "pdf" },
      "formatType",
      /auto, text, markdown or xml/,
    ],
    ["a language that is none", { ...good, language: "e" }, "language", /language code/],
    ["tags that are no list", { ...good, tags: { a: 1 } }, "tags", /tags: String cannot represent/],
    ["metadata that is a list", { ...good, extraMetadata: [] }, "extraMetadata", /JSON object/],
  ])("%s", async (_, prompt, field, rule) => {
    const { errors, status } = await create(prompt);
    // GraphQL's own type check, before the database
    if (status === 400) expect(errors?.[0]?.message).toContain(field);
    expect(errors?.[0]?.extensions).toMatchObject({ code: "INVALID", field });
    expect(errors?.[0]?.message).toMatch(rule);
  });

  test("limits are inclusive", async () => {
    await made({ name: "ä".repeat(255), content: "ä".repeat(524_288) });
  });
});

test("a prompt comes with its relations and analyses in one request", async () => {
  const [a, b, c] = [
    await made({ name: "a", content: "a" }),
    await made({ name: "b", content: "b" }),
    await made({ name: "c", content: "c" }),
  ];
  for (const [source, target, type] of [[a, b, "depends_on"], [c, a, "overrides"]]) {
    await graphqlData(gateway.url, {
      key,
      query:
        `mutation ($relation: PromptRelationInput!) { createPromptRelation(input: { promptRelation: $relation }) { clientMutationId } }`,
      variables: { relation: { sourceId: source, targetId: target, relationType: type } },
    });
  }
  await recordAnalyses(gateway.url, key, [{ promptId: a, result: RESULT }]);
  const { prompt } = await graphqlData<{ prompt: unknown }>(gateway.url, {
    key,
    query: `query ($id: String!) {
      prompt(id: $id) {
        name
        promptRelationsBySourceId { nodes { relationType target { name } } }
        promptRelationsByTargetId { nodes { relationType source { name } } }
        analysisResults { nodes { overallScore } }
      }
    }`,
    variables: { id: a },
  });
  expect(prompt).toEqual({
    name: "a",
    promptRelationsBySourceId: { nodes: [{ relationType: "depends_on", target: { name: "b" } }] },
    promptRelationsByTargetId: { nodes: [{ relationType: "overrides", source: { name: "c" } }] },
    analysisResults: { nodes: [{ overallScore: 8 }] },
  });
});

test("a prompt that has been analysed stays; one that has not goes with its relations", async () => {
  const [analysed, free, other] = [
    await made({ name: "x", content: "x" }),
    await made({ name: "y", content: "y" }),
    await made({ name: "z", content: "z" }),
  ];
  await recordAnalyses(gateway.url, key, [{ promptId: analysed, result: RESULT }]);
  await graphqlData(gateway.url, {
    key,
    query:
      `mutation ($relation: PromptRelationInput!) { createPromptRelation(input: { promptRelation: $relation }) { clientMutationId } }`,
    variables: { relation: { sourceId: free, targetId: other, relationType: "depends_on" } },
  });
  const remove = (id: string, credential = key) =>
    graphql(gateway.url, {
      key: credential,
      query: `mutation ($id: String!) { deletePrompt(input: { id: $id }) { prompt { id } } }`,
      variables: { id },
    });
  expect((await remove(analysed)).errors?.[0]?.extensions?.code).toBe("CONFLICT");
  expect((await remove(free, foreignKey)).errors?.[0]?.extensions?.code).toBe("NOT_FOUND");
  expect((await remove(free)).errors).toBeUndefined();
  expect((await remove(free)).errors?.[0]?.extensions?.code).toBe("NOT_FOUND");
  const [row] = await database.query<{ prompts: number; relations: number }>(
    "select (select count(*)::int from core.prompts where id = any ($1)) as prompts, (select count(*)::int from core.prompt_relations where source_id = $2) as relations",
    [[analysed, free, other], free],
  );
  expect(row).toEqual({ prompts: 2, relations: 0 });
});

describe("promptsByTags", () => {
  const search = async (tags: string[], match: string, credential = key) =>
    (await graphqlData<{ promptsByTags: { nodes: { name: string }[] } }>(gateway.url, {
      key: credential,
      query:
        `query ($tags: [String!]!, $match: TagMatch!) { promptsByTags(tags: $tags, match: $match) { nodes { name } } }`,
      variables: { tags, match },
    })).promptsByTags.nodes.map(({ name }) => name).toSorted();

  beforeAll(async () => {
    await made({ name: "red", content: "x", tags: ["red"] });
    await made({ name: "red and blue", content: "x", tags: ["red", "blue"] });
    await made({ name: "theirs", content: "x", tags: ["red"] }, foreignKey);
  });

  test("finds the prompts with any or all of the tags, of one's own organization", async () => {
    expect(await search(["red"], "ANY")).toEqual(["red", "red and blue"]);
    expect(await search(["red", "blue"], "ANY")).toEqual(["red", "red and blue"]);
    expect(await search(["red", "blue"], "ALL")).toEqual(["red and blue"]);
    expect(await search(["green"], "ANY")).toEqual([]);
    expect(await search(["red"], "ANY", foreignKey)).toEqual(["theirs"]);
  });

  test("is refused to a key without prompts:read", async () => {
    const [row] = await database.query<{ organization_id: string }>(
      "select organization_id from core.prompts where name = 'red'",
    );
    const blind = await database.query<{ key: string }>(
      "select key from app.api_key_create($1, null, 'blind', '{analyses:read}', null)",
      [row?.organization_id],
    );
    const { data, errors } = await graphql(gateway.url, {
      key: blind[0]?.key ?? "",
      query: `{ promptsByTags(tags: ["red"], match: ANY) { nodes { name } } }`,
    });
    expect(data).toEqual({ promptsByTags: null });
    expect(errors).toMatchObject([{ extensions: { code: "FORBIDDEN" } }]);
  });
});

test("highEntropyAnalyses finds those above the threshold, of one's own organization", async () => {
  for (const credential of [key, foreignKey]) {
    await recordAnalyses(
      gateway.url,
      credential,
      [2.1, 2.5, 3].map((semanticEntropy) => ({
        promptContent: "x",
        result: { ...RESULT, semanticEntropy },
      })),
    );
  }
  const { highEntropyAnalyses } = await graphqlData<
    { highEntropyAnalyses: { nodes: { semanticEntropy: number }[] } }
  >(gateway.url, {
    key,
    query: "{ highEntropyAnalyses(threshold: 2.1) { nodes { semanticEntropy } } }",
  });
  expect(highEntropyAnalyses.nodes).toEqual([{ semanticEntropy: 3 }, { semanticEntropy: 2.5 }]);
});
