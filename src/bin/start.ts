import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { findDatabase } from "../database/connect.ts";
import { isPortFree } from "../database/embedded/ports.ts";
import { type EmbeddedDatabase, startEmbedded } from "../database/embedded/start_embedded.ts";
import { migrateWithSettings } from "../database/migrate_with_settings.ts";
import { openLogin } from "../database/open_login.ts";
import { gatewayOptions } from "../gateway/gateway_options.ts";
import { readCheckpoints } from "../maintenance/read_checkpoints.ts";
import { giveUpPrograms } from "../shared/give_up_programs.ts";
import { importLater } from "../shared/import_later.ts";
import { type Log, makeLog } from "../shared/log.ts";
import { fail, listenForStop, type StopRequests } from "../shared/process.ts";
import { readJwtKeys } from "../shared/read_jwt_keys.ts";
import { readSettings, type Settings } from "../shared/settings.ts";
import { describeStart } from "../start/describe_start.ts";
import { analystLimits } from "../worker/analyst_limits.ts";
import type { Worker } from "../worker/start_worker.ts";

const usage = `Usage: deno task start [--demo]

Runs Curestry: PostgreSQL (the embedded one, unless DATABASE_URL is set), migrations, gateway, worker.

  --demo   first fills a sample organization, and prints keys and queries to try it with
  --help   shows this`;

/** How long requests under way and jobs in hand may take when we stop. */
const stopTimeoutMs = 30_000;

/** How long a start that is asked to stop may take to get to a good point. */
const unfinishedStartTimeoutMs = 10_000;

/** What `start` has started so far. */
interface Running {
  gateway?: { url: string; stop(): Promise<void> };
  worker?: Worker;
  database?: EmbeddedDatabase;
}

/** `deno task start`. */
async function main(): Promise<void> {
  const options = readOptions();
  const settings = readSettings();
  const log = makeLog(settings.logLevel);
  const requests = listenForStop();
  const running: Running = {};
  const started = start(settings, options, log, running);
  try {
    await Promise.race([
      requests.first,
      started.then(() => untilSomethingEnds(settings, running)),
    ]);
    log.info(
      { reason: await requests.first },
      "Stopping: requests under way and jobs in hand are finished",
    );
    // Not in the middle of making a cluster or of a migration, if that can be waited for
    await Promise.race([
      started.catch((error) => log.error({ err: error }, "The start failed")),
      sleep(unfinishedStartTimeoutMs),
      requests.again,
    ]);
  } finally {
    await stop(running, requests, log);
  }
  log.info("Stopped");
}

/** Nothing here ends by itself unless it is broken. */
async function untilSomethingEnds(settings: Settings, running: Running): Promise<never> {
  const { database, worker } = running;
  return await Promise.race([
    ...(database
      ? [database.exited.then((code) => {
        throw new Error(
          `The embedded PostgreSQL has ended by itself (exit code ${code}): ` +
            `${settings.dataDir}/postgres.log may say why`,
        );
      })]
      : []),
    ...(worker
      ? [worker.ended.then(() => {
        throw new Error("The worker has ended by itself");
      })]
      : []),
  ]);
}

async function stop(running: Running, requests: StopRequests, log: Log): Promise<void> {
  const { gateway, worker, database } = running;
  const ending = Promise.allSettled([gateway?.stop(), worker?.stop()]).then((results) => {
    for (const result of results) {
      if (result.status === "rejected") log.error({ err: result.reason }, "A part stopped badly");
    }
  });
  await Promise.race([ending, sleep(stopTimeoutMs), requests.again]);
  await database?.stop();
}

function readOptions(): { demo: boolean } {
  try {
    const { values } = parseArgs({
      options: { demo: { type: "boolean", default: false }, help: { type: "boolean" } },
    });
    if (values.help) {
      console.log(usage);
      process.exit(0);
    }
    return { demo: values.demo };
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${usage}`);
    process.exit(2);
  }
}

async function start(
  settings: Settings,
  options: { demo: boolean },
  log: Log,
  running: Running,
): Promise<void> {
  await checkGatewayPort(settings);
  let modules = null as ReturnType<typeof importParts> | null;
  // Loading the gateway takes longer than PostgreSQL's start, and occupies this process: it begins when
  // PostgreSQL has a process of its own
  const adminUrl = await openDatabase(settings, log, running, () => {
    modules ??= importParts(options);
    modules.catch(() => {});
  });
  const summary = await migrateWithSettings(settings, adminUrl, log);
  if (summary.applied.length > 0) log.info({ applied: summary.applied }, "Migrated the database");
  for (const note of summary.notes) log[note === summary.server.warning ? "warn" : "info"](note);
  await running.database?.setReady();
  const [jwtKeys, gatewayLogin, workerLogin, { makeGateway, startWorker, seedDemo }] = await Promise
    .all([
      readJwtKeys(settings),
      openLogin(settings, "curestry_gateway", adminUrl, log),
      openLogin(settings, "curestry_worker", adminUrl, log),
      modules ?? importParts(options),
    ]);
  await Promise.all([
    makeGateway({ ...gatewayOptions(settings), databaseUrl: gatewayLogin, jwtKeys, log }).then(
      (gateway) => {
        running.gateway = gateway;
      },
    ),
    readCheckpoints(settings).then((checkpoints) =>
      startWorker({ databaseUrl: workerLogin, log, checkpoints, times: analystLimits(settings) })
    ).then((worker) => {
      running.worker = worker;
    }),
  ]);
  // Not earlier: the gateway asks a shell how many files it may open
  await giveUpPrograms(settings);
  const url = running.gateway?.url ?? "";
  const shown = await seedDemo?.({ adminUrl, gatewayUrl: url, settings, log });
  console.log(describeStart(settings, url));
  if (shown) console.log(`\n${shown}`);
}

async function importParts(options: { demo: boolean }) {
  const [gateway, worker, demo] = await Promise.all([
    importLater<typeof import("../gateway/serve.ts")>(
      new URL("../gateway/serve.ts", import.meta.url),
    ),
    importLater<typeof import("../worker/start_worker.ts")>(
      new URL("../worker/start_worker.ts", import.meta.url),
    ),
    options.demo
      ? importLater<typeof import("../demo/seed.ts")>(new URL("../demo/seed.ts", import.meta.url))
      : null,
  ]);
  return { ...gateway, ...worker, ...demo };
}

/** Looked at first, because it needs no database to be found out. */
async function checkGatewayPort({ host, port }: Settings): Promise<void> {
  let free: boolean;
  try {
    free = await isPortFree(host, port);
  } catch (cause) {
    throw new Error(
      `The gateway cannot listen on ${host}:${port}: ${(cause as Error).message}; ` +
        "set HOST and PORT to an address of this machine and a port that you may use",
      { cause },
    );
  }
  if (!free) {
    throw new Error(
      `Port ${port} of ${host}, for the gateway, is in use by another program, perhaps another start: ` +
        "stop that program, or set PORT to a free port",
    );
  }
}

/** The administrator's connection string of the database, which runs then. */
async function openDatabase(
  settings: Settings,
  log: Log,
  running: Running,
  onSpawn: () => void,
): Promise<string> {
  const found = settings.databaseUrl === null ? null : await findDatabase(settings);
  if (found !== null) {
    onSpawn();
    return found;
  }
  running.database = await startEmbedded(settings, "start", log, onSpawn);
  return running.database.adminUrl;
}

if (import.meta.main) await main().then(() => process.exit(0), fail);
