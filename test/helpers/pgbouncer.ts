import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import process from "node:process";
import { freePort } from "../../src/database/embedded/ports.ts";

/** The system's PgBouncer; null if it is not installed. */
export const pgbouncer: string | null =
  [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin"].map((folder) =>
    join(folder, "pgbouncer")
  ).find((path) => existsSync(path)) ?? null;

/** A PgBouncer in transaction mode. */
export interface Pgbouncer {
  /** The connection string through it. */
  url: string;
  /** Kills it and starts it again, on the same port. */
  crash(): Promise<void>;
  stop(): Promise<void>;
}

/**
 * Starts one in front of a server.
 *
 * @param target a login's connection string
 * @param poolSize how many connections it has with the server
 * @throws {Error} if it is not installed
 */
export async function startPgbouncer(target: string, poolSize = 3): Promise<Pgbouncer> {
  if (pgbouncer === null) throw new Error("PgBouncer is not installed");
  const program = pgbouncer;
  const folder = await mkdtemp(join(tmpdir(), `curestry-temporary-${process.pid}-`));
  await chmod(folder, 0o755);
  const { hostname, port: targetPort, username, password } = new URL(target);
  const port = await freePort("127.0.0.1");
  await writeFile(join(folder, "users"), `"${username}" "${decodeURIComponent(password)}"\n`);
  await writeFile(
    join(folder, "pgbouncer.ini"),
    `[databases]
* = host=${hostname} port=${targetPort}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = plain
auth_file = ${join(folder, "users")}
pool_mode = transaction
default_pool_size = ${poolSize}
server_login_retry = 1
`,
  );
  const account = process.getuid?.() === 0 ? ["-u", "nobody"] : [];
  const start = () =>
    spawn(program, ["-q", ...account, join(folder, "pgbouncer.ini")], { stdio: "ignore" });
  let child = start();
  async function end(ended: ChildProcess, signal: NodeJS.Signals): Promise<void> {
    if (ended.pid === undefined || ended.exitCode !== null || ended.signalCode !== null) return;
    const closed = new Promise((resolve) => ended.once("close", resolve));
    process.kill(ended.pid, signal);
    await closed;
  }
  const url = new URL(target);
  url.hostname = "127.0.0.1";
  url.port = String(port);
  return {
    url: url.href,
    async crash() {
      await end(child, "SIGKILL");
      child = start();
    },
    async stop() {
      await end(child, "SIGTERM");
      await rm(folder, { recursive: true, force: true });
    },
  };
}
