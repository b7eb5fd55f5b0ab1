import { Logger, parseCrontab, run } from "graphile-worker";
import { readFile } from "node:fs/promises";
import pg from "pg";
import type { Log } from "../src/log.ts";
import type { Checkpoints } from "./checkpoints.ts";
import { startPolling } from "./poll.ts";
import { checkMarts } from "./tasks/check_marts.ts";
import { refreshMarts } from "./tasks/refresh_marts.ts";
import { makeSealAudit } from "./tasks/seal_audit.ts";

/** What a worker needs. */
export interface WorkerOptions {
  /** The connection string of curestry_worker; direct, not through a transaction pooler. */
  databaseUrl: string;
  log: Log;
  /** How many jobs run at once; default 2. */
  concurrentJobs?: number;
  /** Where the audit log's seals are written down outside of the database; nowhere if null. */
  checkpoints?: Checkpoints | null;
}

/** A running worker. */
export interface Worker {
  /** Settles when the worker ends; rejects when it fails. */
  ended: Promise<void>;
  /** Takes no more jobs, waits for those in hand, and disconnects. */
  stop(): Promise<void>;
}

/**
 * Starts to run jobs, those of worker/crontab and those that SQL adds to the queue.
 *
 * @throws {Error} if the database cannot be reached
 */
export async function startWorker(options: WorkerOptions): Promise<Worker> {
  const { databaseUrl, log, concurrentJobs = 2, checkpoints = null } = options;
  const sealAudit = makeSealAudit(checkpoints);
  const crontab = await readFile(new URL("./crontab", import.meta.url), "utf8");
  const pool = new pg.Pool({
    connectionString: databaseUrl,
    max: concurrentJobs + 3,
    application_name: "curestry worker",
  });
  let stopping = false;
  pool.on("error", (error) => {
    // A pool counts as ended before its connections are closed; the server may be faster
    if (!stopping) log.warn({ err: error }, "A connection of the worker broke");
  });
  pool.on("connect", (client) => client.on("error", () => {}));
  try {
    const runner = await run({
      pgPool: pool,
      // Every task: a file in worker/tasks, named as in the crontab and in `add_job`
      taskList: {
        check_marts: checkMarts,
        refresh_marts: refreshMarts,
        seal_audit: (payload, helpers) => sealAudit(payload, helpers),
      },
      parsedCronItems: parseCrontab(crontab),
      noHandleSignals: true,
      logger: makeLogger(log),
      preset: {
        worker: {
          concurrentJobs,
          // Without these, graphile-worker 0.18 forgets to mark jobs as done that end while it
          // stops: they stay in the queue, locked (3 of 3 times; with them 0 of 3)
          completeJobBatchDelay: 0,
          failJobBatchDelay: 0,
        },
      },
    });
    const polling = startPolling(pool, [
      {
        name: "refresh_marts",
        run: async (on) => void await on.query("select app.refresh_marts()"),
      },
      { name: "seal_audit", run: (on) => sealAudit(null, on) },
    ], log);
    // Whoever listens gets the failure; nobody listening must not end the process
    runner.promise.catch(() => {});
    return {
      ended: runner.promise,
      async stop() {
        // Both fail if it has ended by itself meanwhile
        await Promise.all([polling.stop(), runner.stop().catch(() => {})]);
        await runner.promise.catch(() => {});
        stopping = true;
        await pool.end();
      },
    };
  } catch (error) {
    await pool.end();
    throw error;
  }
}

function makeLogger(log: Log): Logger {
  const levels = { error: "error", warning: "warn", info: "debug", debug: "trace" } as const;
  return new Logger((scope) => (level, message, meta) => {
    const { error, result } = (meta ?? {}) as { error?: unknown; result?: unknown };
    log[levels[level]]({
      ...scope,
      ...(error === undefined ? {} : { err: error }),
      ...(result === undefined ? {} : { result }),
    }, message);
  });
}
