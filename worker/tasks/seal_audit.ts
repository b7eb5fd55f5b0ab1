import type { AuditSeal, Checkpoints } from "../checkpoints.ts";

/** What runs SQL: a job's helpers, or a pool. */
interface Queryable {
  query(sql: string): Promise<{ rows: AuditSeal[] }>;
}

/** Makes the task that seals what was recorded, and writes checkpoints of it. Safe to repeat. */
export function makeSealAudit(
  checkpoints: Checkpoints | null,
): (payload: unknown, database: Queryable) => Promise<void> {
  return async function sealAudit(_payload, database) {
    const { rows } = await database.query("select * from app.seal_audit()");
    if (rows.length > 0) await checkpoints?.write(rows);
  };
}
