import { buildSchema, getNamedType, isInputObjectType } from "postgraphile/graphql";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { repositoryRoot } from "../../src/shared/settings.ts";
import { withTestDatabase } from "../helpers/database.ts";
import { withGateway } from "../helpers/gateway.ts";
import { graphql, graphqlData, type GraphqlError } from "../helpers/graphql.ts";
import { makeKey, makeOrganization, type TestOrganization } from "../helpers/make.ts";
import { signIn } from "../helpers/token.ts";

/**
 * Every rule of the database that a request can break is broken through the API, and the answer names a field that the
 * request has, the rule, and what to do. A new constraint needs an example here, or the reason why there can be none.
 */

const database = withTestDatabase();
const gateway = withGateway(database);

let organization: TestOrganization;
let token = "";
let key = "";
const things = { prompt: "", other: "", run: 0, rubric: "", criterion: "", analysis: "" };

beforeAll(async () => {
  organization = await makeOrganization(database, { slug: "ours" });
  await makeOrganization(database, { slug: "taken" });
  token = (await signIn(database, organization.ownerEmail)).token;
  key = await makeKey(database, organization, ["analyses:write", "features:write", "prompts:read"]);
  const made = await graphqlData<Record<string, Record<string, { id: never }>>>(gateway.url, {
    token,
    organization: organization.slug,
    query: `mutation {
      a: createPrompt(input: { prompt: { name: "a", content: "a" } }) { prompt { id } }
      b: createPrompt(input: { prompt: { name: "b", content: "b" } }) { prompt { id } }
      r: createWorkflowRun(input: { workflowRun: {} }) { workflowRun { id } }
      j: createJudgeRubric(input: { judgeRubric: { name: "quality" } }) { judgeRubric { id } }
      s: startAnalysisRun(input: { promptContent: "x", idempotencyKey: "used" }) { result { id } }
    }`,
  });
  things.prompt = made["a"]!["prompt"]!.id;
  things.other = made["b"]!["prompt"]!.id;
  things.run = made["r"]!["workflowRun"]!.id;
  things.rubric = made["j"]!["judgeRubric"]!.id;
  things.analysis = made["s"]!["result"]!.id;
  const { c } = await graphqlData<{ c: { judgeCriterion: { id: string } } }>(gateway.url, {
    token,
    organization: organization.slug,
    query: `mutation ($rubricId: UUID!) {
      c: createJudgeCriterion(input: {
        judgeCriterion: { rubricId: $rubricId, key: "clarity", title: "Clarity" } }) {
        judgeCriterion { id } } }`,
    variables: { rubricId: things.rubric },
  });
  things.criterion = c.judgeCriterion.id;
});

/** A call of a mutation that breaks a rule. */
interface Attempt {
  mutation: string;
  input: () => Record<string, unknown>;
  /** Which of the input's fields is at fault. */
  field: string;
  /** Sent before, and accepted. */
  first?: boolean;
  /** The rule that is told instead of the constraint, which could not say so in these words; "" if none has a name. */
  told?: string;
}

const long = "x".repeat(1_048_577);
const deep = Array.from({ length: 40 }).reduce<unknown>((inner) => [inner], 1);
const nowhere = "0195e5a0-0000-7000-8000-000000000002";
const EARLY = "2026-01-01T10:00:00Z";
const LATE = "2026-01-01T11:00:00Z";

/** A mutation that creates a row, with what makes a good one bad. */
function creating(type: string, good: () => Record<string, unknown>) {
  const property = `${type[0]?.toLowerCase()}${type.slice(1)}`;
  return (field: string, bad: Record<string, unknown>, more: Partial<Attempt> = {}): Attempt => ({
    mutation: `create${type}`,
    input: () => ({ [property]: { ...good(), ...bad } }),
    field,
    ...more,
  });
}
const prompt = creating("Prompt", () => ({ name: "n", content: "c" }));
const relation = creating("PromptRelation", () => ({
  sourceId: things.prompt,
  targetId: things.other,
  relationType: "overrides",
}));
const workflow = creating("WorkflowRun", () => ({}));
const node = creating("WorkflowNode", () => ({ runId: things.run, key: "k" }));
const evaluation = creating("EvaluationMetric", () => ({
  runId: things.run,
  metricName: "m",
  metricValue: 1,
}));
const rubric = creating("JudgeRubric", () => ({ name: "n" }));
const criterion = creating("JudgeCriterion", () => ({
  rubricId: things.rubric,
  key: "k",
  title: "t",
}));

