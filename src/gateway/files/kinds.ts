import { apiName } from "../api_name.ts";
import { type Column, columns, type ColumnType, objectOf } from "./columns.ts";

/** A part of what rows are ordered by. */
export interface Key {
  sql: string;
  /** Of the database. */
  type: "timestamptz" | "date" | "text" | "varchar" | "uuid";
}

/** A parameter that chooses rows. */
export interface Filter {
  /** The condition, `?` in the place of the value. */
  sql: string;
  /** The words that are taken; absent: any text. */
  words?: readonly string[];
  /** The value must be a UUID. */
  isUuid?: true;
  /** Few rows have one value, and an index finds them. */
  isSelective?: true;
}

/** What can be exported. */
export interface ExportTable {
  /** What follows `from`; the table itself is `t`. */
  from: string;
  /** The permissions that it needs. */
  needs: readonly string[];
  columns: readonly Column[];
  /** The key of a row, which `after` names: a column of the table. */
  id: Key;
  /** The order of rows, the last one being `id`. */
  order: readonly Key[];
  /** What `from` and `to` are about. */
  time: { sql: string; type: "timestamptz" | "date" };
  filters: Readonly<Record<string, Filter>>;
  /** A line of JSON Lines. */
  line: { sql: string; from: string; needs: readonly string[] };
}

type Definition = Omit<ExportTable, "line"> & Partial<Pick<ExportTable, "line">>;

function table(definition: Definition): ExportTable {
  const { from, needs, columns: all } = definition;
  return { line: { sql: objectOf(all), from, needs }, ...definition };
}

function key(sql: string, type: Key["type"]): Key {
  return { sql, type };
}

const id = key("t.id", "uuid");
const occurred = { sql: "t.occurred_at", type: "timestamptz" } as const;
const ofAnalysis: Filter = { sql: "t.analysis_run_id = ?::uuid", isUuid: true, isSelective: true };
const statuses = ["queued", "running", "succeeded", "failed", "cancelled"];

const prompts = table({
  from: "core.prompts t",
  needs: ["prompts:read"],
  columns: columns({
    promptId: "t.id",
    name: "t.name",
    description: "t.description",
    content: "t.content",
    formatType: "t.format_type",
    language: "t.language",
    tags: "t.tags json",
    extraMetadata: "t.extra_metadata json",
    createdAt: "t.created_at time",
    updatedAt: "t.updated_at time",
  }),
  id: key("t.id", "varchar"),
  order: [key("t.created_at", "timestamptz"), key("t.id", "varchar")],
  time: { sql: "t.created_at", type: "timestamptz" },
  filters: {
    tag: { sql: "t.tags @> pg_catalog.jsonb_build_array(?::text)" },
    language: { sql: "t.language = ?" },
  },
});

const analyses = table({
  from: "ops.analysis_run t left join core.analysis_results d " +
    "on d.organization_id = t.organization_id and d.analysis_run_id = t.id",
  needs: ["analyses:read"],
  columns: columns({
    analysisRunId: "t.id",
    idempotencyKey: "t.idempotency_key",
    promptId: "t.prompt_id",
    status: "t.status",
    startedAt: "t.started_at time",
    finishedAt: "t.finished_at time",
    occurredAt: "t.occurred_at time",
    meta: "t.meta json",
    promptContent: "coalesce(t.prompt_content,d.prompt_content)",
    detectedLanguage: "d.detected_language",
    translated: "d.translated boolean",
    formatValid: "d.format_valid boolean",
    overallScore: "d.overall_score double",
    judgeScore: "d.judge_score double",
    semanticEntropy: "d.semantic_entropy double",
    complexityScore: "d.complexity_score double",
    lengthChars: "d.length_chars integer",
    lengthWords: "d.length_words integer",
    contradictions: "d.contradictions json",
    patches: "d.patches json",
    clarifyQuestions: "d.clarify_questions json",
    extraMetadata: "d.analysis_extra_metadata json",
  }),
  id,
  order: [key("t.occurred_at", "timestamptz"), id],
  time: occurred,
  filters: {
    status: { sql: "t.status = ?", words: statuses },
    prompt: { sql: "t.prompt_id = ?", isSelective: true },
  },
  // An item of recordAnalyses: with the name of its prompt, and its scores by the names of their rubrics
  line: {
    sql: "app.analysis_item_to_json(t)",
    from: "ops.analysis_run t",
    needs: ["analyses:read", "prompts:read", "rubrics:read"],
  },
});

