import { writeFile } from "node:fs/promises";
import process from "node:process";
import { fail, listenForStop } from "../../src/shared/process.ts";
import { stopProcesses } from "../start/run_process.ts";
import { formatMs } from "./fault.ts";
import { type Installation, startInstallation } from "./installation.ts";
import { type Options, readOptions } from "./read_options.ts";
import { runDrill } from "./run_drill.ts";
import { formatTable } from "./table.ts";

const { CURESTRY_TEST_POSTGRES_BIN: bin } = process.env;

/** `deno task drill`. */
async function main(): Promise<void> {
  const options = readOptions();
  const interrupted = listenForStop().first.then((reason) => {
    throw new Error(`Stopped: ${reason}`);
  });
  interrupted.catch(() => {});
  console.log(
    `The seed is ${options.seed} (--seed repeats the plan); PostgreSQL ${
      bin ?? "is the embedded one"
    }`,
  );
  try {
    const installation = await startInstallation();
    try {
      await Promise.race([report(installation, options), interrupted]);
    } finally {
      showInternalErrors(await installation.stop());
    }
  } finally {
    await stopProcesses();
  }
}

/** Prints the table, and sets the exit code. */
async function report(installation: Installation, options: Options): Promise<void> {
  const from = performance.now();
  const rows = await runDrill(installation, options);
  console.log(`\n${formatTable(rows)}\n`);
  const broken = rows.filter(({ kept }) => kept === false);
  const verdict = broken.length === 0
    ? "every promise was kept"
    : `broken: ${broken.map(({ name }) => name).join(", ")}`;
  console.log(
    `${rows.length} rows, ${options.count} random faults, ${
      formatMs(performance.now() - from)
    }: ${verdict}`,
  );
  if (options.json !== null) {
    await writeFile(options.json, `${JSON.stringify({ seed: options.seed, rows }, null, 2)}\n`);
  }
  process.exitCode = broken.length === 0 ? 0 : 1;
}

/** Where to look first when a request was answered so. */
function showInternalErrors(logs: readonly string[]): void {
  const errors = logs.flatMap((log) => log.split("\n"))
    .filter((line) => line.includes("Internal error"));
  if (errors.length === 0) return;
  console.error(
    `${errors.length} internal errors in the logs:\n${errors.slice(0, 3).join("\n")}`,
  );
}

if (import.meta.main) await main().then(() => process.exit(), fail);
