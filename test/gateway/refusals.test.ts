import { beforeAll, describe, expect, test } from "vitest";
import { withTestDatabase } from "../helpers/database.ts";
import { withGateway } from "../helpers/gateway.ts";
import { graphql } from "../helpers/graphql.ts";
import { makeKey, makeOrganization, type TestOrganization } from "../helpers/make.ts";
import { makePerson } from "../helpers/token.ts";

/** What a key may not read is told, at the field, and spoils nothing beside it. */

const database = withTestDatabase();
const gateway = withGateway(database);
let acme: TestOrganization;
let reader = "";

beforeAll(async () => {
  acme = await makeOrganization(database);
  reader = await makeKey(database, acme, ["prompts:read"]);
  await database.query(
    `with p as (insert into core.prompts (organization_id, name, content)
                select $1, 'Prompt ' || n, 'c' from generate_series(1, 2) as n returning id)
     insert into ops.analysis_run (organization_id, prompt_id, prompt_content) select $1, id, 'c' from p`,
    [acme.id],
  );
});

async function ask(key: string, query: string, variables: Record<string, unknown> = {}) {
  const { data, errors } = await graphql<Record<string, unknown>>(gateway.url, {
    key,
    query,
    variables,
  });
  return {
    data,
    refused: errors?.map((
      { path, extensions, message },
    ) => [path?.join("."), extensions?.code, message]),
  };
}

const needs = (permission: string) =>
  `This needs the permission ${permission}, which these credentials do not have`;

describe("of what may be read", () => {
  test("a field that may not be null, in its row, and the row stays", async () => {
    const query = `{ prompts(first: 2, orderBy: [NAME_ASC]) { nodes {
      name runs: analysisRuns { totalCount } promptRelationsBySourceId { totalCount } } } }`;
    const { data, refused } = await ask(reader, query);
    expect(data).toEqual({
      prompts: {
        nodes: [1, 2].map((n) => ({
          name: `Prompt ${n}`,
          runs: null,
          promptRelationsBySourceId: { totalCount: 0 },
        })),
      },
    });
    expect(refused).toEqual(
      [0, 1].map((n) => [`prompts.nodes.${n}.runs`, "FORBIDDEN", needs("analyses:read")]),
    );
    const both = await makeKey(database, acme, ["prompts:read", "analyses:read"]);
    const { data: all, refused: none } = await ask(both, query);
    expect(none).toBeUndefined();
    expect(JSON.stringify(all)).toContain('"runs":{"totalCount":1}');
  });

  test("in fragments, under other names, and not where it is skipped", async () => {
    const query = `query ($no: Boolean = false) {
      ...Roots viewer { permissions } skipped: judgeRubrics @include(if: $no) { totalCount }
    } fragment Roots on Query {
      a: analysisRuns { totalCount } ... on Query { b: judgeRubrics { totalCount } }
      c: prompts { nodes { ...Runs } }
    } fragment Runs on Prompt { analysisRuns { nodes { id } } }`;
    const { data, refused } = await ask(reader, query);
    expect(data).toEqual({
      a: null,
      b: null,
      c: { nodes: [{ analysisRuns: null }, { analysisRuns: null }] },
      viewer: { permissions: ["prompts:read"] },
    });
    expect(refused?.map(([path]) => path).toSorted()).toEqual([
      "a",
      "b",
      "c.nodes.0.analysisRuns",
      "c.nodes.1.analysisRuns",
    ]);
  });
});

test("a mutation whose answer may not be read changes nothing; others beside it stand by themselves", async () => {
  const writer = await makeKey(database, acme, ["prompts:write", "analyses:write"]);
  const { data, refused } = await ask(
    writer,
    `mutation {
      record: recordAnalyses(input: { items: [{ promptContent: "x" }] }) { result { outcome } }
      create: createPrompt(input: { prompt: { name: "unseen", content: "c" } }) { prompt { id } }
    }`,
  );
  expect(data).toEqual({ record: { result: [{ outcome: "inserted" }] }, create: null });
  expect(refused).toEqual([["create", "FORBIDDEN", needs("prompts:read")]]);
  expect(await database.query("select from core.prompts where name = 'unseen'")).toEqual([]);
});

test("a permission that was given or taken within the last minute counts at once", async () => {
  const { userId, token } = await makePerson(database, "rights-change@x.example");
  await database.query(
    "insert into ops.organization_user (organization_id, user_id, role) values ($1, $2, 'viewer')",
    [acme.id, userId],
  );
  const query = "{ prompts { totalCount } auditLogs { __typename } }";
  for (const role of ["viewer", "admin", "viewer"]) {
    await database.query(
      "update ops.organization_user set role = $1 where organization_id = $2 and user_id = $3",
      [role, acme.id, userId],
    );
    const { data, errors } = await graphql<Record<string, unknown>>(gateway.url, {
      token,
      organization: acme.slug,
      query,
    });
    expect(data?.["prompts"]).not.toBeNull();
    expect([role, data?.["auditLogs"] === null]).toEqual([role, role === "viewer"]);
    expect(errors?.map(({ message }) => message)).toEqual(
      role === "viewer" ? [needs("audit:read")] : undefined,
    );
  }
});
