import { decode, jsonProblem, notUtf8 } from "./decode.ts";
import { type FileRecord, longestRecordBytes, tooLong } from "./file_record.ts";
import { Window } from "./window.ts";

const nothingAfter = "; nothing after it was read";

/**
 * Reads a file that is one JSON array; its elements are the records. They are passed on as they are
 * written, so that no number loses digits on its way to the database.
 */
export async function* readJsonArray(
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<FileRecord> {
  const window = new Window(chunks);
  let at = 0;
  let line = 1;
  async function grow(): Promise<void> {
    window.drop(at);
    at = 0;
    await window.grow();
  }
  function moveTo(position: number): void {
    line += window.text.slice(at, position).split("\n").length - 1;
    at = position;
  }
  /** @returns the character there, "" at the end of the file */
  async function skipBlank(): Promise<string> {
    for (;;) {
      moveTo(endOfBlank(window.text, at));
      const character = window.text[at];
      if (character !== undefined) return character;
      if (window.isWhole) return "";
      await grow();
    }
  }
  const here = () => window.placeOf(window.text.length);

  while (!window.isWhole && window.text.length < 3) await window.grow();
  if (window.text.startsWith("\xef\xbb\xbf")) at = 3;
  if (await skipBlank() !== "[") {
    yield { line, end: here(), problem: "is not a JSON array" };
    return;
  }
  at++;
  let isOver = await skipBlank() === "]";
  for (let item = 1; !isOver; item++) {
    let end = findEnd(window.text, at);
    while (end === -1 && !window.isWhole && window.text.length - at <= longestRecordBytes) {
      await grow();
      end = findEnd(window.text, at);
    }
    if (end === -1) {
      const problem = (window.isWhole ? "has no end" : tooLong) + nothingAfter;
      yield { line, item, end: here(), problem };
      return;
    }
    const isLong = end - at > longestRecordBytes;
    const read = isLong ? { problem: tooLong } : readElement(window.bytes(at, end));
    yield { line, item, end: window.placeOf(end), ...read };
    isOver = window.text[end] === "]";
    moveTo(end);
    if (isOver) break;
    at++;
    await skipBlank();
  }
  at++;
  if (await skipBlank() !== "") {
    yield { line, end: here(), problem: "stands after the end of the array" };
  }
}

function readElement(bytes: Uint8Array): { json: string } | { problem: string } {
  const json = decode(bytes);
  if (json === null) return { problem: notUtf8 };
  const problem = jsonProblem(json);
  return problem === null ? { json } : { problem };
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

function endOfBlank(text: string, start: number): number {
  const blank = /[ \t\r\n]*/y;
  blank.lastIndex = start;
  return start + (blank.exec(text)?.[0].length ?? 0);
}
