import type { Log } from "../shared/log.ts";
import type { Settings } from "../shared/settings.ts";
import { readLoginPasswords } from "./login_passwords.ts";
import { migrateDatabase, type MigrationSummary } from "./migrate_database.ts";

/**
 * Migrates as the settings say.
 *
 * @param adminUrl the administrator's connection string
 */
export async function migrateWithSettings(
  settings: Settings,
  adminUrl: string,
  log: Log,
): Promise<MigrationSummary> {
  return await migrateDatabase(adminUrl, {
    passwords: await readLoginPasswords(settings),
    log,
  });
}
