import type { Logger } from "pino";
import type { ErrorCode } from "../../shared/error_codes.ts";
import type { Metrics } from "./metrics.ts";

/** A request that has its answer. */
export interface AnsweredRequest {
  requestId: string;
  method: string;
  path: string;
  status: number;
  /** When it began, by `performance.now()`. */
  startedAt: number;
  credential?: string | undefined;
  /** Of the errors in the answer. */
  codes?: readonly ErrorCode[] | undefined;
}

/** Logged at the level debug only: asked every second, or thirty times for one page. */
const quietPaths = /^\/(livez|readyz|health|metrics|favicon\.ico|(ruru-static|pages)\/.*)$/;

/** Notes that a request has its answer. */
export type NoteRequest = (request: AnsweredRequest) => void;

/**
 * Makes what counts requests, and writes a line about each into the log. The line is made by hand: a
 * logger that looks for secrets in it takes as long as all the rest of HTTP.
 *
 * @param log says which levels are written
 */
export function makeNoteRequest(
  log: Logger,
  metrics: Metrics,
  writeLine: (line: string) => void,
): NoteRequest {
  return function noteRequest({ requestId, method, path, status, startedAt, credential, codes }) {
    const ms = performance.now() - startedAt;
    metrics.countRequest(method, status, ms / 1000);
    if (codes !== undefined) metrics.countErrors(codes);
    const level = quietPaths.test(path) ? "debug" : "info";
    if (!log.isLevelEnabled(level)) return;
    writeLine(JSON.stringify({
      level,
      time: new Date().toISOString(),
      requestId,
      method,
      path,
      status,
      ms: Math.round(ms * 10) / 10,
      credential,
      errors: codes,
      msg: "request",
    }));
  };
}
