import { makeSqlTask } from "../../src/worker/task.ts";

/** Removes scheduled jobs that failed for good, some days later. */
export default makeSqlTask("select app.job_tidy()");
