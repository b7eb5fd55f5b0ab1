import { makeSqlTask } from "../task.ts";

/** Makes the partitions of the months to come, and of months that turn out to have rows. */
export default makeSqlTask("select app.make_partitions()");
