import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
  buildSchema,
  type GraphQLNamedType,
  type GraphQLOutputType,
  isEnumType,
  isInputObjectType,
  isListType,
  isNonNullType,
  isObjectType,
  isScalarType,
  isSpecifiedScalarType,
} from "graphql";
import { beforeAll, describe, expect, test } from "vitest";
import { repositoryRoot } from "../../src/shared/settings.ts";
import { withTestDatabase } from "../helpers/database.ts";
import { withGateway } from "../helpers/gateway.ts";
import { graphql, graphqlData } from "../helpers/graphql.ts";
import { makeKey, makeOrganization } from "../helpers/make.ts";

const text = readFileSync(join(repositoryRoot, "schema.graphql"), "utf8");
const schema = buildSchema(text);
const types = Object.values(schema.getTypeMap()).filter(({ name }) => !name.startsWith("__"));

function typeOf(type: string, field: string): string {
  const found = schema.getType(type);
  if (!isObjectType(found) && !isInputObjectType(found)) throw new Error(`There is no ${type}`);
  return String(found.getFields()[field]?.type);
}

test("the whole schema can be read: at most 6000 lines", () => {
  expect(text.split("\n").length).toBeLessThanOrEqual(6_001);
});

test("every type, field, argument and value says what it is", () => {
  const silent: string[] = [];
  const see = (path: string, { description }: { description?: string | null | undefined }) => {
    if (!description?.trim()) silent.push(path);
  };
  for (const type of types) {
    if (isScalarType(type) && isSpecifiedScalarType(type)) continue;
    see(type.name, type);
    if (isEnumType(type)) {
      for (const value of type.getValues()) see(`${type}.${value.name}`, value);
    }
    if (isInputObjectType(type)) {
      for (const field of Object.values(type.getFields())) see(`${type}.${field.name}`, field);
    }
    if (isObjectType(type)) {
      for (const field of Object.values(type.getFields())) {
        see(`${type}.${field.name}`, field);
        for (const argument of field.args) see(`${type}.${field.name}(${argument.name})`, argument);
      }
    }
  }
  expect(silent).toEqual([]);
});

