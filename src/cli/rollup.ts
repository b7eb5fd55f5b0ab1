import type { Command } from "commander";
import pg from "pg";
import { parseTime } from "./arguments.ts";
import type { Answer, CommandContext, Run } from "./run_command.ts";

interface Options {
  check?: boolean;
  from?: Date;
  to?: Date;
}

interface Difference {
  organization: string;
  mart: string;
  bucket: string;
  key: string;
  /** null: there should be no such row. */
  expected: unknown;
  /** null: there is no such row. */
  actual: unknown;
}

/** How many differences people are shown; scripts get all. */
const SHOWN = 20;

/** `curestry rollup` */
export function addRollup(parent: Command, run: Run): void {
  parent.command("rollup")
    .description("bring the marts up to date with what was recorded")
    .option("--check", "change nothing, but compare the marts with their source")
    .option("--from <time>", "recompute (or check) from this day or time on, UTC", parseTime)
    .option("--to <time>", "… and before this one", parseTime)
    .action((options: Options, command: Command) => {
      if (options.from && options.to && options.from >= options.to) {
        command.error("error: --to must lie after --from");
      }
      return run((context) => options.check ? check(context, options) : refresh(context, options));
    });
}

async function refresh(context: CommandContext, { from, to }: Options): Promise<Answer> {
  const isSpan = from !== undefined || to !== undefined;
  if (!isSpan) return await refreshMarked(context);
  const { rows } = await context.connect(
    "owner",
    (client) =>
      client.query<{ organization_id: string; hours: number }>(
        "select * from app.rebuild_marts($1, $2)",
        [from ?? "-infinity", to ?? "infinity"],
      ),
  );
  return describeRefresh(rows, []);
}

/** Each organization in a transaction of its own: one that fails, or is slow, holds up no other. */
async function refreshMarked({ connect }: CommandContext): Promise<Answer> {
  return await connect("owner", async (client) => {
    const { rows: marked } = await client.query<{ id: string }>(
      "select m as id from app.marked_organizations() m",
    );
    const refreshed: { organization_id: string; hours: number }[] = [];
    const failed: { organizationId: string; message: string }[] = [];
    for (const { id } of marked) {
      try {
        const { rows: [row] } = await client.query<{ hours: number }>(
          "select app.refresh_organization($1) as hours",
          [id],
        );
        refreshed.push({ organization_id: id, hours: row?.hours ?? 0 });
      } catch (error) {
        // Without a connection all others would fail as well
        if (!(error instanceof pg.DatabaseError)) throw error;
        failed.push({ organizationId: id, message: error.message });
      }
    }
    return describeRefresh(refreshed, failed);
  });
}

function describeRefresh(
  rows: { organization_id: string; hours: number }[],
  failed: { organizationId: string; message: string }[],
): Answer {
  const organizations = rows.filter(({ hours }) => hours > 0).map((row) => ({
    organizationId: row.organization_id,
    hours: row.hours,
  }));
  const hours = organizations.reduce((sum, { hours }) => sum + hours, 0);
  return {
    result: {
      ok: failed.length === 0,
      hours,
      organizations,
      ...(failed.length > 0 ? { failed } : {}),
    },
    text: [
      hours === 0 && failed.length === 0
        ? "The marts are up to date: nothing to do"
        : `Recomputed ${count(hours, "hour")} of ${count(organizations.length, "organization")}`,
      ...failed.map(({ organizationId, message }) =>
        `Not those of the organization ${organizationId}: ${message}`
      ),
    ].join("\n"),
    failed: failed.length > 0,
  };
}

async function check({ connect }: CommandContext, { from, to }: Options): Promise<Answer> {
  const { rows: differences } = await connect("owner", (client) =>
    client.query<Difference>(
      "select * from app.check_marts($1, $2)",
      [from ?? "-infinity", to ?? "infinity"],
    ));
  const ok = differences.length === 0;
  return {
    result: { ok, differences },
    text: ok
      ? "The marts agree with what was recorded"
      : `${count(differences.length, "row")} of the marts differ from what was recorded:
${differences.slice(0, SHOWN).map(describe).join("\n")}${
        differences.length > SHOWN ? `\n  … and ${differences.length - SHOWN} more` : ""
      }
What was recorded since the last refresh differs until the next: run \`curestry rollup\`, then check again.`,
    failed: !ok,
  };
}

function describe({ organization, mart, bucket, key, expected, actual }: Difference): string {
  return `  ${[organization, mart, bucket, key].filter(Boolean).join(" ")}: is ${
    JSON.stringify(actual)
  }, should be ${JSON.stringify(expected)}`;
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}
