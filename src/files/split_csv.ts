import { longestRecordBytes, tooLong } from "./file_record.ts";
import type { Window } from "./window.ts";

/** A record of a CSV file. */
export interface CsvSpan {
  /** Without the line break; null if it cannot be read. */
  bytes: Uint8Array | null;
  /** How many bytes of the file come before its end. */
  end: number;
  /** The line on which it starts, from 1. */
  line: number;
  /** Why it cannot be read; null if it can. */
  problem: string | null;
}

/** A field of a record. */
export interface CsvField {
  text: string;
  isQuoted: boolean;
}

interface Scan {
  end: number;
  fields: number;
  problem: string | null;
  /** Where to go on after a problem. */
  resume: number;
}

/**
 * Finds the records of a CSV file (RFC 4180), and goes on after a broken one: parsers of CSV, once a
 * quote is wrong, lose all that follows. Empty lines are passed over.
 *
 * @param start where it begins in the window
 */
export async function* splitCsv(
  window: Window,
  start: number,
  delimiter: string,
): AsyncGenerator<CsvSpan> {
  let line = 1;
  let width: number | null = null;
  let at = start;
  async function grow(): Promise<void> {
    window.drop(at);
    at = 0;
    await window.grow();
  }
  for (;;) {
    const { text, isWhole } = window;
    // A line break may be two characters
    if (at >= text.length - 1 && !isWhole) {
      await grow();
      continue;
    }
    if (at >= text.length) return;
    const lineBreak = breakAt(text, at);
    if (lineBreak > 0) {
      line++;
      at += lineBreak;
      continue;
    }
    const scan = scanRecord(text, at, delimiter);
    const isCut = !isWhole && Math.max(scan.end, scan.resume) >= text.length - 1;
    if (isCut && text.length - at <= longestRecordBytes) {
      await grow();
      continue;
    }
    if (isCut && scan.problem === null) {
      yield { bytes: null, end: window.placeOf(text.length), line, problem: tooLong };
      line += countBreaks(text, at, text.length);
      at = text.length;
      await skipLine();
      continue;
    }
    width ??= scan.fields;
    const isUnclosed = scan.end === text.length && scan.problem !== null;
    if (isUnclosed && !isClean(text, scan.resume, delimiter, { width, isWhole })) {
      const problem = scan.problem + nothingAfter;
      yield { bytes: null, end: window.placeOf(scan.end), line, problem };
      return;
    }
    const isLong = scan.end - at > longestRecordBytes;
    const problem = scan.problem ?? (isLong ? tooLong : null);
    const bytes = problem === null ? window.bytes(at, scan.end) : null;
    yield { bytes, end: window.placeOf(scan.end), line, problem };
    const next = scan.problem === null ? scan.end : scan.resume;
    line += countBreaks(text, at, next);
    at = next;
  }

  /** Passes over what is left of a line. */
  async function skipLine(): Promise<void> {
    while (!window.isWhole) {
      await grow();
      at = endOfLine(window.text, 0);
      if (at < window.text.length) return;
    }
    at = window.text.length;
  }
}

const nothingAfter = "; nothing after it was read";

/** Reads one record; its end, or what is wrong and where the next one may begin. */
function scanRecord(text: string, start: number, delimiter: string): Scan {
  let fields = 0;
  for (let at = start;; at++) {
    fields++;
    const isQuoted = text[at] === '"';
    const end = isQuoted ? endOfQuoted(text, at) : endOfPlain(text, at, delimiter);
    if (end === -1) {
      const problem = "has a quote that is opened and never closed";
      return { end: text.length, fields, problem, resume: endOfLine(text, start) };
    }
    if (end >= text.length || breakAt(text, end) > 0) {
      return { end, fields, problem: null, resume: end };
    }
    if (text[end] !== delimiter) {
      if (!isQuoted) {
        const problem = 'has a quote (") in a field that does not begin with one';
        return { end, fields, problem, resume: endOfLine(text, end) };
      }
      // A closing quote right after a separator or a line break is the opening one of another field,
      // so that the one before was never closed: only the line that it is on is broken
      const isOpening = [delimiter, "\n", "\r"].includes(text[end - 2] ?? "");
      const problem = isOpening
        ? "has a quote that is opened and not closed"
        : "has something between a closing quote and the next separator";
      return { end, fields, problem, resume: endOfLine(text, isOpening ? start : end) };
    }
    at = end;
  }
}

/** Right after the closing quote; -1 if there is none. */
function endOfQuoted(text: string, start: number): number {
  for (let at = text.indexOf('"', start + 1); at !== -1; at = text.indexOf('"', at + 2)) {
    if (text[at + 1] !== '"') return at + 1;
  }
  return -1;
}

function endOfPlain(text: string, start: number, delimiter: string): number {
  const ends = plainEnds[delimiter];
  if (ends === undefined) throw new Error(`${delimiter} is no separator of ours`);
  ends.lastIndex = start;
  return ends.exec(text)?.index ?? text.length;
}

/** What ends a field without quotes, by separator. */
const plainEnds: Record<string, RegExp> = {
  ",": /[,"\r\n]/g,
  ";": /[;"\r\n]/g,
  "\t": /[\t"\r\n]/g,
};

/**
 * The fields of a record that `splitCsv` found whole.
 *
 * @param text the record, decoded
 */
export function splitFields(text: string, delimiter: string): CsvField[] {
  const fields: CsvField[] = [];
  for (let at = 0;; at++) {
    const isQuoted = text[at] === '"';
    const end = isQuoted ? endOfQuoted(text, at) : endOfPlain(text, at, delimiter);
    const field = isQuoted
      ? text.slice(at + 1, end - 1).replaceAll('""', '"')
      : text.slice(at, end);
    fields.push({ text: field, isQuoted });
    if (end >= text.length) return fields;
    at = end;
  }
}

/** Whether all that follows is records as wide as the header: then one line alone was broken. */
function isClean(
  text: string,
  start: number,
  delimiter: string,
  { width, isWhole }: { width: number; isWhole: boolean },
): boolean {
  for (let at = start; at < text.length;) {
    const lineBreak = breakAt(text, at);
    if (lineBreak > 0) {
      at += lineBreak;
      continue;
    }
    const { end, fields, problem } = scanRecord(text, at, delimiter);
    if (end >= text.length && !isWhole) return true;
    if (problem !== null || fields !== width) return false;
    at = end;
  }
  return true;
}

/** How many characters the line break here has; 0 if there is none. */
function breakAt(text: string, at: number): number {
  if (text[at] === "\n") return 1;
  if (text[at] === "\r") return text[at + 1] === "\n" ? 2 : 1;
  return 0;
}

function endOfLine(text: string, start: number): number {
  lineBreaks.lastIndex = start;
  return lineBreaks.exec(text)?.index ?? text.length;
}

function countBreaks(text: string, start: number, end: number): number {
  let breaks = 0;
  lineBreaks.lastIndex = start;
  while ((lineBreaks.exec(text)?.index ?? end) < end) breaks++;
  return breaks;
}

const lineBreaks = /\r\n|\n|\r/g;
