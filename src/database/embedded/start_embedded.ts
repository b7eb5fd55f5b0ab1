import { randomBytes } from "node:crypto";
import { mkdir, open, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Log } from "../../shared/log.ts";
import type { Settings } from "../../shared/settings.ts";
import { databaseUrl } from "../urls.ts";
import { findBinaries } from "./binaries.ts";
import { keepRunning, type KeptServer } from "./keep_running.ts";
import { type Holder, lockDataDir, readHolder } from "./lock_data_dir.ts";
import { stopOrphan } from "./postmaster.ts";
import { reachableClusterDir } from "./reachable.ts";
import { serverAccount } from "./server_account.ts";
import { clusterHost, clusterMajor, startCluster } from "./start_cluster.ts";

/** The embedded database, run by this process. */
export interface EmbeddedDatabase {
  /** The superuser's connection string, to the database `curestry` (which `migrate` makes). */
  adminUrl: string;
  /** Where the cluster is: not in the data directory if the server's account cannot get there. */
  clusterDir: string;
  firstTime: boolean;
  /** Settles when the server has ended; that of a `start` is started again before, a few times. */
  exited: Promise<number | null>;
  /** Tells waiting commands that the database is migrated. */
  setReady(): Promise<void>;
  stop(mode?: "fast" | "immediate"): Promise<void>;
}

/** The server's log begins anew above this size; the one before is kept. */
const maxLogBytes = 10 * 1024 * 1024;

/**
 * Starts the embedded PostgreSQL of the data directory, and stops what a killed start left behind.
 *
 * @param kind `start` refuses where another start runs; both wait for a command's short use
 * @param onSpawn called when the server's process is there, but not ready yet
 * @throws {Error} saying what is wrong and what to do
 */
export async function startEmbedded(
  settings: Settings,
  kind: Holder["kind"],
  log: Log,
  onSpawn: () => void = () => {},
): Promise<EmbeddedDatabase> {
  const { dataDir, databasePort } = settings;
  await makeDataDir(dataDir);
  const lock = await waitForLock(dataDir, kind, log);
  try {
    const binaries = await findBinaries();
    const account = await serverAccount(join(dataDir, "postgres"));
    const clusterDir = await reachableClusterDir(dataDir, account);
    const major = await clusterMajor(clusterDir);
    if (major !== null && major !== binaries.major) {
      throw new Error(
        `The database in ${clusterDir} was made by PostgreSQL ${major}, but this version of Curestry ` +
          `brings PostgreSQL ${binaries.major}: start it with the version of Curestry that made it ` +
          "and move the data over with backup and restore, or name another directory in " +
          "CURESTRY_DATA_DIR",
      );
    }
    const orphan = await stopOrphan(clusterDir);
    if (orphan !== null) {
      log.warn(
        { pid: orphan },
        "Stopped a PostgreSQL that a start which was killed had left running",
      );
    }
    const logFile = join(dataDir, "postgres.log");
    await rotateLog(logFile);
    const password = await readPassword(dataDir, clusterDir, major !== null, databasePort);
    const start = (port: number) =>
      startCluster({ dataDir: clusterDir, port, password, onSpawn, logFile });
    const cluster = await start(databasePort);
    const adminUrl = databaseUrl(cluster.url, "curestry");
    await writeUrl(dataDir, adminUrl).catch(async (error) => {
      await cluster.stop();
      throw error;
    });
    if (account) {
      const isElsewhere = clusterDir !== join(dataDir, "postgres");
      log[cluster.firstTime || (isElsewhere && kind === "start") ? "info" : "debug"](
        { account: account.name, directory: clusterDir },
        "PostgreSQL does not run as root: it runs under another account, on this directory",
      );
    }
    const server = kind === "start"
      ? keepRunning(cluster, async () => {
        await stopOrphan(clusterDir);
        return await start(cluster.port);
      }, log)
      : cluster;
    return {
      adminUrl,
      clusterDir,
      firstTime: cluster.firstTime,
      exited: server.exited,
      setReady: lock.setReady,
      stop: (mode) => stopAndRelease(server, lock.release, mode),
    };
  } catch (error) {
    await lock.release();
    throw error;
  }
}