const updating = (
  type: string,
  id: () => unknown,
  field: string,
  value: unknown,
  more: Partial<Attempt> = {},
): Attempt => ({
  mutation: `update${type}`,
  input: () => ({ id: id(), patch: { [field]: value } }),
  field,
  ...more,
});
const ours = (field: string, value: unknown, more: Partial<Attempt> = {}) =>
  updating("Organization", () => organization.id, field, value, more);

const call = (
  mutation: string,
  field: string,
  input: Record<string, unknown>,
  more: Partial<Attempt> = {},
): Attempt => ({ mutation, field, input: () => input, ...more });

const result = {
  overallScore: 1,
  judgeScore: 1,
  semanticEntropy: 1,
  complexityScore: 1,
  lengthChars: 1,
  lengthWords: 1,
  detectedLanguage: "en",
};
/** The end of a running analysis. */
const finish = (
  part: "result" | "metrics" | "nodeResults" | "scores",
  field: string,
  value: unknown,
  more: Partial<Attempt> = {},
): Attempt => ({
  mutation: "finishAnalysisRun",
  input: () => ({ id: things.analysis, [part]: value }),
  field,
  ...more,
});
const document = (field: string, value: unknown) =>
  finish("result", field, { ...result, [field]: value });
const metric = (field: string, value: unknown) =>
  finish("metrics", field, [{ key: "m", valueNum: 1, [field]: value }]);
const nodeResult = (field: string, value: unknown) =>
  finish("nodeResults", field, [{ node: "n", status: "ok", [field]: value }]);
const score = (field: string, value: unknown) =>
  finish("scores", field, [{ rubric: "quality", criterion: "clarity", score: 1, [field]: value }]);
const start = (field: string, value: unknown) =>
  call("startAnalysisRun", field, { promptContent: "x", [field]: value });
/** An item of recordAnalyses, whose outcome tells the problem. */
const item = (field: string, values: Record<string, unknown>) =>
  call("recordAnalyses", field, { items: [{ promptContent: "x", ...values }] });
const event = (field: string, value: unknown) =>
  call("recordFeatureEvents", field, { events: [{ featureKey: "f", [field]: value }] });

const twice = { first: true };

