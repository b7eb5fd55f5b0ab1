import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { repositoryRoot } from "../../src/shared/settings.ts";
import { withTestDatabase } from "../helpers/database.ts";
import { withGateway } from "../helpers/gateway.ts";
import { graphql, graphqlData } from "../helpers/graphql.ts";
import { createPrompt, withSubscribers } from "../helpers/live.ts";
import { makeKey, makeOrganization, type TestOrganization } from "../helpers/make.ts";

/** What the API explorer offers. */
interface Example {
  title: string;
  /** The permissions that it takes. */
  needs: string[];
  query: string;
  variables?: Record<string, unknown>;
}

const examples: Example[] = JSON.parse(
  await readFile(join(repositoryRoot, "src/gateway/pages/examples.json"), "utf8"),
);
const isSubscription = ({ query }: Example) => query.startsWith("subscription");
const operations = examples.filter((example) => !isSubscription(example));
const subscriptions = examples.filter(isSubscription);

const database = withTestDatabase();
const gateway = withGateway(database);
const subscribe = withSubscribers(gateway, () => "");
let organization: TestOrganization;

beforeAll(async () => {
  organization = await makeOrganization(database);
  // Only what is there can be refused
  const key = await makeKey(database, organization, [
    ...["prompts:read", "prompts:write", "analyses:read", "analyses:write"],
    ...["rubrics:read", "rubrics:write"],
  ]);
  const { createJudgeRubric } = await graphqlData<
    { createJudgeRubric: { judgeRubric: { id: string } } }
  >(gateway.url, {
    key,
    query: `mutation {
      createJudgeRubric(input: { judgeRubric: { name: "Style" } }) { judgeRubric { id } }
    }`,
  });
  await graphqlData(gateway.url, {
    key,
    query: `mutation ($rubricId: UUID!, $promptId: String!) {
      createJudgeCriterion(
        input: { judgeCriterion: { rubricId: $rubricId, key: "clarity", title: "Clarity" } }
      ) { clientMutationId }
      recordAnalyses(
        input: {
          items: [{ promptId: $promptId, scores: [{ rubric: "Style", criterion: "clarity", score: 7 }] }]
        }
      ) { result { outcome } }
    }`,
    variables: {
      rubricId: createJudgeRubric.judgeRubric.id,
      promptId: await createPrompt(gateway.url, key, "A prompt"),
    },
  });
});

async function errorsWith(example: Example, permissions: string[]): Promise<unknown[]> {
  const key = await makeKey(database, organization, permissions);
  const { errors = [] } = await graphql(gateway.url, { ...example, key });
  return errors;
}

test.each(operations)("$title: runs with what it needs, and no less", async (example) => {
  expect(await errorsWith(example, example.needs.length > 0 ? example.needs : ["prompts:read"]))
    .toEqual([]);
  for (const missing of example.needs) {
    const others = example.needs.filter((permission) => permission !== missing);
    const errors = await errorsWith(example, others.length > 0 ? others : ["features:write"]);
    expect([missing, errors]).not.toEqual([missing, []]);
  }
});

test.each(subscriptions)("$title: runs with what it needs", async (example) => {
  const key = await makeKey(database, organization, example.needs);
  await subscribe("events", { ...example, key }).ready();
});
