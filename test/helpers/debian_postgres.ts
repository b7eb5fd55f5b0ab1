import { spawn } from "node:child_process";
import { chmod, chown, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import type { Account } from "../../src/database/embedded/account.ts";
import { freePort } from "../../src/database/embedded/ports.ts";
import { readPostmaster } from "../../src/database/embedded/postmaster.ts";
import { bareEnvironment, runProgram } from "../../src/database/embedded/run_program.ts";
import { serverAccount } from "../../src/database/embedded/server_account.ts";

/** A throw-away server. */
export interface DebianCluster {
  dataDir: string;
  /** The superuser's connection string, to the database `postgres`. */
  url: string;
  /** Ends the server, by default without a clean end, and starts it again. */
  restart(signal?: NodeJS.Signals): Promise<void>;
  /** Stops the server and removes its files. */
  stop(): Promise<void>;
}

/**
 * Starts a throw-away cluster with PostgreSQL programs of the system, to test on versions that we
 * do not bring.
 *
 * @param bin the directory of initdb and postgres: /usr/lib/postgresql/15/bin
 * @param settings server settings that replace ours
 */
export async function startDebianCluster(
  bin: string,
  settings: Record<string, string> = {},
): Promise<DebianCluster> {
  // The name is that of the embedded temporary clusters, whose next start removes what is abandoned
  const dataDir = await mkdtemp(join(tmpdir(), `curestry-temporary-${process.pid}-`));
  const account = await serverAccount(dataDir);
  const password = crypto.randomUUID();
  try {
    await makeCluster(bin, dataDir, password, account);
    const port = await freePort("127.0.0.1");
    let stopServer = await startServer(bin, dataDir, port, account, settings);
    return {
      dataDir,
      url: `postgres://postgres:${password}@127.0.0.1:${port}/postgres`,
      async restart(signal) {
        await stopServer(signal);
        // The processes of a server that was killed need a second or two to notice
        for (let attempt = 1;; attempt++) {
          try {
            stopServer = await startServer(bin, dataDir, port, account, settings);
            return;
          } catch (error) {
            if (attempt === 20) throw error;
            await sleep(500);
          }
        }
      },
      async stop() {
        await stopServer();
        await rm(dataDir, { recursive: true, force: true });
      },
    };
  } catch (error) {
    await rm(dataDir, { recursive: true, force: true });
    throw error;
  }
}

async function makeCluster(
  bin: string,
  dataDir: string,
  password: string,
  account: Account | null,
): Promise<void> {
  const passwordFile = `${dataDir}.password`;
  await chmod(dataDir, 0o700);
  await writeFile(passwordFile, `${password}\n`, { mode: 0o600 });
  if (account) {
    for (const path of [dataDir, passwordFile]) await chown(path, account.uid, account.gid);
  }
  try {
    const { code, output } = await runProgram(join(bin, "initdb"), [
      `--pgdata=${dataDir}`,
      "--username=postgres",
      `--pwfile=${passwordFile}`,
      "--auth=scram-sha-256",
      "--encoding=UTF8",
      "--locale=C.UTF-8",
      "--no-sync",
    ], account);
    if (code !== 0) throw new Error(`initdb of ${bin} failed:\n${output.trim()}`);
  } finally {
    await rm(passwordFile, { force: true });
  }
}

/** @returns a function that stops it */
async function startServer(
  bin: string,
  dataDir: string,
  port: number,
  account: Account | null,
  replaced: Record<string, string>,
): Promise<(signal?: NodeJS.Signals) => Promise<void>> {
  const settings = {
    listen_addresses: "127.0.0.1",
    port: String(port),
    unix_socket_directories: "",
    TimeZone: "UTC",
    fsync: "off",
    synchronous_commit: "off",
    full_page_writes: "off",
    logging_collector: "on",
    log_directory: "log",
    ...replaced,
  };
  const child = spawn(join(bin, "postgres"), [
    "-D",
    dataDir,
    ...Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]),
  ], {
    ...(account ? { uid: account.uid, gid: account.gid } : {}),
    cwd: "/",
    env: bareEnvironment(),
    stdio: "ignore",
    // Its own process group: Ctrl-C is for vitest, which stops it afterwards
    detached: true,
  });
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  let ended = false;
  exited.then(() => ended = true);
  while (!ended) {
    const postmaster = await readPostmaster(dataDir);
    if (postmaster?.ready && postmaster.pid === child.pid) {
      return async (signal = "SIGQUIT") => {
        child.kill(signal);
        await exited;
      };
    }
    await Promise.race([sleep(20), exited]);
  }
  const log = await readFile(join(dataDir, "log"), "utf8").catch(() => "");
  throw new Error(`PostgreSQL of ${bin} does not start:\n${log.slice(-2000)}`);
}
