import { decode } from "./decode.ts";
import type { FileRecord } from "./file_record.ts";
import { readCsv } from "./read_csv.ts";
import { readJsonArray } from "./read_json_array.ts";
import { readJsonLines } from "./read_json_lines.ts";
import { UnreadableFile } from "./unreadable_file.ts";

/** The formats of files that can be read. */
export type Format = "csv" | "json" | "jsonl";

/** Enough to see what a file is. */
const peekedBytes = 4096;

/** A file that is read. */
export interface FileSource {
  /** For messages; its ending may say the format. */
  name: string;
  /** Its bytes, once. */
  chunks: AsyncIterable<Uint8Array>;
}

const readers: Readonly<
  Record<Format, (chunks: AsyncIterable<Uint8Array>) => AsyncGenerator<FileRecord>>
> = { csv: readCsv, json: readJsonArray, jsonl: readJsonLines };

/**
 * Reads the records of a file of any size, whatever its format: by its name, else by how it begins. A
 * broken record does not end the reading.
 *
 * @param formats what makes sense here
 * @throws {UnreadableFile} if the file is of none of these formats, or cannot be read
 */
export async function* readRecords(
  source: FileSource,
  formats: readonly Format[],
): AsyncGenerator<FileRecord> {
  const chunks = source.chunks[Symbol.asyncIterator]();
  const start = await readStart(chunks);
  const bytes = rest(start, chunks);
  const format = detectFormat(source.name, start);
  if (!formats.includes(format)) {
    throw new UnreadableFile(
      `${source.name} looks like ${format.toUpperCase()}; this reads ${
        formats.map((name) => name.toUpperCase()).join(" and ")
      }`,
    );
  }
  yield* readers[format](bytes);
}

/** @throws {UnreadableFile} if it is in UTF-16 */
function detectFormat(name: string, start: Uint8Array): Format {
  const [first, second] = start;
  if ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff)) {
    throw new UnreadableFile(`${name} is in UTF-16: save it as UTF-8`);
  }
  const text = (decode(start, { lenient: true }) ?? "").trimStart();
  const extension = /\.(csv|json|jsonl|ndjson)$/i.exec(name)?.[1]?.toLowerCase();
  if (extension === "csv") return "csv";
  if (extension === "jsonl" || extension === "ndjson") return "jsonl";
  if (text.startsWith("[")) return "json";
  return extension === "json" || text.startsWith("{") ? "jsonl" : "csv";
}

async function readStart(chunks: AsyncIterator<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for (let length = 0; length < peekedBytes;) {
    const { value, done } = await chunks.next();
    if (done) break;
    parts.push(value);
    length += value.length;
  }
  return Buffer.concat(parts);
}

async function* rest(
  start: Uint8Array,
  chunks: AsyncIterator<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  yield start;
  for (;;) {
    const { value, done } = await chunks.next();
    if (done) return;
    yield value;
  }
}
