import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { chown, mkdir, readFile, rename, rm, rmdir, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Account } from "./account.ts";
import { type Binaries, findBinaries } from "./binaries.ts";
import { freePort, isPortFree } from "./ports.ts";
import { readPostmaster } from "./postmaster.ts";
import { reachableBinaries } from "./reachable.ts";
import { bareEnvironment, runProgram } from "./run_program.ts";
import { serverAccount } from "./server_account.ts";
import { settingsForMachine, usableMemory } from "./server_settings.ts";

/** How to run a cluster. */
export interface ClusterOptions {
  /** The cluster's directory; made when absent or empty. */
  dataDir: string;
  /** On 127.0.0.1; 0 chooses a free one. */
  port: number;
  /** Of the superuser `postgres`; it counts when the cluster is made. */
  password: string;
  /** For throw-away clusters: a crash of the machine may lose everything, and all is faster. */
  noSync?: boolean;
  /** Server settings that replace ours. */
  settings?: Record<string, string>;
  /** Called when the server's process is there, but long before it is ready: time for other work. */
  onSpawn?: () => void;
  /** Where the server's messages go; default: `postgres.log` beside the cluster. */
  logFile?: string;
}

/** A running server. */
export interface Cluster {
  /** The superuser's connection string, to the database `postgres`. */
  url: string;
  port: number;
  pid: number;
  dataDir: string;
  /** Whether this start made the cluster. */
  firstTime: boolean;
  /** Settles when the server ends, for whatever reason, with its exit code. */
  exited: Promise<number | null>;
  /** Ends all sessions and stops the server; `immediate` skips the clean end (crash recovery follows). */
  stop(mode?: "fast" | "immediate"): Promise<void>;
}

/** The database's host: never reachable from another machine. */
export const clusterHost = "127.0.0.1";

/** A port of ours is taken by someone else. */
export class PortInUseError extends Error {
  override name = "PortInUseError";
}

/** A start that failed for a reason that passes by itself: try again. */
class TransientError extends Error {}

/**
 * Starts PostgreSQL from the npm packages, making the cluster first when it is absent.
 *
 * @throws {PortInUseError} if the port is taken
 * @throws {Error} if the cluster cannot be made or does not start, with the end of the server's log
 */
export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const { dataDir, noSync = false } = options;
  const [found, account] = await Promise.all([findBinaries(), serverAccount(dataDir)]);
  const binaries = await reachableBinaries(found, account);
  const firstTime = await clusterMajor(dataDir) === null;
  if (firstTime) await makeCluster(binaries, account, dataDir, options.password, noSync);
  for (let attempt = 1;; attempt++) {
    const port = options.port || await freePort(clusterHost);
    if (!(await isPortFree(clusterHost, port))) {
      if (options.port === 0) continue;
      throw portInUse(port);
    }
    try {
      const server = await startServer(binaries, account, { ...options, port });
      return {
        ...server,
        url: `postgres://postgres:${
          encodeURIComponent(options.password)
        }@${clusterHost}:${port}/postgres`,
        port,
        dataDir,
        firstTime,
      };
    } catch (error) {
      const again = error instanceof TransientError ||
        (error instanceof PortInUseError && options.port === 0);
      if (!again || attempt === 20) throw error;
      await sleep(500);
    }
  }
}

/** The major version a cluster was made by, null if there is none in this directory. */
export async function clusterMajor(clusterDir: string): Promise<number | null> {
  const text = await readFile(join(clusterDir, "PG_VERSION"), "utf8").catch((error) => {
    if (error.code === "ENOENT") return "";
    throw error;
  });
  return text === "" ? null : Number.parseInt(text, 10);
}

