import type { Command } from "commander";
import type { Run } from "../shared/command.ts";
import { addErase } from "../shared/erase.ts";

/** `curestry user erase` */
export function addUserErase(parent: Command, run: Run): void {
  addErase(
    parent,
    run,
    "<email>",
    "select * from app.erase_user(app.user_by_email($1))",
    true,
  ).description(
    "erase a person: who they are, in all tables and in the audit log, and their personal organization",
  );
}
