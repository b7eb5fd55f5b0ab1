import pg from "pg";
import { expect, test } from "vitest";
import { withClient } from "../../src/database/open_client.ts";
import { withTestDatabase } from "../helpers/database.ts";
import { EARLY, goodRows, ID, LATE, type Values } from "./good_rows.ts";

/**
 * Every check, unique constraint and foreign key refuses what it is there to refuse, whoever writes: what makes a good
 * row of each table bad. Triggers, which have tests of their own, are off.
 */

const database = withTestDatabase();

interface Example {
  /** Its foreign keys. */
  points?: string[];
  /** By check: each replaces values of the good row. */
  bad?: Record<string, Values[]>;
  /** By unique constraint: what a second row may differ in, and still not be there beside the good one. */
  twice?: Record<string, Values>;
}

const OTHER_ID = "0195e5a0-0000-7000-8000-000000000002";
const IMPLAUSIBLE = ["1999-12-31T23:59:59Z", "2100-01-01T00:00:00Z"];

const blank = (column: string): Values[] => [{ [column]: " " }];
const long = (column: string): Values[] => [{ [column]: "x".repeat(1_048_577) }];
const outside = (column: string, ...values: unknown[]): Values[] =>
  values.map((value) => ({ [column]: value }));
const nested: unknown = Array.from({ length: 40 }).reduce<unknown>((inner) => [inner], 1);
/** JSON that is too long, too deep, or of another type; an object unless it is to be an array. */
const json = (column: string, bytes: number): Values[] => [
  { [column]: { a: "x".repeat(bytes) } },
  { [column]: { a: nested } },
];
const jsonObject = (column: string, bytes: number) => [{ [column]: [] }, ...json(column, bytes)];
const jsonArray = (column: string, bytes: number): Values[] => [
  { [column]: {} },
  { [column]: ["x".repeat(bytes)] },
  { [column]: [nested] },
];

