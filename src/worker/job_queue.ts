import { Logger, type ParsedCronItem, run, type Runner, type WorkerEvents } from "graphile-worker";
import { EventEmitter } from "node:events";
import type pg from "pg";
import type { Log } from "../shared/log.ts";
import { pause } from "../shared/pause.ts";
import type { Heartbeat } from "./heartbeat.ts";
import { takeHints } from "./queue_hints.ts";
import type { Task } from "./task.ts";

/** What a job queue needs. */
export interface JobQueueOptions {
  pool: pg.Pool;
  log: Log;
  crontab: ParsedCronItem[];
  concurrentJobs: number;
  tasks: ReadonlyMap<string, Task["run"]>;
  /** @param id the name under which jobs are locked */
  startHeartbeat(id: string): Heartbeat;
}

/** A running job queue. */
export interface JobQueue {
  /** Settles when it ends by itself: when its tables were changed by a newer version. */
  ended: Promise<void>;
  /** Takes no more jobs, and waits for those in hand. */
  stop(): Promise<void>;
}

/**
 * How long a queue that stops may have no job in hand and not end. graphile-worker 0.18 never ends
 * after the connection was lost while it marked two jobs as done: it counts the second one twice.
 */
const endlessStopMs = 5_000;

/** How long to wait before the queue starts again that ended by itself. */
const queueRestartDelayMs = 1_000;

/** How long a notification may wait that follows another one. */
const lookIntervalMs = 50;
const checkIntervalMs = 5_000;

interface RunningQueue {
  /** Settles when it has to be replaced. */
  over: Promise<"ended" | "lost" | "outdated">;
  /** Takes no more jobs, and waits for those in hand. */
  stop(): Promise<void>;
}

/**
 * Runs jobs. graphile-worker ends when it cannot mark a job as done, as when the database goes away
 * at that moment; and when the answer is lost to its question for a job, that job is locked by a worker
 * that does not know of it. In both cases another queue takes its place, under another name, until it
 * is stopped.
 */
export async function startJobQueue(options: JobQueueOptions): Promise<JobQueue> {
  const { log } = options;
  const ended = Promise.withResolvers<void>();
  const stopping = new AbortController();
  const stopped = new Promise<"stopped">((resolve) =>
    stopping.signal.addEventListener("abort", () => resolve("stopped"))
  );
  /** Those that were replaced, and finish what they have in hand. */
  const finishing = new Set<Promise<void>>();
  let current = await runQueue(options);

  function finish(queue: RunningQueue): void {
    const finished = queue.stop().finally(() => finishing.delete(finished));
    finishing.add(finished);
  }

  async function keepRunning(): Promise<void> {
    while (!stopping.signal.aborted) {
      const reason = await Promise.race([current.over, stopped]);
      finish(current);
      if (reason === "stopped") return;
      if (reason === "outdated") {
        log.warn("A newer version has changed the tables of the job queue");
        return ended.resolve();
      }
      log.warn({ reason }, "The job queue has lost its connection, and is started again");
      await restart();
    }
  }

  async function restart(): Promise<void> {
    while (!stopping.signal.aborted) {
      await pause(queueRestartDelayMs, stopping.signal);
      if (stopping.signal.aborted) return;
      try {
        current = await runQueue(options);
        if (stopping.signal.aborted) finish(current);
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
      await kept;
      await Promise.all(finishing);
    },
  };
}

async function runQueue(options: JobQueueOptions): Promise<RunningQueue> {
  const { pool, log, crontab, concurrentJobs, tasks } = options;
  const heartbeats = new Map<string, Heartbeat>();
  const over = Promise.withResolvers<"ended" | "lost" | "outdated">();
  const events: WorkerEvents = new EventEmitter();
  let known: number | null = null;
  const endHints = takeHints(events, {
    lookIntervalMs,
    checkIntervalMs,
    concurrentJobs,
    async check() {
      const newest = await findBreakingMigration(pool).catch(() => null);
      if (newest !== null && known !== null && newest > known) over.resolve("outdated");
    },
  });
  events.on("worker:getJob:error", () => over.resolve("lost"));
  // Ours, or its own when it could not mark a job as done
  events.on("pool:gracefulShutdown", () => over.resolve("ended"));
  let jobsInHand = 0;
  events.on("job:start", () => jobsInHand++);
  events.on("job:complete", () => jobsInHand--);
  events.on("worker:fatalError", () => jobsInHand--);
  const runner = await run({
    pgPool: pool,
    events,
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
  const runnerEnded = runner.promise.catch(() => {});
  runnerEnded.then(() => over.resolve("ended"));
  known = await findBreakingMigration(pool).catch(() => null);
  return {
    over: over.promise,
    async stop() {
      endHints();
      await stopRunner(runner, () => jobsInHand);
      await Promise.all([...heartbeats.values()].map((heartbeat) => heartbeat.stop()));
    },
  };
}

/** Ends when the runner has, or had nothing to do for so long that it never will. */
async function stopRunner(runner: Runner, countJobsInHand: () => number): Promise<void> {
  const ended = new AbortController();
  const idleTooLong = (async () => {
    for (let idleMs = 0; idleMs < endlessStopMs && !ended.signal.aborted;) {
      await pause(100, ended.signal);
      idleMs = countJobsInHand() > 0 ? 0 : idleMs + 100;
    }
  })();
  // Fails if it has ended by itself meanwhile
  const stopped = runner.stop().catch(() => {}).then(() => runner.promise.catch(() => {}));
  await Promise.race([stopped, idleTooLong]);
  ended.abort();
}

/** The newest migration of graphile-worker's schema that its older versions cannot work with. */
async function findBreakingMigration(pool: pg.Pool): Promise<number> {
  const { rows: [row] } = await pool.query<{ id: number }>(
    "select coalesce(max(id), 0) as id from graphile_worker.migrations where breaking",
  );
  return row?.id ?? 0;
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
