import type { JobHelpers } from "graphile-worker";

/** Compares a random sample of the marts with their source, and writes down what it found. */
export async function checkMarts(_payload: unknown, helpers: JobHelpers): Promise<void> {
  const { rows: [check] } = await helpers.query<{ buckets: number; differences: number }>(
    "select buckets, differences from app.check_marts_sample()",
  );
  if (check && check.differences > 0) helpers.logger.error("The marts are not right", { ...check });
}
