import type { Answer, CommandContext } from "../shared/command.ts";
import { type ImportOptions, importRecords, type ImportSummary } from "./import_records.ts";
import { showProgress } from "./progress.ts";
import { type Format, readRecords } from "../../files/read_records.ts";
import { openSource } from "./source.ts";

/** What an import command was asked for. */
export interface ImportFileOptions {
  /** A path, or `-`. */
  file: string;
  organization: string;
  dryRun: boolean;
  formats: readonly Format[];
  /** What the records are, in the plural. */
  noun: string;
  /** Imports some records into the organization with this id. */
  send(
    organizationId: string,
    ...args: Parameters<ImportOptions["send"]>
  ): ReturnType<ImportOptions["send"]>;
}

/** How many refused lines people are shown; scripts get all. */
const maxShownRefusals = 20;

/**
 * Imports a file into an organization and says what became of it. It fails if there were records and
 * none of them is in the database afterwards.
 */
export async function importFile(
  { connect }: CommandContext,
  options: ImportFileOptions,
): Promise<Answer> {
  const { file, organization, dryRun, noun } = options;
  const source = await openSource(file);
  const progress = showProgress(source.size);
  try {
    const summary = await connect("owner", async (client) => {
      const { rows: [found] } = await client.query<{ id: string }>(
        "select app.organization_by_slug($1) as id",
        [organization],
      );
      return await importRecords(client, {
        records: readRecords(source, options.formats),
        send: (...args) => options.send(found?.id ?? "", ...args),
        dryRun,
        onProgress: progress.update,
      });
    });
    progress.stop();
    return {
      result: { file: source.name, organization, dryRun, ...summary },
      text: describe(summary, source.name, noun, dryRun),
      failed: summary.read > 0 && summary.inserted + summary.unchanged === 0,
    };
  } finally {
    progress.stop();
  }
}

function describe(
  summary: ImportSummary,
  name: string,
  noun: string,
  dryRun: boolean,
): string {
  const { read, inserted, unchanged, refused } = summary;
  if (read === 0) return `${name} is empty: there are no ${noun} in it to import`;
  return [
    `Read ${read} ${noun}: ${inserted} inserted, ${unchanged} unchanged, ${refused.length} refused`,
    ...refused.slice(0, maxShownRefusals).map(({ line, item, reason }) =>
      `  line ${line}${item === undefined ? "" : `, item ${item}`}: ${reason}`
    ),
    ...(refused.length > maxShownRefusals
      ? [`  … and ${refused.length - maxShownRefusals} more; --json lists all`]
      : []),
    ...(dryRun ? ["This was a dry run: nothing was changed"] : []),
  ].join("\n");
}
