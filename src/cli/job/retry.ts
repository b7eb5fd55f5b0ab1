import type { Command } from "commander";
import type { Run } from "../shared/command.ts";
import { changeJob, parseJobId } from "./change_job.ts";

/** `curestry jobs retry` */
export function addJobRetry(parent: Command, run: Run): void {
  parent.command("retry")
    .description("let a job run again at once, with all its attempts")
    .argument("<id>", "its id, as shown by `jobs`", parseJobId)
    .action((id: string) =>
      run(async (context) => {
        const task = await changeJob(context, "app.job_retry", id);
        return { result: { id, task, retried: true }, text: `The job ${id} (${task}) runs again` };
      })
    );
}
