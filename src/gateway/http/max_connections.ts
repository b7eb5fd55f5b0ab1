import { spawnSync } from "node:child_process";

/** Files that are open for other reasons: connections to the database, modules, the log. */
const otherFiles = 100;

/**
 * How many connections of clients there may be: what the settings say, or what the system's limit of
 * open files leaves, where we may ask a shell for it. Above it Deno stops to accept connections.
 */
export function maxConnections(wanted: number): number {
  let limit = Infinity;
  try {
    const { stdout } = spawnSync("sh", ["-c", "ulimit -n"], { encoding: "utf8" });
    // Or "unlimited"
    if (/^\d+\s*$/.test(stdout ?? "")) limit = Number(stdout);
  } catch {
    // We may not, as `deno task gateway`
  }
  return Math.max(1, Math.min(wanted, limit - otherFiles));
}
