import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/**
 * Runs a program of ours with all permissions; its standard output is read by the caller.
 *
 * @param module relative to this file
 * @param log file descriptor for what it writes to standard error; ours by default
 */
export function runProgram(
  module: string,
  args: readonly string[] = [],
  env: Record<string, string> = {},
  log: number | "inherit" = "inherit",
): ChildProcess {
  const file = fileURLToPath(new URL(module, import.meta.url));
  return spawn(process.execPath, ["run", "-A", file, ...args], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", log],
  });
}

/** Waits until a gateway answers. @returns its URL */
export async function readUrl(gateway: ChildProcess): Promise<string> {
  for await (const line of createInterface({ input: gateway.stdout! })) {
    const [, url] = /ready on (\S+)/.exec(line) ?? [];
    if (url !== undefined) return url;
  }
  throw new Error("The gateway did not start");
}

/** Waits for the end of a program. */
export function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return Promise.resolve();
  return new Promise((resolve) => child.once("exit", () => resolve()));
}

/** Asks a program to stop, and waits for that. */
export async function stop(child: ChildProcess): Promise<void> {
  child.kill("SIGTERM");
  await ended(child);
}
