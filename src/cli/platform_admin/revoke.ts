import type { Command } from "commander";
import type { Run } from "../shared/command.ts";

/** `curestry platform-admin revoke` */
export function addPlatformAdminRevoke(parent: Command, run: Run): void {
  parent.command("revoke")
    .description("make a platform admin an ordinary user again, from their next request on")
    .argument("<email>", "the user's e-mail address")
    .action((email: string) =>
      run(async ({ connect }) => {
        const { rows: [row] } = await connect("owner", (client) =>
          client.query<{ revoked: boolean }>("select app.platform_admin_revoke($1) as revoked", [
            email,
          ]));
        const revoked = row?.revoked ?? false;
        return {
          result: { email, operator: false, revoked },
          text: revoked
            ? `${email} is no platform admin any more`
            : `${email} was no platform admin`,
        };
      })
    );
}
