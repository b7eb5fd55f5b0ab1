import { decode, jsonProblem, notUtf8 } from "./decode.ts";
import type { FileRecord } from "./file_record.ts";

/**
 * Reads a file that is one JSON array; its elements are the records. They are passed on as they are
 * written, so that no number loses digits on its way to the database.
 */
export function* readJsonArray(bytes: Uint8Array): Generator<FileRecord> {
  // One character a byte: what separates elements is ASCII, and positions are those of the bytes
  const text = Buffer.from(bytes).toString("latin1");
  let at = skipBlank(text, text.startsWith("\xef\xbb\xbf") ? 3 : 0);
  const lines = makeLineCounter(text);
  if (text[at] !== "[") {
    yield { line: lines(at), end: text.length, problem: "is not a JSON array" };
    return;
  }
  at = skipBlank(text, at + 1);
  if (text[at] === "]") return yield* nothingAfter(text, at + 1, lines);
  for (;;) {
    const line = lines(at);
    const end = findEnd(text, at);
    if (end === -1) {
      yield { line, end: text.length, problem: "has no end; nothing after it was read" };
      return;
    }
    yield { line, end, ...readElement(bytes.subarray(at, end)) };
    at = skipBlank(text, end + 1);
    if (text[end] === "]") return yield* nothingAfter(text, at, lines);
  }
}

function readElement(bytes: Uint8Array): { json: string } | { problem: string } {
  const json = decode(bytes);
  if (json === null) return { problem: notUtf8 };
  const problem = jsonProblem(json);
  return problem === null ? { json } : { problem };
}

function* nothingAfter(
  text: string,
  at: number,
  lines: (at: number) => number,
): Generator<FileRecord> {
  const next = skipBlank(text, at);
  if (next < text.length) {
    yield { line: lines(next), end: text.length, problem: "stands after the end of the array" };
  }
}

/** Where the comma or bracket after an element is; -1 if the file ends before that. */
function findEnd(text: string, start: number): number {
  let depth = 0;
  let isString = false;
  for (let at = start; at < text.length; at++) {
    const character = text[at];
    if (isString) {
      if (character === "\\") at++;
      else if (character === '"') isString = false;
    } else if (character === '"') {
      isString = true;
    } else if (character === "{" || character === "[") {
      depth++;
    } else if (depth <= 0 && (character === "," || character === "]")) {
      return at;
    } else if (character === "}" || character === "]") {
      depth--;
    }
  }
  return -1;
}

function skipBlank(text: string, start: number): number {
  const blank = /[ \t\r\n]*/y;
  blank.lastIndex = start;
  return start + (blank.exec(text)?.[0].length ?? 0);
}

/** Tells the line of a position; positions may not go back. */
function makeLineCounter(text: string): (at: number) => number {
  let line = 1;
  let counted = 0;
  return (at) => {
    for (
      let next = text.indexOf("\n", counted);
      next !== -1 && next < at;
      next = text.indexOf("\n", counted)
    ) {
      line++;
      counted = next + 1;
    }
    return line;
  };
}
