import process from "node:process";
import { createInterface } from "node:readline/promises";
import type { Command } from "commander";
import { formatTable } from "./format_table.ts";
import type { Answer, CommandContext, Run } from "./run_command.ts";

/** Options of the commands that erase. */
interface Options {
  dryRun?: boolean;
  yes?: boolean;
}

/** What is left of an erasure. */
interface Receipt {
  id: string;
  kind: string;
  subject_id: string;
  requested_by: string;
  erased_at: Date;
  counts: Record<string, number>;
}

/**
 * A command that erases.
 *
 * @param sql answers the receipt; $1 is what the command was given
 */
export function addErase(parent: Command, run: Run, argument: string, sql: string): Command {
  return parent.command("erase").argument(argument)
    .option("--dry-run", "say what would be erased, and erase nothing")
    .option("--yes", "do not ask whether to")
    .action(async (subject: string, options: Options, command: Command) => {
      if (!options.dryRun && !options.yes && !await confirm(subject, command)) {
        command.error("error: nothing was erased");
      }
      await run((context) => erase(context, sql, subject, options.dryRun ?? false));
    });
}

async function confirm(subject: string, command: Command): Promise<boolean> {
  if (!process.stdin.isTTY) command.error("error: erasing cannot be undone: add --yes to do it");
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return await terminal.question(
      `This cannot be undone. Write ${subject} to erase it: `,
    ) === subject;
  } finally {
    terminal.close();
  }
}

async function erase(
  { connect }: CommandContext,
  sql: string,
  subject: string,
  isDryRun: boolean,
): Promise<Answer> {
  const receipt = await connect("owner", async (client) => {
    await client.query("begin");
    const { rows: [row] } = await client.query<Receipt>(sql, [subject]);
    await client.query(isDryRun ? "rollback" : "commit");
    if (!row) throw new Error("There is no receipt");
    return row;
  });
  const { id, kind, subject_id: subjectId, requested_by: by, erased_at: at, counts } = receipt;
  const table = formatTable(
    ["TABLE", "ROWS"],
    Object.entries(counts).toSorted().map(([name, rows]) => [name, String(rows)]),
  );
  return {
    result: isDryRun ? { dryRun: true, kind, subjectId, counts } : {
      id,
      kind,
      subjectId,
      requestedBy: by,
      erasedAt: at,
      counts,
    },
    text: isDryRun
      ? `Would erase ${kind} ${subjectId}; nothing was changed:\n${table}`
      : `Erased ${kind} ${subjectId}; the receipt is ${id}:\n${table}`,
  };
}