const scores = table({
  from: "ops.judge_score t " +
    "join ops.judge_criterion c on c.organization_id = t.organization_id and c.id = t.criterion_id " +
    "join ops.judge_rubric r on r.organization_id = c.organization_id and r.id = c.rubric_id",
  needs: ["analyses:read", "rubrics:read"],
  columns: columns({
    id: "t.id",
    analysisRunId: "t.analysis_run_id",
    rubric: "r.name",
    rubricVersion: "r.version integer",
    criterion: "c.key",
    score: "t.score numeric",
    comment: "t.comment",
    evidence: "t.evidence json",
    occurredAt: "t.occurred_at time",
  }),
  id,
  order: [key("t.occurred_at", "timestamptz"), id],
  time: occurred,
  filters: {
    rubric: { sql: "r.name = ?" },
    criterion: { sql: "c.key = ?" },
    analysis: ofAnalysis,
  },
});

const metrics = table({
  from: "ops.analysis_metric t",
  needs: ["analyses:read"],
  columns: columns({
    id: "t.id",
    analysisRunId: "t.analysis_run_id",
    key: "t.key",
    valueNum: "t.value_num numeric",
    valueText: "t.value_text",
    valueJson: "t.value_json json",
    occurredAt: "t.occurred_at time",
  }),
  id,
  order: [key("t.occurred_at", "timestamptz"), id],
  time: occurred,
  filters: { key: { sql: "t.key = ?" }, analysis: ofAnalysis },
});

const day = { sql: "t.day", type: "date" } as const;
const hour = { sql: "t.ts_bucket", type: "timestamptz" } as const;

/** A mart of days or hours; its columns after `id` are those of its table, `before` are keys before the time. */
function mart(
  name: string,
  time: ExportTable["time"],
  own: Readonly<Record<string, ColumnType>>,
  filters: ExportTable["filters"],
  before: readonly Key[] = [],
): ExportTable {
  const all = { id: "t.id", ...namedAsInApi(own) };
  return table({
    from: `mart.${name} t`,
    needs: ["marts:read"],
    columns: columns(all),
    id,
    order: [...before, key(time.sql, time.type), id],
    time,
    filters,
  });
}

function namedAsInApi(own: Readonly<Record<string, ColumnType>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(own).map(([column, type]) => [apiName(column), `t.${column} ${type}`]),
  );
}

const byDimension = (dimensions: readonly string[]) => ({
  dimension: { sql: "t.dimension = ?", words: dimensions },
  value: { sql: "t.value = ?" },
});

/** The marts, by the value of the parameter `mart`. */
export const marts: Readonly<Record<string, ExportTable>> = {
  analysis_daily: mart("analysis_daily", day, {
    day: "date",
    analyses: "integer",
    scored: "integer",
    avg_overall: "numeric",
    avg_entropy: "numeric",
    sum_overall: "numeric",
    sum_entropy: "numeric",
  }, {}),
  analysis_daily_by: mart("analysis_daily_by", day, {
    day: "date",
    dimension: "text",
    value: "text",
    analyses: "bigint",
    scored: "bigint",
    avg_overall: "numeric",
    sum_overall: "numeric",
    avg_entropy: "numeric",
    sum_entropy: "numeric",
    judged: "bigint",
    avg_judged: "numeric",
    sum_judged: "numeric",
  }, byDimension(["status", "language", "rubric"])),
  analysis_hourly: mart("analysis_hourly", hour, {
    ts_bucket: "time",
    dimension: "text",
    value: "text",
    analyses: "bigint",
    scored: "bigint",
    overall_count: "bigint",
    sum_overall: "numeric",
    entropy_count: "bigint",
    sum_entropy: "numeric",
    judged: "bigint",
    sum_judged: "numeric",
  }, byDimension(["all", "status", "language", "rubric"])),
  feature_daily: mart("feature_daily", day, {
    day: "date",
    feature_key: "text",
    events: "integer",
    unique_users: "integer",
  }, { key: { sql: "t.feature_key = ?" } }),
  metric_timeseries: mart("metric_timeseries", hour, {
    source: "text",
    metric_key: "text",
    granularity: "text",
    ts_bucket: "time",
    value_num: "numeric",
    value_json: "json",
    sample_count: "bigint",
    numeric_count: "bigint",
    value_sum: "numeric",
    value_min: "numeric",
    value_max: "numeric",
  }, {
    source: { sql: "t.source = ?", words: ["metric", "node", "judge", "evaluation"] },
    granularity: { sql: "t.granularity = ?", words: ["hour", "day"] },
    key: { sql: "t.metric_key = ?" },
    // As its index has them
  }, [key("t.granularity", "varchar")]),
};

/** What is exported when `mart` is not given. */
export const firstMart = "analysis_daily";

/** The kinds of `GET /export/KIND`; of `marts` the parameter `mart` says which. */
export const exportKinds: Readonly<Record<string, ExportTable | "marts">> = {
  prompts,
  analyses,
  scores,
  metrics,
  marts: "marts",
};
