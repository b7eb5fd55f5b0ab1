import process from "node:process";
import type { Client } from "pg";
import type { Answer, CommandContext } from "../shared/command.ts";
import { type ArchiveSubject, withOutput, writeArchive } from "./write_archive.ts";

/**
 * The work of the export commands.
 *
 * @param find looks the subject up, in the snapshot that is exported
 * @param output a file; undefined: standard output
 */
export async function exportArchive(
  { connect }: CommandContext,
  find: (client: Client) => Promise<ArchiveSubject>,
  output: string | undefined,
): Promise<Answer> {
  return await connect("owner", async (client) => {
    await client.query("begin isolation level repeatable read, read only");
    const subject = await find(client);
    const { rows, sha256, tables } = await withOutput(
      output,
      (write) => writeArchive(client, subject, write),
    );
    const { kind, description } = subject;
    const sentence = `Exported ${rows} rows${output === undefined ? "" : ` to ${output}`}`;
    if (output === undefined) process.stderr.write(`${sentence}\n`);
    return {
      result: { kind, ...description, output, rows, sha256, tables },
      text: output === undefined ? null : sentence,
    };
  });
}
