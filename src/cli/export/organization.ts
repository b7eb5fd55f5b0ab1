import type { Command } from "commander";
import type { Run } from "../shared/command.ts";
import { exportArchive } from "./export_archive.ts";

/** `curestry export organization` */
export function addExportOrganization(parent: Command, run: Run): void {
  parent.command("organization")
    .description("write all of an organization's data as JSONL, its audit log too, without secrets")
    .argument("<slug>", "the organization")
    .option("--output <file>", "a file to write to; standard output if absent")
    .action((slug: string, { output }: { output?: string }, command: Command) => {
      if (output === undefined && command.optsWithGlobals().json) {
        command.error("error: --json prints a summary, so it needs --output for the archive");
      }
      return run((context) =>
        exportArchive(context, async (client) => {
          const { rows: [row] } = await client.query<{ id: string; name: string }>(
            "select o.id, o.name from ops.organization o where o.id = app.organization_by_slug($1)",
            [slug],
          );
          return {
            kind: "organization",
            description: { organization: { ...row, slug } },
            organizationId: row?.id ?? null,
            userId: null,
          };
        }, output)
      );
    });
}
