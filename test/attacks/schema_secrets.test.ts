import { beforeAll, describe, expect, test } from "vitest";
import {
  buildSchema,
  type GraphQLSchema,
  isEnumType,
  isInputObjectType,
  isObjectType,
} from "postgraphile/graphql";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { repositoryRoot } from "../../src/shared/settings.ts";
import { withTestDatabase } from "../helpers/database.ts";
import { withGateway } from "../helpers/gateway.ts";
import { graphql } from "../helpers/graphql.ts";
import { makeKey, makeOrganization, type TestOrganization } from "../helpers/make.ts";

/** Attacks that look for secrets in the API, or send what no caller may decide. */

const database = withTestDatabase();
const gateway = withGateway(database);

let schema: GraphQLSchema;
let ours: TestOrganization;
let key: string;

beforeAll(async () => {
  schema = buildSchema(await readFile(join(repositoryRoot, "schema.graphql"), "utf8"));
  ours = await makeOrganization(database);
  key = await makeKey(database, ours, [
    "prompts:read",
    "prompts:write",
    "keys:write",
    "members:read",
    "members:write",
    "credentials:write",
    "audit:read",
    "organization:write",
    "workflows:read",
    "workflows:write",
  ]);
});

/** Every name in a schema: types, fields, arguments, values of enums. */
function namesOf(schema: GraphQLSchema): string[] {
  return Object.values(schema.getTypeMap()).filter(({ name }) => !name.startsWith("__")).flatMap(
    (type) => [
      type.name,
      ...(isEnumType(type) ? type.getValues().map(({ name }) => `${type.name}.${name}`) : []),
      ...(isObjectType(type) || isInputObjectType(type)
        ? Object.values(type.getFields()).flatMap((field) => [
          `${type.name}.${field.name}`,
          ...argumentsOf(field).map((name) => `${type.name}.${field.name}.${name}`),
        ])
        : []),
    ],
  );
}

function argumentsOf(field: object): string[] {
  const { args = [] } = field as { args?: readonly { name: string }[] };
  return args.map(({ name }) => name);
}

const SECRET = /hash|token|secret|cipher/i;

describe("T20: secrets in the schema", () => {
  test("nothing is named like one: no type, field, argument or value of an enum", () => {
    expect(namesOf(schema).filter((name) => SECRET.test(name))).toEqual([]);
    expect(namesOf(schema).length).toBeGreaterThan(2_000);
    const bad = buildSchema(
      "type Query { apiKeyByKeyHash(keyHash: String!): String } enum ApiKeyOrderBy { KEY_HASH_ASC }",
    );
    expect(namesOf(bad).filter((name) => SECRET.test(name))).toHaveLength(3);
  });

  test("no column of the database that holds one is in the schema by another name", async () => {
    const secret = await database.query<{ table: string; name: string }>(
      `select c.relname as table, a.attname as name
         from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
        where n.nspname in ('core', 'ops', 'mart') and c.relkind in ('r', 'p') and a.attnum > 0 and not a.attisdropped
          and not has_column_privilege('curestry_member', a.attrelid, a.attnum, 'select')`,
    );
    const names = new Set(secret.map(({ name }) => name));
    for (
      const name of [
        "key_hash",
        "jwt_id",
        "code_hash",
        "credential_ref",
        "access_token",
        "refresh_token",
      ]
    ) {
      expect(names).toContain(name);
    }
    const camel = (name: string) => name.replace(/_(\w)/g, (_, letter) => letter.toUpperCase());
    const types: Record<string, string> = {
      api_key: "ApiKey",
      sessions: "Session",
      invitation: "Invitation",
      provider_credential: "ProviderCredential",
      auth_accounts: "AuthAccount",
    };
    const found = secret.filter(({ table, name }) =>
      namesOf(schema).some((each) =>
        each.startsWith(types[table] ?? "none") &&
        new RegExp(`\\.(${camel(name)}|${name.toUpperCase()}_ASC)$`).test(each)
      )
    );
    expect(found).toEqual([]);
  });

  test.each([
    "{ apiKeys { nodes { keyHash } } }",
    '{ apiKeyByKeyHash(keyHash: "x") { id } }',
    '{ apiKeys(filter: { keyHash: { startsWith: "0" } }) { totalCount } }',
    "{ apiKeys(orderBy: [KEY_HASH_ASC]) { nodes { id } } }",
    "{ apiKeys { aggregates { distinctCount { keyHash } } } }",
    "{ apiKeys { groupedAggregates(groupBy: [KEY_HASH]) { keys } } }",
    "{ sessions { nodes { jwtId } } }",
    '{ sessionByJwtId(jwtId: "x") { id } }',
    "{ invitations { nodes { codeHash } } }",
    "{ providerCredentials { nodes { credentialRef encryptionKeyId } } }",
    "{ authAccounts { nodes { accessToken refreshToken rawProfile } } }",
    "{ analysisRuns { nodes { requestDigest } } }",
    "mutation { revokeApiKey(input: { id: 1 }) { result { keyHash } } }",
    "{ analystGrants { totalCount } }",
    "{ martMarks { totalCount } }",
    "{ legacyAccounts { totalCount } }",
  ])("probed at run time: %s", async (query) => {
    const { status, data, errors } = await graphql(gateway.url, { key, query });
    expect([status, data]).toEqual([400, undefined]);
    expect(errors?.every(({ extensions }) => extensions?.code === "INVALID")).toBe(true);
  });

  test("an answer, an error and the audit log hold no canary that is stored", async () => {
    const canary = `canary-${crypto.randomUUID()}`;
    await database.query(
      "insert into ops.provider_credential (organization_id, provider, credential_ref) values ($1, 'openai', $2)",
      [ours.id, canary],
    );
    await database.query(
      "insert into core.auth_accounts (user_id, provider, provider_account_id, access_token, refresh_token, raw_profile) values ($1, 'google', 'a', $2, $2, to_jsonb($2::text))",
      [ours.ownerUserId, canary],
    );
    const [stored] = await database.query<{ hash: string }>(
      "select key_hash as hash from ops.api_key where organization_id = $1",
      [ours.id],
    );
    const answers = [];
    for (
      const name of [
        "providerCredentials { nodes { nodeId provider name meta } }",
        "auditLogs(first: 100) { nodes { entityType beforeState afterState changedColumns } }",
        "apiKeys { nodes { nodeId name scopes } }",
      ]
    ) {
      const { data, errors } = await graphql(gateway.url, { key, query: `{ ${name} }` });
      expect(errors).toBeUndefined();
      answers.push(JSON.stringify(data));
    }
    expect(answers[1]).toContain("ops.provider_credential");
    for (const answer of answers) {
      expect(answer).not.toContain(canary);
      expect(answer).not.toContain(stored?.hash);
      expect(answer).not.toContain(key);
    }
    const [log] = await database.query<{ n: number; all: number }>(
      "select count(*) filter (where l::text like '%' || $1 || '%')::int as n, count(*)::int as all from ops.audit_log l",
      [canary],
    );
    expect(log?.n).toBe(0);
    expect(log?.all).toBeGreaterThan(0);
  });
});

