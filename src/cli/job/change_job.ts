import { InvalidArgumentError } from "commander";
import type { CommandContext } from "../shared/command.ts";

/**
 * Changes one job.
 *
 * @returns the name of its task
 */
export async function changeJob(
  { connect }: CommandContext,
  change: "app.job_retry" | "app.job_cancel",
  id: string,
): Promise<string | undefined> {
  const { rows: [row] } = await connect(
    "owner",
    (client) => client.query<{ task: string }>(`select ${change}($1) as task`, [id]),
  );
  return row?.task;
}

/**
 * Reads the number of a job.
 *
 * @throws {InvalidArgumentError} if it is none
 */
export function parseJobId(text: string): string {
  if (!/^[1-9]\d{0,17}$/.test(text)) {
    throw new InvalidArgumentError("It is not the number of a job; `jobs` shows them.");
  }
  return text;
}
