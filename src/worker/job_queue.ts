import { Logger, type ParsedCronItem, run, type WorkerEvents } from "graphile-worker";
import { EventEmitter } from "node:events";
import process from "node:process";
import type pg from "pg";
import type { Log } from "../shared/log.ts";
import type { Heartbeat } from "./heartbeat.ts";
import { pause } from "./pause.ts";
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

/** The exit code by which graphile-worker says that a newer version has changed its tables. */
const outdatedExitCode = 57;

/** How long to wait before the queue starts again that ended by itself. */
const queueRestartDelayMs = 1_000;

/** How long graphile-worker may take to say that it has ended, once it has stopped its workers. */
const queueEndWaitMs = 5_000;

/** One run of graphile-worker. */
interface QueueRun {
  /** Settles when it has ended; why, or null if it was asked to. */
  ended: Promise<unknown>;
  /** Takes no more jobs, and waits for those in hand. */
  stop(): Promise<void>;
  endHeartbeats(): Promise<void>;
}

/**
 * Runs jobs. graphile-worker ends when it cannot mark a job as done, as when the database goes away
 * at that moment; it is started again then, until it is stopped.
 */
export async function startJobQueue(options: JobQueueOptions): Promise<JobQueue> {
  const { log } = options;
  const ended = Promise.withResolvers<void>();
  const stopping = new AbortController();
  let current = await runQueue(options);

  async function keepRunning(): Promise<void> {
    while (!stopping.signal.aborted) {
      const failure = await current.ended;
      if (stopping.signal.aborted) return;
      await current.endHeartbeats();
      if (process.exitCode === outdatedExitCode) return ended.resolve();
      log.warn({ err: failure }, "The job queue ended by itself, and is started again");
      await restart();
    }
  }

  async function restart(): Promise<void> {
    while (!stopping.signal.aborted) {
      await pause(queueRestartDelayMs, stopping.signal);
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
      await current.stop();
      await kept;
      await current.endHeartbeats();
    },
  };
}

async function runQueue(options: JobQueueOptions): Promise<QueueRun> {
  const { pool, log, crontab, concurrentJobs, tasks } = options;
  const heartbeats = new Map<string, Heartbeat>();
  const events: WorkerEvents = new EventEmitter();
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
  const ended = Promise.withResolvers<unknown>();
  runner.promise.then(() => ended.resolve(null), ended.resolve);
  // When it cannot mark a job as done, graphile-worker 0.18 stops its workers and then waits for ever
  // for that mark (2 of 5 times in a row of fifty crashes): the end of the workers is the end
  for (const event of ["complete", "error"] as const) {
    events.once(`pool:gracefulShutdown:${event}`, () => {
      setTimeout(() => {
        runner.stop().catch(() => {}); // its schedule, too
        ended.resolve(new Error("graphile-worker stopped its workers and did not end"));
      }, queueEndWaitMs).unref();
    });
  }
  return {
    ended: ended.promise,
    async stop() {
      // Fails if it has ended by itself meanwhile
      await Promise.race([runner.stop().catch(() => {}), ended.promise]);
      await ended.promise;
    },
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
