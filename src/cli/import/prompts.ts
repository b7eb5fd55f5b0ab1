import type { Command } from "commander";
import type { Run } from "../shared/command.ts";
import { importFile } from "./import_file.ts";
import type { RecordOutcome } from "../../files/send_records.ts";

interface Options {
  organization: string;
  dryRun: boolean;
}

/** `curestry import prompts` */
export function addImportPrompts(parent: Command, run: Run): void {
  parent.command("prompts")
    .description("import prompts from CSV with a header, from JSON or JSON Lines")
    .argument("<file>", "the file, or - for standard input")
    .requiredOption("--organization <slug>", "whose prompts they become")
    .option("--dry-run", "say what would become of each line, and change nothing", false)
    .addHelpText(
      "after",
      `
Fields: name (or act, or title), content (or prompt, or text), description, formatType, language, tags
(or one category); others are kept as extra metadata. A prompt with the same name and content is not
imported again. A line that cannot be imported is refused with its number and the reason; the others are
imported. An import that is interrupted keeps what it has done: run it again to go on.`,
    )
    .action((file: string, { organization, dryRun }: Options) =>
      run((context) =>
        importFile(context, {
          file,
          organization,
          dryRun,
          formats: ["csv", "json", "jsonl"],
          noun: "prompts",
          async send(organizationId, client, lines) {
            const { rows } = await client.query<RecordOutcome>(
              "select line, outcome, prompt_id as id, reason from app.prompt_import($1, $2)",
              [organizationId, lines],
            );
            return rows;
          },
        })
      )
    );
}
