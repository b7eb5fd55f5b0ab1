import type { Command } from "commander";
import type { Run } from "../shared/command.ts";
import { describeMember, type Member } from "./member.ts";

/** `curestry member remove` */
export function addMemberRemove(parent: Command, run: Run): void {
  parent.command("remove")
    .description(
      "remove a member, or withdraw an invitation; the person's API keys for the organization stop working",
    )
    .argument("<email>", "the person")
    .requiredOption("--organization <slug>", "the organization")
    .action((email: string, { organization }: { organization: string }) =>
      run(async ({ connect }) => {
        const { rows: [member] } = await connect("owner", (client) =>
          client.query<Member>(
            "select * from app.member_remove(app.organization_by_slug($1), $2)",
            [organization, email],
          ));
        return {
          result: describeMember(organization, email, member),
          text: `${email} is no member of ${organization} any more`,
        };
      })
    );
}
