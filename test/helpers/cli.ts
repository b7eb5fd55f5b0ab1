import { spawn } from "node:child_process";
import process from "node:process";
import { taskFlags } from "../../src/develop/task_flags.ts";
import { repositoryRoot } from "../../src/shared/settings.ts";

/** How a command ended. */
export interface CliResult {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** What to give a command beside its arguments. */
export interface CliOptions {
  /** Usually `database.env`. */
  env?: Record<string, string>;
  /** What it reads from standard input. */
  stdin?: string | Uint8Array;
}

/** Runs `deno task curestry ARGS` to its end, as a process. Takes about half a second. */
export async function cli(args: string[], options: CliOptions = {}): Promise<CliResult> {
  const { promise, resolve, reject } = Promise.withResolvers<CliResult>();
  const child = spawn(
    process.execPath,
    [...taskFlags("curestry"), "src/bin/curestry.ts", ...args],
    { cwd: repositoryRoot, env: { ...environment(), ...options.env } },
  );
  const stdout: Uint8Array[] = [];
  const stderr: Uint8Array[] = [];
  child.stdout.on("data", (data) => stdout.push(data));
  child.stderr.on("data", (data) => stderr.push(data));
  child.on("error", reject);
  child.on("close", (code) =>
    resolve({
      code,
      stdout: Buffer.concat(stdout).toString("utf8"),
      stderr: Buffer.concat(stderr).toString("utf8"),
    }));
  // A command that ends before it has read everything is not our failure
  child.stdin.on("error", () => {});
  child.stdin.end(options.stdin);
  return await promise;
}

/**
 * The one JSON document that a command prints with `--json`, which is added here.
 *
 * @param code what the command must exit with
 * @throws {Error} if it exits otherwise, or if standard output is anything else than JSON
 */
export async function cliJson<T>(
  args: string[],
  options: CliOptions = {},
  code = 0,
): Promise<T> {
  const result = await cli([...args, "--json"], options);
  if (result.code !== code) {
    throw new Error(`curestry ${args.join(" ")} exited ${result.code}, not ${code}:
${result.stdout}${result.stderr}`);
  }
  return JSON.parse(result.stdout);
}

/** Our own environment without the settings that a developer may have. */
function environment(): Record<string, string | undefined> {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) =>
      !/^(DATABASE_URL|HOST|PORT|NODE_OPTIONS|(CURESTRY|TEST|VITEST|PG).*)$/.test(name)
    ),
  );
}
