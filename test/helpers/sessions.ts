import { expect } from "vitest";
import type { TestDatabase } from "./database.ts";
import { eventually } from "./eventually.ts";

/**
 * Waits until so many sessions of the test's database wait for a lock: a row that another
 * transaction has changed, or what `holdLock` holds.
 */
export async function untilBlocked(database: TestDatabase, sessions = 1): Promise<void> {
  await eventually(async () => {
    const blocked = await database.query(
      `select from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'`,
    );
    expect(blocked).toHaveLength(sessions);
  });
}
