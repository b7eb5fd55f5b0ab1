import type { Command } from "commander";
import type { Run } from "../shared/command.ts";
import { describeMember, type Member, type MemberOptions, roles } from "./member.ts";

/** `curestry member add` */
export function addMemberAdd(parent: Command, run: Run): void {
  parent.command("add")
    .description("make a person a member, without an invitation; creates the account if it is new")
    .argument("<email>", "the person")
    .requiredOption("--organization <slug>", "the organization")
    .requiredOption("--role <role>", roles)
    .action((email: string, { organization, role }: MemberOptions) =>
      run(async ({ connect }) => {
        const { rows: [member] } = await connect("owner", (client) =>
          client.query<Member>(
            "select * from app.member_add(app.organization_by_slug($1), $2, $3)",
            [organization, email, role],
          ));
        return {
          result: describeMember(organization, email, member),
          text: `${email} is ${role} of ${organization}`,
        };
      })
    );
}
