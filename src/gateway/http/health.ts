import type { Logger } from "pino";
import type { AskBeside } from "../database/ask_beside.ts";
import type { StorageFailures } from "../database/storage_failures.ts";
import { readyQuery } from "../database/pool.ts";
import { shareAnswer } from "../share_answer.ts";

/** The answer to a question about the gateway's state. */
export interface Report {
  status: 200 | 503;
  body: Record<string, unknown>;
}

/** What process managers and people ask. */
export interface Health {
  /** Whether requests can be answered: the database is reachable and migrated. */
  readReadiness(): Promise<Report>;
  /** The specification's health report, made by `app.health()`. */
  readHealth(): Promise<Report>;
}

/** Makes the reports; what the database cannot know of itself is in `storage`. Why something failed is written to the log, and not into the answer. */
export function makeHealth(ask: AskBeside, storage: StorageFailures, log: Logger): Health {
  async function readReadiness(): Promise<Report> {
    try {
      const [row] = await ask<{ migrated: boolean }>(readyQuery);
      if (row?.migrated === true) return { status: 200, body: { status: "ready" } };
      log.warn("Not ready: the database is not migrated");
    } catch (error) {
      log.warn({ err: error }, "Not ready: the database does not answer");
    }
    return { status: 503, body: { status: "unavailable" } };
  }

  async function readHealth(): Promise<Report> {
    try {
      const [row] = await ask<{ report: Record<string, unknown> }>("select app.health() as report");
      const { problem } = storage;
      const report = { ...row?.report };
      if (problem !== null) {
        const problems = Array.isArray(report["problems"]) ? report["problems"] : [];
        Object.assign(report, { status: "unhealthy", problems: [problem, ...problems] });
      }
      return { status: report["status"] === "unhealthy" ? 503 : 200, body: report };
    } catch (error) {
      log.warn({ err: error }, "The health report failed");
      const timestamp = new Date().toISOString();
      return { status: 503, body: { status: "unhealthy", timestamp } };
    }
  }

  return {
    readReadiness: shareAnswer(readReadiness, 0),
    readHealth: shareAnswer(readHealth, 0),
  };
}
