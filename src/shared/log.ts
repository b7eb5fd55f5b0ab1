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
