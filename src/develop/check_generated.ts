import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { startTemporaryCluster } from "../database/embedded/start_temporary_cluster.ts";
import { migrationsFolder } from "../database/committed_migrations.ts";
import { migrateDatabase } from "../database/migrate_database.ts";
import { printCatalogue } from "../database/read_catalogue.ts";
import { databaseUrl } from "../database/urls.ts";
import { printMemberSchema } from "../gateway/graphql/print_schema.ts";
import { fail } from "../shared/process.ts";
import { repositoryRoot } from "../shared/settings.ts";
import { printClientDocuments, printClientTypes } from "./client_types.ts";
import { dumpSchema } from "./dump_schema.ts";
import { checkReleasedMigrations } from "./released_migrations.ts";
import { renderRights } from "./render_rights.ts";
import { printReportDictionary } from "./report_dictionary.ts";
import { printRuntimeLock } from "./runtime_lock.ts";
import { findTableFiles, withTableHeader } from "./table_headers.ts";

/** A file of the repository that is made from others. */
interface GeneratedFile {
  file: string;
  /** Makes its text from a database that has the committed migrations and nothing else. */
  make(adminUrl: string): Promise<string>;
}

async function listGenerated(): Promise<GeneratedFile[]> {
  return [
    { file: "migrations/schema.sql", make: dumpSchema },
    { file: "migrations/catalogue.json", make: printCatalogue },
    { file: "schema.graphql", make: printMemberSchema },
    // Made of schema.graphql, which is written before
    { file: "src/client/generated/types.ts", make: printClientTypes },
    { file: "src/client/generated/documents.ts", make: printClientDocuments },
    { file: "docs/rights.md", make: renderRights },
    { file: "docs/report.md", make: printReportDictionary },
    { file: "runtime.lock", make: printRuntimeLock },
    ...(await findTableFiles()).map((file) => ({
      file,
      make: (adminUrl: string) => withTableHeader(file, adminUrl),
    })),
  ];
}

/**
 * The last part of `deno task ok`: whether the open migration is empty, and what is generated and tracked
 * equals what it is generated from. With `--write` (`deno task generate`) it writes the files instead.
 */
async function main(): Promise<void> {
  const write = process.argv.includes("--write");
  const wrong = write
    ? []
    : [...await checkCurrent(), ...await checkReleasedMigrations(migrationsFolder)];
  const cluster = await startTemporaryCluster();
  try {
    const adminUrl = databaseUrl(cluster.url, "curestry");
    await migrateDatabase(adminUrl, {
      passwords: { curestry_gateway: null, curestry_worker: null },
    });
    for (const { file, make } of await listGenerated()) {
      const path = join(repositoryRoot, file);
      const text = await readFile(path, "utf8").catch(() => "");
      const expected = await make(adminUrl);
      if (text === expected) {
        if (!file.startsWith("sql/")) console.log(`${file} is current`);
      } else if (write) await writeFile(path, expected).then(() => console.log(`Wrote ${file}`));
      else {wrong.push(
          `${file} is not current; run \`deno task generate\`:${showDifference(text, expected)}`,
        );}
    }
  } finally {
    await cluster.stop();
  }
  if (wrong.length > 0) throw new Error(wrong.join("\n"));
}

/** The open migration: on main it holds comments only. */
async function checkCurrent(): Promise<string[]> {
  const file = "migrations/current.sql";
  const text = await readFile(join(repositoryRoot, file), "utf8").catch(() => "");
  const statements = text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/^--(?!!).*$/gm, "").trim();
  if (statements === "") {
    console.log(`${file} is empty`);
    return [];
  }
  return [`${file} is not empty; run \`deno task migrate:commit --message "…"\``];
}

function showDifference(text: string, expected: string): string {
  const [is, should] = [text.split("\n"), expected.split("\n")];
  const index = should.findIndex((line, index) => line !== is[index]);
  const at = index === -1 ? should.length : index;
  return `\n  line ${at + 1} is         ${is[at] ?? "(missing)"}` +
    `\n  ${" ".repeat(String(at + 1).length)}  and should be  ${should[at] ?? "(missing)"}`;
}

if (import.meta.main) await main().then(() => process.exit(0), fail);
