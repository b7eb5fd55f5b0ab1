import type { Command } from "commander";
import pg, { type Client } from "pg";
import { parseTime } from "../shared/arguments.ts";
import type { Answer, CommandContext, Run } from "../shared/command.ts";
import { showProgressBar } from "../shared/progress_bar.ts";

interface Options {
  check?: boolean;
  from?: Date;
  to?: Date;
  organization?: string;
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
  /** A refresh is due that may mend it. */
  waiting: boolean;
}

/** How many differences people are shown; scripts get all. */
const maxShownDifferences = 20;

/** `curestry rollup` */
export function addRollup(parent: Command, run: Run): void {
  parent.command("rollup")
    .description("bring the marts up to date with what was recorded")
    .option("--check", "change nothing, but compare the marts with their source")
    .option("--from <time>", "recompute (or check) from this day or time on, UTC", parseTime)
    .option("--to <time>", "… and before this one", parseTime)
    .option("--organization <slug>", "recompute (or check) the marts of this organization only")
    .addHelpText(
      "after",
      `
With --from, --to or --organization everything in that span is recomputed, changed or not, one day of an
organization after the other, while readers read on. A rebuild that was interrupted goes on where it was
when it is called again with the same span.`,
    )
    .action((options: Options, command: Command) => {
      if (options.from && options.to && options.from >= options.to) {
        command.error("error: --to must lie after --from");
      }
      const isSpan = options.from || options.to || options.organization !== undefined;
      return run((context) =>
        options.check
          ? check(context, options)
          : isSpan
          ? rebuild(context, options)
          : refresh(context)
      );
    });
}

/** Each organization in a transaction of its own: one that fails, or is slow, holds up no other. */
async function refresh({ connect }: CommandContext): Promise<Answer> {
  return await connect("owner", async (client) => {
    const { rows: changed } = await client.query<{ id: string }>(
      "select m as id from app.mart_changed_organizations() m",
    );
    const refreshed: Recomputed[] = [];
    const failed: Failed[] = [];
    for (const { id } of changed) {
      try {
        refreshed.push({ organization_id: id, hours: await refreshSlices(client, id) });
      } catch (error) {
        // Without a connection all others would fail as well
        if (!(error instanceof pg.DatabaseError)) throw error;
        failed.push({ organizationId: id, message: error.message });
      }
    }
    return answerHours(refreshed, { failed });
  });
}

/** Each slice is a transaction of its own. Answers how many hours there were. */
async function refreshSlices(client: Client, organizationId: string): Promise<number> {
  let hours = 0;
  while (true) {
    const { rows: [slice] } = await client.query<{ hours: number }>(
      "select app.mart_refresh_organization($1) as hours",
      [organizationId],
    );
    hours += slice?.hours ?? 0;
    const { rows: [state] } = await client.query<{ behind: boolean }>(
      "select app.mart_is_behind($1) as behind",
      [organizationId],
    );
    if (!state?.behind) return hours;
  }
}

/** An organization whose marts could not be brought up to date, and why. */
interface Failed {
  organizationId: string;
  message: string;
}

interface Recomputed {
  organization_id: string;
  hours: number;
}

async function rebuild({ connect }: CommandContext, options: Options): Promise<Answer> {
  return await connect("owner", async (client) => {
    const span = [...spanOf(options), await findOrganization(client, options)];
    const { rows: [plan] } = await client.query<{ resumed: boolean; seconds: number }>(
      "select resumed, seconds from app.mart_rebuild_start($1, $2, $3)",
      span,
    );
    const ahead = plan?.seconds ?? 0;
    const bar = showDays(ahead);
    const hours = new Map<string, number>();
    try {
      while (true) {
        const { rows: [day] } = await client.query<Recomputed & { seconds: number }>(
          "select * from app.mart_rebuild_continue($1, $2, $3)",
          span,
        );
        if (!day) break;
        hours.set(day.organization_id, (hours.get(day.organization_id) ?? 0) + day.hours);
        bar.update(ahead - day.seconds);
      }
    } finally {
      bar.stop();
    }
    return answerHours(
      [...hours].map(([organization_id, hours]) => ({ organization_id, hours })),
      { resumed: plan?.resumed ?? false, immutable: await findImmutable(client, span) },
    );
  });
}

