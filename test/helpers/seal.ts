import type { TestDatabase } from "./database.ts";
import { eventually } from "./eventually.ts";

/**
 * Seals the whole audit log. What any transaction of the server holds back is waited for: test files
 * share one.
 */
export async function sealAll(database: TestDatabase): Promise<void> {
  await eventually(async () => {
    await database.query("select app.audit_write_seals()");
    const [row] = await database.query<{ unsealed: number }>(
      "select count(*)::int as unsealed from ops.audit_log a, app.audit_sealer s where a.xid >= s.through_xid",
    );
    if (row?.unsealed !== 0) throw new Error(`${row?.unsealed} rows are not sealed`);
  });
}
