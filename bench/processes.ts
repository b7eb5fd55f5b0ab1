import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/**
 * Starts a module of this folder, or by its path, with Deno.
 *
 * @param log file descriptor for what it writes to stderr; ours by default
 */
export function start(
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

/** Waits for a server's line with its address. */
export async function readUrl(server: ChildProcess): Promise<string> {
  for await (const line of createInterface({ input: server.stdout! })) {
    const [, url] = /ready on (\S+)/.exec(line) ?? [];
    if (url !== undefined) return url;
  }
  throw new Error("The server did not start");
}

/** Waits for the end of a process. */
export function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return Promise.resolve();
  return new Promise((resolve) => child.once("exit", () => resolve()));
}
