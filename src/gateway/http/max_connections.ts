import { spawnSync } from "node:child_process";
import { closeSync, openSync } from "node:fs";

/** Files that are open for other reasons: connections to the database, modules, the log. */
const otherFiles = 100;

/**
 * How many connections of clients there may be: what the settings say, or what the system's limit of
 * open files leaves. Above it Deno stops to accept connections. Call it when nothing else opens files.
 */
export function maxConnections(wanted: number): number {
  return Math.max(1, Math.min(wanted, (askShell() ?? tryFiles(wanted)) - otherFiles));
}

/** @returns the limit; null if we may not start a shell, as `deno task gateway` */
function askShell(): number | null {
  try {
    const { status, stdout } = spawnSync("sh", ["-c", "ulimit -n"], { encoding: "utf8" });
    if (status !== 0) return null;
    // Or "unlimited"
    return /^\d+\s*$/.test(stdout) ? Number(stdout) : Infinity;
  } catch {
    return null;
  }
}

/** Opens as many as are wanted, and closes them. @returns the limit; Infinity if it is not reached */
function tryFiles(wanted: number): number {
  const files: number[] = [];
  try {
    while (files.length < wanted + otherFiles) files.push(openSync(new URL(import.meta.url), "r"));
    return Infinity;
  } catch {
    // Those that are open already are among the other ones
    return files.length + otherFiles / 2;
  } finally {
    for (const file of files) closeSync(file);
  }
}
