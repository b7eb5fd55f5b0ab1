import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { pino } from "pino";
import { beforeAll, describe, expect, test } from "vitest";
import { repositoryRoot } from "../../src/shared/settings.ts";
import { withTestDatabase } from "../helpers/database.ts";
import { withGateway } from "../helpers/gateway.ts";
import { graphql, graphqlData } from "../helpers/graphql.ts";
import { makeKey, makeOrganization, type TestOrganization } from "../helpers/make.ts";

const database = withTestDatabase();

beforeAll(async () => {
  await database.query(`
    create function ops.test_refuse(code text, field text, rule text) returns boolean
      language plpgsql volatile as $$
      begin
        raise exception using errcode = code, message = 'the words', column = field, constraint = rule,
          detail = 'secret detail', hint = 'secret hint';
      end $$;
    grant execute on function ops.test_refuse to curestry_member`);
});

const lines: string[] = [];
const gateway = withGateway(database, {
  log: pino({ level: "info" }, { write: (line: string) => void lines.push(line) }),
});
let organization: TestOrganization;
let key = "";

beforeAll(async () => {
  organization = await makeOrganization(database);
  key = await makeKey(database, organization, [
    "prompts:read",
    "prompts:write",
    "analyses:read",
    "analyses:write",
    "rubrics:read",
    "rubrics:write",
  ]);
});

/** The first error of an operation, without its place. */
async function errorOf(query: string, variables: Record<string, unknown> = {}) {
  const { status, errors } = await graphql(gateway.url, { query, variables, key });
  expect(errors).toHaveLength(1);
  const { message, extensions } = errors?.[0] ?? {};
  return { status, message, ...extensions };
}

describe("every SQLSTATE has one code", () => {
  test.each([
    ["CU001", 401, "UNAUTHENTICATED"],
    ["CU002", 200, "FORBIDDEN"],
    ["CU003", 200, "NOT_FOUND"],
    ["CU004", 200, "INVALID"],
    ["CU005", 200, "CONFLICT"],
    ["CU006", 200, "LIMIT"],
    ["CU007", 503, "UNAVAILABLE"],
    ["22000", 200, "INVALID"],
    ["22P02", 200, "INVALID"],
    ["23502", 200, "INVALID"],
    ["23514", 200, "INVALID"],
    ["23503", 200, "CONFLICT"],
    ["23505", 200, "CONFLICT"],
    ["23P01", 200, "CONFLICT"],
    ["40001", 200, "CONFLICT"],
    ["40P01", 200, "CONFLICT"],
    ["42501", 200, "FORBIDDEN"],
    ["53300", 503, "UNAVAILABLE"],
    ["57014", 503, "UNAVAILABLE"],
    ["08006", 503, "UNAVAILABLE"],
    ["P0001", 200, "INTERNAL"],
    ["42P01", 200, "INTERNAL"],
    ["XX000", 200, "INTERNAL"],
    ["CU999", 200, "INTERNAL"],
  ])("%s is HTTP %i, %s", async (state, status, code) => {
    const query = `mutation ($code: String!) {
      testRefuse(input: { code: $code, field: "", rule: "" }) { result } }`;
    expect(await errorOf(query, { code: state })).toMatchObject({ status, code });
  });

  test("the list in sql/app/request/refuse.sql is this one", async () => {
    const path = join(repositoryRoot, "sql", "app", "request", "refuse.sql");
    const listed = [...(await readFile(path, "utf8")).matchAll(/(CU\d{3}) ([A-Z_]+)/g)];
    expect(listed.length).toBeGreaterThan(0);
    for (const [, state, code] of listed) {
      const query =
        `mutation { testRefuse(input: { code: "${state}", field: "", rule: "" }) { result } }`;
      expect(await errorOf(query)).toMatchObject({ code });
    }
  });
});

test("what our functions raise keeps its words, field and rule, and nothing else", async () => {
  const query =
    `mutation { testRefuse(input: { code: "CU004", field: "format_type", rule: "a_rule" }) { result } }`;
  expect(await errorOf(query)).toEqual({
    status: 200,
    message: "the words",
    code: "INVALID",
    field: "formatType",
    constraint: "a_rule",
  });
});

