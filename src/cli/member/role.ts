import type { Command } from "commander";
import type { Run } from "../shared/command.ts";
import { describeMember, type Member, type MemberOptions, roles } from "./member.ts";

/** `curestry member role` */
export function addMemberRole(parent: Command, run: Run): void {
  parent.command("role")
    .description("change what a member may do")
    .argument("<email>", "the person")
    .requiredOption("--organization <slug>", "the organization")
    .requiredOption("--role <role>", roles)
    .action((email: string, { organization, role }: MemberOptions) =>
      run(async ({ connect }) => {
        const { rows: [member] } = await connect("owner", (client) =>
          client.query<Member>(
            "select * from app.member_set_role(app.organization_by_slug($1), $2, $3)",
            [organization, email, role],
          ));
        return {
          result: describeMember(organization, email, member),
          text: `${email} is ${role} of ${organization}`,
        };
      })
    );
}
