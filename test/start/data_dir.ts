import { chmod, lstat, mkdtemp, readdir, readlink, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { readPostmaster } from "../../src/database/embedded/postmaster.ts";

/**
 * A data directory that does not exist yet, in a temporary directory which the account that serves the
 * database for root may pass through.
 */
export async function makeDataDir(): Promise<string> {
  const parent = await mkdtemp(join(tmpdir(), `curestry-temporary-${process.pid}-`));
  await chmod(parent, 0o711);
  return join(parent, "data");
}

/** Removes what `makeDataDir` made, and the cluster that stands elsewhere because of root. */
export async function removeDataDir(dataDir: string): Promise<void> {
  const cluster = join(dataDir, "postgres");
  if ((await lstat(cluster).catch(() => null))?.isSymbolicLink()) {
    await rm(await readlink(cluster), { recursive: true, force: true });
  }
  await rm(join(dataDir, ".."), { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
}

/** The process of the database server, or of the one that ran here last; null if it ended well. */
export async function serverPid(dataDir: string): Promise<number | null> {
  return (await readPostmaster(join(dataDir, "postgres")))?.pid ?? null;
}

/** Whether a process is there. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** The names of a data directory's entries, in order. */
export async function list(dataDir: string): Promise<string[]> {
  return (await readdir(dataDir)).sort();
}
