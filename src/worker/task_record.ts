import type { Pool } from "pg";
import type { Log } from "../shared/log.ts";
import type { Poll } from "./task.ts";

/** What runs by itself, and how often at least. */
export interface ExpectedTask {
  kind: "schedule" | "poll";
  task: string;
  seconds: number;
}

/** Writes down when tasks ran by themselves, in app.task_run. A note that fails is only logged. */
export interface TaskRecord {
  /** Says what is to be missed when it does not run. */
  expect(tasks: readonly ExpectedTask[]): Promise<void>;
  /** The run of a job, written down. */
  ofJob<Args extends unknown[]>(
    task: string,
    run: (...args: Args) => Promise<void>,
  ): (...args: Args) => Promise<void>;
  /** A poll, written down: failures always, successes now and then. */
  ofPoll(task: string, poll: Poll): Poll;
}

/** How often the success of a poll is written down. */
export const pollNoteIntervalSeconds = 10;

/** @param pool of curestry_worker */
export function makeTaskRecord(pool: Pool, log: Log): TaskRecord {
  async function note(sql: string, values: unknown[]): Promise<void> {
    try {
      await pool.query(sql, values);
    } catch (error) {
      log.warn({ err: error }, "The run of a task was not written down");
    }
  }

  async function noteEnd(kind: string, task: string, began: number, error: unknown) {
    const failure = error === null ? null : error instanceof Error ? error.message : String(error);
    await note("select app.task_note_end($1, $2, $3, $4)", [
      kind,
      task,
      performance.now() - began,
      failure,
    ]);
  }

  return {
    expect: (tasks) => note("select app.task_expect($1)", [JSON.stringify(tasks)]),

    ofJob(task, run) {
      return async (...args) => {
        const began = performance.now();
        await note("select app.task_note_start('schedule', $1)", [task]);
        let failure: unknown = null;
        try {
          await run(...args);
        } catch (error) {
          failure = error;
          throw error;
        } finally {
          await noteEnd("schedule", task, began, failure);
        }
      };
    },

    ofPoll(task, poll) {
      let noted = -Infinity;
      return {
        ...poll,
        async run() {
          const began = performance.now();
          try {
            await poll.run();
          } catch (error) {
            await noteEnd("poll", task, began, error);
            throw error;
          }
          if (performance.now() - noted < pollNoteIntervalSeconds * 1000) return;
          noted = performance.now();
          await noteEnd("poll", task, began, null);
        },
      };
    },
  };
}
