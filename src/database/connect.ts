import type { Log } from "../shared/log.ts";
import type { Settings } from "../shared/settings.ts";
import { findRunning, startEmbedded } from "./embedded/start_embedded.ts";
import { migrateWithSettings } from "./migrate_with_settings.ts";
import { databaseName, databaseUrl } from "./urls.ts";

/**
 * Runs something on the database: that of DATABASE_URL, or the embedded one. The latter may be
 * running already; if not, it is started and migrated for this call, and stopped after it.
 *
 * @param use gets the administrator's connection string
 * @param options `migrate: false` leaves an embedded database that was not running as it is
 * @throws {Error} if there is no database to be had, saying what to do; what `use` throws
 */
export async function withDatabase<T>(
  settings: Settings,
  log: Log,
  use: (adminUrl: string) => Promise<T>,
  options: { migrate?: boolean } = {},
): Promise<T> {
  const found = await findDatabase(settings);
  if (found !== null) return await use(found);
  const database = await startEmbedded(settings, "call", log);
  try {
    if (options.migrate ?? true) await migrateWithSettings(settings, database.adminUrl, log);
    return await use(database.adminUrl);
  } finally {
    await database.stop();
  }
}

/**
 * The administrator's connection string of a database that runs: that of DATABASE_URL, or the
 * embedded one of a running `start`.
 *
 * @returns null if there is neither
 */
export async function findDatabase(settings: Settings): Promise<string | null> {
  if (settings.databaseUrl === null) return await findRunning(settings);
  return databaseUrl(settings.databaseUrl, databaseName(settings.databaseUrl));
}