const core: Record<string, Example> = {
  "core.prompts": {
    points: ["fk_prompts_organization_id"],

    bad: {
      chk_prompts_content: [...blank("content"), ...long("content")],
      chk_prompts_description: long("description"),
      chk_prompts_extra_metadata: jsonObject("extra_metadata", 262_144),
      chk_prompts_format_type: outside("format_type", "pdf"),
      chk_prompts_language: outside("language", "x", "en_GB"),
      chk_prompts_name: blank("name"),
      chk_prompts_tags: outside("tags", {}, Array.from({ length: 101 }, (_, i) => `t${i}`), [1], [
        "x".repeat(101),
      ], [""]),
    },
  },
  "core.prompt_versions": {
    points: [
      "fk_prompt_versions_api_key_id",
      "fk_prompt_versions_prompt_id",
      "fk_prompt_versions_user_id",
    ],

    bad: { chk_prompt_versions_version: outside("version", 0) },
    twice: { unq_prompt_versions_prompt_id_version: { content: "b" } },
  },
  "core.prompt_relations": {
    points: ["fk_prompt_relations_source_id", "fk_prompt_relations_target_id"],

    bad: {
      chk_prompt_relations_description: long("description"),
      chk_prompt_relations_extra_metadata: jsonObject("extra_metadata", 262_144),
      chk_prompt_relations_relation_type: outside("relation_type", "likes"),
      chk_prompt_relations_target_id: outside("target_id", "a"),
    },
    twice: { unq_prompt_relations_source_target_type: { description: "again" } },
  },
  "core.analysis_results": {
    points: [
      "fk_analysis_results_analysis_run_id",
      "fk_analysis_results_prompt_id",
      "fk_analysis_results_prompt_version_id",
    ],

    bad: {
      chk_analysis_results_analysis_extra_metadata: jsonObject(
        "analysis_extra_metadata",
        1_048_576,
      ),
      chk_analysis_results_clarify_questions: jsonArray("clarify_questions", 1_048_576),
      chk_analysis_results_complexity_score: outside("complexity_score", -0.1, 10.1),
      chk_analysis_results_contradictions: jsonArray("contradictions", 1_048_576),
      chk_analysis_results_judge_score: outside("judge_score", -0.1, 10.1),
      chk_analysis_results_length_chars: outside("length_chars", -1),
      chk_analysis_results_length_words: outside("length_words", -1),
      chk_analysis_results_overall_score: outside("overall_score", -0.1, 10.1),
      chk_analysis_results_patches: jsonArray("patches", 1_048_576),
      chk_analysis_results_prompt_content: long("prompt_content"),
      chk_analysis_results_semantic_entropy: outside("semantic_entropy", -0.1, "Infinity", "NaN"),
    },
    twice: { unq_analysis_results_analysis_run_id: {} },
  },
  "core.users": {
    bad: {
      chk_users_email: outside("email", "a", "a@", "a b@x.example", "a@b@x.example"),
      chk_users_erased_at: [
        { erased_at: LATE },
        { erased_at: LATE, email: null, name: "A" },
        { erased_at: LATE, email: null, avatar_url: "https://x.example/a.png" },
      ],
    },
    twice: { unq_users_email: {}, unq_users_email_lower: { email: "A@X.example" } },
  },
  "core.sessions": {
    points: ["fk_sessions_user_id"],

    bad: { chk_sessions_expires_at: outside("expires_at", EARLY) },
    twice: { unq_sessions_jwt_id: { user_id: 2 } },
  },
  "core.auth_accounts": {
    points: ["fk_auth_accounts_user_id"],

    twice: { unq_auth_accounts_provider_account_id: { user_id: 2 } },
  },
  "core.workflow_runs": {
    points: ["fk_workflow_runs_organization_id", "fk_workflow_runs_user_id"],

    bad: {
      chk_workflow_runs_finished_at: [{ finished_at: LATE }, { status: "success" }],
      chk_workflow_runs_meta: jsonObject("meta", 262_144),
      chk_workflow_runs_plausible_times: [
        ...outside("started_at", ...IMPLAUSIBLE),
        ...IMPLAUSIBLE.map((finished_at) => ({ status: "success", finished_at })),
      ],
      chk_workflow_runs_status: [{ status: "lost", finished_at: LATE }],
      chk_workflow_runs_times: [{ status: "success", started_at: LATE, finished_at: EARLY }],
    },
  },
  "core.workflow_nodes": {
    points: ["fk_workflow_nodes_run_id"],

    bad: {
      chk_workflow_nodes_key: blank("key"),
      chk_workflow_nodes_plausible_times: [
        ...outside("started_at", ...IMPLAUSIBLE),
        ...outside("finished_at", ...IMPLAUSIBLE),
      ],
      chk_workflow_nodes_result: json("result", 1_048_576),
      chk_workflow_nodes_status: outside("status", "lost"),
      chk_workflow_nodes_times: [{ started_at: LATE, finished_at: EARLY }],
    },
    twice: { unq_workflow_nodes_key: {} },
  },
  "core.evaluation_metrics": {
    points: ["fk_evaluation_metrics_run_id"],

    bad: {
      chk_evaluation_metrics_created_at: outside("created_at", ...IMPLAUSIBLE),
      chk_evaluation_metrics_metric_meta: json("metric_meta", 262_144),
      chk_evaluation_metrics_metric_name: blank("metric_name"),
      chk_evaluation_metrics_metric_value: outside("metric_value", "NaN", "Infinity", "-Infinity"),
    },
    twice: { unq_evaluation_metrics_run_node_metric: { metric_value: 2 } },
  },
};