test("an internal error tells the request's id, and the log tells the rest under it", async () => {
  lines.length = 0;
  const answer = await graphql(gateway.url, {
    key,
    query: `mutation { testRefuse(input: { code: "XX000", field: "a", rule: "b" }) { result } }`,
    headers: { "x-request-id": "my-request" },
  });
  expect(answer.errors).toEqual([{
    message: "internal error",
    path: ["testRefuse"],
    locations: [{ line: 1, column: 12 }],
    extensions: { code: "INTERNAL", requestId: "my-request" },
  }]);
  const logged = lines.map((line) => JSON.parse(line)).find(({ level }) => level >= 50);
  expect(logged).toMatchObject({
    requestId: "my-request",
    path: ["testRefuse"],
    err: { message: "the words", code: "XX000" },
  });
});

describe("a broken rule is told in words, with the field", () => {
  const create = `mutation ($prompt: PromptInput!) {
    createPrompt(input: { prompt: $prompt }) { prompt { id } } }`;

  test.each([
    [{ name: "", content: "c" }, {
      message: "name must not be blank",
      code: "INVALID",
      field: "name",
      constraint: "chk_prompts_name",
    }],
    [{ name: "n", content: "c", tags: ["a\nb"] }, {
      message:
        "tags must be a JSON array of at most 100 strings, each of 1 to 100 characters on one line",
      code: "INVALID",
      field: "tags",
    }],
    [{ name: "n".repeat(256), content: "c" }, {
      message: "name must be at most 255 characters",
      code: "INVALID",
    }],
  ])("%j", async (prompt, expected) => {
    expect(await errorOf(create, { prompt })).toMatchObject({ status: 200, ...expected });
  });

  test.each(["n\0", "n\ud800"])("%j, which no database stores", async (name) => {
    expect(await errorOf(create, { prompt: { name, content: "c" } })).toMatchObject({
      status: 400,
      code: "INVALID",
      field: "name",
    });
  });

  test("a key that is taken", async () => {
    const query = `mutation ($r: UUID!) { createJudgeCriterion(input: { judgeCriterion:
      { rubricId: $r, key: "k", title: "t" } }) { judgeCriterion { id } } }`;
    const { createJudgeRubric: { judgeRubric } } = await graphqlData<
      { createJudgeRubric: { judgeRubric: { id: string } } }
    >(gateway.url, {
      key,
      query:
        `mutation { createJudgeRubric(input: { judgeRubric: { name: "r" } }) { judgeRubric { id } } }`,
    });
    await graphqlData(gateway.url, { key, query, variables: { r: judgeRubric.id } });
    expect(await errorOf(query, { r: judgeRubric.id })).toMatchObject({
      code: "CONFLICT",
      constraint: "unq_judge_criterion_key",
    });
  });

  test("a row that does not exist, or is another organization's", async () => {
    const other = await makeOrganization(database);
    const [rubric] = await database.query<{ id: string }>(
      "insert into ops.judge_rubric (organization_id, name) values ($1, 'theirs') returning id",
      [other.id],
    );
    for (const id of [crypto.randomUUID(), rubric?.id]) {
      expect(
        await errorOf(
          `mutation ($r: UUID!) { createJudgeCriterion(input: { judgeCriterion:
            { rubricId: $r, key: "k", title: "t" } }) { judgeCriterion { id } } }`,
          { r: id },
        ),
      ).toMatchObject({ code: "CONFLICT", field: "rubricId" });
    }
  });

  test("a row that others refer to", async () => {
    const { createPrompt: { prompt } } = await graphqlData<
      { createPrompt: { prompt: { id: string } } }
    >(gateway.url, { key, query: create, variables: { prompt: { name: "n", content: "c" } } });
    await graphqlData(gateway.url, {
      key,
      query:
        "mutation ($p: String) { startAnalysisRun(input: { promptId: $p }) { result { id } } }",
      variables: { p: prompt.id },
    });
    expect(
      await errorOf(
        "mutation ($p: String!) { deletePrompt(input: { id: $p }) { prompt { id } } }",
        { p: prompt.id },
      ),
    ).toMatchObject({ code: "CONFLICT", message: "Rows of analysisRun refer to this one" });
  });
});