const examples: Record<string, Attempt[]> = {
  chk_prompts_content: [prompt("content", { content: " " }), prompt("content", { content: long })],
  chk_prompts_description: [prompt("description", { description: long })],
  chk_prompts_extra_metadata: [
    prompt("extraMetadata", { extraMetadata: [] }),
    prompt("extraMetadata", { extraMetadata: { deep } }),
  ],
  chk_prompts_language: [prompt("language", { language: "?" })],
  chk_prompts_name: [prompt("name", { name: " " })],
  chk_prompts_tags: [prompt("tags", { tags: [""] })],
  chk_prompt_relations_description: [relation("description", { description: long })],
  chk_prompt_relations_extra_metadata: [relation("extraMetadata", { extraMetadata: 1 })],
  chk_prompt_relations_target_id: [
    {
      ...relation("targetId", {}),
      input: () => ({
        promptRelation: {
          sourceId: things.prompt,
          targetId: things.prompt,
          relationType: "overrides",
        },
      }),
    },
  ],
  unq_prompt_relations_source_target_type: [relation("relationType", {}, twice)],
  fk_prompt_relations_source_id: [relation("sourceId", { sourceId: "nowhere" })],
  fk_prompt_relations_target_id: [relation("targetId", { targetId: "nowhere" })],
  chk_workflow_runs_finished_at: [workflow("finishedAt", { finishedAt: LATE })],
  chk_workflow_runs_meta: [workflow("meta", { meta: [] })],
  chk_workflow_runs_plausible_times: [
    workflow("startedAt", { startedAt: "1999-01-01T00:00:00Z" }),
    // Of two fields the rule names the first
    workflow("startedAt", { startedAt: "2100-01-01T00:00:00Z" }),
  ],
  chk_workflow_runs_times: [
    workflow("finishedAt", { status: "success", startedAt: LATE, finishedAt: EARLY }),
  ],
  chk_workflow_nodes_key: [node("key", { key: "" })],
  chk_workflow_nodes_plausible_times: [node("startedAt", { startedAt: "1999-01-01T00:00:00Z" })],
  chk_workflow_nodes_result: [node("result", { result: deep })],
  chk_workflow_nodes_times: [node("finishedAt", { startedAt: LATE, finishedAt: EARLY })],
  fk_workflow_nodes_run_id: [node("runId", { runId: 4711 })],
  unq_workflow_nodes_key: [node("key", { key: "twice" }, twice)],
  chk_evaluation_metrics_created_at: [
    evaluation("createdAt", { createdAt: "1999-01-01T00:00:00Z" }),
  ],
  chk_evaluation_metrics_metric_meta: [evaluation("metricMeta", { metricMeta: deep })],
  chk_evaluation_metrics_metric_name: [evaluation("metricName", { metricName: " " })],
  fk_evaluation_metrics_run_id: [evaluation("runId", { runId: 4711 })],
  unq_evaluation_metrics_run_node_metric: [
    evaluation("metricName", { metricName: "twice", createdAt: EARLY }, twice),
  ],
  chk_judge_rubric_description: [rubric("description", { description: long })],
  chk_judge_rubric_meta: [rubric("meta", { meta: "text" })],
  chk_judge_rubric_name: [rubric("name", { name: "" })],
  chk_judge_rubric_version: [rubric("version", { version: 0 })],
  unq_judge_rubric_name_version: [rubric("name", { name: "twice" }, twice)],
  chk_judge_criterion_description: [criterion("description", { description: long })],
  chk_judge_criterion_key: [criterion("key", { key: "" })],
  chk_judge_criterion_title: [criterion("title", { title: " " })],
  chk_judge_criterion_weight: [criterion("weight", { weight: -1 })],
  fk_judge_criterion_rubric_id: [criterion("rubricId", { rubricId: nowhere })],
  unq_judge_criterion_key: [criterion("key", { key: "twice" }, twice)],

  chk_organization_audit_retention_months: [ours("auditRetentionMonths", 0)],
  chk_organization_name: [ours("name", " ")],
  chk_organization_raw_retention_days: [ours("rawRetentionDays", 0)],
  chk_organization_slug: [
    ours("slug", "A b"),
    call("createOrganization", "slug", { slug: "A b", name: "n" }),
  ],
  chk_organization_time_zone: [
    ours("timeZone", "Europe/Berln", { told: "organization_time_zone" }),
  ],
  unq_organization_slug: [
    ours("slug", "taken"),
    call("createOrganization", "slug", { slug: "taken", name: "n" }),
  ],
  chk_users_email: [call("inviteMember", "email", { email: "no address" })],
  unq_organization_user_user_id: [{
    ...call("inviteMember", "email", {}),
    input: () => ({ email: organization.ownerEmail, role: "owner" }),
  }],
  chk_api_key_name: [call("createApiKey", "name", { name: " ", scopes: ["prompts:read"] })],
  chk_api_key_scopes: [
    call("createApiKey", "scopes", { name: "n", scopes: [] }),
    call("createApiKey", "scopes", { name: "n", scopes: ["prompts:eat"] }),
  ],
  chk_legal_hold_reason: [call("placeLegalHold", "reason", { reason: " " })],

  chk_analysis_run_idempotency_key: [
    start("idempotencyKey", ""),
    item("idempotencyKey", { idempotencyKey: "" }),
  ],
  chk_analysis_run_meta: [start("meta", []), item("meta", { meta: { deep } })],
  chk_analysis_run_prompt_content: [
    start("promptContent", long),
    item("promptContent", { promptContent: long }),
  ],
  fk_analysis_run_prompt_id: [
    start("promptId", "nowhere"),
    item("promptId", { promptId: "nowhere" }),
  ],
  unq_analysis_run_idempotency_key: [
    call("startAnalysisRun", "idempotencyKey", { promptContent: "y", idempotencyKey: "used" }),
  ],
  chk_analysis_run_finished_at: [item("finishedAt", { status: "running", finishedAt: LATE })],
  chk_analysis_run_plausible_times: [
    item("startedAt", { startedAt: "1999-01-01T00:00:00Z" }),
    item("finishedAt", { finishedAt: "2100-01-01T00:00:00Z" }),
  ],
  chk_analysis_run_started_at: [item("startedAt", { status: "queued", startedAt: EARLY })],
  chk_analysis_run_times: [item("finishedAt", { startedAt: LATE, finishedAt: EARLY })],

  chk_analysis_results_analysis_extra_metadata: [document("extraMetadata", [])],
  chk_analysis_results_clarify_questions: [document("clarifyQuestions", {})],
  chk_analysis_results_complexity_score: [document("complexityScore", 11)],
  chk_analysis_results_contradictions: [document("contradictions", {})],
  chk_analysis_results_judge_score: [document("judgeScore", -1)],
  chk_analysis_results_length_chars: [document("lengthChars", -1)],
  chk_analysis_results_length_words: [document("lengthWords", -1)],
  chk_analysis_results_overall_score: [document("overallScore", 10.5)],
  chk_analysis_results_patches: [document("patches", [deep])],
  chk_analysis_results_semantic_entropy: [document("semanticEntropy", -1)],
  chk_analysis_metric_has_value: [metric("valueNum", null)],
  chk_analysis_metric_key: [metric("key", " ")],
  chk_analysis_metric_value_json: [metric("valueJson", deep)],
  chk_analysis_metric_value_num: [metric("valueNum", "NaN")],
  chk_analysis_metric_value_text: [metric("valueText", long)],
  unq_analysis_metric_key: [
    finish("metrics", "key", [{ key: "m", valueNum: 1 }, { key: "m", valueNum: 2 }]),
  ],
  chk_analysis_node_result_details: [nodeResult("details", [])],
  chk_analysis_node_result_node: [nodeResult("node", "")],
  chk_analysis_node_result_score: [nodeResult("score", 11)],
  unq_analysis_node_result_node: [
    finish("nodeResults", "node", [{ node: "n", status: "ok" }, { node: "n", status: "ok" }]),
  ],
  chk_judge_score_comment: [score("comment", long)],
  chk_judge_score_evidence: [score("evidence", [])],
  chk_judge_score_score: [score("score", 11)],
  fk_judge_score_criterion_id: [
    finish("scores", "scores", [{ rubric: "quality", criterion: "nowhere", score: 1 }], {
      told: "",
    }),
  ],
  unq_judge_score_criterion_id: [
    finish(
      "scores",
      "criterion",
      [1, 2].map((value) => ({ rubric: "quality", criterion: "clarity", score: value })),
    ),
  ],
  chk_feature_event_event_count: [event("count", 0)],
  chk_feature_event_feature_key: [event("featureKey", "")],
  chk_feature_event_occurred_at: [event("occurredAt", "1999-01-01T00:00:00Z")],

  // Not null
  "core.prompts.name": [updating("Prompt", () => things.prompt, "name", null)],
  "core.prompts.content": [updating("Prompt", () => things.prompt, "content", null)],
  "core.prompts.format_type": [prompt("formatType", { formatType: null })],
  "core.prompts.language": [prompt("language", { language: null })],
  "core.prompts.tags": [prompt("tags", { tags: null })],
  "core.prompts.extra_metadata": [prompt("extraMetadata", { extraMetadata: null })],
  "core.prompt_relations.extra_metadata": [relation("extraMetadata", { extraMetadata: null })],
  "core.workflow_runs.started_at": [workflow("startedAt", { startedAt: null })],
  "core.workflow_runs.status": [workflow("status", { status: null })],
  "core.workflow_runs.meta": [workflow("meta", { meta: null })],
  "core.workflow_nodes.status": [node("status", { status: null })],
  "core.evaluation_metrics.created_at": [evaluation("createdAt", { createdAt: null })],
  "ops.judge_rubric.name": [updating("JudgeRubric", () => things.rubric, "name", null)],
  "ops.judge_rubric.version": [rubric("version", { version: null })],
  "ops.judge_rubric.meta": [rubric("meta", { meta: null })],
  "ops.judge_criterion.key": [updating("JudgeCriterion", () => things.criterion, "key", null)],
  "ops.judge_criterion.title": [updating("JudgeCriterion", () => things.criterion, "title", null)],
  "ops.judge_criterion.weight": [criterion("weight", { weight: null })],
  "ops.organization.name": [ours("name", null)],
  "ops.organization.slug": [ours("slug", null)],
  "ops.organization.time_zone": [ours("timeZone", null, { told: "organization_time_zone" })],
  ...Object.fromEntries(
    ["overallScore", "judgeScore", "semanticEntropy", "complexityScore"].map((field) => [
      `core.analysis_results.${field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}`,
      [document(field, null)],
    ]),
  ),
  "ops.analysis_metric.key": [metric("key", null)],
  "ops.analysis_node_result.node": [nodeResult("node", null)],
  "ops.analysis_node_result.status": [nodeResult("status", null)],
  "ops.judge_score.score": [score("score", null)],
  "ops.feature_event.feature_key": [event("featureKey", null)],
};

