import { setImmediate as nextTurn } from "node:timers/promises";
import pg from "pg";
import type { FileRecord } from "./file_record.ts";

/** What became of one record. */
export interface RecordOutcome {
  line: number;
  /** Of a JSON array: which of its elements it is. */
  item?: number | undefined;
  outcome: "inserted" | "unchanged" | "refused";
  /** What it is in the database, if it is there. */
  id: string | null;
  /** Why it was refused. */
  reason: string | null;
}

/** Some records, with what became of each. */
export interface SentRecords {
  /** In the order of the file. */
  outcomes: RecordOutcome[];
  /** How many bytes of the file were read by then. */
  bytes: number;
}

/**
 * Imports records in one transaction, and answers what became of each.
 *
 * @param lines a JSON array of {"line": …, "record": …}; a "line" is only what the outcome is found by
 */
export type Send = (lines: string) => Promise<RecordOutcome[]>;

/** A transaction has at most this many records … */
const maxRecordsPerCall = 500;
/** … and about this many characters. */
const maxCharactersPerCall = 4 * 1024 * 1024;

/**
 * Sends the records of a file to the database, some at a time: an import that is interrupted keeps what it has
 * done, and a second one goes on after it. While the database works on some, the next ones are read.
 *
 * @throws what `send` throws, and what reading throws, when what was read before has its outcomes
 */
export async function* sendRecords(
  records: AsyncIterable<FileRecord>,
  send: Send,
): AsyncGenerator<SentRecords> {
  let underWay: Promise<SentRecords> | null = null;
  const batches = batchRecords(records);
  const readNext = () => batches.next().catch((error: unknown) => ({ error }));
  let reading = readNext();
  try {
    for (;;) {
      if (underWay !== null) yield await underWay;
      const next = await reading;
      if ("error" in next) throw next.error;
      if (next.done) return;
      underWay = sendBatch(next.value, send);
      underWay.catch(() => {}); // told when it is waited for
      reading = readNext();
      await nextTurn();
    }
  } finally {
    await underWay?.catch(() => {});
    await batches.return(undefined);
  }
}

async function* batchRecords(records: AsyncIterable<FileRecord>): AsyncGenerator<FileRecord[]> {
  let batch: FileRecord[] = [];
  let characters = 0;
  try {
    for await (const record of records) {
      batch.push(record);
      characters += "json" in record ? record.json.length : record.problem.length;
      if (batch.length < maxRecordsPerCall && characters < maxCharactersPerCall) continue;
      yield batch;
      batch = [];
      characters = 0;
    }
  } catch (error) {
    if (batch.length > 0) yield batch;
    throw error;
  }
  if (batch.length > 0) yield batch;
}

async function sendBatch(batch: FileRecord[], send: Send): Promise<SentRecords> {
  // Several elements of an array can stand in one line: the place in the batch tells them apart
  const placed = batch.map((record, place) => ({ ...record, place }));
  const refused = placed.flatMap((record) => "problem" in record ? [refuse(record)] : []);
  const readable = placed.filter((record) => "json" in record);
  const outcomes = [...refused, ...await sendAll(readable, send)]
    .sort((a, b) => a.line - b.line)
    .map((outcome) => {
      const { line = 0, item } = batch[outcome.line] ?? {};
      return { ...outcome, line, item };
    });
  return { outcomes, bytes: batch.at(-1)?.end ?? 0 };
}

/** A record with its place in the batch, which is the "line" of what is sent and of its outcome. */
interface Place {
  place: number;
}

function refuse({ place, problem }: Place & { problem: string }): RecordOutcome {
  return { line: place, outcome: "refused", id: null, reason: problem };
}

/**
 * One call for all; if PostgreSQL cannot even read them, one for each. That happens for what is
 * valid JSON but no jsonb: the character NUL, half a surrogate pair, numbers and depths beyond bounds.
 */
async function sendAll(
  records: (Place & { json: string })[],
  send: Send,
): Promise<RecordOutcome[]> {
  if (records.length === 0) return [];
  try {
    const lines = records.map(({ place, json }) => `{"line":${place},"record":${json}}`);
    return await send(`[${lines.join(",")}]`);
  } catch (error) {
    if (!isAboutData(error)) throw error;
    const [only] = records;
    if (records.length === 1 && only) return [refuse({ ...only, problem: describe(error) })];
  }
  const outcomes: RecordOutcome[] = [];
  for (const record of records) outcomes.push(...await sendAll([record], send));
  return outcomes;
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
