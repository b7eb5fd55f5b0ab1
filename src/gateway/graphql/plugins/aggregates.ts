import "postgraphile";
import "@graphile/pg-aggregates";
import type { GraphileConfig } from "graphile-config";
import type { PgCodec } from "postgraphile/@dataplan/pg";
import { TYPES } from "postgraphile/@dataplan/pg";
import { access } from "postgraphile/grafast";
import { sql } from "postgraphile/pg-sql2";
import { tableOf } from "../table_of.ts";
import { isFloat, isWhole } from "./column_types.ts";

declare global {
  namespace GraphileBuild {
    interface AggregateSpecIds {
      quantiles: true;
    }
  }
}

/** Tables that are asked "how many, how much": facts, what came out of them, and their marts. */
const aggregated: ReadonlySet<string> = new Set([
  "core.prompts",
  "core.analysis_results",
  "core.evaluation_metrics",
  "ops.analysis_run",
  "ops.analysis_metric",
  "ops.analysis_node_result",
  "ops.judge_score",
  "mart.feature_daily",
  "mart.analysis_daily",
  "mart.analysis_daily_by",
]);

/** Whole numbers that are amounts; others are keys, versions and settings. */
const amounts = /^length_/;

const quantiles = ["p50", "p90", "p95", "p99"] as const;

/** The quantiles of a column, as percentile_cont answers them. */
const quantilesCodec: PgCodec = {
  ...TYPES.json,
  name: "quantiles",
  fromPg(value: string) {
    const numbers = JSON.parse(value) as number[];
    return Object.fromEntries(quantiles.map((name, index) => [name, numbers[index]]));
  },
};

/**
 * Aggregates only where a number is worth it: sum, average, minimum, maximum and quantiles of what was measured,
 * distinct counts of keys, grouped by time or key. Over the marts of days there are sums alone: an average of averages
 * would be none. Those of hours have metricSeries and analysisSeries.
 */
export const AggregatesPlugin: GraphileConfig.Plugin = {
  name: "CurestryAggregatesPlugin",
  version: "1.0.0",
  after: ["PgAggregatesSpecsPlugin", "PgIndexBehaviorsPlugin"],
  schema: {
    entityBehavior: {
      pgResource: {
        inferred: {
          after: ["postInferred"],
          provides: ["curestryAggregates"],
          callback(behavior, resource) {
            const isAggregated = !resource.parameters && aggregated.has(tableOf(resource));
            return isAggregated ? behavior : [behavior, ...none];
          },
        },
      },
    },
    hooks: {
      build: {
        after: ["PgAggregatesSpecsPlugin"],
        callback(build) {
          const kept = (build.pgAggregateSpecs ?? []).filter(({ id }) => ids.has(id));
          for (const spec of kept) {
            spec.isSuitableType = () => true;
            spec.pgTypeCodecModifier = spec.id === "distinctCount"
              ? () => TYPES.int
              : (codec) => spec.id === "min" || spec.id === "max" ? codec : TYPES.float;
            spec.shouldApplyToEntity = (entity) =>
              entity.type === "attribute" && applies(spec.id, entity.codec, entity.attributeName);
          }
          kept.push({
            id: "quantiles",
            humanLabel: "quantiles",
            HumanLabel: "Quantiles",
            isSuitableType: () => true,
            sqlAggregateWrap: (column) =>
              sql`pg_catalog.to_json(pg_catalog.percentile_cont(array[0.5, 0.9, 0.95, 0.99]) within group (order by ${column}::double precision))`,
            pgTypeCodecModifier: () => quantilesCodec,
            shouldApplyToEntity: (entity) =>
              entity.type === "attribute" &&
              applies("quantiles", entity.codec, entity.attributeName),
          });
          build.pgAggregateSpecs = kept;
          return build;
        },
      },
      init(init, build) {
        const { GraphQLFloat } = build.graphql;
        build.registerObjectType("Quantiles", {}, () => ({
          description: "The values that so many of hundred are at most.",
          fields: Object.fromEntries(quantiles.map((name) => [name, {
            description: name === "p50"
              ? "Median."
              : `${name.slice(1)} of 100 values are at most this.`,
            type: GraphQLFloat,
            plan: ($quantiles: Parameters<typeof access>[0]) => access($quantiles, name),
          }])),
        }), "CurestryAggregatesPlugin");
        build.setGraphQLTypeForPgCodec(quantilesCodec, "output", "Quantiles");
        return init;
      },
    },
  },
};

const ids: ReadonlySet<string> = new Set(["sum", "distinctCount", "min", "max", "average"]);
const none = [
  "-aggregates",
  "-resource:aggregates",
  "-resource:groupedAggregates",
] as GraphileBuild.BehaviorString[];

/** Whether a column has this aggregate. */
function applies(id: string, codec: PgCodec, name: string): boolean {
  const attribute = codec.attributes?.[name];
  if (attribute === undefined) return false;
  const isMart = codec.extensions?.pg?.schemaName === "mart";
  const isMeasure = isFloat(attribute.codec) || attribute.codec === TYPES.numeric ||
    (isWhole(attribute.codec) && (isMart || amounts.test(name)));
  if (id === "distinctCount") {
    return !isMeasure && (attribute.extensions?.isIndexed ?? true) && name !== "organization_id" &&
      attribute.codec !== TYPES.timestamptz && attribute.codec.name !== "strings" &&
      attribute.codec !== TYPES.jsonb;
  }
  if (!isMeasure) return false;
  if (!isMart) return true;
  return id === "sum" && !name.startsWith("avg_");
}
