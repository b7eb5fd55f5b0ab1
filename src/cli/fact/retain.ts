import type { Command } from "commander";
import { type RetainedFacts, retainFacts } from "../../maintenance/retain_facts.ts";
import type { Answer, CommandContext, Run } from "../shared/command.ts";
import { formatTable } from "../shared/format_table.ts";

interface Options {
  dryRun?: boolean;
}

/** `curestry retain` */
export function addRetain(parent: Command, run: Run): void {
  parent.command("retain")
    .description(
      "remove analyses and feature events that are older than their organization keeps them; the marts keep their numbers",
    )
    .option("--dry-run", "change nothing, but say what would go")
    .action((options: Options) => run((context) => retain(context, options)));
}

async function retain({ connect }: CommandContext, { dryRun = false }: Options): Promise<Answer> {
  const found = await connect("owner", async (client) => {
    if (!dryRun) return await retainFacts((sql) => client.query(sql));
    const { rows } = await client.query<RetainedFacts>(
      "select * from app.retention_apply_facts(true)",
    );
    return rows.map((row) => ({
      ...row,
      runs: Number(row.runs),
      feature_events: Number(row.feature_events),
    }));
  });
  const removed = found.map((row) => ({
    organizationId: row.organization_id,
    before: row.before.toISOString(),
    analysisRuns: row.runs,
    featureEvents: row.feature_events,
  }));
  return {
    result: { ok: true, dryRun, removed },
    text: removed.every(({ analysisRuns, featureEvents }) => analysisRuns + featureEvents === 0)
      ? "Nothing is older than its organization keeps it"
      : `${dryRun ? "Would be removed" : "Removed"}:
${
        formatTable(
          ["organization", "older than", "analysis runs", "feature events"],
          removed.map((row) => [
            row.organizationId,
            row.before,
            String(row.analysisRuns),
            String(row.featureEvents),
          ]),
        )
      }`,
  };
}
