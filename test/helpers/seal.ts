import type { AuditSeal, Checkpoints } from "../../src/maintenance/checkpoints.ts";
import type { TestDatabase } from "./database.ts";
import { eventually } from "./eventually.ts";

/**
 * Seals the whole audit log. What any transaction of the server holds back is waited for: test files
 * share one.
 *
 * @param checkpoints gets the seals; without it they have none, which `audit verify` finds after a while
 */
export async function sealAll(database: TestDatabase, checkpoints?: Checkpoints): Promise<void> {
  await eventually(async () => {
    const seals = await database.query<AuditSeal>("select * from app.audit_write_seals()");
    await checkpoints?.write(seals);
    const [row] = await database.query<{ unsealed: number }>(
      "select count(*)::int as unsealed from ops.audit_log a, app.audit_sealer s where a.xid >= s.through_xid",
    );
    if (row?.unsealed !== 0) throw new Error(`${row?.unsealed} rows are not sealed`);
  });
}
