import process from "node:process";
import { createInterface } from "node:readline/promises";
import type { Command } from "commander";
import type { Answer, CommandContext, Run } from "./command.ts";
import { formatTable } from "./format_table.ts";

/** Options of the commands that erase. */
interface Options {
  dryRun?: boolean;
  yes?: boolean;
}

/** Where the address or the name of an erased person is left. */
interface Mention {
  table_name: string;
  column_name: string;
  mentions: number;
}

/** What is left of an erasure. */
interface ErasureRecord {
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
 * @param sql returns the erasure record; $1 is what the command was given
 * @param isName whether that names the subject so well that it is looked for in what is left
 */
export function addErase(
  parent: Command,
  run: Run,
  argument: string,
  sql: string,
  isName: boolean,
): Command {
  return parent.command("erase").argument(argument)
    .option("--dry-run", "say what would be erased, and erase nothing")
    .option("--yes", "do not ask whether to")
    .action(async (subject: string, options: Options, command: Command) => {
      if (!options.dryRun && !options.yes && !await confirm(subject, command)) {
        command.error("error: nothing was erased");
      }
      await run((context) => erase(context, sql, subject, options.dryRun ?? false, isName));
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
  isName: boolean,
): Promise<Answer> {
  const { record, mentions } = await connect("owner", async (client) => {
    await client.query("begin");
    const { rows: [known] } = await client.query<{ names: string[] | null }>(
      "select app.erasure_names_of($1) as names",
      [subject],
    );
    const { rows: [record] } = await client.query<ErasureRecord>(sql, [subject]);
    if (!record) throw new Error("There is no erasure record");
    // The search below reads everything: the erasure's locks are not held meanwhile
    if (!isDryRun) await client.query("commit");
    const { rows: mentions } = await client.query<Mention>(
      "select table_name, column_name, mentions::float8 from app.erasure_mentions($1) where $2",
      [[subject, ...known?.names ?? []], isName],
    );
    if (isDryRun) await client.query("rollback");
    return { record, mentions };
  });
  const { id, kind, subject_id: subjectId, requested_by: by, erased_at: at, counts } = record;
  const whom = `${kind} ${subjectId}`;
  const table = formatTable(
    ["TABLE", "ROWS"],
    Object.entries(counts).toSorted().map(([name, rows]) => [name, String(rows)]),
  );
  const left = Object.fromEntries(
    mentions.map((row) => [`${row.table_name}.${row.column_name}`, row.mentions]),
  );
  return {
    result: {
      ...(isDryRun ? { dryRun: true } : { id, requestedBy: by, erasedAt: at }),
      kind,
      subjectId,
      counts,
      ...(isName ? { mentions: left } : {}),
    },
    text: [
      isDryRun
        ? `Would erase ${whom}; nothing was changed:`
        : `Erased ${whom}; the erasure record is ${id}:`,
      table,
      ...(mentions.length === 0 ? [] : [
        `What others wrote is theirs, and was not changed. The address or the name is still in ${
          Object.entries(left).map(([column, rows]) => `${column} (${rows})`).join(", ")
        }`,
      ]),
    ].join("\n"),
  };
}