describe("T40: what no caller decides", () => {
  const forbidden =
    /^(organizationId|organization|role|status|createdBy|userId|createdAt|updatedAt|isRevoked|revokedAt|lastUsedAt|byOperator|parentKeyId|personalUserId|email|id|nodeId|occurredAt|requestDigest|sampleCount|events|uniqueUsers|analyses|scored|seq)$|hash|token|secret|cipher|count/i;

  test("is in no input of a new row or a change", () => {
    const inputs = Object.values(schema.getTypeMap()).filter(isInputObjectType);
    const types = Object.values(schema.getTypeMap()).filter(isObjectType).map(({ name }) => name);
    const rows = inputs.filter(({ name }) =>
      types.some((type) => name === `${type}Input` || name === `${type}Patch`)
    );
    expect(rows.map(({ name }) => name).toSorted()).toEqual([
      "EvaluationMetricInput",
      "JudgeCriterionInput",
      "JudgeCriterionPatch",
      "JudgeRubricInput",
      "JudgeRubricPatch",
      "OrganizationPatch",
      "PromptInput",
      "PromptPatch",
      "PromptRelationInput",
      "PromptRelationPatch",
      "UserPatch",
      "WorkflowNodeInput",
      "WorkflowNodePatch",
      "WorkflowRunInput",
      "WorkflowRunPatch",
    ]);
    const found = rows.flatMap((type) =>
      Object.keys(type.getFields()).filter((field) => forbidden.test(field)).map((field) =>
        `${type.name}.${field}`
      )
    );
    expect(found.toSorted()).toEqual([
      // When it was measured, which the one who measured knows
      "EvaluationMetricInput.createdAt",
      // The state of the caller's own work, which a trigger keeps in order
      "WorkflowNodeInput.status",
      "WorkflowNodePatch.status",
      "WorkflowRunInput.status",
      "WorkflowRunPatch.status",
    ]);
  });

  test("is in no input of a function but those whose purpose it is", () => {
    const found = Object.values(schema.getTypeMap()).filter(isInputObjectType).filter(({ name }) =>
      /Input$/.test(name) && !/Having|^(Create|Update|Delete)\w+Input$/.test(name)
    ).flatMap((type) =>
      Object.keys(type.getFields()).filter((field) =>
        /^(organizationId|organization|role|createdBy|isRevoked|byOperator|parentKeyId)$/.test(
          field,
        )
      ).map((field) => `${type.name}.${field}`)
    );
    expect(found.toSorted()).toEqual(["ChangeMemberRoleInput.role", "InviteMemberInput.role"]);
  });

  test.each([
    `createPrompt(input: { prompt: { name: "a", content: "a", organizationId: "$other" } }) { prompt { id } }`,
    `createPrompt(input: { prompt: { name: "a", content: "a", id: "mine" } }) { prompt { id } }`,
    `createPrompt(input: { prompt: { name: "a", content: "a", createdAt: "2020-01-01" } }) { prompt { id } }`,
    `createWorkflowRun(input: { workflowRun: { userId: 1 } }) { workflowRun { id } }`,
    `updateOrganization(input: { id: "$own", patch: { personalUserId: null } }) { organization { id } }`,
    `updateUser(input: { id: 1, patch: { email: "victim@x.example" } }) { user { id } }`,
    `createOrganizationUser(input: { organizationUser: { userId: 1, role: "owner" } }) { organizationUser { id } }`,
    `updateOrganizationUser(input: { id: "$own", patch: { role: "owner" } }) { organizationUser { id } }`,
    `updateApiKey(input: { id: "$own", patch: { isRevoked: false } }) { apiKey { id } }`,
    `createApiKey(input: { name: "a", scopes: ["prompts:read"], organizationId: "$other" }) { result { id } }`,
    `createAuditLog(input: { auditLog: { action: "x" } }) { auditLog { id } }`,
    `deleteAuditLog(input: { id: "$own" }) { auditLog { id } }`,
    `updateAnalysisRun(input: { id: "$own", patch: { status: "succeeded" } }) { analysisRun { id } }`,
  ])("is refused when it is sent: %s", async (mutation) => {
    const query = `mutation { ${
      mutation.replace("$own", ours.id).replace("$other", crypto.randomUUID())
    } }`;
    const { status, data } = await graphql(gateway.url, { key, query });
    expect([status, data]).toEqual([400, undefined]);
  });
});
