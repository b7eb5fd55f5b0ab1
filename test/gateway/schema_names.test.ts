import {
  buildSchema,
  GraphQLEnumType,
  GraphQLInputObjectType,
  GraphQLObjectType,
  type GraphQLSchema,
  isObjectType,
} from "postgraphile/graphql";
import { beforeAll, describe, expect, test, vi } from "vitest";
import { printMemberSchema } from "../../src/gateway/graphql/print_schema.ts";
import { withTestDatabase } from "../helpers/database.ts";
import { withGateway } from "../helpers/gateway.ts";
import { graphqlData } from "../helpers/graphql.ts";

const database = withTestDatabase();
const gateway = withGateway(database);
const warnings: unknown[][] = [];
let schema: GraphQLSchema;

beforeAll(async () => {
  for (const method of ["warn", "error", "log"] as const) {
    vi.spyOn(console, method).mockImplementation((...words) => void warnings.push(words));
  }
  schema = buildSchema(await printMemberSchema(database.gatewayUrl));
  vi.restoreAllMocks();
});

function fieldsOf(type: string): string[] {
  const found = schema.getType(type);
  if (found instanceof GraphQLObjectType || found instanceof GraphQLInputObjectType) {
    return Object.keys(found.getFields());
  }
  if (found instanceof GraphQLEnumType) return found.getValues().map((value) => value.name);
  throw new Error(`There is no type ${type}`);
}

function argumentsOf(type: string, field: string): string[] {
  const found = schema.getType(type);
  if (!isObjectType(found)) throw new Error(`There is no type ${type}`);
  return found.getFields()[field]?.args.map((argument) => `${argument.name}: ${argument.type}`) ??
    [];
}

test("the schema is built without a warning: no two things want one name", () => {
  expect(warnings).toEqual([]);
});

describe("names are those of the contract", () => {
  test("lists, finders and changes, by the row's own id and by the global one", () => {
    expect(fieldsOf("Query")).toEqual(expect.arrayContaining([
      "node",
      "viewer",
      "prompts",
      "prompt",
      "promptRelations",
      "analysisRuns",
      "analysisRun",
      "analysisResults",
      "analysisMetrics",
      "analysisNodeResults",
      "judgeRubrics",
      "judgeCriteria",
      "judgeScores",
      "workflowRuns",
      "workflowNodes",
      "evaluationMetrics",
      "metricTimeseries",
      "featuresByDay",
      "analysesByDay",
      "analysesByHour",
      "analysesByDayAndDimension",
      "auditLogs",
      "apiKeys",
      "organizations",
      "organizationUsers",
      "promptsByTags",
      "highEntropyAnalyses",
    ]));
    expect(fieldsOf("Mutation")).toEqual(expect.arrayContaining([
      "createPrompt",
      "updatePrompt",
      "updatePromptByNodeId",
      "deletePrompt",
      "recordAnalyses",
      "recordFeatureEvents",
      "startAnalysisRun",
      "finishAnalysisRun",
      "failAnalysisRun",
      "cancelAnalysisRun",
    ]));
    expect(argumentsOf("Query", "prompt")).toEqual(["id: String!"]);
    expect(argumentsOf("Query", "analysisRun")).toEqual(["id: UUID!"]);
    expect(argumentsOf("Query", "node")).toEqual(["nodeId: ID!"]);
    expect(fieldsOf("UpdatePromptInput")).toEqual(["clientMutationId", "id", "patch"]);
    expect(fieldsOf("DeletePromptInput")).toEqual(["clientMutationId", "id"]);
    expect(fieldsOf("UpdatePromptByNodeIdInput")).toEqual(["clientMutationId", "nodeId", "patch"]);
  });

  test.each([
    ["AnalysisRun", ["prompt", "judgeScores", "analysisMetrics", "analysisNodeResults"]],
    ["Prompt", ["analysisRuns", "promptRelationsBySourceId", "promptRelationsByTargetId"]],
    ["PromptRelation", ["source", "target"]],
    ["JudgeScore", ["criterion", "analysisRun"]],
    ["JudgeCriterion", ["rubric", "judgeScores"]],
    ["JudgeRubric", ["judgeCriteria"]],
    ["MetricTimeseries", ["metricKey", "tsBucket", "valueNum"]],
  ])("relations of %s", (type, fields) => {
    expect(fieldsOf(type)).toEqual(expect.arrayContaining(["id", "nodeId", ...fields]));
  });

  test("orders, and the audit log's by time", () => {
    expect(fieldsOf("AnalysisRunOrderBy")).toEqual(
      expect.arrayContaining(["CREATED_AT_ASC", "CREATED_AT_DESC"]),
    );
    expect(fieldsOf("AuditLogOrderBy")).toEqual(expect.arrayContaining(["TS_ASC", "TS_DESC"]));
    expect(fieldsOf("AuditLogOrderBy")).not.toContain("BEFORE_STATE_ASC");
    expect(fieldsOf("PromptOrderBy")).not.toContain("CONTENT_ASC");
  });

  test("aggregates are there", () => {
    expect(fieldsOf("JudgeScoreConnection")).toEqual(
      expect.arrayContaining(["nodes", "totalCount", "aggregates", "groupedAggregates"]),
    );
    expect(fieldsOf("JudgeScoreGroupBy")).toContain("CRITERION_ID");
  });

  test("what must be given says so, and lists have no null in them", () => {
    expect(argumentsOf("Query", "promptsByTags").slice(0, 2))
      .toEqual(["tags: [String!]!", "match: TagMatch"]);
    expect(argumentsOf("Query", "highEntropyAnalyses")[0]).toBe("threshold: Float!");
    const input = schema.getType("RecordAnalysesInput") as GraphQLInputObjectType;
    expect(String(input.getFields()["items"]?.type)).toBe("[AnalysisItemInput!]!");
  });
});

