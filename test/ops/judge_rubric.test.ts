import { beforeEach, describe, expect, test } from "vitest";
import { withClient } from "../../src/database/open_client.ts";
import { withTestDatabase } from "../helpers/database.ts";
import { withGateway } from "../helpers/gateway.ts";
import { graphql, graphqlData } from "../helpers/graphql.ts";
import { recordAnalyses } from "../helpers/graphql_analyses.ts";
import { makeKey, makeOrganization, type TestOrganization } from "../helpers/make.ts";
import { untilBlocked } from "../helpers/sessions.ts";

const database = withTestDatabase();
const gateway = withGateway(database);
let organization: TestOrganization;
let key: string;
let rubricId: string;
let criteria: { id: string; key: string }[];

beforeEach(async () => {
  organization = await makeOrganization(database);
  key = await makeKey(database, organization, [
    "analyses:read",
    "analyses:write",
    "rubrics:read",
    "rubrics:write",
  ]);
  const [rubric] = await database.query<{ id: string }>(
    "insert into ops.judge_rubric (organization_id, name) values ($1, 'Quality') returning id",
    [organization.id],
  );
  rubricId = rubric?.id ?? "";
  criteria = await database.query<{ id: string; key: string }>(
    "insert into ops.judge_criterion (organization_id, rubric_id, key, title, weight) values ($1, $2, 'clarity', 'C', 3), ($1, $2, 'safety', 'S', 1) returning id, key",
    [organization.id, rubricId],
  );
});

const scores = (clarity: number, safety?: number) => [
  { rubric: "Quality", criterion: "clarity", score: clarity },
  ...(safety === undefined ? [] : [{ rubric: "Quality", criterion: "safety", score: safety }]),
];

async function judge(given: ReturnType<typeof scores>): Promise<string> {
  const [outcome] = await recordAnalyses(gateway.url, key, [{ promptContent: "x", scores: given }]);
  expect(outcome?.outcome).toBe("inserted");
  return outcome?.analysisRunId ?? "";
}

async function change(mutation: string, variables: Record<string, unknown>) {
  const { errors } = await graphql(gateway.url, { key, query: mutation, variables });
  return errors?.[0]?.extensions?.code;
}

const WEIGHT =
  `mutation ($id: UUID!) { updateJudgeCriterion(input: { id: $id, patch: { weight: 2 } }) { clientMutationId } }`;
const DROP =
  `mutation ($id: UUID!) { deleteJudgeCriterion(input: { id: $id }) { clientMutationId } }`;
const ADD =
  `mutation ($id: UUID!) { createJudgeCriterion(input: { judgeCriterion: { rubricId: $id, key: "new", title: "N" } }) { clientMutationId } }`;
const RENAME =
  `mutation ($id: UUID!) { updateJudgeRubric(input: { id: $id, patch: { name: "Other" } }) { clientMutationId } }`;
const DELETE =
  `mutation ($id: UUID!) { deleteJudgeRubric(input: { id: $id }) { clientMutationId } }`;

test("a rubric changes freely until a score is given by it, and not at all afterwards", async () => {
  expect(await change(WEIGHT, { id: criteria[0]?.id })).toBeUndefined();
  await judge(scores(5));
  for (
    const [mutation, id] of [
      [WEIGHT, criteria[0]?.id],
      [WEIGHT, criteria[1]?.id],
      [DROP, criteria[1]?.id],
      [ADD, rubricId],
      [RENAME, rubricId],
      [DELETE, rubricId],
    ]
  ) {
    expect(await change(mutation ?? "", { id }), mutation).toBe("CONFLICT");
  }
  const rows = await database.query(
    "select r.name, c.key, c.weight::int from ops.judge_rubric r join ops.judge_criterion c on c.rubric_id = r.id where r.id = $1 order by 2",
    [rubricId],
  );
  expect(rows).toEqual([
    { name: "Quality", key: "clarity", weight: 2 },
    { name: "Quality", key: "safety", weight: 1 },
  ]);
});

