import { vi } from "vitest";
import type { TestDatabase } from "./database.ts";

/**
 * Seals the whole audit log. What any transaction of the server holds back is waited for: test files
 * share one.
 */
export async function sealAll(database: TestDatabase): Promise<void> {
  await vi.waitFor(async () => {
    await database.query("select app.seal_audit()");
    const [row] = await database.query<{ unsealed: number }>(
      "select count(*)::int as unsealed from ops.audit_log a, app.audit_sealer s where a.xid >= s.through_xid",
    );
    if (row?.unsealed !== 0) throw new Error(`${row?.unsealed} rows are not sealed`);
  }, { timeout: 20_000 });
}
