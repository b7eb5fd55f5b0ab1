import { makeSqlTask } from "../../src/worker/task.ts";

/** Makes the partitions of the months to come, and of months that turn out to have rows. */
export default makeSqlTask("select app.partition_make_all()");
