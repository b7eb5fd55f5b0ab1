import type { Pool } from "pg";
import type { Log } from "../src/log.ts";
import type { Checkpoints } from "./checkpoints.ts";

/** Times of a worker, in milliseconds. */
export interface WorkerTimes {
  /** How long it waits before it looks again for what was recorded. */
  look: number;
  /** Between heartbeats. */
  beat: number;
  /** Without a heartbeat and a connection for so long, a worker is dead. */
  silence: number;
  /** Between looks for dead workers. */
  reap: number;
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

/** Work that is looked for all the time, because a queue inside a writer's transaction costs too much. */
export interface Poll {
  /** Between looks, in milliseconds. */
  interval: number;
  /** One SQL call, cheap when there is nothing to do, safe to repeat and at several workers at once. */
  look(): Promise<void>;
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