/** What no request can break, by the reason. */
const unreachable: Record<string, string[]> = {
  "an enum of the API says what there is (test/gateway/refusals.test.ts)": [
    "chk_prompts_format_type",
    "chk_prompt_relations_relation_type",
    "chk_workflow_runs_status",
    "chk_workflow_nodes_status",
    "chk_analysis_node_result_status",
    "chk_analysis_run_status",
    "chk_organization_user_role",
  ],
  "the API's type is required, and no patch has it": [
    "core.prompt_relations.relation_type",
    "core.prompt_relations.source_id",
    "core.prompt_relations.target_id",
    "core.workflow_nodes.key",
    "core.workflow_nodes.run_id",
    "core.evaluation_metrics.metric_name",
    "core.evaluation_metrics.metric_value",
    "core.evaluation_metrics.run_id",
    "ops.judge_criterion.rubric_id",
    "ops.api_key.name",
    "ops.api_key.scopes",
  ],
  "JSON and GraphQL have no such number": ["chk_evaluation_metrics_metric_value"],
  "null, or nothing, means a default": [
    "core.analysis_results.analysis_extra_metadata",
    "core.analysis_results.clarify_questions",
    "core.analysis_results.contradictions",
    "core.analysis_results.detected_language",
    "core.analysis_results.format_valid",
    "core.analysis_results.length_chars",
    "core.analysis_results.length_words",
    "core.analysis_results.patches",
    "core.analysis_results.translated",
    "ops.analysis_node_result.details",
    "ops.analysis_run.meta",
    "ops.analysis_run.status",
    "ops.feature_event.event_count",
    "ops.feature_event.occurred_at",
    "ops.judge_score.evidence",
    "ops.organization_user.role",
  ],
  "the database gives it": [
    ...["legal_hold.placed_at", "legal_hold.placed_by"].map((name) => `app.${name}`),
    ...["chk_api_key_key_hash", "unq_api_key_key_hash", "ops.api_key.key_hash"],
    ...["chk_api_key_revoked_at", "ops.api_key.is_revoked", "ops.api_key.by_operator"],
    ...["chk_invitation_code_hash", "unq_invitation_code_hash", "ops.invitation.code_hash"],
    ...["chk_invitation_expires_at", "ops.invitation.expires_at"],
    ...["chk_legal_hold_held", "chk_legal_hold_released_at"],
    ...["chk_organization_user_status", "ops.organization_user.status"],
    ...["chk_prompt_versions_version", "unq_prompt_versions_prompt_id_version"],
    ...["content", "format_type", "language", "prompt_id", "version"]
      .map((column) => `core.prompt_versions.${column}`),
    ...["evaluation_metrics", "analysis_results"].map((table) => `core.${table}.occurred_at`),
    ...["analysis_run", "analysis_metric", "analysis_node_result", "judge_score"]
      .map((table) => `ops.${table}.occurred_at`),
    "chk_users_erased_at",
    "unq_organization_personal_user_id",
  ],
  "it is of the request itself, or of what the call has just found or made": [
    ...["analysis_metric", "analysis_node_result", "judge_score"].flatMap((table) => [
      `ops.${table}.analysis_run_id`,
      `fk_${table}_analysis_run_id`,
    ]),
    ...["core.analysis_results.analysis_run_id", "core.analysis_results.prompt_content"],
    ...["fk_analysis_results_analysis_run_id", "unq_analysis_results_analysis_run_id"],
    ...["fk_analysis_results_prompt_id", "fk_analysis_results_prompt_version_id"],
    ...["chk_analysis_results_prompt_content", "fk_analysis_run_prompt_version_id"],
    "ops.judge_score.criterion_id",
    ...["ops.invitation.organization_user_id", "fk_invitation_organization_user_id"],
    ...[
      "fk_prompt_versions_api_key_id",
      "fk_prompt_versions_prompt_id",
      "fk_api_key_parent_key_id",
    ],
    ...["prompt_versions", "analysis_run", "api_key", "feature_event", "organization_user"]
      .concat("workflow_runs").map((table) => `fk_${table}_user_id`),
    ...["fk_invitation_invited_by_user_id", "ops.organization_user.user_id"],
    ...["prompts", "analysis_run", "api_key", "feature_event", "judge_rubric", "workflow_runs"]
      .concat("organization_user").map((table) => `fk_${table}_organization_id`),
    "fk_organization_personal_user_id",
  ],
  "no request writes it: operators, sign-in and the audit log do": [
    ...["chk_sessions_expires_at", "fk_sessions_user_id", "unq_sessions_jwt_id"],
    ...["expires_at", "jwt_id", "user_id"].map((column) => `core.sessions.${column}`),
    ...["fk_auth_accounts_user_id", "unq_auth_accounts_provider_account_id"],
    ...["provider", "provider_account_id", "user_id"].map((name) => `core.auth_accounts.${name}`),
    ...["fk_analyst_grant_organization_id", "ops.analyst_grant.role_name"],
    ...["meta", "name", "provider"].map((column) => `chk_provider_credential_${column}`),
    ...["fk_provider_credential_organization_id", "unq_provider_credential_provider_name"],
    ...["credential_ref", "meta", "name", "provider"]
      .map((column) => `ops.provider_credential.${column}`),
    ...["action", "actor_role", "entity_id", "entity_type", "seq", "ts", "xid"]
      .map((column) => `ops.audit_log.${column}`),
    // Whose address it is, an invitation finds, and makes nobody twice
    ...["unq_users_email", "unq_users_email_lower"],
  ],
};

