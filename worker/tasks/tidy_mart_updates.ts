import { makeSqlTask } from "../../src/worker/task.ts";

/** Removes what no subscriber can ask for any more. */
export default makeSqlTask("select app.mart_update_tidy()");