function answerHours(
  rows: Recomputed[],
  { failed = [], resumed, immutable = [] }: {
    failed?: Failed[];
    resumed?: boolean;
    immutable?: ImmutableSpan[];
  },
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
      ...(resumed === undefined ? {} : { resumed, frozen: immutable }),
    },
    text: [
      hours > 0
        ? `${resumed ? "Went on, and recomputed" : "Recomputed"} ${count(hours, "hour")} of ${
          count(organizations.length, "organization")
        }`
        : resumed !== undefined
        ? "There is nothing to recompute"
        : failed.length > 0
        ? ""
        : "The marts are up to date: nothing to do",
      ...failed.map(({ organizationId, message }) =>
        `Not those of the organization ${organizationId}: ${message}`
      ),
      ...immutable.map((organization) => describeImmutable(organization, "recomputed")),
    ].filter(Boolean).join("\n"),
    failed: failed.length > 0,
  };
}

/** Shows on the terminal how far a rebuild has come; nothing where there is no terminal. */
function showDays(seconds: number): { update(doneSeconds: number): void; stop(): void } {
  const days = (n: number) => Math.round(n / 86_400);
  const bar = showProgressBar(
    "{bar} {percentage}%  {value} of {total} days, {eta_formatted} left",
    Math.max(days(seconds), 1),
  );
  return { update: (doneSeconds) => bar.update(days(doneSeconds)), stop: bar.stop };
}

function spanOf({ from, to }: Options): (Date | string)[] {
  return [from ?? "-infinity", to ?? "infinity"];
}

async function findOrganization(
  client: Client,
  { organization }: Options,
): Promise<string | null> {
  if (organization === undefined) return null;
  const { rows: [found] } = await client.query<{ id: string }>(
    "select app.organization_by_slug($1) as id",
    [organization],
  );
  return found?.id ?? null;
}

/** An organization of which before a time only the marts are left. */
interface ImmutableSpan {
  organization: string;
  before: Date;
}

async function findImmutable(
  client: Client,
  span: (Date | string | null)[],
): Promise<ImmutableSpan[]> {
  const { rows } = await client.query<ImmutableSpan>(
    "select * from app.mart_immutable_spans($1, $2, $3)",
    span,
  );
  return rows;
}

function describeImmutable({ organization, before }: ImmutableSpan, verb: string): string {
  return `Not ${verb}: ${organization} before ${before.toISOString()}, of which only the marts are left (raw_retention_days)`;
}

async function check({ connect }: CommandContext, options: Options): Promise<Answer> {
  const { differences, immutable } = await connect("owner", async (client) => {
    const span = [...spanOf(options), await findOrganization(client, options)];
    const { rows } = await client.query<Difference>(
      "select * from app.mart_check_all($1, $2, $3)",
      span,
    );
    return { differences: rows, immutable: await findImmutable(client, span) };
  });
  const ok = differences.length === 0;
  return {
    result: { ok, differences, frozen: immutable },
    text: [
      ok ? "The marts agree with what was recorded" : describeDifferences(differences),
      ...immutable.map((organization) => describeImmutable(organization, "compared")),
    ].join("\n"),
    failed: !ok,
  };
}

function describeDifferences(differences: Difference[]): string {
  const waiting = differences.filter((difference) => difference.waiting).length;
  return [
    `${count(differences.length, "row")} of the marts differ from what was recorded:`,
    ...differences.slice(0, maxShownDifferences).map(describe),
    ...(differences.length > maxShownDifferences
      ? [`  … and ${differences.length - maxShownDifferences} more`]
      : []),
    ...(waiting > 0
      ? [`${waiting} of them wait for the next refresh: run \`curestry rollup\`, then check again.`]
      : []),
    ...(waiting < differences.length
      ? ["`curestry rollup` with the same --from and --to makes them right."]
      : []),
  ].join("\n");
}

function describe({ organization, mart, bucket, key, expected, actual }: Difference): string {
  return `  ${[organization, mart, bucket, key].filter(Boolean).join(" ")}: is ${
    JSON.stringify(actual)
  }, should be ${JSON.stringify(expected)}`;
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}
