import type { Pool } from "pg";
import type { Checkpoints } from "../maintenance/checkpoints.ts";
import type { Log } from "../shared/log.ts";

/** Times of a worker. */
export interface WorkerTimes {
  /** Between two polls for what was recorded. */
  pollIntervalMs: number;
  /** Between two polls for what is to be sealed. */
  sealIntervalMs: number;
  heartbeatIntervalMs: number;
  /** Without a heartbeat and a connection for so long, a worker is dead; absent: the database's default. */
  heartbeatTimeoutMs?: number;
  /** Between two polls for dead workers. */
  reapIntervalMs: number;
  /** Between two polls for sessions of analysts that stop others. */
  watchIntervalMs: number;
  /** How long a transaction of an analyst may last, and how long it may be idle. */
  analystStatementLimitMs: number;
  analystIdleLimitMs: number;
}

/** What tasks are made with. */
export interface TaskContext {
  /** Connections of curestry_worker. */
  pool: Pool;
  log: Log;
  times: WorkerTimes;
  /** Where the audit log's seals are written down outside of the database; nowhere if null. */
  checkpoints: Checkpoints | null;
}

/** Work that is polled for, because a queue inside a writer's transaction costs too much. */
export interface Poll {
  /** Between the end of a run and the next one. */
  intervalMs: number;
  /** One SQL call, cheap when there is nothing to do, safe to repeat and at several workers at once. */
  run(): Promise<void>;
  /** Begins nothing more, and waits for what it has begun. */
  settle?(): Promise<void>;
}

/** Something that the worker does: what the default export of a file in worker/tasks makes. */
export interface Task {
  /** Does it as a job, whose payload holds ids only: what it throws is shown to operators. */
  run(payload: unknown): Promise<void>;
  poll?: Poll;
}

/** The default export of a file in worker/tasks; the file's name is the task's. */
export type MakeTask = (context: TaskContext) => Task;

/** A task that is one SQL call, safe to repeat. */
export function makeSqlTask(sql: string): MakeTask {
  return ({ pool }) => ({
    async run() {
      await pool.query(sql);
    },
  });
}
