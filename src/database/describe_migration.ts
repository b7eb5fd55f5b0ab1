import type { MigrationSummary } from "./migrate_database.ts";

/** What a migration did, in lines for people. */
export function describeMigration(summary: MigrationSummary): string {
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
