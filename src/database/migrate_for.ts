import type { Log } from "../log.ts";
import type { Settings } from "../settings.ts";
import { migrateDatabase, type MigrationSummary } from "./migrate.ts";
import { readLoginPasswords } from "./secrets.ts";

/**
 * Migrates as the settings say.
 *
 * @param adminUrl the administrator's connection string
 */
export async function migrateFor(
  settings: Settings,
  adminUrl: string,
  log: Log,
): Promise<MigrationSummary> {
  return await migrateDatabase(adminUrl, {
    passwords: await readLoginPasswords(settings, adminUrl),
    log,
  });
}
