import { readFileSync } from "node:fs";

/** Files that are open for other reasons: connections to the database, modules, the log. */
const otherFiles = 100;

/**
 * How many connections of clients there may be: what the settings say, or what the system's limit of
 * open files leaves, where that can be read (Linux). Above it Deno stops to accept connections.
 */
export function maxConnections(wanted: number): number {
  let limit = Infinity;
  try {
    const text = readFileSync("/proc/self/limits", "utf8");
    limit = Number(/^Max open files\s+(\d+)/m.exec(text)?.[1] ?? Infinity);
  } catch {
    // Another system, or we may not
  }
  return Math.max(1, Math.min(wanted, limit - otherFiles));
}
