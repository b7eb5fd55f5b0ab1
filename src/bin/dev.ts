import { spawn } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { findDatabase } from "../database/connect.ts";
import { type EmbeddedDatabase, startEmbedded } from "../database/embedded/start_embedded.ts";
import { migrateWithSettings } from "../database/migrate_with_settings.ts";
import { openClient } from "../database/open_client.ts";
import { taskFlags } from "../develop/task_flags.ts";
import { makeLog } from "../shared/log.ts";
import { fail, listenForStop } from "../shared/process.ts";
import { readJwtKeys } from "../shared/read_jwt_keys.ts";
import { readSettings, repositoryRoot } from "../shared/settings.ts";

/** How long after the last change of code what it belongs to is started again. */
const restartDelayMs = 200;

/** A part of Curestry in a process of its own, which can be started anew. */
interface Part {
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/**
 * `deno task dev`: like `start`, with migrations/current.sql applied whenever it or anything it includes
 * changes, and gateway and worker started anew whenever their code or the database's schema changes.
 */
async function main(): Promise<void> {
  const settings = readSettings();
  const log = makeLog(settings.logLevel);
  const { first: stopped } = listenForStop();
  let database: EmbeddedDatabase | null = null;
  if (settings.databaseUrl === null) database = await startEmbedded(settings, "start", log);
  const adminUrl = database?.adminUrl ?? await findDatabase(settings) ?? "";
  const parts: Part[] = [];
  const watching = new AbortController();
  try {
    await migrateWithSettings(settings, adminUrl, log);
    // The gateway needs them, and may write nothing
    await readJwtKeys(settings);
    await database?.setReady();
    const env = { ...process.env, DATABASE_URL: adminUrl };
    const gateway = runPart("gateway", ["src/bin/gateway.ts"], env);
    const worker = runPart("worker", ["src/bin/worker.ts"], env);
    const watch = runPart("migrate:watch", ["src/develop/graphile_migrate.ts", "watch"], env);
    parts.push(gateway, worker, watch);
    watchFiles(["src"], watching.signal, () => void gateway.restart());
    watchFiles(["src", "worker"], watching.signal, () => void worker.restart());
    await Promise.race([
      stopped,
      watchSchema(adminUrl, watching.signal, () => void gateway.restart()),
      ...(database ? [database.exited.then(failWithoutDatabase)] : []),
    ]);
  } finally {
    watching.abort();
    await Promise.all(parts.map((part) => part.stop()));
    await database?.stop();
  }
}

function failWithoutDatabase(): never {
  throw new Error("The embedded PostgreSQL has ended by itself");
}

/** Runs a part with the permissions of its task. */
function runPart(task: string, args: string[], env: Record<string, string | undefined>): Part {
  let child = start();
  /** One restart after the other, and none twice. */
  let work = Promise.resolve();
  function start() {
    const process_ = spawn(process.execPath, [...taskFlags(task), ...args], {
      cwd: repositoryRoot,
      env,
      stdio: "inherit",
    });
    const ended = new Promise<void>((resolve) => process_.once("exit", () => resolve()));
    return { process: process_, ended };
  }
  async function stop(): Promise<void> {
    if (child.process.exitCode === null) child.process.kill("SIGTERM");
    await child.ended;
  }
  return {
    stop,
    restart() {
      work = work.then(stop).then(() => {
        child = start();
      });
      return work;
    },
  };
}

/** Calls back once after each burst of changes. */
async function watchFiles(
  directories: string[],
  signal: AbortSignal,
  changed: () => void,
): Promise<void> {
  // node:fs watches no directories below on every system
  const watcher = Deno.watchFs(directories.map((name) => join(repositoryRoot, name)));
  signal.addEventListener("abort", () => watcher.close());
  let timer: ReturnType<typeof setTimeout> | undefined;
  for await (const { kind, paths } of watcher) {
    if (kind === "access" || !paths.some((path) => /\.ts$|crontab$/.test(path))) continue;
    clearTimeout(timer);
    timer = setTimeout(changed, restartDelayMs);
  }
}

/** Calls back when the open migration was applied; graphile-migrate notes it in a table. */
async function watchSchema(
  adminUrl: string,
  signal: AbortSignal,
  changed: () => void,
): Promise<void> {
  const client = await openClient(adminUrl);
  try {
    let previous: string | null = null;
    while (!signal.aborted) {
      const { rows } = await client.query<{ version: string | null }>(
        `select pg_catalog.concat_ws(' ',
                  (select max(date) from graphile_migrate.current),
                  (select max(date) from graphile_migrate.migrations)) as version`,
      );
      const version = rows[0]?.version ?? null;
      if (previous !== null && version !== previous) changed();
      previous = version;
      await sleep(500);
    }
  } finally {
    await client.end().catch(() => {});
  }
}

if (import.meta.main) await main().then(() => process.exit(0), fail);
