import { makeSqlTask } from "../task.ts";

/** Removes scheduled jobs that failed for good, some days later. */
export default makeSqlTask("select app.tidy_jobs()");
