import { Logger, parseCrontab, type ParsedCronItem, run, type Runner } from "graphile-worker";
import { readFile } from "node:fs/promises";
import process from "node:process";
import pg from "pg";
import type { Log } from "../src/log.ts";
import type { Checkpoints } from "./checkpoints.ts";
import { type Heartbeat, startHeartbeat } from "./heartbeat.ts";
import { loadTasks } from "./load_tasks.ts";
import { longestGap } from "./longest_gap.ts";
import { pause } from "./pause.ts";
import { startPolling } from "./poll.ts";
import type { Poll, Task, WorkerTimes } from "./task.ts";
import { type ExpectedTask, makeTaskRecord, POLL_NOTES } from "./task_record.ts";

/** What a worker needs. */
export interface WorkerOptions {
  /** The connection string of curestry_worker; direct, not through a transaction pooler. */
  databaseUrl: string;
  log: Log;
  /** How many jobs run at once; default 2. */
  concurrentJobs?: number;
  /** Where the audit log's seals are written down outside of the database; nowhere if null. */
  checkpoints?: Checkpoints | null;
  /** Replace ours. */
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
 * What was recorded is in the marts at most 5 s later: a look every two seconds leaves time for the
 * work. A worker that was killed is missed within a minute.
 */
const TIMES: WorkerTimes = { look: 2_000, beat: 10_000, silence: 40_000, reap: 10_000 };

/** Connections beside those of jobs: marts (4), polls, notes, the queue's own. */
const MORE_CONNECTIONS = 8;

/** graphile-worker's way to say that a newer version has changed its tables. */
const OUTDATED = 57;

/** How long to wait before the queue starts again that ended by itself, in milliseconds. */
const PAUSE = 1_000;

/**
 * Starts to run jobs, those of worker/crontab and those that SQL adds to the queue, and to look for
 * what is not queued.
 *
 * @throws {Error} if the database cannot be reached
 */
export async function startWorker(options: WorkerOptions): Promise<Worker> {
  const { databaseUrl, log, concurrentJobs = 2, checkpoints = null } = options;
  const times = { ...TIMES, ...options.times };
  const crontab = parseCrontab(await readFile(new URL("./crontab", import.meta.url), "utf8"));
  const pool = new pg.Pool({
    connectionString: databaseUrl,
    max: concurrentJobs + MORE_CONNECTIONS,
    application_name: "curestry worker",
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
    const queue = await startQueue({
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
      startHeartbeat: (id) => startHeartbeat(databaseUrl, id, times.beat, log),
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

/** What app.task_run is to miss. */
function expectedTasks(
  crontab: readonly ParsedCronItem[],
  polls: ReadonlyMap<string, Poll>,
): ExpectedTask[] {
  const now = new Date();
  const seconds = new Map<string, number>();
  for (const item of crontab) {
    const gap = longestGap(item, now);
    seconds.set(item.task, Math.min(gap, seconds.get(item.task) ?? gap));
  }
  return [
    ...[...seconds].map(([task, seconds]) => ({ kind: "schedule" as const, task, seconds })),
    ...[...polls].map(([task, { interval }]) => ({
      kind: "poll" as const,
      task,
      seconds: POLL_NOTES + Math.ceil(interval / 1000),
    })),
  ];
}

interface QueueOptions {
  pool: pg.Pool;
  log: Log;
  crontab: ParsedCronItem[];
  concurrentJobs: number;
  tasks: ReadonlyMap<string, Task["run"]>;
  /** @param id the name under which jobs are locked */
  startHeartbeat(id: string): Heartbeat;
}

/**
 * Runs jobs. graphile-worker ends when it cannot mark a job as done, as when the database goes away
 * at that moment; it is started again then, until it is stopped.
 */
async function startQueue(options: QueueOptions): Promise<Worker> {
  const { log } = options;
  const ended = Promise.withResolvers<void>();
  const stopping = new AbortController();
  let current = await runQueue(options);

  async function keepRunning(): Promise<void> {
    while (!stopping.signal.aborted) {
      const failure = await current.runner.promise.then(() => null, (error) => error);
      if (stopping.signal.aborted) return;
      await current.endHeartbeats();
      if (process.exitCode === OUTDATED) return ended.resolve();
      log.warn({ err: failure }, "The job queue ended by itself, and is started again");
      await restart();
    }
  }

  async function restart(): Promise<void> {
    while (!stopping.signal.aborted) {
      await pause(PAUSE, stopping.signal);
      if (stopping.signal.aborted) return;
      try {
        current = await runQueue(options);
        return;
      } catch (error) {
        log.warn({ err: error }, "The job queue does not start");
      }
    }
  }

  const kept = keepRunning();
  return {
    ended: ended.promise,
    async stop() {
      stopping.abort();
      // Fails if it has ended by itself meanwhile
      await current.runner.stop().catch(() => {});
      await kept;
      await current.runner.promise.catch(() => {});
      await current.endHeartbeats();
    },
  };
}

async function runQueue(
  options: QueueOptions,
): Promise<{ runner: Runner; endHeartbeats(): Promise<void> }> {
  const { pool, log, crontab, concurrentJobs, tasks } = options;
  const heartbeats = new Map<string, Heartbeat>();
  const runner = await run({
    pgPool: pool,
    taskList: Object.fromEntries(tasks),
    parsedCronItems: crontab,
    noHandleSignals: true,
    logger: makeLogger(log),
    preset: {
      plugins: [{
        name: "CurestryHeartbeatPlugin",
        version: "1.0.0",
        worker: {
          hooks: {
            /** Before it takes the first job. */
            async startWorker(_context, { worker: { workerPool: { id } } }) {
              const heartbeat = heartbeats.get(id) ?? options.startHeartbeat(id);
              heartbeats.set(id, heartbeat);
              await heartbeat.first;
            },
          },
        },
      }],
      worker: {
        concurrentJobs,
        // Without these, graphile-worker 0.18 forgets to mark jobs as done that end while it
        // stops: they stay in the queue, locked (3 of 3 times; with them 0 of 3)
        completeJobBatchDelay: 0,
        failJobBatchDelay: 0,
      },
    },
  });
  // It is listened to; nobody listening at this moment must not end the process
  runner.promise.catch(() => {});
  return {
    runner,
    async endHeartbeats() {
      await Promise.all([...heartbeats.values()].map((heartbeat) => heartbeat.stop()));
    },
  };
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
