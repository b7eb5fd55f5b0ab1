import type { Command } from "commander";
import { setTimeout as sleep } from "node:timers/promises";
import type { Client } from "pg";
import type { CheckpointOptions } from "../../maintenance/checkpoints.ts";
import {
  type Checkpoint,
  type CheckpointFile,
  readCheckpointFile,
} from "../../maintenance/read_checkpoint_file.ts";
import { readCheckpointOptions } from "../../maintenance/read_checkpoints.ts";
import type { Answer, CommandContext, Run } from "../shared/command.ts";

interface Options {
  organization?: string;
}

/** Something that is not as it was recorded. */
interface Difference {
  /** The organization's id; the nil UUID for what belongs to none. */
  organization: string | null;
  problem: string;
  /** The row of the log, or the seal, or the table and row. */
  where: string;
  detail: string | null;
}

/** How many differences people are shown; scripts get all. */
const maxShownDifferences = 20;

/** `curestry audit verify` */
export function addAuditVerify(parent: Command, run: Run): void {
  parent.command("verify")
    .description(
      "prove the audit log whole: against its chain, the checkpoints outside, and the tables",
    )
    .option("--organization <slug>", "only this organization's")
    .action((options: Options) => run((context) => verify(context, options)));
}

async function verify(context: CommandContext, { organization }: Options): Promise<Answer> {
  const options = await readCheckpointOptions(context.settings);
  // Before the snapshot: a seal that is made after it, and its checkpoint, are no difference
  const read = await readCheckpointFile(options);
  const expected = [...read.checkpoints, ...read.accepted];
  const { differences, seals, checkpoints } = await context.connect("owner", async (client) => {
    // One moment for all parts, so that what happens meanwhile is no difference
    await client.query("begin isolation level repeatable read, read only");
    const { rows: [only] } = await client.query<{ id: string | null }>(
      "select case when $1::text is null then null else app.organization_by_slug($1) end as id",
      [organization ?? null],
    );
    const id = only?.id ?? null;
    return {
      differences: [
        ...await verifyChain(client, id),
        ...findFaultyLines(read, options.file),
        ...await verifyCheckpoints(client, options.file, expected, id),
        ...await verifyWitnesses(client, options, read, id),
        ...await verifyTables(client, id),
      ],
      seals: (await client.query("select from app.audit_heads()")).rowCount,
      checkpoints: expected.filter(({ organization }) => id === null || organization === id).length,
    };
  });
  const ok = differences.length === 0;
  return {
    result: { ok, checkpoints, differences },
    text: ok
      ? `The audit log is whole (${seals} chains, ${checkpoints} checkpoints), and the tables are what it says`
      : `${checkpoints} checkpoints compared, ${differences.length} differences:\n${
        differences.slice(0, maxShownDifferences).map(describe).join("\n")
      }${
        differences.length > maxShownDifferences
          ? `\n  … and ${differences.length - maxShownDifferences} more`
          : ""
      }`,
    failed: !ok,
  };
}

async function verifyChain(client: Client, id: string | null): Promise<Difference[]> {
  const { rows } = await client.query<
    { organization_id: string; problem: string; entry_id: string | null; detail: string }
  >("select * from app.audit_verify_chain($1)", [id]);
  return rows.map((row) => ({
    organization: row.organization_id,
    problem: row.problem,
    where: row.entry_id === null ? "the chain" : `audit row ${row.entry_id}`,
    detail: row.detail,
  }));
}

async function verifyTables(client: Client, id: string | null): Promise<Difference[]> {
  const { rows } = await client.query<
    {
      organization_id: string | null;
      problem: string;
      entity_type: string;
      entity_id: string | null;
      detail: string | null;
    }
  >("select * from app.audit_verify_entities() where $1::uuid is null or organization_id = $1", [
    id,
  ]);
  return rows.map((row) => ({
    organization: row.organization_id,
    problem: row.problem,
    where: `${row.entity_type} ${row.entity_id ?? ""}`.trim(),
    detail: row.detail,
  }));
}

/** Lines that our key did not sign, and those in which the worker says that the file was cut. */
function findFaultyLines({ foreignLines, cuts }: CheckpointFile, file: string): Difference[] {
  return [
    ...foreignLines.map((line) => ({
      organization: null,
      problem: "checkpoint not ours",
      where: `line ${line} of ${file}`,
      detail: "its signature is not right",
    })),
    ...cuts.map(({ line, at }) => ({
      organization: null,
      problem: "checkpoints cut",
      where: `line ${line} of ${file}`,
      detail: `at ${at} the file was shorter than the worker had left it`,
    })),
  ];
}

/** The seals that were written down have to be there, as they were. */
async function verifyCheckpoints(
  client: Client,
  file: string,
  expected: readonly Checkpoint[],
  id: string | null,
): Promise<Difference[]> {
  const { rows } = await client.query<
    { organization: string; seq: number; at: string | null; line: number; found: string | null }
  >("select * from app.audit_compare_checkpoints($1) where $2::uuid is null or organization = $2", [
    JSON.stringify(expected),
    id,
  ]);
  return rows.map((row) => ({
    organization: row.organization,
    problem: row.found === null ? "seal removed" : "seal changed",
    where: `seal ${row.seq}`,
    detail: `${
      row.at === null ? "accepted restore" : `checkpoint of ${row.at}`
    }, line ${row.line} of ${file}`,
  }));
}

/** A seal without a checkpoint, or whose first one is much younger. */
interface Unwitnessed {
  organization: string;
  from_seq: number;
  through_seq: number;
  sealed_at: Date;
  first_at: Date | null;
}

/** How long a checkpoint may take that is just being written, in ms. */
const writingTimeMs = 2_000;

/** The seals that are there have to be written down, and not long after they were made. */
async function verifyWitnesses(
  client: Client,
  options: CheckpointOptions,
  read: CheckpointFile,
  id: string | null,
): Promise<Difference[]> {
  const find = async ({ checkpoints, accepted }: CheckpointFile): Promise<Unwitnessed[]> => {
    const { rows } = await client.query<Unwitnessed>(
      "select * from app.audit_unwitnessed_seals($1) where $2::uuid is null or organization = $2",
      [JSON.stringify([...checkpoints, ...accepted]), id],
    );
    return rows;
  };
  let rows = await find(read);
  let { exists } = read;
  if (rows.length > 0) {
    // The file was read before the snapshot was taken
    await sleep(writingTimeMs);
    const again = await readCheckpointFile(options);
    rows = await find(again);
    ({ exists } = again);
  }
  const missing: Difference[] = rows.length > 0 && !exists
    ? [{
      organization: null,
      problem: "checkpoints missing",
      where: options.file,
      detail: "there is no such file, but the database has seals: was it removed, " +
        "or does the worker write to another data directory?",
    }]
    : [];
  return [
    ...missing,
    ...rows.map((row): Difference => ({
      organization: row.organization,
      problem: "checkpoint missing",
      where: row.from_seq === row.through_seq
        ? `seal ${row.through_seq}`
        : `seals ${row.from_seq} to ${row.through_seq}`,
      detail: row.first_at === null
        ? `made at ${row.sealed_at.toISOString()}, and in no line of ${options.file}`
        : `made at ${row.sealed_at.toISOString()}, but first in ${options.file} at ${row.first_at.toISOString()}`,
    })),
  ];
}

function describe({ organization, problem, where, detail }: Difference): string {
  return `  ${problem}: ${where}${detail === null ? "" : ` (${detail})`}${
    organization === null ? "" : `, organization ${organization}`
  }`;
}
