import { decode, jsonProblem, notUtf8 } from "./decode.ts";
import type { FileRecord } from "./file_record.ts";
import { type CsvField, type CsvSpan, splitCsv, splitFields } from "./split_csv.ts";
import { UnreadableFile } from "./unreadable_file.ts";
import { Window } from "./window.ts";

/** Columns that hold more than text. */
const structuredColumns = new Set(["tags", "extraMetadata", "extra_metadata"]);
/** Columns that may hold the empty text, written with quotes; elsewhere an empty field is absent. */
const emptyTextColumns = new Set(["description"]);
/** Enough to see what separates the columns. */
const headerCharacters = 10_000;

/**
 * Reads CSV (RFC 4180) with a header: each record becomes an object with the header's names, without
 * the empty fields. The separator is a comma, or a semicolon or tab if the header has more of those.
 * Quoted fields may have line breaks.
 *
 * @throws {UnreadableFile} if the header cannot be used
 */
export async function* readCsv(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<FileRecord> {
  const window = new Window(chunks);
  while (!window.isWhole && !/\S[^\r\n]*[\r\n]/.test(window.text.slice(0, headerCharacters))) {
    if (window.text.length >= headerCharacters) break;
    await window.grow();
  }
  const start = window.text.startsWith("\xef\xbb\xbf") ? 3 : 0;
  const delimiter = chooseDelimiter(window.text, start);
  let names: string[] | null = null;
  for await (const span of splitCsv(window, start, delimiter)) {
    const read = readFields(span, delimiter);
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

type Fields = { fields: CsvField[] } | { problem: string };

function readFields({ bytes, problem }: CsvSpan, delimiter: string): Fields {
  if (bytes === null) return { problem: problem ?? "" };
  const text = decode(bytes);
  return text === null ? { problem: notUtf8 } : { fields: splitFields(text, delimiter) };
}

function readHeader(read: Fields): string[] {
  if ("problem" in read) throw new UnreadableFile(`The header of the file ${read.problem}`);
  const names = read.fields.map(({ text }) => text.trim());
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) {
    throw new UnreadableFile(
      twice === ""
        ? "The header names some columns not at all"
        : `The header has two columns "${twice}"`,
    );
  }
  return names;
}

function toJson(names: string[], fields: CsvField[]): string {
  const members = names.flatMap((name, index) => {
    const { text, isQuoted } = fields[index] ?? { text: "", isQuoted: false };
    if (text === "" && !(isQuoted && emptyTextColumns.has(name))) return [];
    const value = structuredColumns.has(name) ? readStructure(name, text) : JSON.stringify(text);
    return [`${JSON.stringify(name)}:${value}`];
  });
  return `{${members.join(",")}}`;
}

/** JSON as it is written, so that no number loses digits; tags may also be words with commas or semicolons between them. */
function readStructure(name: string, value: string): string {
  if (/^\s*[[{]/.test(value) && jsonProblem(value) === null) return value;
  return JSON.stringify(
    name === "tags" ? value.split(/[,;]/).map((tag) => tag.trim()).filter(Boolean) : value,
  );
}

function chooseDelimiter(text: string, start: number): string {
  const header = /[^\r\n]*/.exec(text.slice(start, headerCharacters).trimStart())?.[0] ?? "";
  const [best = ","] = [",", ";", "\t"].sort((a, b) =>
    header.split(b).length - header.split(a).length
  );
  return best;
}
