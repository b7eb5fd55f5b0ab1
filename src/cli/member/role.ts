import type { Command } from "commander";
import type { Run } from "../shared/command.ts";
import { addRoleCommand } from "./member.ts";

/** `curestry member role` */
export function addMemberRole(parent: Command, run: Run): void {
  addRoleCommand(parent, run, {
    name: "role",
    description: "change what a member may do",
    call: "app.member_set_role(app.organization_by_slug($1), $2, $3)",
  });
}
