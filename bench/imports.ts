import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, copyFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import type { Client } from "pg";
import { withClient } from "../src/database/open_client.ts";
import type { Benchmark, Comparison } from "./compare.ts";

const promptCount = 100_000;
const wordsPerPrompt = 70;
/** The import may take so many times as long as COPY. */
const promisedTimes = 2;

interface Measured {
  ms: number;
  /** What the write-ahead log grew by, in MB. */
  wal: number;
}

/** A file of prompts through the command, beside COPY into the same table with all its triggers. */
export const importsBenchmark: Benchmark = {
  name: "imports",
  description:
    `${promptCount} prompts from a file by \`curestry import prompts\`, beside COPY of the same into the same table, ` +
    "which has its triggers then, too",

  async run({ adminUrl }) {
    const folder = await mkdtemp(join(tmpdir(), `curestry-temporary-${process.pid}-`));
    try {
      return await withClient(adminUrl, async (client) => {
        await client.query("set statement_timeout = 0");
        await makeOrganizations(client);
        const { csv, jsonl, megabytes } = await writeFiles(folder);
        const serverFile = await giveToServer(client, csv);
        const measure = (work: () => Promise<unknown>) => measureWith(client, work);
        const importFile = (file: string, organization: string) => () =>
          runImport(adminUrl, folder, file, organization);
        const fromCsv = await measure(importFile(csv, "csv"));
        const copied = await measure(() => copy(client, serverFile));
        const fromLines = await measure(importFile(jsonl, "jsonl"));
        return [compared("CSV", fromCsv), compared("JSON Lines", fromLines)];

        function compared(format: string, imported: Measured): Comparison {
          return {
            what: `${promptCount.toLocaleString("en")} prompts, ${megabytes} MB of ${format}; ` +
              `write-ahead log ${imported.wal} MB, of COPY ${copied.wal} MB`,
            ours: { name: "import", ms: imported.ms },
            other: { name: "COPY", ms: copied.ms },
            ratio: imported.ms / copied.ms,
            limit: promisedTimes,
          };
        }
      });
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
};

async function makeOrganizations(client: Client): Promise<void> {
  await client.query(
    "select app.organization_create(s, 'Bench', s || '@x.example') from unnest(array['csv', 'jsonl', 'copy']) as s",
  );
  // COPY has no request that says whose rows these are
  await client.query(
    `create function public.organization_of_copy() returns uuid stable return (select id from ops.organization where slug = 'copy')`,
  );
  await client.query(
    "alter table core.prompts alter column organization_id set default public.organization_of_copy()",
  );
}

async function writeFiles(
  folder: string,
): Promise<{ csv: string; jsonl: string; megabytes: number }> {
  const words = Array.from({ length: 5_000 }, (_, n) => (n * 7919 + 1_000_003).toString(36));
  let seed = 1;
  const word = () => words[(seed = (seed * 48_271) % 2_147_483_647) % words.length] ?? "";
  const csv: string[] = ["name,content,language,tags"];
  const jsonl: string[] = [];
  for (let n = 0; n < promptCount; n++) {
    const name = `prompt ${n} ${word()}`;
    const content = Array.from({ length: wordsPerPrompt }, word).join(" ");
    const tags = [word()];
    csv.push(`${name},"${content}",en,"${JSON.stringify(tags).replaceAll('"', '""')}"`);
    jsonl.push(JSON.stringify({ name, content, language: "en", tags }));
  }
  const files = { csv: join(folder, "prompts.csv"), jsonl: join(folder, "prompts.jsonl") };
  await writeFile(files.csv, `${csv.join("\n")}\n`);
  await writeFile(files.jsonl, `${jsonl.join("\n")}\n`);
  return { ...files, megabytes: Math.round(csv.join("\n").length / 1e6) };
}

/** In the server's own directory, which it can read, and which goes with it. */
async function giveToServer(client: Client, file: string): Promise<string> {
  const { rows: [server] } = await client.query<{ directory: string }>(
    "select current_setting('data_directory') as directory",
  );
  const copied = join(server!.directory, "prompts.bench");
  await copyFile(file, copied);
  await chmod(copied, 0o644);
  return copied;
}

async function runImport(
  adminUrl: string,
  dataDir: string,
  file: string,
  organization: string,
): Promise<void> {
  const command = fileURLToPath(new URL("../src/bin/curestry.ts", import.meta.url));
  const child = spawn(
    process.execPath,
    ["run", "-A", command, "import", "prompts", file, "--organization", organization],
    {
      env: { ...process.env, DATABASE_URL: adminUrl, CURESTRY_DATA_DIR: dataDir },
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  let said = "";
  child.stdout.on("data", (chunk) => said += chunk);
  await once(child, "close");
  if (!said.includes(`${promptCount} inserted`)) throw new Error(`The import failed: ${said}`);
}

/** By the server, from a file: what a client sends with `\copy` arrives no faster. */
async function copy(client: Client, file: string): Promise<void> {
  await client.query(
    `copy core.prompts (name, content, language, tags) from '${file}' (format csv, header)`,
  );
}

async function measureWith(client: Client, work: () => Promise<unknown>): Promise<Measured> {
  const { rows: [before] } = await client.query<{ place: string }>(
    "select pg_current_wal_lsn()::text as place",
  );
  const start = performance.now();
  await work();
  const ms = performance.now() - start;
  const { rows: [after] } = await client.query<{ wal: number }>(
    "select round((pg_current_wal_lsn() - $1::pg_lsn) / 1e6)::int as wal",
    [before!.place],
  );
  return { ms, wal: after!.wal };
}
