import { parseCrontab } from "graphile-worker";
import { readFile } from "node:fs/promises";
import type { Login } from "../database/login.ts";
import { makeLoginPool } from "../database/login_pool.ts";
import type { Checkpoints } from "../maintenance/checkpoints.ts";
import type { Log } from "../shared/log.ts";
import { expectedTasks } from "./expected_tasks.ts";
import { startHeartbeat } from "./heartbeat.ts";
import { startJobQueue } from "./job_queue.ts";
import { loadTasks } from "./load_tasks.ts";
import { startPolling } from "./polling.ts";
import type { Poll, Task, WorkerTimes } from "./task.ts";
import { makeTaskRecord } from "./task_record.ts";

/** What a worker needs. */
export interface WorkerOptions {
  /**
   * The connection string of curestry_worker, or this login with all its passwords; direct, not through
   * a transaction pooler.
   */
  databaseUrl: string | Login;
  log: Log;
  /** How many jobs run at once; default 2. */
  concurrentJobs?: number;
  /** Where the audit log's seals are written down outside of the database; nowhere if null. */
  checkpoints?: Checkpoints | null;
  /** Replace the defaults. */
  times?: Partial<WorkerTimes>;
}

/** A running worker. */
export interface Worker {
  /** Settles when the worker ends by itself: when its queue was changed by a newer version. */
  ended: Promise<void>;
  /** Takes no more jobs, waits for those in hand, and disconnects. */
  stop(): Promise<void>;
}

/**
 * What was recorded is in the marts at most 5 s later: a poll every two seconds leaves time for the
 * work. What was committed is sealed within a second: until then a superuser could take it back without
 * a trace. A worker that was killed is missed within a minute.
 */
const defaultTimes: WorkerTimes = {
  pollIntervalMs: 2_000,
  sealIntervalMs: 500,
  heartbeatIntervalMs: 10_000,
  reapIntervalMs: 10_000,
  watchIntervalMs: 2_000,
  analystStatementLimitMs: 5 * 60_000,
  analystIdleLimitMs: 60_000,
};

/** Connections beside those of jobs: marts (4), polls, notes, the queue's own. */
const extraConnections = 9;

/** How long to wait for a connection, a new one or one that others use. */
const connectionTimeoutMs = 30_000;

/**
 * Starts to run jobs, those of worker/crontab and those that SQL adds to the queue, and to poll for
 * what is not queued.
 *
 * @throws {Error} if the database cannot be reached
 */
export async function startWorker(options: WorkerOptions): Promise<Worker> {
  const { databaseUrl, log, concurrentJobs = 2, checkpoints = null } = options;
  const times = { ...defaultTimes, ...options.times };
  const crontab = parseCrontab(
    await readFile(new URL("../../worker/crontab", import.meta.url), "utf8"),
  );
  const pool = makeLoginPool(databaseUrl, {
    max: concurrentJobs + extraConnections,
    application_name: "curestry worker",
    connectionTimeoutMillis: connectionTimeoutMs,
    keepAlive: true,
  });
  let ending = false;
  pool.on("error", (error) => {
    // A pool counts as ended before its connections are closed; the server may be faster
    if (!ending) log.warn({ err: error }, "A connection of the worker broke");
  });
  pool.on("connect", (client) => client.on("error", () => {}));
  try {
    const tasks = await loadTasks({ pool, log, times, checkpoints });
    const record = makeTaskRecord(pool, log);
    const polls = new Map(
      [...tasks].flatMap(([name, { poll }]): [string, Poll][] =>
        poll ? [[name, record.ofPoll(name, poll)]] : []
      ),
    );
    await record.expect(expectedTasks(crontab, polls));
    const queue = await startJobQueue({
      pool,
      log,
      crontab,
      concurrentJobs,
      tasks: new Map(
        [...tasks].map(([name, task]): [string, Task["run"]] => [
          name,
          crontab.some((item) => item.task === name) ? record.ofJob(name, task.run) : task.run,
        ]),
      ),
      startHeartbeat: (id) => startHeartbeat(databaseUrl, id, times.heartbeatIntervalMs, log),
    });
    const polling = startPolling(polls, log);
    return {
      ended: queue.ended,
      async stop() {
        await Promise.all([polling.stop(), queue.stop()]);
        ending = true;
        await pool.end();
      },
    };
  } catch (error) {
    await pool.end();
    throw error;
  }
}
