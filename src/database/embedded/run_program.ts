import { spawn } from "node:child_process";
import type { Account } from "./account.ts";

/** How a program ended, and all that it printed. */
export interface ProgramResult {
  code: number | null;
  output: string;
}

/**
 * Runs a program to its end, with a bare environment: PG* variables of the caller must not reach
 * PostgreSQL's programs, nor our secrets.
 *
 * @param account whom to run as, null for ourselves
 * @throws {Error} if the program cannot be started at all
 */
export async function runProgram(
  file: string,
  args: readonly string[],
  account: Account | null = null,
): Promise<ProgramResult> {
  const { promise, resolve, reject } = Promise.withResolvers<ProgramResult>();
  const child = spawn(file, args, {
    ...(account ? { uid: account.uid, gid: account.gid } : {}),
    cwd: account ? "/" : undefined,
    env: bareEnvironment(),
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  child.stdout.on("data", (data) => output += data);
  child.stderr.on("data", (data) => output += data);
  child.on("error", reject);
  child.on("close", (code) => resolve({ code, output }));
  return await promise;
}

/** What PostgreSQL's programs need of our environment, with messages in English. */
export function bareEnvironment(): Record<string, string> {
  const env: Record<string, string> = { LC_ALL: "C", LANG: "C" };
  for (const name of ["PATH", "LD_LIBRARY_PATH", "SystemRoot", "TEMP", "TMP", "TMPDIR"]) {
    const value = process.env[name];
    if (value !== undefined) env[name] = value;
  }
  return env;
}