/** Columns that every table has, and the database fills. */
const usual = /\.(id|organization_id|created_at|updated_at)$/;

/** The names of all constraints and unique indexes, and of the columns that cannot be null. */
async function readRules(): Promise<string[]> {
  const rows = await database.query<{ name: string }>(
    `with written as (
       select c.oid, c.relname, n.nspname from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where c.relkind in ('r', 'p') and not c.relispartition
          and (n.nspname in ('core', 'ops') or c.oid = 'app.legal_hold'::regclass)
     )
     select t.conname::text as name from pg_constraint t join written w on w.oid = t.conrelid
      where t.contype in ('c', 'f', 'u', 'x')
     union all
     select i.relname from pg_index x join written w on w.oid = x.indrelid join pg_class i on i.oid = x.indexrelid
      where x.indisunique and not exists (select from pg_constraint t where t.conindid = x.indexrelid)
     union all
     select w.nspname || '.' || w.relname || '.' || a.attname
       from pg_attribute a join written w on w.oid = a.attrelid
      where a.attnotnull and a.attnum > 0 and not a.attisdropped`,
  );
  return rows.map(({ name }) => name);
}

test("every rule has an example that breaks it, or the reason why no request can", async () => {
  const rules = (await readRules()).filter((name) => !usual.test(name) || name in examples);
  const known = [...Object.keys(examples), ...Object.values(unreachable).flat()];
  expect(known.toSorted()).toEqual(rules.toSorted());
});