test("scalars say where they are specified", () => {
  const own = types.filter((type) => isScalarType(type) && !isSpecifiedScalarType(type));
  expect(own.map(({ name }) => name).sort())
    .toEqual(["BigFloat", "BigInt", "Cursor", "Date", "Datetime", "JSON", "UUID"]);
  for (const type of own) {
    expect(isScalarType(type) && type.specifiedByURL, type.name).toMatch(/^https:\/\//);
  }
});

describe("what cannot be null says so", () => {
  test.each([
    ["PromptConnection", "nodes", "[Prompt!]!"],
    ["PromptConnection", "edges", "[PromptEdge!]!"],
    ["PromptEdge", "node", "Prompt!"],
    ["AnalysisMetric", "analysisRun", "AnalysisRun!"],
    ["PromptRelation", "source", "Prompt!"],
    ["AnalysisRun", "organization", "Organization!"],
    ["Viewer", "permissions", "[String!]!"],
    ["Viewer", "organizations", "[ViewerOrganization!]!"],
    ["NewApiKey", "key", "String!"],
    ["CreateApiKeyPayload", "result", "NewApiKey!"],
    ["RecordAnalysesPayload", "result", "[RecordOutcome!]!"],
    ["SeriesPoint", "count", "Int!"],
    ["Query", "metricSeries", "[SeriesPoint!]"],
    // May be refused by itself: whoever reads analyses may have no right to read prompts, or rubrics
    ["AnalysisRun", "prompt", "Prompt"],
    ["JudgeScore", "criterion", "JudgeCriterion"],
    ["Prompt", "analysisRuns", "AnalysisRunConnection"],
    ["Query", "prompts", "PromptConnection"],
  ])("%s.%s: %s", (type, field, expected) => {
    expect(typeOf(type, field)).toBe(expected);
  });

  test("the items of no list are null", () => {
    const nullable: string[] = [];
    const look = (path: string, type: GraphQLOutputType): void => {
      if (isNonNullType(type)) return look(path, type.ofType);
      if (!isListType(type)) return;
      if (!isNonNullType(type.ofType)) nullable.push(path);
      look(path, type.ofType);
    };
    for (const type of types) {
      if (!isObjectType(type)) continue;
      for (const field of Object.values(type.getFields())) {
        look(`${type}.${field.name}`, field.type);
      }
    }
    expect(nullable).toEqual([]);
  });
});

test.each([
  ["AnalysisResult", "overallScore", "Float!"],
  ["JudgeScore", "score", "Float!"],
  ["AnalysisRun", "weightedScore", "Float"],
  ["SeriesPoint", "mean", "Float"],
  ["AnalysisDay", "analyses", "Int!"],
  // Measured values keep every digit
  ["AnalysisMetric", "valueNum", "BigFloat"],
  ["Prompt", "tags", "[String!]!"],
  ["ApiKey", "scopes", "[String!]!"],
  ["PromptInput", "tags", "[String!]"],
])("%s.%s is %s", (type, field, expected) => {
  expect(typeOf(type, field)).toBe(expected);
});

test("one way to a row: by its id, or node(nodeId:)", () => {
  const fields = Object.keys(schema.getQueryType()?.getFields() ?? {});
  expect(fields.filter((name) => name.includes("NodeId"))).toEqual([]);
  expect(fields).toContain("node");
  const mutations = Object.keys(schema.getMutationType()?.getFields() ?? {});
  expect(mutations.filter((name) => /By(?!NodeId|Slug)/.test(name))).toEqual([]);
});

/** Which columns each aggregate is of. */
const AGGREGATES = {
  AnalysisDay: {
    sum: ["analyses", "scored", "sumOverall", "sumEntropy"],
    distinctCount: ["id", "day"],
  },
  AnalysisDayByDimension: {
    sum: ["analyses", "scored", "sumOverall", "sumEntropy", "judged", "sumJudged"],
    distinctCount: ["id", "day", "dimension", "value"],
  },
  AnalysisMetric: {
    measures: ["valueNum"],
    distinctCount: ["id", "analysisRunId", "key"],
  },
  AnalysisNodeResult: {
    measures: ["score"],
    distinctCount: ["id", "analysisRunId", "node", "status"],
  },
  AnalysisResult: {
    measures: [
      "overallScore",
      "judgeScore",
      "semanticEntropy",
      "complexityScore",
      "lengthChars",
      "lengthWords",
    ],
    distinctCount: ["id", "promptId", "detectedLanguage", "analysisRunId", "promptVersionId"],
  },
  AnalysisRun: {
    distinctCount: ["id", "userId", "promptId", "status", "idempotencyKey", "promptVersionId"],
  },
  EvaluationMetric: {
    measures: ["metricValue"],
    distinctCount: ["id", "runId", "nodeKey", "metricName"],
  },
  FeatureDay: { sum: ["events", "uniqueUsers"], distinctCount: ["id", "day", "featureKey"] },
  JudgeScore: { measures: ["score"], distinctCount: ["id", "analysisRunId", "criterionId"] },
  Prompt: { distinctCount: ["id", "name", "formatType", "language"] },
} as const;

test("aggregates are there where a number is worth it, and nowhere else", () => {
  const found: Record<string, Record<string, string[]>> = {};
  for (const type of types) {
    const name = /^(\w+?)Aggregates$/.exec(type.name)?.[1];
    const fields = name && schema.getType(`${name}Connection`) ? fieldsOf(type) : null;
    if (!name || fields === null) continue;
    found[name] = Object.fromEntries(
      Object.entries(fields).filter(([field]) => field !== "keys").map((
        [field, of],
      ) => [field, Object.keys(fieldsOf(schema.getType(of)))]),
    );
  }
  const expected = Object.fromEntries(
    Object.entries(AGGREGATES).map(([name, of]) => {
      const { measures, ...others } = of as { measures?: readonly string[] };
      const each = measures === undefined ? [] : ["sum", "min", "max", "average", "quantiles"];
      return [name, { ...Object.fromEntries(each.map((id) => [id, measures])), ...others }];
    }),
  );
  expect(found).toEqual(expected);
});

function fieldsOf(type: GraphQLNamedType | undefined): Record<string, string> {
  return isObjectType(type)
    ? Object.fromEntries(
      Object.values(type.getFields()).map((
        { name, type },
      ) => [name, String(type).replace(/[[\]!]/g, "")]),
    )
    : {};
}

describe("through a gateway", () => {
  const database = withTestDatabase();
  const gateway = withGateway(database);
  let key: string;

  beforeAll(async () => {
    const acme = await makeOrganization(database, { slug: "acme" });
    key = await makeKey(database, acme, [
      "prompts:read",
      "prompts:write",
      "analyses:read",
      "analyses:write",
    ]);
  });

  test("the words of an enum are those that its CHECK allows", async () => {
    const rows = await database.query<{ column_name: string; tag: string; words: string[] }>(`
      select n.nspname || '.' || c.relname || '.' || a.attname as column_name,
             (regexp_match(col_description(c.oid, a.attnum), '@words (\\w+)'))[1] as tag,
             array(select (regexp_matches(pg_get_constraintdef(k.oid), '''([^'']*)''', 'g'))[1] order by 1) as words
        from pg_constraint k
        join pg_class c on c.oid = k.conrelid
        join pg_namespace n on n.oid = c.relnamespace
        join pg_attribute a on a.attrelid = c.oid and k.conkey = array[a.attnum]
       where n.nspname in ('core', 'ops', 'mart') and k.contype = 'c'
         and pg_get_constraintdef(k.oid) ~ '^CHECK \\(\\(\\(?\\w+\\)?(::text)? = ANY'
         and has_table_privilege('curestry_member', c.oid, 'select')`);
    expect(rows.map(({ column_name }) => column_name).sort()).toEqual([
      "core.prompt_relations.relation_type",
      "core.prompts.format_type",
      "core.workflow_nodes.status",
      "core.workflow_runs.status",
      "mart.analysis_daily_by.dimension",
      "mart.analysis_hourly.dimension",
      "mart.metric_timeseries.granularity",
      "mart.metric_timeseries.source",
      "ops.analysis_node_result.status",
      "ops.analysis_run.status",
      "ops.organization_user.role",
      "ops.organization_user.status",
    ]);
    for (const { column_name, tag, words } of rows) {
      const type = schema.getType(tag);
      const values = isEnumType(type) ? type.getValues().map(({ name }) => name).sort() : [];
      // One enum for the marts of hours and of days, which have no "all"
      const isPart = column_name === "mart.analysis_daily_by.dimension";
      expect(isPart ? values.filter((value) => value !== "all") : values, column_name)
        .toEqual(words);
    }
  });

  test("words are enums, as literals, in variables, in filters and in answers", async () => {
    const { createPrompt: { prompt } } = await graphqlData<
      { createPrompt: { prompt: { id: string; formatType: string } } }
    >(gateway.url, {
      key,
      query:
        `mutation { createPrompt(input: { prompt: { name: "words", content: "c", formatType: markdown, tags: ["a", "b"] } }) { prompt { id formatType tags } } }`,
    });
    expect(prompt).toMatchObject({ formatType: "markdown", tags: ["a", "b"] });
    const change = (format: unknown) =>
      graphql(gateway.url, {
        key,
        query:
          `mutation ($id: String!, $f: PromptFormat) { updatePrompt(input: { id: $id, patch: { formatType: $f } }) { prompt { formatType } } }`,
        variables: { id: prompt.id, f: format },
      });
    expect((await change("xml")).data)
      .toEqual({ updatePrompt: { prompt: { formatType: "xml" } } });
    const { status, errors } = await change("pdf");
    expect(status).toBe(400);
    expect(errors?.[0]).toMatchObject({
      message: "f must be auto, text, markdown or xml",
      extensions: { code: "INVALID", field: "f" },
    });
    expect(
      await database.query("select format_type from core.prompts where id = $1", [prompt.id]),
    )
      .toEqual([{ format_type: "xml" }]);
  });

  test("documents of the time when words were texts are understood", async () => {
    const { createPrompt: { prompt: { id } } } = await graphqlData<
      { createPrompt: { prompt: { id: string } } }
    >(gateway.url, {
      key,
      query:
        `mutation { createPrompt(input: { prompt: { name: "old", content: "c" } }) { prompt { id } } }`,
    });
    const { data, errors } = await graphql(gateway.url, {
      key,
      query:
        `mutation ($f: String!, $id: String!) { updatePrompt(input: { id: $id, patch: { formatType: $f } }) { prompt { formatType } }
           again: updatePrompt(input: { id: $id, patch: { formatType: "text" } }) { prompt { formatType } } }`,
      variables: { f: "xml", id },
    });
    expect(errors).toBeUndefined();
    expect(data).toEqual({
      updatePrompt: { prompt: { formatType: "xml" } },
      again: { prompt: { formatType: "text" } },
    });
  });

  test("quantiles are those of the rows that match", async () => {
    const items = [1, 2, 3, 4, 10].map((valueNum) => ({
      promptContent: "text",
      metrics: [{ key: "latency", valueNum }],
    }));
    await graphqlData(gateway.url, {
      key,
      query:
        `mutation ($items: [AnalysisItemInput!]!) { recordAnalyses(input: { items: $items }) { result { outcome } } }`,
      variables: { items },
    });
    const { analysisMetrics } = await graphqlData<{ analysisMetrics: unknown }>(gateway.url, {
      key,
      query: `{ analysisMetrics(filter: { key: { equalTo: "latency" } }) {
          aggregates { quantiles { valueNum { p50 p90 p99 } } average { valueNum } sum { valueNum } distinctCount { id } }
          groupedAggregates(groupBy: [KEY]) { keys quantiles { valueNum { p50 } } }
        }
        none: analysisMetrics(filter: { key: { equalTo: "none" } }) { aggregates { quantiles { valueNum { p50 } } } } }`,
    });
    expect(analysisMetrics).toEqual({
      aggregates: {
        quantiles: { valueNum: { p50: 3, p90: expect.closeTo(7.6), p99: expect.closeTo(9.76) } },
        average: { valueNum: 4 },
        sum: { valueNum: 20 },
        distinctCount: { id: 5 },
      },
      groupedAggregates: [{ keys: ["latency"], quantiles: { valueNum: { p50: 3 } } }],
    });
  });
});