/**
 * The embedded database of a running `start`; waits while that one is still starting.
 *
 * @returns the superuser's connection string, or null if no start runs
 */
export async function findRunning(settings: Settings): Promise<string | null> {
  const { dataDir } = settings;
  for (;;) {
    const holder = await readHolder(dataDir);
    if (holder?.kind !== "start") return null;
    if (holder.ready) {
      const url = await readFile(join(dataDir, "superuser-url"), "utf8");
      return url.trim();
    }
    await sleep(100);
  }
}

async function stopAndRelease(
  server: Pick<KeptServer, "stop">,
  release: () => Promise<void>,
  mode: "fast" | "immediate" | undefined,
): Promise<void> {
  await server.stop(mode);
  await release();
}

/** Others may pass through a directory of root's, as the server's account must, but not look around. */
async function makeDataDir(dataDir: string): Promise<void> {
  const isRoot = process.getuid?.() === 0;
  try {
    if (await mkdir(dataDir, { recursive: true, mode: isRoot ? 0o711 : 0o700 })) return;
    if (!(await stat(dataDir)).isDirectory()) throw new Error("It is not a directory");
  } catch (cause) {
    throw new Error(
      `The data directory ${dataDir} cannot be made: ${(cause as Error).message}. ` +
        "Name another one in CURESTRY_DATA_DIR",
      { cause },
    );
  }
}

async function waitForLock(dataDir: string, kind: Holder["kind"], log: Log) {
  let told = false;
  for (let attempt = 1;; attempt++) {
    const lock = await lockDataDir(dataDir, kind).catch((cause) => {
      throw new Error(
        `The data directory ${dataDir} cannot be used: ${cause.message}. Start Curestry as the ` +
          "user that it belongs to, or name another one in CURESTRY_DATA_DIR",
        { cause },
      );
    });
    if (lock) return lock;
    const holder = await readHolder(dataDir);
    // Only a lock that stays taken is someone's: commands touch it for an instant to look at it
    if (holder?.kind === "start" && attempt > 3) {
      throw new Error(
        `The data directory ${dataDir} is in use by another start (process ${holder.pid}): ` +
          "stop that one first, or name another directory in CURESTRY_DATA_DIR",
      );
    }
    // One without a number is about to write it, unless it was stopped in between
    if (holder?.kind === "call" && (holder.pid !== 0 || attempt > 10) && !told) {
      log.info({ pid: holder.pid }, "Waiting for a command that uses the embedded database");
      told = true;
    }
    await sleep(100);
  }
}

/** The superuser's password: made together with the cluster, and kept nowhere but in this file. */
async function readPassword(
  dataDir: string,
  clusterDir: string,
  clusterExists: boolean,
  port: number,
): Promise<string> {
  const path = join(dataDir, "superuser-url");
  const text = await readFile(path, "utf8").catch((error) => {
    if (error.code === "ENOENT") return "";
    throw error;
  });
  const password = URL.canParse(text.trim()) ? new URL(text.trim()).password : "";
  if (password) return decodeURIComponent(password);
  if (clusterExists) {
    throw new Error(
      `The file ${path}, with the password of the database in ${clusterDir}, is missing or damaged: ` +
        "restore it from a backup, or move that directory away to begin with an empty database",
    );
  }
  const made = randomBytes(24).toString("base64url");
  await writeUrl(dataDir, `postgres://postgres:${made}@${clusterHost}:${port}/curestry`);
  return made;
}

/** In one step, and on disk before the cluster that it opens is made. */
async function writeUrl(dataDir: string, url: string): Promise<void> {
  const path = join(dataDir, "superuser-url");
  if (await readFile(path, "utf8").catch(() => "") === `${url}\n`) return;
  await rm(`${path}.new`, { force: true });
  const file = await open(`${path}.new`, "wx", 0o600);
  try {
    await file.writeFile(`${url}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(`${path}.new`, path);
}

async function rotateLog(logFile: string): Promise<void> {
  const found = await stat(logFile).catch(() => null);
  if (found && found.size > maxLogBytes) await rename(logFile, `${logFile}.1`);
}