test.for(
  [
    ["Europe/Berln", /did you mean Europe\/Berlin\?$/],
    ["america/new york", /did you mean America\/New_York\?$/],
    ["Kolkata", /did you mean Asia\/Kolkata\?$/],
    ["?", /it must be a name of the IANA database, such as Europe\/Berlin or UTC$/],
    ["", /it must be a name of the IANA database/],
  ] as const,
)("a time zone that is none, %s, is answered with the nearest name", async ([zone, said]) => {
  const error = await send(ours("timeZone", zone));
  expect(error?.message).toMatch(said);
  expect(error?.extensions?.field).toBe("timeZone");
});

const schema = buildSchema(
  await readFile(join(repositoryRoot, "schema.graphql"), "utf8"),
  { assumeValidSDL: true },
);

/** The names of all fields that the input of a mutation has, those of its parts included. */
function fieldsOf(mutation: string): Set<string> {
  const names = new Set<string>();
  const seen = new Set<string>();
  function collect(type: unknown): void {
    if (!isInputObjectType(type) || seen.has(type.name)) return;
    seen.add(type.name);
    for (const field of Object.values(type.getFields())) {
      names.add(field.name);
      collect(getNamedType(field.type));
    }
  }
  for (const argument of schema.getMutationType()?.getFields()[mutation]?.args ?? []) {
    collect(getNamedType(argument.type));
  }
  return names;
}

