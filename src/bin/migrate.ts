import { withDatabase } from "../database/connect.ts";
import { describeMigration } from "../database/describe_migration.ts";
import { migrateWithSettings } from "../database/migrate_with_settings.ts";
import { giveUpPrograms } from "../shared/give_up_programs.ts";
import { makeLog } from "../shared/log.ts";
import { fail } from "../shared/process.ts";
import { readJwtKeys } from "../shared/read_jwt_keys.ts";
import { readSettings } from "../shared/settings.ts";

/** `deno task migrate`: brings the database up to date and says what was done. */
async function main(): Promise<void> {
  const settings = readSettings();
  await giveUpPrograms(settings);
  const log = makeLog(settings.logLevel);
  const summary = await withDatabase(
    settings,
    log,
    (adminUrl) => migrateWithSettings(settings, adminUrl, log),
    { migrate: false },
  );
  // The gateway needs them, and may write nothing
  await readJwtKeys(settings);
  console.log(describeMigration(summary));
}

if (import.meta.main) await main().catch(fail);
