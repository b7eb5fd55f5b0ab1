import type { Command } from "commander";
import type { Answer, CommandContext, Run } from "../shared/command.ts";
import { formatTable } from "../shared/format_table.ts";

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

/** How much of an error the table shows; --json has all of it. */
const shownErrorCharacters = 100;

/** `curestry jobs`, to which the commands on one job are added. */
export function addJobs(parent: Command, run: Run): Command {
  return parent.command("jobs")
    .description("list the jobs of the worker, with their last error")
    .option("--failed", "only those that failed for good")
    .action(({ failed = false }: { failed?: boolean }) =>
      run((context) => listJobs(context, failed))
    );
}

async function listJobs({ connect }: CommandContext, failed: boolean): Promise<Answer> {
  const { rows } = await connect(
    "owner",
    (client) => client.query<Row>("select * from app.job_list($1)", [failed]),
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
          (row.error ?? "").replace(/\s+/g, " ").slice(0, shownErrorCharacters),
        ]),
      ),
  };
}
