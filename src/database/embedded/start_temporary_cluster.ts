import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { stopOrphan } from "./postmaster.ts";
import { type Cluster, startCluster } from "./start_cluster.ts";

/** The directories are named after the process that made them, so that the next one can clean up. */
const directoryPrefix = "curestry-temporary-";

/**
 * Starts a throw-away cluster on a free port, for tests and checks; stopping it removes it. Those
 * that a killed process left behind are removed first.
 *
 * @param settings server settings that replace ours
 */
export async function startTemporaryCluster(
  settings: Record<string, string> = {},
): Promise<Cluster> {
  await removeAbandoned();
  // The directory itself is the cluster's: the account that serves it for root could not enter a
  // temporary directory of root's
  const dataDir = await mkdtemp(join(tmpdir(), `${directoryPrefix}${process.pid}-`));
  try {
    const cluster = await startCluster({
      dataDir,
      port: 0,
      password: crypto.randomUUID(),
      noSync: true,
      logFile: join(dataDir, "server.log"),
      settings,
    });
    return {
      ...cluster,
      async stop() {
        await cluster.stop("immediate");
        await remove(dataDir);
      },
    };
  } catch (error) {
    await remove(dataDir);
    throw error;
  }
}

async function removeAbandoned(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const [, pid] = /^curestry-temporary-(\d+)-/.exec(name) ?? [];
    if (pid === undefined || isAlive(Number(pid))) continue;
    const dataDir = join(tmpdir(), name);
    // Another user's are not ours to remove
    await stopOrphan(dataDir).then(() => remove(dataDir)).catch(() => {});
  }
}

async function remove(dataDir: string): Promise<void> {
  await rm(dataDir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
