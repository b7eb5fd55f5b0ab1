import type pg from "pg";
import type { FileRecord } from "../../files/file_record.ts";
import { type RecordOutcome, sendRecords } from "../../files/send_records.ts";

/** What became of a file. */
export interface ImportSummary {
  /** How many records it has, broken ones included. */
  read: number;
  inserted: number;
  unchanged: number;
  /** In the order of the file. */
  refused: { line: number; item?: number; reason: string }[];
}

/** How to import. */
export interface ImportOptions {
  records: AsyncIterable<FileRecord>;
  /** Imports records in one call, see `sendRecords`. */
  send(client: pg.Client, lines: string): Promise<RecordOutcome[]>;
  /** Do everything, and undo it at the end. */
  dryRun: boolean;
  onProgress?(summary: ImportSummary, bytes: number): void;
}

/**
 * Imports the records of a file.
 *
 * @param client acts as curestry_owner
 * @throws {Error} if the database fails; what was imported before stays
 */
export async function importRecords(
  client: pg.Client,
  { records, send, dryRun, onProgress }: ImportOptions,
): Promise<ImportSummary> {
  const summary: ImportSummary = { read: 0, inserted: 0, unchanged: 0, refused: [] };
  async function sendOnce(lines: string): Promise<RecordOutcome[]> {
    if (dryRun) await client.query("savepoint records");
    try {
      return await send(client, lines);
    } catch (error) {
      if (dryRun) await client.query("rollback to savepoint records");
      throw error;
    }
  }

  if (dryRun) await client.query("begin");
  for await (const { outcomes, bytes } of sendRecords(records, sendOnce)) {
    for (const { line, item, outcome, reason } of outcomes) {
      summary.read++;
      if (outcome === "refused") {
        summary.refused.push({ line, ...(item && { item }), reason: reason ?? "" });
      } else summary[outcome]++;
    }
    onProgress?.(summary, bytes);
  }
  if (dryRun) await client.query("rollback");
  return summary;
}