const ops: Record<string, Example> = {
  "ops.analyst_grant": {
    points: ["fk_analyst_grant_organization_id"],
  },
  "ops.organization": {
    points: ["fk_organization_personal_user_id"],

    bad: {
      chk_organization_audit_retention_months: outside("audit_retention_months", 0, 1201),
      chk_organization_name: blank("name"),
      chk_organization_raw_retention_days: outside("raw_retention_days", 0, 36_601),
      chk_organization_slug: outside("slug", "A", "a_b", "-a", "a-", ""),
      chk_organization_time_zone: outside("time_zone", "", "Europe/Ber lin", "x".repeat(65)),
    },
    twice: {
      unq_organization_personal_user_id: { slug: "b" },
      unq_organization_slug: { personal_user_id: 2 },
    },
  },
  "ops.organization_user": {
    points: ["fk_organization_user_organization_id", "fk_organization_user_user_id"],

    bad: {
      chk_organization_user_role: outside("role", "king"),
      chk_organization_user_status: outside("status", "lost"),
    },
    twice: { unq_organization_user_user_id: { role: "admin" } },
  },
  "ops.api_key": {
    points: ["fk_api_key_organization_id", "fk_api_key_parent_key_id", "fk_api_key_user_id"],

    bad: {
      chk_api_key_key_hash: outside("key_hash", "ab", "x".repeat(64)),
      chk_api_key_name: blank("name"),
      chk_api_key_revoked_at: [{ is_revoked: true }, { revoked_at: LATE }],
      chk_api_key_scopes: outside("scopes", {}, [], ["prompts:eat"]),
    },
    twice: { unq_api_key_key_hash: { organization_id: OTHER_ID } },
  },
  "ops.invitation": {
    points: ["fk_invitation_invited_by_user_id", "fk_invitation_organization_user_id"],

    bad: {
      chk_invitation_code_hash: outside("code_hash", "ab", "x".repeat(64)),
      chk_invitation_expires_at: outside("expires_at", EARLY),
    },
    twice: { unq_invitation_code_hash: { organization_user_id: OTHER_ID } },
  },
  "ops.provider_credential": {
    points: ["fk_provider_credential_organization_id"],

    bad: {
      chk_provider_credential_meta: jsonObject("meta", 262_144),
      chk_provider_credential_name: blank("name"),
      chk_provider_credential_provider: outside("provider", "OpenAI", "-a", "a b", ""),
    },
    twice: { unq_provider_credential_provider_name: { credential_ref: "vault:b" } },
  },
  "ops.analysis_run": {
    points: [
      "fk_analysis_run_organization_id",
      "fk_analysis_run_prompt_id",
      "fk_analysis_run_prompt_version_id",
      "fk_analysis_run_user_id",
    ],

    bad: {
      chk_analysis_run_finished_at: [
        { status: "succeeded", started_at: EARLY },
        { status: "running", started_at: EARLY, finished_at: LATE },
      ],
      chk_analysis_run_idempotency_key: outside("idempotency_key", ""),
      chk_analysis_run_meta: jsonObject("meta", 262_144),
      chk_analysis_run_plausible_times: [
        ...IMPLAUSIBLE.map((started_at) => ({ status: "running", started_at })),
        ...IMPLAUSIBLE.map((finished_at) => ({ status: "cancelled", finished_at })),
      ],
      chk_analysis_run_prompt_content: long("prompt_content"),
      chk_analysis_run_started_at: [{ started_at: EARLY }, { status: "running" }],
      chk_analysis_run_status: [{ status: "lost", started_at: EARLY }],
      chk_analysis_run_times: [{ status: "failed", started_at: LATE, finished_at: EARLY }],
    },
    twice: { unq_analysis_run_idempotency_key: { prompt_content: "a" } },
  },
  "ops.analysis_metric": {
    points: ["fk_analysis_metric_analysis_run_id"],

    bad: {
      chk_analysis_metric_has_value: outside("value_num", null),
      chk_analysis_metric_key: blank("key"),
      chk_analysis_metric_value_json: json("value_json", 1_048_576),
      chk_analysis_metric_value_num: outside("value_num", "NaN", "Infinity", "-Infinity"),
      chk_analysis_metric_value_text: long("value_text"),
    },
    twice: { unq_analysis_metric_key: { value_num: 2 } },
  },
  "ops.analysis_node_result": {
    points: ["fk_analysis_node_result_analysis_run_id"],

    bad: {
      chk_analysis_node_result_details: jsonObject("details", 1_048_576),
      chk_analysis_node_result_node: blank("node"),
      chk_analysis_node_result_score: outside("score", -0.1, 10.1, "NaN"),
      chk_analysis_node_result_status: outside("status", "lost"),
    },
    twice: { unq_analysis_node_result_node: { status: "warn" } },
  },
  "ops.judge_rubric": {
    points: ["fk_judge_rubric_organization_id"],

    bad: {
      chk_judge_rubric_description: long("description"),
      chk_judge_rubric_meta: jsonObject("meta", 262_144),
      chk_judge_rubric_name: blank("name"),
      chk_judge_rubric_version: outside("version", 0),
    },
    twice: { unq_judge_rubric_name_version: { description: "b" } },
  },
  "ops.judge_criterion": {
    points: ["fk_judge_criterion_rubric_id"],

    bad: {
      chk_judge_criterion_description: long("description"),
      chk_judge_criterion_key: blank("key"),
      chk_judge_criterion_title: blank("title"),
      chk_judge_criterion_weight: outside("weight", -0.1, 1_000_000.1),
    },
    twice: { unq_judge_criterion_key: { title: "B" } },
  },
  "ops.judge_score": {
    points: ["fk_judge_score_analysis_run_id", "fk_judge_score_criterion_id"],

    bad: {
      chk_judge_score_comment: long("comment"),
      chk_judge_score_evidence: jsonObject("evidence", 1_048_576),
      chk_judge_score_score: outside("score", -0.1, 10.1, "NaN"),
    },
    twice: { unq_judge_score_criterion_id: { score: 9 } },
  },
  "ops.feature_event": {
    points: ["fk_feature_event_organization_id", "fk_feature_event_user_id"],

    bad: {
      chk_feature_event_event_count: outside("event_count", 0, 1_000_001),
      chk_feature_event_feature_key: blank("feature_key"),
      chk_feature_event_occurred_at: outside("occurred_at", ...IMPLAUSIBLE),
    },
  },
};

