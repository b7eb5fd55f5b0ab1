import type { Pool } from "pg";
import type { Logger } from "pino";
import { readyQuery } from "../database/pool.ts";

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

/** Makes the reports. Why something failed is written to the log, and not into the answer. */
export function makeHealth(pool: Pool, log: Logger): Health {
  return {
    async readReadiness() {
      try {
        const { rows } = await pool.query<{ migrated: boolean }>(readyQuery);
        if (rows[0]?.migrated === true) return { status: 200, body: { status: "ready" } };
        log.warn("Not ready: the database is not migrated");
      } catch (error) {
        log.warn({ err: error }, "Not ready: the database does not answer");
      }
      return { status: 503, body: { status: "unavailable" } };
    },

    async readHealth() {
      try {
        const { rows } = await pool.query<{ report: Record<string, unknown> }>(
          "select app.health() as report",
        );
        const report = rows[0]?.report ?? {};
        return { status: report["status"] === "unhealthy" ? 503 : 200, body: report };
      } catch (error) {
        log.warn({ err: error }, "The health report failed");
        const timestamp = new Date().toISOString();
        return { status: 503, body: { status: "unhealthy", timestamp } };
      }
    },
  };
}