/** Makes a cluster beside its place and then moves it there: one that was interrupted is never used. */
async function makeCluster(
  binaries: Binaries,
  account: Account | null,
  dataDir: string,
  password: string,
  noSync: boolean,
): Promise<void> {
  await rmdir(dataDir).catch((error) => {
    if (error.code === "ENOENT") return;
    throw new Error(
      `${dataDir} is not empty, but holds no database: move what it holds away, or name another ` +
        "directory",
      { cause: error },
    );
  });
  const unfinished = `${dataDir}.unfinished`;
  const passwordFile = `${dataDir}.password`;
  await rm(unfinished, { recursive: true, force: true });
  await rm(passwordFile, { force: true });
  try {
    await mkdir(unfinished, { mode: 0o700 });
    await writeFile(passwordFile, `${password}\n`, { mode: 0o600, flag: "wx" });
    if (account) {
      await chown(unfinished, account.uid, account.gid);
      await chown(passwordFile, account.uid, account.gid);
    }
    const { code, output } = await runProgram(binaries.initdb, [
      `--pgdata=${unfinished}`,
      "--username=postgres",
      `--pwfile=${passwordFile}`,
      "--auth=scram-sha-256",
      "--encoding=UTF8",
      // The order and case of text depend on no library of the system
      "--locale-provider=builtin",
      "--builtin-locale=C.UTF-8",
      "--locale=C",
      ...(noSync ? ["--no-sync"] : []),
    ], account);
    if (code !== 0) throw new Error(`initdb failed:\n${output.trim()}`);
    await rename(unfinished, dataDir);
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true });
    throw error;
  } finally {
    await rm(passwordFile, { force: true });
  }
}

async function startServer(
  binaries: Binaries,
  account: Account | null,
  options: ClusterOptions,
): Promise<Pick<Cluster, "pid" | "exited" | "stop">> {
  const { dataDir, port } = options;
  const logFile = options.logFile ?? join(dirname(dataDir), "postgres.log");
  const settings: Record<string, string> = {
    listen_addresses: clusterHost,
    port: String(port),
    unix_socket_directories: "",
    shared_preload_libraries: "pg_stat_statements",
    max_connections: "100",
    TimeZone: "UTC",
    log_timezone: "UTC",
    log_line_prefix: "%m [%p] %q%u@%d %a ",
    // What people wrote stays out of the log: no statements, no parameters, no rows in details
    log_min_error_statement: "panic",
    log_parameter_max_length: "0",
    log_parameter_max_length_on_error: "0",
    log_error_verbosity: "terse",
    ...settingsForMachine(usableMemory()),
    ...(options.noSync ? { fsync: "off", synchronous_commit: "off", full_page_writes: "off" } : {}),
    ...options.settings,
  };
  const log = openSync(logFile, "a", 0o600);
  const logStart = (await stat(logFile)).size;
  let child: ChildProcess;
  try {
    child = spawn(binaries.postgres, [
      "-D",
      dataDir,
      ...Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]),
    ], {
      ...(account ? { uid: account.uid, gid: account.gid } : {}),
      cwd: "/",
      env: bareEnvironment(),
      stdio: ["ignore", log, log],
      // Its own process group: Ctrl-C at the terminal is for us, and we stop it in good order
      detached: true,
    });
  } finally {
    closeSync(log);
  }
  options.onSpawn?.();
  const exit = Promise.withResolvers<number | null>();
  child.on("error", exit.reject);
  child.on("exit", exit.resolve);
  let ended = false;
  const exited = exit.promise.finally(() => ended = true);
  exited.catch(() => {});
  async function stop(mode: "fast" | "immediate" = "fast"): Promise<void> {
    if (process.platform === "win32") {
      await runProgram(binaries.pgCtl, ["stop", "-D", dataDir, "-m", mode]);
    } else {
      // PostgreSQL, "Shutting Down the Server": SIGINT is the fast, SIGQUIT the immediate shutdown
      child.kill(mode === "fast" ? "SIGINT" : "SIGQUIT");
    }
    await exited;
  }

  while (!ended) {
    const postmaster = await readPostmaster(dataDir);
    if (postmaster?.ready && postmaster.pid === child.pid) {
      return { pid: postmaster.pid, exited, stop };
    }
    await Promise.race([sleep(10), exited]);
  }
  await exited;
  const messages = (await readFile(logFile)).subarray(logStart).toString("utf8").trim();
  if (/could not bind .*: Address already in use/.test(messages)) throw portInUse(port);
  // The processes of a server that was killed need a second or two to notice
  if (/pre-existing shared memory block|lock file "postmaster.pid" already exists/.test(messages)) {
    throw new TransientError(`PostgreSQL does not start in ${dataDir}:\n${messages}`);
  }
  throw new Error(`PostgreSQL does not start in ${dataDir}:\n${messages.slice(-4000)}`);
}

function portInUse(port: number): PortInUseError {
  return new PortInUseError(
    `Port ${port} of ${clusterHost}, for the embedded PostgreSQL, is in use by another program: ` +
      "stop that program, or set CURESTRY_DATABASE_PORT to a free port",
  );
}
