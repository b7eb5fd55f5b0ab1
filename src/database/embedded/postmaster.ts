import { readFile, realpath, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { runProgram } from "./run_program.ts";

/** What a running server writes about itself; PostgreSQL's `src/include/utils/pidfile.h`. */
export interface Postmaster {
  pid: number;
  port: number;
  ready: boolean;
}

/**
 * Reads `postmaster.pid`, whether or not its server is still alive.
 *
 * @returns null if there is no such file, or it is not complete yet
 */
export async function readPostmaster(clusterDir: string): Promise<Postmaster | null> {
  const text = await readFile(join(clusterDir, "postmaster.pid"), "utf8").catch(() => "");
  const lines = text.split("\n");
  const pid = Number(lines[0]);
  if (!Number.isInteger(pid) || pid <= 0) return null;
  return { pid, port: Number(lines[3] ?? 0), ready: lines[7]?.trim() === "ready" };
}

/** The server of this cluster, if one is alive. */
export async function findPostmaster(clusterDir: string): Promise<Postmaster | null> {
  const postmaster = await readPostmaster(clusterDir);
  return postmaster && await isServing(postmaster.pid, clusterDir) ? postmaster : null;
}

/**
 * Stops the server that a killed `start` left behind. Also removes
 * a `postmaster.pid` whose number meanwhile belongs to some other program, as happens whenever a
 * container starts again; PostgreSQL itself would refuse to start.
 *
 * @returns the number of the process that was stopped, null if there was none
 * @throws {Error} if it does not stop within 30 seconds
 */
export async function stopOrphan(clusterDir: string): Promise<number | null> {
  const postmaster = await readPostmaster(clusterDir);
  if (postmaster === null || !(await isServing(postmaster.pid, clusterDir))) {
    await stopSessions(clusterDir);
    await rm(join(clusterDir, "postmaster.pid"), { force: true });
    return null;
  }
  const { pid } = postmaster;
  process.kill(pid, "SIGINT");
  for (let waited = 0; waited < 30_000; waited += 50) {
    await sleep(50);
    if (!(await isServing(pid, clusterDir))) return pid;
  }
  throw new Error(
    `A PostgreSQL (process ${pid}) that an earlier start left in ${clusterDir} does not stop: ` +
      `end it with \`kill -QUIT ${pid}\`, then start again`,
  );
}

/**
 * Stops the sessions of a server that was killed. They end by themselves between two steps of their
 * work, but a long query may not do so for minutes, and until then no new server starts. Only on
 * Linux, where a process can be asked for its directory.
 */
async function stopSessions(clusterDir: string): Promise<void> {
  if (process.platform !== "linux") return;
  const directory = await realpath(clusterDir).catch(() => null);
  if (directory === null) return;
  for (const signal of ["SIGTERM", "SIGKILL"] as const) {
    for (let waited = 0; waited < 2000; waited += 100) {
      const sessions = await findServersIn(directory);
      if (sessions.length === 0) return;
      if (waited === 0) sessions.forEach((pid) => tryKill(pid, signal));
      await sleep(100);
    }
  }
}

/**
 * The processes of PostgreSQL whose working directory this is. Other programs look into /proc for us:
 * Deno lets nobody do so who has not all permissions.
 */
async function findServersIn(directory: string): Promise<number[]> {
  const { output } = await runProgram("sh", ["-c", "ls -l /proc/[0-9]*/cwd 2>/dev/null"]);
  const there = output.split("\n").flatMap((line) => {
    const [, pid, cwd] = / \/proc\/(\d+)\/cwd -> (.*)$/.exec(line) ?? [];
    return pid !== undefined && cwd === directory ? [Number(pid)] : [];
  });
  const servers = await Promise.all(there.map(async (pid) => {
    const { output: name } = await runProgram("cat", [`/proc/${pid}/comm`]);
    return name.startsWith("postgres") ? [pid] : [];
  }));
  return servers.flat();
}

function tryKill(pid: number, signal: "SIGTERM" | "SIGKILL"): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It ended meanwhile
  }
}

/** Whether a process is alive and is the server of this cluster, not a later user of its number. */
async function isServing(pid: number, clusterDir: string): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EPERM") return false;
  }
  if (process.platform === "linux") {
    // The server's working directory is the cluster's
    const { output: cwd } = await runProgram("readlink", [`/proc/${pid}/cwd`]);
    if (cwd !== "") return cwd.trimEnd() === await realpath(clusterDir).catch(() => clusterDir);
    // A zombie, which has none, or someone else's process: then at least look at its name
    const { output: status } = await runProgram("cat", [`/proc/${pid}/status`]);
    return /^Name:\s+postgres/m.test(status) && !/^State:\s+[ZX]/m.test(status);
  }
  if (process.platform === "win32") return true;
  const { output } = await runProgram("ps", ["-p", String(pid), "-o", "command="]);
  return output.includes("postgres");
}
