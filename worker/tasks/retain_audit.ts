import { makeSqlTask } from "../task.ts";

/** Takes out of the audit log what its organizations do not keep, and drops what left it long ago. */
export default makeSqlTask(
  "select (select count(*) from app.retain_audit()), (select count(*) from app.drop_detached_audit())",
);
