import { type Command, InvalidArgumentError } from "commander";
import { formatTable } from "./format_table.ts";
import type { CommandContext, Run } from "./run_command.ts";

interface Row {
  /** A bigint. */
  id: string;
  task: string;
  state: "waiting" | "running" | "retrying" | "failed";
  attempts: number;
  max_attempts: number;
  error: string | null;
  created_at: Date;
  updated_at: Date;
  run_at: Date;
}

/** How much of an error stands in the table; --json has all of it. */
const SHOWN = 100;

/** `curestry jobs`, `curestry jobs retry`, `curestry jobs cancel` */
export function addJobs(parent: Command, run: Run): void {
  const jobs = parent.command("jobs")
    .description("list the jobs of the worker, with their last error")
    .option("--failed", "only those that failed for good")
    .action(({ failed = false }: { failed?: boolean }) =>
      run((context) => listJobs(context, failed))
    );
  jobs.command("retry")
    .description("let a job run again at once, with all its attempts")
    .argument("<id>", "its id, as shown by `jobs`", parseJobId)
    .action((id: string) =>
      run(async (context) => {
        const task = await changeJob(context, "app.retry_job", id);
        return {
          result: { id, task, retried: true },
          text: `The job ${id} (${task}) runs again`,
        };
      })
    );
  jobs.command("cancel")
    .description("take a job out of the queue")
    .argument("<id>", "its id, as shown by `jobs`", parseJobId)
    .action((id: string) =>
      run(async (context) => {
        const task = await changeJob(context, "app.cancel_job", id);
        return {
          result: { id, task, cancelled: true },
          text: `Cancelled the job ${id} (${task})`,
        };
      })
    );
}

async function listJobs({ connect }: CommandContext, failed: boolean) {
  const { rows } = await connect(
    "owner",
    (client) => client.query<Row>("select * from app.list_jobs($1)", [failed]),
  );
  return {
    result: {
      jobs: rows.map((row) => ({
        id: row.id,
        task: row.task,
        state: row.state,
        attempts: row.attempts,
        maxAttempts: row.max_attempts,
        error: row.error,
        createdAt: row.created_at,
        updatedAt: row.updated_at,
        runAt: row.run_at,
      })),
    },
    text: rows.length === 0
      ? failed ? "No job has failed for good" : "There are no jobs"
      : formatTable(
        ["ID", "TASK", "STATE", "ATTEMPTS", "ERROR"],
        rows.map((row) => [
          row.id,
          row.task,
          row.state,
          `${row.attempts} of ${row.max_attempts}`,
          (row.error ?? "").replace(/\s+/g, " ").slice(0, SHOWN),
        ]),
      ),
  };
}

async function changeJob(
  { connect }: CommandContext,
  change: "app.retry_job" | "app.cancel_job",
  id: string,
): Promise<string | undefined> {
  const { rows: [row] } = await connect(
    "owner",
    (client) => client.query<{ task: string }>(`select ${change}($1) as task`, [id]),
  );
  return row?.task;
}

function parseJobId(text: string): string {
  if (!/^[1-9]\d{0,17}$/.test(text)) {
    throw new InvalidArgumentError("It is not the number of a job; `jobs` shows them.");
  }
  return text;
}
