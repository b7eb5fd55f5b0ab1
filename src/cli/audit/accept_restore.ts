import type { Command } from "commander";
import type { Client } from "pg";
import type { NamedSeal } from "../../maintenance/checkpoints.ts";
import { readCheckpointFile } from "../../maintenance/read_checkpoint_file.ts";
import { readCheckpointOptions, readCheckpoints } from "../../maintenance/read_checkpoints.ts";
import type { Answer, CommandContext, Run } from "../shared/command.ts";
import { formatTable } from "../shared/format_table.ts";

interface Options {
  dryRun?: boolean;
  yes?: boolean;
}

/** What a restore took from the chain of one organization. */
interface Restored {
  organization: string;
  /** The last checkpoint that the database agrees with; null if there is none. */
  holds: NamedSeal | null;
  /** The seals of the later ones. */
  lost: NamedSeal[];
}

/** `curestry audit accept-restore` */
export function addAuditAcceptRestore(parent: Command, run: Run): void {
  parent.command("accept-restore")
    .description(
      "after a restore to an earlier time: sign that the seals since then are lost, so that verify goes on",
    )
    .option("--dry-run", "change nothing, but say what is lost")
    .option("--yes", "sign it")
    .action((options: Options, command: Command) => {
      if (options.dryRun && options.yes) {
        command.error("error: --dry-run and --yes do not go together");
      }
      if (!options.dryRun && !options.yes) {
        command.error("error: look with --dry-run at what is lost, then add --yes to sign it");
      }
      return run((context) => acceptRestore(context, options));
    });
}

async function acceptRestore(
  { connect, settings }: CommandContext,
  { dryRun = false }: Options,
): Promise<Answer> {
  const read = await readCheckpointFile(await readCheckpointOptions(settings));
  const restored = await connect("owner", async (client) => {
    // No seal is made meanwhile; the worker's next ones come after what is signed here
    await client.query("begin");
    await client.query("select from app.audit_sealer for update");
    await requireWholeChains(client);
    const found = await findLost(client, [...read.checkpoints, ...read.accepted]);
    const heads = await readHeads(client);
    const lacking = await countUnwitnessed(client, [...read.checkpoints, ...read.accepted]);
    if (!dryRun && (found.length > 0 || lacking > 0 || read.cuts.length > 0)) {
      await client.query("select app.audit_record_restore($1)", [JSON.stringify(found)]);
      const checkpoints = await readCheckpoints(settings);
      await checkpoints.acceptRestore({ heads, lost: found.flatMap(({ lost }) => lost) });
    }
    await client.query(dryRun ? "rollback" : "commit");
    return { found, lacking };
  });
  return {
    result: {
      ok: true,
      dryRun,
      restored: restored.found,
      withoutCheckpoint: restored.lacking,
      cuts: read.cuts.length,
    },
    text: describe(restored.found, restored.lacking, read.cuts.length, dryRun),
  };
}

/** @throws {Error} if seals do not go together, which no restore brings about */
async function requireWholeChains(client: Client): Promise<void> {
  const { rows: [broken] } = await client.query<{ organization_id: string; detail: string }>(
    "select organization_id, detail from app.audit_verify_chain() where problem in ('seal removed', 'seal changed')",
  );
  if (broken === undefined) return;
  throw new Error(
    `This is no restore: the chain of the organization ${broken.organization_id} is broken (${broken.detail}). ` +
      "Run `deno task curestry audit verify`",
  );
}

/** Which checkpoints the database does not agree with, by organization. */
async function findLost(client: Client, expected: readonly NamedSeal[]): Promise<Restored[]> {
  const { rows } = await client.query<{ line: number; seq: number; organization: string }>(
    "select line, seq, organization from app.audit_compare_checkpoints($1)",
    [JSON.stringify(expected.map((checkpoint, line) => ({ ...checkpoint, line })))],
  );
  const wrong = new Set(rows.map(({ line }) => line));
  const restored: Restored[] = [];
  for (
    const [organization, own] of Map.groupBy(
      expected.entries(),
      ([, checkpoint]) => checkpoint.organization,
    )
  ) {
    const lost = own.filter(([line]) => wrong.has(line)).map(([, checkpoint]) => name(checkpoint));
    if (lost.length === 0) continue;
    const first = Math.min(...lost.map(({ seq }) => seq));
    // Seals that were made after the restore have the same numbers
    const holding = own.filter(([line, { seq }]) => !wrong.has(line) && seq < first)
      .map(([, checkpoint]) => checkpoint).toSorted((a, b) => b.seq - a.seq)[0];
    restored.push({ organization, holds: holding === undefined ? null : name(holding), lost });
  }
  return restored;
}

/** For how many chains seals are in no checkpoint, as when the file was lost. */
async function countUnwitnessed(client: Client, expected: readonly NamedSeal[]): Promise<number> {
  const { rowCount } = await client.query("select from app.audit_unwitnessed_seals($1)", [
    JSON.stringify(expected),
  ]);
  return rowCount ?? 0;
}

async function readHeads(client: Client): Promise<NamedSeal[]> {
  const { rows } = await client.query<NamedSeal>(
    "select organization_id as organization, seq, hash from app.audit_heads()",
  );
  return rows;
}

function name({ organization, seq, hash }: NamedSeal): NamedSeal {
  return { organization, seq, hash };
}

function describe(
  restored: readonly Restored[],
  lacking: number,
  cuts: number,
  dryRun: boolean,
): string {
  if (restored.length === 0 && lacking === 0 && cuts === 0) {
    return "The database has every seal that a checkpoint names: there is nothing to accept";
  }
  const lines: string[] = [];
  if (restored.length > 0) {
    lines.push(
      `${dryRun ? "Would accept" : "Accepted"}: the database was restored to an earlier time
${
        formatTable(
          ["organization", "restored to seal", "lost checkpoints"],
          restored.map(({ organization, holds, lost }) => [
            organization,
            holds === null ? "none" : String(holds.seq),
            String(lost.length),
          ]),
        )
      }`,
    );
  }
  if (lacking > 0) {
    lines.push(
      `${dryRun ? "Would accept" : "Accepted"}: ${lacking} chains have seals without a checkpoint`,
    );
  }
  if (cuts > 0) {
    lines.push(`${dryRun ? "Would accept" : "Accepted"}: the file of checkpoints was cut`);
  }
  lines.push(
    dryRun
      ? "Add --yes instead of --dry-run to sign it"
      : "It is signed in the file of checkpoints, and in the audit log (action restore)",
  );
  return lines.join("\n");
}
