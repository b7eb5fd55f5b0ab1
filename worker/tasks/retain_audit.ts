import { makeSqlTask } from "../../src/worker/task.ts";

/** Takes out of the audit log what its organizations do not keep, and drops what left it long ago. */
export default makeSqlTask(
  "select (select count(*) from app.retention_apply_audit()), (select count(*) from app.retention_drop_detached())",
);
