import type { Command } from "commander";
import type { Run } from "../shared/command.ts";
import { exportArchive } from "./export_archive.ts";

/** `curestry export user` */
export function addExportUser(parent: Command, run: Run): void {
  parent.command("user")
    .description(
      "write all of a person's data as JSONL: account, what they made, their personal organization",
    )
    .argument("<email>", "the person")
    .option("--output <file>", "a file to write to; standard output if absent")
    .action((email: string, { output }: { output?: string }, command: Command) => {
      if (output === undefined && command.optsWithGlobals().json) {
        command.error("error: --json prints a summary, so it needs --output for the archive");
      }
      return run((context) =>
        exportArchive(context, async (client) => {
          const { rows: [row] } = await client.query<
            { id: number; email: string; organization_id: string | null }
          >(
            `select u.id, u.email, o.id as organization_id
               from core.users u
               left join ops.organization o on o.personal_user_id = u.id
              where u.id = app.user_by_email($1)`,
            [email],
          );
          return {
            kind: "user",
            description: { user: { id: row?.id, email: row?.email } },
            organizationId: row?.organization_id ?? null,
            userId: row?.id ?? null,
          };
        }, output)
      );
    });
}
