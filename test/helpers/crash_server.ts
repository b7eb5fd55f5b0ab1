import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { startCluster } from "../../src/database/embedded/start_cluster.ts";
import { startDebianCluster } from "./debian_postgres.ts";

/** A server of a test's own, to be crashed. */
export interface CrashServer {
  /** The superuser's connection string, to the database `postgres`. */
  url: string;
  dataDir: string;
  /** Ends the server, by default without a clean end; it starts again, with recovery. */
  crash(signal?: NodeJS.Signals): Promise<void>;
  stop(): Promise<void>;
}

/**
 * Starts a server of the version that is tested. What is written survives a crash of processes: it is
 * with the operating system, though not on the disk.
 */
export async function startCrashServer(): Promise<CrashServer> {
  const settings = { synchronous_commit: "on" };
  const { CURESTRY_TEST_POSTGRES_BIN: bin } = process.env;
  if (bin) {
    const cluster = await startDebianCluster(bin, settings);
    const { url, dataDir, restart, stop } = cluster;
    return { url, dataDir, crash: restart, stop };
  }
  // The name is that of the embedded temporary clusters, whose next start removes what is abandoned
  const dataDir = await mkdtemp(join(tmpdir(), `curestry-temporary-${process.pid}-`));
  const logFile = join(dataDir, "server.log");
  const options = { dataDir, password: crypto.randomUUID(), noSync: true, logFile, settings };
  let cluster = await startCluster({ ...options, port: 0 });
  const { url, port } = cluster;
  return {
    url,
    dataDir,
    async crash(signal = "SIGQUIT") {
      process.kill(cluster.pid, signal);
      await cluster.exited;
      cluster = await startCluster({ ...options, port });
    },
    async stop() {
      await cluster.stop("immediate");
      await rm(dataDir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
    },
  };
}
