import { decode, jsonProblem, notUtf8 } from "./decode.ts";
import { type FileRecord, longestRecordBytes, tooLong } from "./file_record.ts";

const newlineByte = 0x0a;
const byteOrderMark = Buffer.from([0xef, 0xbb, 0xbf]);

/** Reads JSON Lines (jsonlines.org): one record a line; empty lines count, but are no records. */
export async function* readJsonLines(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<FileRecord> {
  let line = 0;
  for await (const { end, content } of splitLines(bytes)) {
    const isMarked = line++ === 0 && content !== null &&
      byteOrderMark.equals(content.subarray(0, 3));
    const read = readLine(isMarked ? content.subarray(3) : content);
    if (read !== null) yield { line, end, ...read };
  }
}

/** Null for an empty line. */
function readLine(content: Uint8Array | null): { json: string } | { problem: string } | null {
  if (content === null) return { problem: tooLong };
  const text = decode(content);
  if (text === null) return { problem: notUtf8 };
  if (text.trim() === "") return null;
  const problem = jsonProblem(text);
  return problem === null ? { json: text } : { problem };
}

interface Line {
  /** How many bytes come before its end. */
  end: number;
  /** Null if there are too many bytes to be kept. */
  content: Uint8Array | null;
}

/** The lines, without the characters that end them. */
async function* splitLines(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Line> {
  let parts: Uint8Array[] = [];
  let length = 0;
  let position = 0;
  function add(part: Uint8Array): void {
    length += part.length;
    position += part.length;
    if (length > longestRecordBytes) parts = [];
    else parts.push(part);
  }
  function take(): Line {
    const content = length > longestRecordBytes ? null : Buffer.concat(parts);
    parts = [];
    length = 0;
    return { end: position, content };
  }
  for await (const chunk of bytes) {
    let start = 0;
    for (
      let end = chunk.indexOf(newlineByte);
      end !== -1;
      end = chunk.indexOf(newlineByte, start)
    ) {
      add(chunk.subarray(start, end));
      yield take();
      position++;
      start = end + 1;
    }
    add(chunk.subarray(start));
  }
  if (length > 0) yield take();
}
