import type { Command } from "commander";
import type { Run } from "../shared/command.ts";
import { addErase } from "../shared/erase.ts";

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
