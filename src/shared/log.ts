import { writeSync } from "node:fs";
import process from "node:process";
import { destination, type Logger, type LoggerOptions, pino } from "pino";
import type { LogLevel } from "./settings.ts";

/** What everything here logs to. */
export type Log = Logger;

/**
 * A logger that writes JSON lines to standard error; standard output is for answers to people and
 * scripts. Synchronous, so that the line before a crash is not lost.
 *
 * @param level the least level that is written
 */
export function makeLog(level: LogLevel): Log {
  return pino({ level, ...format }, destination({ dest: 2, sync: true }));
}

/** Characters of lines after which they are written, and how long a line waits at most. */
const blockCharacters = 64 * 1024;
const blockWaitMs = 50;

/**
 * A writer of many JSON lines to standard error: it gathers them for a moment, since to write each one by
 * itself costs more than to make it. When the process is killed, the lines of that moment are lost.
 */
export function makeLineWriter(): (line: string) => void {
  let block = "";
  let timer: ReturnType<typeof setTimeout> | null = null;

  function flush(): void {
    if (timer !== null) clearTimeout(timer);
    timer = null;
    const bytes = encoder.encode(block);
    block = "";
    for (let written = 0; written < bytes.length;) {
      try {
        written += writeSync(2, bytes, written);
      } catch (error) {
        // Whoever reads is slower than we write
        if ((error as NodeJS.ErrnoException).code !== "EAGAIN") return;
        Atomics.wait(nobody, 0, 0, 1);
      }
    }
  }

  process.on("exit", flush);
  return function writeLine(line) {
    block += `${line}\n`;
    if (block.length >= blockCharacters) flush();
    else timer ??= setTimeout(flush, blockWaitMs);
  };
}

const encoder = new TextEncoder();
/** What nobody changes: to wait for it is to sleep. */
const nobody = new Int32Array(new SharedArrayBuffer(4));

const format: LoggerOptions = {
  base: null,
  timestamp: () => `,"time":"${new Date().toISOString()}"`,
  formatters: { level: (label) => ({ level: label }) },
  serializers: { err: describeError },
  redact: ["*.password", "*.authorization", "*.connectionString", "password", "authorization"],
};

/** A logger of all levels on another thread, whose lines go to `logLine` on this one. */
export function makeLineLog(write: (line: string) => void): Log {
  return pino({ level: "trace", ...format }, { write });
}

/** Logs what a logger of another thread wrote. */
export function logLine(log: Log, line: string): void {
  const { level, msg, time: _, ...fields } = JSON.parse(line);
  log[level as "info"](fields, msg);
}

/** What a log line says of an error. Not its other properties: those of a database client are endless. */
interface LoggedError {
  type: string;
  message: string;
  stack: string | undefined;
  cause?: unknown;
  [field: string]: unknown;
}

/** The fields of PostgreSQL's errors that name things, and never hold what people wrote. */
const loggedDatabaseFields = [
  "code",
  "severity",
  "schema",
  "table",
  "column",
  "constraint",
  "routine",
];

function describeError(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const described: LoggedError = { type: error.name, message: error.message, stack: error.stack };
  for (const field of loggedDatabaseFields) {
    const value = (error as unknown as Record<string, unknown>)[field];
    if (value !== undefined) described[field] = value;
  }
  if (error.cause !== undefined) described.cause = describeError(error.cause);
  return described;
}
