import type { QueryResultRow } from "pg";

/** What became of an organization's old facts, as app.retention_apply_facts answers it. */
export interface RetainedFacts {
  organization_id: string;
  /** What is older was to go. */
  before: Date;
  /** Analysis runs that were removed, with all that belongs to them. */
  runs: number;
  feature_events: number;
}

interface Row extends QueryResultRow {
  organization_id: string;
  before: Date;
  runs: string;
  feature_events: string;
  is_done: boolean;
}

/** How long to wait for those who may still record old facts. */
const idlePauseMs = 1000;

/** For how many calls without anything removed to wait for them. */
const maxIdleCalls = 60;

/**
 * Calls app.retention_apply_facts until all is done: each call removes one batch.
 *
 * @param query runs one statement in a transaction of its own
 * @param progress is told how many rows were removed by each call
 * @returns the sums by organization
 */
export async function retainFacts(
  query: (sql: string) => Promise<{ rows: Row[] }>,
  progress: (removed: number) => void = () => {},
): Promise<RetainedFacts[]> {
  const sums = new Map<string, RetainedFacts>();
  for (let idle = 0; idle < maxIdleCalls;) {
    const { rows } = await query("select * from app.retention_apply_facts()");
    let removed = 0;
    for (const { organization_id, before, runs, feature_events } of rows) {
      const sum = sums.get(organization_id) ??
        { organization_id, before, runs: 0, feature_events: 0 };
      sum.runs += Number(runs);
      sum.feature_events += Number(feature_events);
      sums.set(organization_id, sum);
      removed += Number(runs) + Number(feature_events);
    }
    progress(removed);
    if (rows.every(({ is_done }) => is_done)) break;
    if (removed > 0) {
      idle = 0;
      continue;
    }
    idle++;
    await new Promise((resolve) => setTimeout(resolve, idle < 3 ? 0 : idlePauseMs));
  }
  return [...sums.values()];
}
