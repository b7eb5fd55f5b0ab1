import { setImmediate as nextTurn } from "node:timers/promises";
import pg from "pg";
import type { FileRecord } from "./file_record.ts";

/** What became of a file. */
export interface ImportSummary {
  /** How many records it has, broken ones included. */
  read: number;
  inserted: number;
  unchanged: number;
  /** In the order of the file. */
  refused: { line: number; reason: string }[];
}

/** What the database says of one record. */
export interface Outcome {
  line: number;
  outcome: "inserted" | "unchanged" | "refused";
  reason: string | null;
}

/** How to import. */
export interface ImportOptions {
  records: AsyncIterable<FileRecord>;
  /**
   * Imports records in one call, all with their outcome.
   *
   * @param lines a JSON array of {"line": …, "record": …}
   */
  send(client: pg.Client, lines: string): Promise<Outcome[]>;
  /** Do everything, and undo it at the end. */
  dryRun: boolean;
  onProgress?(summary: ImportSummary, bytes: number): void;
}

type Record = FileRecord & { json: string };

/** A call has at most this many records, each call being a transaction … */
const maxRecordsPerCall = 500;
/** … and about this many characters. */
const maxCharactersPerCall = 4 * 1024 * 1024;

/**
 * Imports the records of a file, some at a time: an import that is interrupted keeps what it has
 * done, and a second run goes on after it.
 *
 * @param client acts as curestry_owner
 * @throws {Error} if the database fails; what was imported before stays
 */
export async function importRecords(
  client: pg.Client,
  options: ImportOptions,
): Promise<ImportSummary> {
  const summary: ImportSummary = { read: 0, inserted: 0, unchanged: 0, refused: [] };
  let waiting: Record[] = [];
  let characters = 0;
  let sending = Promise.resolve();
  async function send(records: Record[], bytes: number): Promise<void> {
    for (const { line, outcome, reason } of await sendAll(client, options, records)) {
      if (outcome === "refused") summary.refused.push({ line, reason: reason ?? "" });
      else summary[outcome]++;
    }
    options.onProgress?.(summary, bytes);
  }
  /** While the database works on some records, the next ones are read. */
  async function flush(bytes: number): Promise<void> {
    await sending;
    sending = send(waiting, bytes);
    sending.catch(() => {}); // told by the next flush
    waiting = [];
    characters = 0;
    await nextTurn();
  }

  if (options.dryRun) await client.query("begin");
  let bytes = 0;
  try {
    for await (const record of options.records) {
      summary.read++;
      bytes = record.end;
      if ("problem" in record) {
        summary.refused.push({ line: record.line, reason: record.problem });
        continue;
      }
      waiting.push(record);
      characters += record.json.length;
      if (waiting.length >= maxRecordsPerCall || characters >= maxCharactersPerCall) {
        await flush(bytes);
      }
    }
  } catch (error) {
    await sending.catch(() => {}); // what was sent stays
    throw error;
  }
  await flush(bytes);
  await sending;
  if (options.dryRun) await client.query("rollback");
  summary.refused.sort((a, b) => a.line - b.line);
  return summary;
}

/**
 * One call for all; if PostgreSQL cannot even read them, one for each. That happens for what is
 * valid JSON but no jsonb: the character NUL, half a surrogate pair, numbers and depths beyond bounds.
 */
async function sendAll(
  client: pg.Client,
  options: ImportOptions,
  records: Record[],
): Promise<Outcome[]> {
  if (records.length === 0) return [];
  try {
    return await sendOnce(client, options, records);
  } catch (error) {
    if (!isAboutData(error)) throw error;
    const [only] = records;
    if (records.length === 1 && only) {
      return [{ line: only.line, outcome: "refused", reason: describe(error) }];
    }
  }
  const outcomes: Outcome[] = [];
  for (const record of records) outcomes.push(...await sendAll(client, options, [record]));
  return outcomes;
}

async function sendOnce(
  client: pg.Client,
  { send, dryRun }: ImportOptions,
  records: Record[],
): Promise<Outcome[]> {
  const lines = records.map(({ line, json }) => `{"line":${line},"record":${json}}`);
  if (dryRun) await client.query("savepoint records");
  try {
    return await send(client, `[${lines.join(",")}]`);
  } catch (error) {
    if (dryRun) await client.query("rollback to savepoint records");
    throw error;
  }
}

/** Class 22: data exception; 54: program limit exceeded. */
function isAboutData(error: unknown): error is pg.DatabaseError {
  return error instanceof pg.DatabaseError && /^(22|54)/.test(error.code ?? "");
}

function describe(error: pg.DatabaseError): string {
  if (error.code === "22P05") {
    return "has the character NUL (\\u0000), which PostgreSQL cannot hold";
  }
  return [error.message, error.detail].filter(Boolean).join(": ");
}