test.each([
  [`updatePrompt(input: { id: "no-such", patch: { name: "x" } }) { prompt { id } }`],
  [`deletePrompt(input: { id: "no-such" }) { prompt { id } }`],
  [`updatePromptByNodeId(input: { nodeId: "no-such", patch: { name: "x" } }) { prompt { id } }`],
])("a change of no row is NOT_FOUND: %s", async (field) => {
  expect(await errorOf(`mutation { ${field} }`))
    .toEqual({ status: 200, code: "NOT_FOUND", message: "There is no such row" });
});

test.each([
  ["{", 400, "INVALID"],
  ["{ nonsense }", 400, "INVALID"],
  [`{ judgeRubric(id: "x") { id } }`, 400, "INVALID"],
  [`{ prompts(after: "x") { nodes { id } } }`, 200, "INVALID"],
  ["{ prompts(offset: -1) { nodes { id } } }", 200, "INVALID"],
  [`mutation { updatePrompt(input: { id: "x", patch: {} }) { prompt { id } } }`, 200, "INVALID"],
])("a document or an argument that is wrong: %s", async (document, status, code) => {
  expect(await errorOf(document)).toMatchObject({ status, code });
});

test("only members are told what they may have meant", async () => {
  const member = await graphql(gateway.url, { query: "{ promps { totalCount } }", key });
  expect(member.errors?.[0]?.message).toContain("Did you mean");
  const anonymous = await graphql(gateway.url, { query: "{ viewr { userId } }" });
  expect(anonymous.errors).toMatchObject([{ extensions: { code: "UNAUTHENTICATED" } }]);
  expect(anonymous.errors?.[0]?.message).toMatch(/^"viewr" is not there without credentials: send/);
});

test("numbers may be sent as clients have them, and nothing else counts as one", async () => {
  const query =
    `mutation ($r: UUID!, $k: String!, $w: BigFloat) { createJudgeCriterion(input: { judgeCriterion:
    { rubricId: $r, key: $k, title: "t", weight: $w } }) { judgeCriterion { weight } } }`;
  const { createJudgeRubric: { judgeRubric } } = await graphqlData<
    { createJudgeRubric: { judgeRubric: { id: string } } }
  >(gateway.url, {
    key,
    query:
      `mutation { createJudgeRubric(input: { judgeRubric: { name: "numbers" } }) { judgeRubric { id } } }`,
  });
  const r = judgeRubric.id;
  for (const [n, w] of [1, 0.125, "2.50", "1e2", 1e-7].entries()) {
    const { createJudgeCriterion: { judgeCriterion } } = await graphqlData<
      { createJudgeCriterion: { judgeCriterion: { weight: string } } }
    >(gateway.url, { key, query, variables: { r, k: `v${n}`, w } });
    expect(Number(judgeCriterion.weight)).toBe(Number(w));
  }
  for (const [n, w] of [`3`, `0.5`, `"7.25"`].entries()) {
    await graphqlData(gateway.url, {
      key,
      query: query.replace("$w }", `${w} }`).replace(", $w: BigFloat", ""),
      variables: { r, k: `l${n}` },
    });
  }
  for (const w of ["abc", "", "1e9999", true, [1], { a: 1 }]) {
    expect(await errorOf(query, { r, k: "x", w })).toMatchObject({ status: 400, code: "INVALID" });
  }
  // A constraint refuses these
  for (const w of ["NaN", "Infinity", "-Infinity"]) {
    expect(await errorOf(query, { r, k: "x", w })).toMatchObject({
      code: "INVALID",
      message: "weight must be from 0 to 1000000",
    });
  }
});