test("a new version is a copy that can be changed; scores go to it from then on", async () => {
  const before = await judge(scores(5));
  const { reviseJudgeRubric: { result } } = await graphqlData<
    {
      reviseJudgeRubric: {
        result: {
          id: string;
          version: number;
          judgeCriteria: { nodes: { id: string; key: string; weight: number }[] };
        };
      };
    }
  >(gateway.url, {
    key,
    query:
      `mutation ($id: UUID!) { reviseJudgeRubric(input: { id: $id }) { result { id version judgeCriteria(orderBy: KEY_ASC) { nodes { id key weight } } } } }`,
    variables: { id: rubricId },
  });
  expect(result.version).toBe(2);
  expect(result.judgeCriteria.nodes.map(({ key, weight }) => [key, weight])).toEqual([[
    "clarity",
    3,
  ], ["safety", 1]]);
  expect(await change(WEIGHT, { id: result.judgeCriteria.nodes[0]?.id })).toBeUndefined();
  const after = await judge(scores(6));
  const rows = await database.query<{ run: string; version: number }>(
    "select s.analysis_run_id as run, r.version from ops.judge_score s join ops.judge_criterion c on c.id = s.criterion_id join ops.judge_rubric r on r.id = c.rubric_id where s.organization_id = $1 order by r.version",
    [organization.id],
  );
  expect(rows).toEqual([{ run: before, version: 1 }, { run: after, version: 2 }]);
});

test("a new version has to do with no other rubric", async () => {
  const other = await makeOrganization(database);
  const [foreign] = await database.query<{ id: string }>(
    `with r as (
       insert into ops.judge_rubric (organization_id, name, version)
       values ($1, 'Other', 5), ($2, 'Quality', 7) returning organization_id, id
     ), c as (
       insert into ops.judge_criterion (organization_id, rubric_id, key, title)
       select organization_id, id, 'speed', 'S' from r
     )
     select id from r where organization_id = $2`,
    [organization.id, other.id],
  );
  const revise = (id?: string) =>
    graphql<
      { reviseJudgeRubric: { result: { version: number; judgeCriteria: { totalCount: number } } } }
    >(gateway.url, {
      key,
      query:
        `mutation ($id: UUID!) { reviseJudgeRubric(input: { id: $id }) { result { version judgeCriteria { totalCount } } } }`,
      variables: { id },
    });
  for (const version of [2, 3]) {
    expect((await revise(rubricId)).data?.reviseJudgeRubric.result)
      .toEqual({ version, judgeCriteria: { totalCount: 2 } });
  }
  expect((await revise(foreign?.id)).errors?.[0]?.extensions).toMatchObject({ code: "NOT_FOUND" });
  await judge(scores(5));
  expect(await change(RENAME, { id: rubricId })).toBeUndefined();
});

test("of a score and a change of its rubric at the same moment, the second waits and a change is refused", async () => {
  await withClient(database.adminUrl, async (writer) => {
    await writer.query("begin");
    await writer.query("select app.analysis_import($1, $2)", [
      organization.id,
      JSON.stringify([{ line: 1, record: { promptContent: "x", scores: scores(5) } }]),
    ]);
    const changing = change(WEIGHT, { id: criteria[0]?.id });
    await untilBlocked(database);
    await writer.query("commit");
    expect(await changing).toBe("CONFLICT");
  });
});

test("a rubric by which scores were given goes with its organization", async () => {
  await judge(scores(5, 6));
  await database.query("delete from ops.organization where id = $1", [organization.id]);
  expect(await database.query("select from ops.judge_rubric where id = $1", [rubricId])).toEqual(
    [],
  );
});

describe("the weighted score of a run", () => {
  const weighted = async (id: string, rubric: string | null = null) =>
    (await graphqlData<{ analysisRun: { weightedScore: string | null } }>(gateway.url, {
      key,
      query:
        `query ($id: UUID!, $rubric: UUID) { analysisRun(id: $id) { weightedScore(rubricId: $rubric) } }`,
      variables: { id, rubric },
    })).analysisRun.weightedScore;

  test("is the mean by the criteria's weights", async () => {
    expect(Number(await weighted(await judge(scores(8, 4))))).toBe(7);
  });

  test("is null unless every criterion has a score, and without any", async () => {
    expect(await weighted(await judge(scores(8)))).toBeNull();
    expect(await weighted(await judge([]))).toBeNull();
    expect(await weighted(await judge([]), rubricId)).toBeNull();
  });
});
