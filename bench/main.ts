import { writeFile } from "node:fs/promises";
import { cpus, loadavg } from "node:os";
import process from "node:process";
import { parseArgs } from "node:util";
import { startTemporaryCluster } from "../src/database/embedded/start_temporary_cluster.ts";
import { migrateDatabase } from "../src/database/migrate_database.ts";
import { databaseUrl } from "../src/database/urls.ts";
import { fail } from "../src/shared/process.ts";
import { auditBenchmark } from "./audit.ts";
import type { Benchmark, Comparison } from "./compare.ts";
import { filesBenchmark } from "./files.ts";
import { floodsBenchmark } from "./floods.ts";
import { gatewayBenchmark } from "./gateway/benchmark.ts";
import { growthBenchmark } from "./growth.ts";
import { importsBenchmark } from "./imports.ts";
import { liveBenchmark } from "./live/benchmark.ts";
import { martsBenchmark } from "./marts.ts";
import { policyBenchmark } from "./policy.ts";
import { recordBenchmark } from "./record.ts";
import { searchBenchmark } from "./search.ts";

const usage = `Usage: deno task bench [NAME …] [--small] [--json FILE]

Compares what we claim with what else one would use, both in one run, on a throw-away PostgreSQL
with durable commits. Read the ratios: absolute times depend on the machine.

  NAME         which benchmarks; all if none is named
  --small      growth, search: with a hundredth of the rows; files: with a tenth
  --json FILE  writes the figures`;

const benchmarks: readonly Benchmark[] = [
  policyBenchmark,
  searchBenchmark,
  recordBenchmark,
  importsBenchmark,
  filesBenchmark,
  auditBenchmark,
  martsBenchmark,
  gatewayBenchmark,
  liveBenchmark,
  floodsBenchmark,
  growthBenchmark,
];

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { json: { type: "string" }, small: { type: "boolean" }, help: { type: "boolean" } },
  });
  if (values.help) {
    console.log(`${usage}\n\n${benchmarks.map((b) => `  ${b.name}: ${b.description}`).join("\n")}`);
    return;
  }
  const unknown = positionals.find((name) => !benchmarks.some((b) => b.name === name));
  if (unknown !== undefined) throw new Error(`There is no benchmark ${unknown}\n\n${usage}`);
  const chosen = benchmarks.filter((b) => positionals.length === 0 || positionals.includes(b.name));

  const results: (Comparison & { benchmark: string })[] = [];
  const cluster = await startTemporaryCluster({
    fsync: "on",
    synchronous_commit: "on",
    full_page_writes: "on",
  });
  try {
    for (const benchmark of chosen) {
      const adminUrl = databaseUrl(cluster.url, `bench_${benchmark.name}`);
      await migrateDatabase(adminUrl, {
        passwords: { curestry_gateway: "bench", curestry_worker: "bench" },
      });
      console.log(`\n${benchmark.name}: ${benchmark.description}`);
      for (const comparison of await benchmark.run({ adminUrl, small: values.small ?? false })) {
        results.push({ benchmark: benchmark.name, ...comparison });
        console.log(describe(comparison));
      }
    }
  } finally {
    await cluster.stop();
  }
  if (values.json !== undefined) {
    const machine = { cpu: cpus()[0]?.model, cores: cpus().length, load: loadavg() };
    await writeFile(values.json, `${JSON.stringify({ machine, results }, null, 2)}\n`);
  }
}

function describe({ what, ours, other, ratio, limit, unit = "ms" }: Comparison): string {
  const verdict = limit === undefined
    ? ""
    : `  (at most ${limit}: ${ratio <= limit ? "yes" : "NO"})`;
  return `  ${what}\n    ${ours.name}: ${ours.ms.toFixed(3)} ${unit}   ${other.name}: ${
    other.ms.toFixed(3)
  } ${unit}   ratio ${ratio.toFixed(2)}${verdict}`;
}

if (import.meta.main) await main().then(() => process.exit(0), fail);