const mart: Record<string, Example> = {
  "mart.metric_timeseries": {
    points: ["fk_metric_timeseries_organization_id"],

    bad: {
      chk_metric_timeseries_granularity: outside("granularity", "week"),
      chk_metric_timeseries_numeric_count: outside("numeric_count", -1, 3),
      chk_metric_timeseries_sample_count: [{ sample_count: 0, numeric_count: 0 }],
      chk_metric_timeseries_source: outside("source", "guess"),
    },
    twice: { unq_metric_timeseries_bucket: {} },
  },
  "mart.feature_daily": {
    points: ["fk_feature_daily_organization_id"],

    bad: {
      chk_feature_daily_events: [{ events: -1, unique_users: -1 }],
      chk_feature_daily_unique_users: outside("unique_users", -1, 3),
    },
    twice: { unq_feature_daily_day_feature_key: {} },
  },
  "mart.analysis_daily": {
    points: ["fk_analysis_daily_organization_id"],

    bad: {
      chk_analysis_daily_analyses: [{ analyses: -1, scored: -1 }],
      chk_analysis_daily_scored: outside("scored", -1, 3),
    },
    twice: { unq_analysis_daily_day: {} },
  },
  "mart.analysis_hourly": {
    points: ["fk_analysis_hourly_organization_id"],

    bad: {
      chk_analysis_hourly_analyses: [
        { analyses: 0, scored: 0, overall_count: 0, entropy_count: 0, judged: 0 },
      ],
      chk_analysis_hourly_dimension: outside("dimension", "mood"),
      chk_analysis_hourly_scored: ["scored", "overall_count", "entropy_count", "judged"]
        .flatMap((column) => outside(column, -1, 3)),
    },
    twice: { unq_analysis_hourly_bucket: {} },
  },
  "mart.analysis_daily_by": {
    points: ["fk_analysis_daily_by_organization_id"],

    bad: {
      chk_analysis_daily_by_analyses: [{ analyses: 0, scored: 0, judged: 0 }],
      chk_analysis_daily_by_dimension: outside("dimension", "mood"),
      chk_analysis_daily_by_scored: [...outside("scored", -1, 3), ...outside("judged", -1, 3)],
    },
    twice: { unq_analysis_daily_by_value: {} },
  },
};

