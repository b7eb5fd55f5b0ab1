import { withClient } from "../../src/database/open_client.ts";
import type { TestDatabase } from "./database.ts";

/** What a function of a test does to wait until the lock is released: `perform ${AWAIT_LOCK}`. */
export const AWAIT_LOCK = "pg_advisory_xact_lock_shared(4711)";

/**
 * Takes the lock of the test's database: who comes to `AWAIT_LOCK` is under way, for certain, until
 * it is released.
 *
 * @returns releases it
 */
export async function holdLock(database: TestDatabase): Promise<() => Promise<void>> {
  const released = Promise.withResolvers<void>();
  const held = Promise.withResolvers<void>();
  const holding = withClient(database.adminUrl, async (client) => {
    await client.query("select pg_advisory_lock(4711)");
    held.resolve();
    await released.promise;
  });
  holding.catch(held.reject);
  await held.promise;
  return async () => {
    released.resolve();
    await holding;
  };
}
