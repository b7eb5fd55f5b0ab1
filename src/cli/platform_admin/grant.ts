import type { Command } from "commander";
import type { Run } from "../shared/command.ts";

/** `curestry platform-admin grant` */
export function addPlatformAdminGrant(parent: Command, run: Run): void {
  parent.command("grant")
    .description("let a user see failed jobs and tasks through the API, and retry jobs")
    .argument("<email>", "the user's e-mail address")
    .action((email: string) =>
      run(async ({ connect }) => {
        await connect("owner", (client) =>
          client.query("select app.platform_admin_grant($1)", [email]));
        return { result: { email, operator: true }, text: `${email} is a platform admin` };
      })
    );
}