const app: Record<string, Example> = {
  "app.audit_detachment": {
    points: ["fk_audit_detachment_retention_id"],
  },
  "app.mart_rebuild": {
    points: ["fk_mart_rebuild_organization_id"],
  },
  "app.organization_creation": {
    points: ["fk_organization_creation_organization_id", "fk_organization_creation_user_id"],
  },
  "app.organization_lock": {
    points: ["fk_organization_lock_organization_id"],
  },
  "app.platform_admin": { points: ["fk_platform_admin_user_id"] },
  "app.mart_change": {
    bad: { chk_mart_change_source: outside("source", "guess") },
  },
  "app.mart_update": {
    bad: {
      chk_mart_update_source: outside("source", "guess"),
      chk_mart_update_span: outside("to_ts", EARLY),
    },
  },
  "app.mart_state": {
    points: ["fk_mart_state_organization_id"],

    bad: {
      chk_mart_state_rebuild: [
        { rebuild_change_id: 1, rebuild_time_zone: "UTC" },
        { rebuild_change_id: 1, rebuild_next_ts: EARLY },
        { rebuild_time_zone: "UTC", rebuild_next_ts: EARLY },
      ],
    },
  },
  "app.mart_check": {
    bad: {
      chk_mart_check_buckets: outside("buckets", -1),
      chk_mart_check_details: outside("details", {}),
      chk_mart_check_differences: outside("differences", -1),
    },
  },
  "app.audit_seal": {
    bad: {
      chk_audit_seal_entry_ids: [
        { entry_ids: [], state_digests: [], entry_digests: [] },
        { state_digests: [] },
        { entry_digests: [] },
      ],
      chk_audit_seal_seq: outside("seq", 0),
    },
  },
  "app.audit_sealer": {
    bad: { chk_audit_sealer_singleton: outside("singleton", false) },
  },
  "app.partitioned_table": {
    bad: { chk_partitioned_table_months_ahead: outside("months_ahead", 0, 25) },
  },
  "app.erasure": {
    bad: {
      chk_erasure_counts: outside("counts", []),
      chk_erasure_kind: outside("kind", "prompt"),
    },
  },
  "app.legal_hold": {
    bad: {
      chk_legal_hold_held: [{ held_user_id: null }, { held_organization_id: ID }],
      chk_legal_hold_reason: outside("reason", null, " ", "x".repeat(4097)),
      chk_legal_hold_released_at: [{ released_at: LATE }, { released_by: "somebody" }],
    },
  },
  "app.trusted_document": {
    bad: {
      chk_trusted_document_id: outside("id", "", "a b", "x".repeat(129)),
      chk_trusted_document_document: outside("document", " ", "x".repeat(100_001)),
      chk_trusted_document_digest: outside("digest", "x"),
      chk_trusted_document_client: outside("client", "", "x".repeat(101)),
    },
  },
  "app.personal_data": {
    bad: { chk_personal_data_treatment: outside("treatment", "frame") },
  },
  "app.task_run": {
    bad: {
      chk_task_run_expected_seconds: outside("expected_seconds", 0),
      chk_task_run_kind: outside("kind", "dream"),
    },
  },
  "app.installation_secret": {
    bad: {
      chk_installation_secret_key: outside("key", "\\x00"),
      chk_installation_secret_singleton: outside("singleton", false),
    },
  },
  "app.prompt_search": { points: ["fk_prompt_search_prompt_id"] },
  "app.quota": {
    bad: { chk_quota_maximum: outside("maximum", -1) },
  },
};

