import type { JobHelpers } from "graphile-worker";

/** Recomputes the buckets of the marts that were touched since the last time. Safe to repeat. */
export async function refreshMarts(_payload: unknown, helpers: JobHelpers): Promise<void> {
  const { rows } = await helpers.query("select * from app.refresh_marts()");
  helpers.logger.debug("Refreshed the marts", { result: rows });
}
