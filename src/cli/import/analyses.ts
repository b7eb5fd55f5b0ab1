import type { Command } from "commander";
import type { Run } from "../shared/command.ts";
import { importFile } from "./import_file.ts";
import type { RecordOutcome } from "../../files/send_records.ts";

interface Options {
  organization: string;
  dryRun: boolean;
}

/** `curestry import analyses` */
export function addImportAnalyses(parent: Command, run: Run): void {
  parent.command("analyses")
    .description("import analyses from JSON Lines (or a JSON array) of recordAnalyses items")
    .argument("<file>", "the file, or - for standard input")
    .requiredOption("--organization <slug>", "whose analyses they become")
    .option("--dry-run", "say what would become of each line, and change nothing", false)
    .addHelpText(
      "after",
      `
Each line is an item of the mutation recordAnalyses, or one that GET /export/analyses wrote. One without an
idempotencyKey gets a key from its content, so that a second import of the same file changes nothing. A
line that cannot be imported is refused with its number and the reason; the others are imported. An import
that is interrupted keeps what it has done: run it again to go on.`,
    )
    .action((file: string, { organization, dryRun }: Options) =>
      run((context) =>
        importFile(context, {
          file,
          organization,
          dryRun,
          formats: ["json", "jsonl"],
          noun: "analyses",
          async send(organizationId, client, lines) {
            const { rows } = await client.query<RecordOutcome>(
              "select line, outcome, analysis_run_id::text as id, reason from app.analysis_import($1, $2)",
              [organizationId, lines],
            );
            return rows;
          },
        })
      )
    );
}
