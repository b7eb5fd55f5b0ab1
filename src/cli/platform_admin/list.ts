import type { Command } from "commander";
import type { Run } from "../shared/command.ts";
import { formatTable } from "../shared/format_table.ts";

/** `curestry platform-admin list` */
export function addPlatformAdminList(parent: Command, run: Run): void {
  parent.command("list")
    .description("list the platform admins")
    .action(() =>
      run(async ({ connect }) => {
        const { rows } = await connect("owner", (client) =>
          client.query<{ email: string; granted_at: Date }>(
            "select * from app.platform_admin_list()",
          ));
        return {
          result: {
            operators: rows.map((row) => ({ email: row.email, grantedAt: row.granted_at })),
          },
          text: rows.length === 0 ? "There are no platform admins" : formatTable(
            ["EMAIL", "SINCE"],
            rows.map((row) => [row.email, row.granted_at.toISOString().slice(0, 10)]),
          ),
        };
      })
    );
}
