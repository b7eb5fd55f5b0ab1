import { Logger, runMigrations } from "graphile-worker";
import pg from "pg";
import { actingAs } from "./urls.ts";

/**
 * Brings the schema of graphile-worker up to date, owned by curestry_owner like everything else. Who may
 * use it is decided by app.job_grant_queue.
 *
 * @param adminUrl a login that is a member of curestry_owner
 */
export async function installJobQueue(adminUrl: string): Promise<void> {
  const url = actingAs(adminUrl, "curestry_owner");
  const pool = new pg.Pool({ connectionString: url, max: 1 });
  pool.on("error", () => {});
  pool.on("connect", (client) => client.on("error", () => {}));
  try {
    await runMigrations({ pgPool: pool, logger: new Logger(() => () => {}) });
  } finally {
    await pool.end();
  }
}