/** Sends it, and answers the error, or what is said of the item. */
async function send({ mutation, input }: Attempt): Promise<GraphqlError | undefined> {
  const type = `${mutation[0]?.toUpperCase()}${mutation.slice(1)}Input!`;
  const isItem = mutation === "recordAnalyses";
  const selection = isItem ? "result { outcome message }" : "clientMutationId";
  const asKey = mutation === "recordFeatureEvents";
  const { data, errors } = await graphql<Record<string, { result: { message: string | null }[] }>>(
    gateway.url,
    {
      ...(asKey ? { key } : { token, organization: organization.slug }),
      query: `mutation ($input: ${type}) { ${mutation}(input: $input) { ${selection} } }`,
      variables: { input: input() },
    },
  );
  if (!isItem || errors) return errors?.[0];
  const message = data?.[mutation]?.result[0]?.message;
  return message ? { message } : undefined;
}

/** A sentence that says what is right, or what is there already. */
const rule =
  /\b(must|cannot|is required|already|has one|is no|is not|there is no|used before|has no)\b/;

test.for(Object.entries(examples))("%s", async ([name, attempts]) => {
  for (const attempt of attempts) {
    if (attempt.first) expect(await send(attempt)).toBeUndefined();
    const error = await send(attempt);
    const message = error?.message ?? "";
    expect(message).toContain(attempt.field);
    expect(message).toMatch(rule);
    // As the API spells it
    expect(message.replace(/depends_on|conflicts_with/g, "")).not.toMatch(/[a-z]_[a-z]/);
    if (attempt.mutation === "recordAnalyses") continue;
    expect(error?.extensions).toEqual({
      code: expect.stringMatching(/^(INVALID|CONFLICT|LIMIT)$/),
      field: attempt.field,
      ...(name.includes(".") ? {} : { constraint: name }),
      ...(attempt.told === undefined ? {} : { constraint: attempt.told || undefined }),
    });
    expect([...fieldsOf(attempt.mutation)]).toContain(attempt.field);
  }
});
