import type { Command } from "commander";
import { addErase } from "./erase.ts";
import type { Run } from "./run_command.ts";

/** `curestry organization erase` */
export function addOrganizationErase(parent: Command, run: Run): void {
  addErase(
    parent,
    run,
    "<slug>",
    "select * from app.erase_organization(app.organization_by_slug($1))",
    false,
  ).description("erase an organization: all of its rows, and what the audit log says of them");
}
