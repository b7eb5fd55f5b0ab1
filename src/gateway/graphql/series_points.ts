import type { FieldNode } from "postgraphile/graphql";
import type { ArgumentValues } from "./argument_values.ts";

/** Functions that answer a point for each bucket of a period, and how many points they give at most. */
const seriesFields = new Set(["metricSeries", "analysisSeries"]);
const maxPoints = 10_000;

/** Milliseconds of the shortest bucket of each kind. */
const bucketMs: Readonly<Record<string, number>> = {
  HOUR: 3_600_000,
  DAY: 23 * 3_600_000,
  WEEK: (7 * 24 - 1) * 3_600_000,
  MONTH: (28 * 24 - 1) * 3_600_000,
};

/**
 * How many points a series has at most: the buckets of its period, if its arguments say which.
 *
 * @returns undefined for a field that is no series
 */
export function seriesPoints(
  name: string,
  node: FieldNode,
  values: ArgumentValues,
): number | undefined {
  if (!seriesFields.has(name)) return undefined;
  const valueOf = (argument: string) =>
    values.scalarOf(node.arguments?.find(({ name }) => name.value === argument)?.value);
  const [from, to, bucket] = [valueOf("from"), valueOf("to"), valueOf("bucket")];
  const periodMs = Date.parse(String(to)) - Date.parse(String(from));
  const lengthMs = bucketMs[String(bucket ?? "DAY")];
  if (!Number.isFinite(periodMs) || lengthMs === undefined) return maxPoints;
  // Of a period each end may be in a bucket of its own; time zones of a text without one differ by a day
  return Math.min(maxPoints, Math.max(1, Math.ceil((periodMs + 86_400_000) / lengthMs) + 1));
}
