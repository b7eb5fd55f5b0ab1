import type { Command } from "commander";
import type { Run } from "../shared/command.ts";
import { addRoleCommand } from "./member.ts";

/** `curestry member add` */
export function addMemberAdd(parent: Command, run: Run): void {
  addRoleCommand(parent, run, {
    name: "add",
    description: "make a person a member, without an invitation; creates the account if it is new",
    call: "app.member_add(app.organization_by_slug($1), $2, $3)",
  });
}
