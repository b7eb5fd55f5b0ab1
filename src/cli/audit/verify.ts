import type { Command } from "commander";
import { compactVerify, importJWK } from "jose";
import { readFile } from "node:fs/promises";
import type { Client } from "pg";
import type { CheckpointOptions } from "../../maintenance/checkpoints.ts";
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
  const checkpoints = await readCheckpoints(options);
  const { differences, seals } = await context.connect("owner", async (client) => {
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
        ...checkpoints.differences,
        ...await verifyCheckpoints(client, options.file, checkpoints.expected, id),
        ...await verifyTables(client, id),
      ],
      seals: (await client.query("select from app.audit_heads()")).rowCount,
    };
  });
  const ok = differences.length === 0;
  return {
    result: { ok, differences },
    text: ok
      ? `The audit log is whole (${seals} chains), and the tables are what it says`
      : `${differences.length} differences:\n${
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

/** A line of the file of checkpoints. */
interface Checkpoint {
  line: number;
  organization: string;
  seq: number;
  hash: string;
  at: string;
}

/** What was written down outside of the database; a line that our key did not sign is a difference. */
async function readCheckpoints(
  { file, key }: CheckpointOptions,
): Promise<{ expected: Checkpoint[]; differences: Difference[] }> {
  const text = await readFile(file, "utf8").catch((error) => {
    if (error.code === "ENOENT") return "";
    throw error;
  });
  const { d: _, ...publicPart } = key;
  const verifier = await importJWK(publicPart, "EdDSA");
  const differences: Difference[] = [];
  const expected: Checkpoint[] = [];
  for (const [n, line] of text.split("\n").entries()) {
    if (line === "") continue;
    try {
      const { payload } = await compactVerify(line, verifier, { algorithms: ["EdDSA"] });
      expected.push({ line: n + 1, ...JSON.parse(new TextDecoder().decode(payload)) });
    } catch {
      differences.push({
        organization: null,
        problem: "checkpoint not ours",
        where: `line ${n + 1} of ${file}`,
        detail: "its signature is not right",
      });
    }
  }
  return { expected, differences };
}

/** The seals that were written down have to be there, as they were. */
async function verifyCheckpoints(
  client: Client,
  file: string,
  expected: readonly Checkpoint[],
  id: string | null,
): Promise<Difference[]> {
  const { rows } = await client.query<
    { organization: string; seq: number; at: string; line: number; found: string | null }
  >("select * from app.audit_compare_checkpoints($1) where $2::uuid is null or organization = $2", [
    JSON.stringify(expected),
    id,
  ]);
  return rows.map((row) => ({
    organization: row.organization,
    problem: row.found === null ? "seal removed" : "seal changed",
    where: `seal ${row.seq}`,
    detail: `checkpoint of ${row.at}, line ${row.line} of ${file}`,
  }));
}

function describe({ organization, problem, where, detail }: Difference): string {
  return `  ${problem}: ${where}${detail === null ? "" : ` (${detail})`}${
    organization === null ? "" : `, organization ${organization}`
  }`;
}
