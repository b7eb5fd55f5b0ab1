import { withDatabase } from "./database/connect.ts";
import type { MigrationSummary } from "./database/migrate.ts";
import { migrateFor } from "./database/migrate_for.ts";
import { makeLog } from "./log.ts";
import { fail } from "./process.ts";
import { readSettings } from "./settings.ts";

/** `deno task migrate`: brings the database up to date and says what was done. */
async function main(): Promise<void> {
  const settings = readSettings();
  const log = makeLog(settings.logLevel);
  const summary = await withDatabase(
    settings,
    log,
    (adminUrl) => migrateFor(settings, adminUrl, log),
    { migrate: false },
  );
  console.log(describeSummary(summary));
}

/** What a migration did, in lines for people. */
export function describeSummary(summary: MigrationSummary): string {
  const { database, server, created, applied, notes, legacy, milliseconds } = summary;
  const lines = [
    `Database ${database} on PostgreSQL ${server.text}${created ? ", newly made" : ""}`,
    applied.length === 0
      ? "Up to date: no migration to run"
      : `${applied.length === 1 ? "1 migration" : `${applied.length} migrations`} ran:`,
    ...applied.map((file) => `  ${file}`),
  ];
  if (legacy.length > 0) {
    lines.push("Rows of the old backends' tables:");
    const width = Math.max(...legacy.map(({ sourceTable }) => sourceTable.length));
    for (const { sourceTable, rowsFound, rowsKept, note } of legacy) {
      lines.push(
        `  ${sourceTable.padEnd(width)}  ${rowsFound} found, ${rowsKept} kept${
          note ? `; ${note}` : ""
        }`,
      );
    }
  }
  for (const note of notes) lines.push(`Note: ${note}`);
  lines.push(`Done in ${(milliseconds / 1000).toFixed(2)} s`);
  return lines.join("\n");
}

if (import.meta.main) await main().catch(fail);
