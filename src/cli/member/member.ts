import type { Command } from "commander";
import type { Run } from "../shared/command.ts";

/** A membership as the database answers it. */
export interface Member {
  user_id: number;
  role: string;
  status: string;
}

/** What the commands that change a membership print with --json. */
export function describeMember(organization: string, email: string, member: Member | undefined) {
  return {
    organization,
    email,
    userId: member?.user_id,
    role: member?.role,
    status: member?.status,
  };
}

/**
 * Adds a command that gives a person a role in an organization.
 *
 * @param call the SQL that does it, of $1 the organization's slug, $2 the email and $3 the role
 */
export function addRoleCommand(
  parent: Command,
  run: Run,
  { name, description, call }: { name: string; description: string; call: string },
): void {
  parent.command(name)
    .description(description)
    .argument("<email>", "the person")
    .requiredOption("--organization <slug>", "the organization")
    .requiredOption("--role <role>", "owner, admin, member or viewer")
    .action((email: string, { organization, role }: { organization: string; role: string }) =>
      run(async ({ connect }) => {
        const { rows: [member] } = await connect(
          "owner",
          (client) => client.query<Member>(`select * from ${call}`, [organization, email, role]),
        );
        return {
          result: describeMember(organization, email, member),
          text: `${email} is ${role} of ${organization}`,
        };
      })
    );
}
