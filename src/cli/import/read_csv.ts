import { decode, notUtf8 } from "./decode.ts";
import type { FileRecord } from "./file_record.ts";
import { type CsvSpan, splitCsv, splitFields } from "./split_csv.ts";

/** Columns that hold more than text. */
const structuredColumns = new Set(["tags", "extraMetadata", "extra_metadata"]);

/**
 * Reads CSV (RFC 4180) with a header: each record becomes an object with the header's names, without
 * the empty fields. The separator is a comma, or a semicolon or tab if the header has more of those.
 * Quoted fields may have line breaks.
 *
 * @throws {Error} if the header cannot be used
 */
export function* readCsv(bytes: Uint8Array): Generator<FileRecord> {
  // One character a byte: what separates fields is ASCII, and positions are those of the bytes
  const text = Buffer.from(bytes).toString("latin1");
  const start = text.startsWith("\xef\xbb\xbf") ? 3 : 0;
  const delimiter = chooseDelimiter(text, start);
  let names: string[] | null = null;
  for (const span of splitCsv(text, start, delimiter)) {
    const read = readFields(bytes, span, delimiter);
    if (names === null) {
      names = readHeader(read);
      continue;
    }
    const { line, end } = span;
    if ("problem" in read) {
      yield { line, end, problem: read.problem };
    } else if (read.fields.length !== names.length) {
      const problem = `has ${read.fields.length} fields, and the header has ${names.length}`;
      yield { line, end, problem };
    } else {
      yield { line, end, json: toJson(names, read.fields) };
    }
  }
}

type Fields = { fields: string[] } | { problem: string };

function readFields(bytes: Uint8Array, span: CsvSpan, delimiter: string): Fields {
  if (span.problem !== null) return { problem: span.problem };
  const text = decode(bytes.subarray(span.start, span.end));
  return text === null ? { problem: notUtf8 } : { fields: splitFields(text, delimiter) };
}

function readHeader(read: Fields): string[] {
  if ("problem" in read) throw new Error(`The header of the file ${read.problem}`);
  const names = read.fields.map((name) => name.trim());
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) {
    throw new Error(
      twice === ""
        ? "The header names some columns not at all"
        : `The header has two columns "${twice}"`,
    );
  }
  return names;
}

function toJson(names: string[], fields: string[]): string {
  const filled = names.map((name, index) => [name, fields[index] ?? ""] as const)
    .filter(([, value]) => value !== "")
    .map((
      [name, value],
    ) => [name, structuredColumns.has(name) ? readStructure(name, value) : value]);
  return JSON.stringify(Object.fromEntries(filled));
}

/** JSON as it is written; tags may also be words with commas or semicolons between them. */
function readStructure(name: string, value: string): unknown {
  if (/^\s*[[{]/.test(value)) {
    try {
      return JSON.parse(value);
    } catch {
      return value;
    }
  }
  return name === "tags" ? value.split(/[,;]/).map((tag) => tag.trim()).filter(Boolean) : value;
}

function chooseDelimiter(text: string, start: number): string {
  const header = /[^\r\n]*/.exec(text.slice(start, start + 10_000).trimStart())?.[0] ?? "";
  const [best = ","] = [",", ";", "\t"].sort((a, b) =>
    header.split(b).length - header.split(a).length
  );
  return best;
}
