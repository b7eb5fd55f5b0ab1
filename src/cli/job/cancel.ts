import type { Command } from "commander";
import type { Run } from "../shared/command.ts";
import { changeJob, parseJobId } from "./change_job.ts";

/** `curestry jobs cancel` */
export function addJobCancel(parent: Command, run: Run): void {
  parent.command("cancel")
    .description("take a job out of the queue")
    .argument("<id>", "its id, as shown by `jobs`", parseJobId)
    .action((id: string) =>
      run(async (context) => {
        const task = await changeJob(context, "app.job_cancel", id);
        return { result: { id, task, cancelled: true }, text: `Cancelled the job ${id} (${task})` };
      })
    );
}
