import { readFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { startTemporaryCluster } from "../database/embedded/start_temporary_cluster.ts";
import { migrateDatabase } from "../database/migrate.ts";
import { databaseUrl } from "../database/urls.ts";
import { fail } from "../process.ts";
import { REPOSITORY_ROOT } from "../settings.ts";
import { dumpSchema } from "./dump_schema.ts";

/** One thing that the last part of `deno task ok` looks at. */
interface Check {
  /** A file of the repository. */
  file: string;
  /** What to run if it is not as it should be. */
  remedy: string;
  /** @returns what the file should hold; null if `isRight` alone decides */
  expected(adminUrl: string): Promise<string> | null;
  isRight?(text: string): boolean;
}

const CHECKS: Check[] = [
  {
    file: "migrations/current.sql",
    remedy: 'Commit the open migration: deno task migrate:commit --message "…"',
    expected: () => null,
    // Comments are not a migration
    isRight: (text) =>
      text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/^--(?!!).*$/gm, "").trim() === "",
  },
  {
    file: "migrations/schema.sql",
    remedy: "Make it anew: deno task migrate:uncommit && deno task migrate:commit",
    expected: dumpSchema,
  },
];

/** Compares what is generated and tracked with what it is generated from. Changes nothing. */
async function main(): Promise<void> {
  const cluster = await startTemporaryCluster();
  try {
    const adminUrl = databaseUrl(cluster.url, "curestry");
    await migrateDatabase(adminUrl, {
      passwords: { curestry_gateway: null, curestry_worker: null },
    });
    const wrong: string[] = [];
    for (const check of CHECKS) {
      const text = await readFile(join(REPOSITORY_ROOT, check.file), "utf8").catch(() => "");
      const expected = await check.expected(adminUrl);
      if (expected === null ? check.isRight?.(text) : text === expected) {
        console.log(`${check.file} is current`);
      } else {
        wrong.push(
          `${check.file} is not current${firstDifference(text, expected)}\n  ${check.remedy}`,
        );
      }
    }
    if (wrong.length > 0) throw new Error(wrong.join("\n"));
  } finally {
    await cluster.stop();
  }
}

function firstDifference(text: string, expected: string | null): string {
  if (expected === null) return "";
  const lines = text.split("\n");
  const index = expected.split("\n").findIndex((line, index) => line !== lines[index]);
  const at = index === -1 ? expected.split("\n").length : index;
  return `: line ${at + 1} is\n    ${lines[at] ?? "(missing)"}\n  but should be\n    ${
    expected.split("\n")[at] ?? "(nothing)"
  }`;
}

if (import.meta.main) await main().then(() => process.exit(0), fail);