test("the organization is never an argument, nor to be searched, sorted or written", () => {
  const found: string[] = [];
  for (const type of Object.values(schema.getTypeMap())) {
    if (type instanceof GraphQLInputObjectType && !type.name.startsWith("OrganizationUser")) {
      for (const field of Object.keys(type.getFields())) {
        if (/^organizationId$/i.test(field)) found.push(`${type.name}.${field}`);
      }
    }
    if (type instanceof GraphQLEnumType) {
      for (const { name } of type.getValues()) {
        if (/^ORGANIZATION_ID/.test(name)) found.push(`${type.name}.${name}`);
      }
    }
    if (isObjectType(type)) {
      for (const field of Object.values(type.getFields())) {
        for (const argument of field.args) {
          if (/^organizationId$/i.test(argument.name)) {
            found.push(`${type.name}.${field.name}(${argument.name}:)`);
          }
        }
      }
    }
  }
  expect(found).toEqual([]);
});

test("no name in the schema is that of a secret", () => {
  const names: string[] = [];
  for (const type of Object.values(schema.getTypeMap())) {
    names.push(type.name);
    if (isObjectType(type)) {
      for (const field of Object.values(type.getFields())) {
        names.push(`${type.name}.${field.name}`, ...field.args.map((argument) => argument.name));
      }
    } else if (type instanceof GraphQLInputObjectType) {
      names.push(...Object.keys(type.getFields()).map((field) => `${type.name}.${field}`));
    } else if (type instanceof GraphQLEnumType) {
      names.push(...type.getValues().map((value) => `${type.name}.${value.name}`));
    }
  }
  expect(names.length).toBeGreaterThan(1_000);
  expect(names.filter((name) => /hash|token|secret|cipher|credentialRef|jwtId/i.test(name)))
    .toEqual([]);
});

test("a request without credentials has the schema of one who may do nothing", async () => {
  const { __schema } = await graphqlData<
    { __schema: { queryType: { fields: { name: string }[] }; mutationType: null } }
  >(gateway.url, {
    query: "{ __schema { queryType { fields { name } } mutationType { name } } }",
  });
  expect(__schema.queryType.fields.map((field) => field.name)).toEqual([
    "nodeId",
    "node",
    "viewer",
  ]);
  expect(__schema.mutationType).toBe(null);
});