const examples = { ...core, ...ops, ...mart, ...app };

/** Inserts a row into a table and says which constraint refused it; "" if none did. */
async function insert(client: pg.Client, table: string, row: Values): Promise<string> {
  const columns = Object.keys(row).map((name) => client.escapeIdentifier(name)).join(", ");
  try {
    await client.query(
      `insert into ${table} (${columns})
       select ${columns} from jsonb_populate_record(null::${table}, $1)`,
      [JSON.stringify(row)],
    );
    return "";
  } catch (error) {
    if (!(error instanceof pg.DatabaseError) || error.constraint === undefined) throw error;
    return error.constraint;
  }
}

test.for(Object.entries(examples))("%s", async ([table, { bad = {}, twice = {} }]) => {
  const good = goodRows[table] ?? {};
  const refusals = await withClient(database.adminUrl, async (client) => {
    await client.query("begin; set local session_replication_role = replica");
    async function insertAll(...rows: Values[]): Promise<string> {
      await client.query(`savepoint before; delete from ${table}`);
      let refusal = "";
      for (const row of rows) refusal ||= await insert(client, table, row);
      await client.query("rollback to before");
      return refusal;
    }
    expect(await insertAll(good)).toBe("");
    const found: Record<string, string[]> = {};
    for (const [constraint, changes] of Object.entries(bad)) {
      found[constraint] = [];
      for (const change of changes) {
        found[constraint].push(await insertAll({ ...good, ...change }));
      }
    }
    for (const [constraint, change] of Object.entries(twice)) {
      found[constraint] = [await insertAll(good, { ...good, ...change })];
    }
    return found;
  });
  expect(refusals).toEqual(Object.fromEntries([
    ...Object.entries(bad).map(([name, changes]) => [name, changes.map(() => name)]),
    ...Object.keys(twice).map((name) => [name, [name]]),
  ]));
});

/** By type: what is nowhere. */
const NOWHERE: Record<string, unknown> = { uuid: OTHER_ID, integer: 4711 };

test("every foreign key refuses a row that points to nothing", async () => {
  for (const [table, { points = [] }] of Object.entries(examples)) {
    for (const name of points) {
      const others = points.filter((other) => other !== name);
      expect(await pointNowhere(table, name, others)).toBe(name);
    }
  }
});

/** Inserts a row whose foreign key points to nothing, with no other foreign key. */
async function pointNowhere(
  table: string,
  key: string,
  others: string[],
): Promise<string> {
  return await withClient(database.adminUrl, async (client) => {
    const { rows: columns } = await client.query<{ name: string; type: string }>(
      `select a.attname as name, format_type(a.atttypid, null) as type
         from pg_constraint t join pg_attribute a on a.attrelid = t.conrelid and a.attnum = any (t.conkey)
        where t.conrelid = $1::regclass and t.conname = $2`,
      [table, key],
    );
    const nowhere = columns.map(({ name, type }) => [name, NOWHERE[type] ?? "nowhere"]);
    await client.query(`begin; alter table ${table} disable trigger user`);
    for (const other of others) await client.query(`alter table ${table} drop constraint ${other}`);
    return await insert(client, table, { ...goodRows[table], ...Object.fromEntries(nowhere) });
  });
}

test("every check, unique constraint and foreign key has an example", async () => {
  const rows = await database.query<{ name: string }>(
    `select conname as name from pg_constraint t join pg_class c on c.oid = t.conrelid
      where t.connamespace = any (array['app', 'core', 'ops', 'mart']::regnamespace[])
        and t.contype in ('c', 'f', 'u', 'x') and not c.relispartition`,
  );
  const shown = Object.values(examples)
    .flatMap((
      { bad = {}, points = [], twice = {} },
    ) => [...points, ...Object.keys(bad), ...Object.keys(twice)]);
  expect(shown.filter((name) => name !== "unq_users_email_lower").toSorted())
    .toEqual(rows.map(({ name }) => name).toSorted());
});
