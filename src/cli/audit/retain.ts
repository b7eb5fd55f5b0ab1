import type { Command } from "commander";
import type { Answer, CommandContext, Run } from "../shared/command.ts";
import { formatTable } from "../shared/format_table.ts";

interface Options {
  dryRun?: boolean;
  drop?: boolean;
}

interface Detached {
  organization_id: string;
  partition_name: string;
  rows: string;
  detached_table: string;
}

/** `curestry audit retain` */
export function addAuditRetain(parent: Command, run: Run): void {
  parent.command("retain")
    .description("take out of the audit log what is older than its organization keeps it")
    .option("--dry-run", "change nothing, but say what would leave")
    .option("--drop", "drop what has left already, now instead of after 30 days")
    .action((options: Options, command: Command) => {
      if (options.dryRun && options.drop) {
        command.error("error: --dry-run and --drop do not go together");
      }
      return run((context) => options.drop ? drop(context) : retain(context, options));
    });
}

async function retain({ connect }: CommandContext, { dryRun = false }: Options): Promise<Answer> {
  const { rows } = await connect(
    "owner",
    (client) => client.query<Detached>("select * from app.retention_apply_audit($1)", [dryRun]),
  );
  const detached = rows.map((row) => ({
    organizationId: row.organization_id,
    partition: row.partition_name,
    rows: Number(row.rows),
    table: row.detached_table,
  }));
  return {
    result: { ok: true, dryRun, detached },
    text: detached.length === 0
      ? "Nothing in the audit log is older than its organization keeps it, and sealed"
      : `${dryRun ? "Would leave" : "Left"} the audit log:
${
        formatTable(
          ["organization", "partition", "rows", ...(dryRun ? [] : ["now in"])],
          detached.map((row) => [
            row.organizationId,
            row.partition,
            String(row.rows),
            ...(dryRun ? [] : [`app.${row.table}`]),
          ]),
        )
      }${
        dryRun
          ? ""
          : "\nKeep these tables elsewhere if you want to (pg_dump --table): they are dropped after 30 days, or with --drop."
      }`,
  };
}

async function drop({ connect }: CommandContext): Promise<Answer> {
  const { rows } = await connect(
    "owner",
    (client) =>
      client.query<{ name: string }>("select app.retention_drop_detached(interval '0') as name"),
  );
  const dropped = rows.map(({ name }) => name);
  return {
    result: { ok: true, dropped },
    text: dropped.length === 0
      ? "There is nothing to drop"
      : `Dropped ${dropped.map((name) => `app.${name}`).join(", ")}`,
  };
}
