import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "../../src/database/embedded/ports.ts";
import { withClient } from "../../src/database/open_client.ts";
import { openLogin } from "../../src/database/open_login.ts";
import { databaseUrl } from "../../src/database/urls.ts";
import { taskFlags } from "../../src/develop/task_flags.ts";
import { makeLog } from "../../src/shared/log.ts";
import { readSettings } from "../../src/shared/settings.ts";
import { type CrashServer, startCrashServer } from "../helpers/crash_server.ts";
import type { TestDatabase } from "../helpers/database.ts";
import { keepProcess, type KeptProcess } from "../helpers/keep_process.ts";
import { makeAnalyst, makeKey, makeOrganization, type TestOrganization } from "../helpers/make.ts";
import { type Pgbouncer, pgbouncer, startPgbouncer } from "../helpers/pgbouncer.ts";
import { type RunningProcess, runProcess } from "../start/run_process.ts";
import { type Ask, makeAsk, type Tally } from "./asking.ts";
import { type Copies, makeCopies } from "./copies.ts";
import { type Ledger, makeLedger } from "./ledger.ts";

/** A gateway, started again whenever it ends. */
export interface DrillGateway {
  url: string;
  process: KeptProcess;
}

/** An organization, and a key that may read and record in it. */
export interface Client {
  organization: TestOrganization;
  key: string;
}

/** An installation of its own: a server, two gateways, two workers, several organizations. */
export interface Installation extends Copies {
  server: CrashServer;
  database: TestDatabase;
  gateways: readonly [DrillGateway, DrillGateway];
  workers: readonly KeptProcess[];
  /** In front of the second gateway's server, if it is installed. */
  pooler: Pgbouncer | null;
  /** Each has one that writes and reads all the time. */
  clients: readonly Client[];
  /** Whose keys and logins are misused. */
  attacked: Client & { otherKeys: readonly string[] };
  analystUrl: string;
  /** What was asked, and how it ended. */
  tally: Tally;
  ask: Ask;
  /** What was sent and acknowledged. */
  ledger: Ledger;
  /** One more gateway, which the caller ends; `around` changes the command that starts it. */
  startGateway(around: (command: string[]) => string[]): RunningProcess;
  /** @returns what the processes logged */
  stop(): Promise<string[]>;
}

/** The times of the gateways, short so that a drill has many of them. */
const settings = { statementTimeoutMs: 4_000, poolWaitMs: 2_000, clientTimeoutMs: 3_000 };
/** Beside statement and wait: the server that hangs is noticed a second later, and our machine is busy. */
const marginMs = 3_000;
/** As many as a gateway has, with those of health checks and costly operations: with fewer, a locked table would hold up all. */
const poolerConnections = 15;
/** Whoever takes longer to start does not start. */
const startMs = 180_000;
const DATABASE = "curestry";
const clients = 4;
const scopes = [
  "prompts:read",
  "prompts:write",
  "analyses:read",
  "analyses:write",
  "marts:read",
  "features:write",
];

/** Starts it, by the tasks that users start. */
export async function startInstallation(): Promise<Installation> {
  const cleanups: (() => Promise<unknown>)[] = [];
  const kept: KeptProcess[] = [];
  async function stop(): Promise<string[]> {
    try {
      return (await Promise.all(kept.map((one) => one.stop()))).flat();
    } finally {
      for (const cleanup of cleanups.toReversed()) await cleanup();
    }
  }
  try {
    return { ...await start(kept, (cleanup) => cleanups.push(cleanup)), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function start(
  kept: KeptProcess[],
  afterwards: (cleanup: () => Promise<unknown>) => void,
): Promise<Omit<Installation, "stop">> {
  const server = await startCrashServer();
  afterwards(server.stop);
  const dataDir = await mkdtemp(join(tmpdir(), `curestry-temporary-${process.pid}-`));
  afterwards(() => rm(dataDir, { recursive: true, force: true }));
  const adminUrl = databaseUrl(server.url, DATABASE);
  const env = { DATABASE_URL: adminUrl, CURESTRY_DATA_DIR: dataDir };
  const migrated = await runTask("migrate", env).ended;
  if (migrated.code !== 0) throw new Error(`migrate failed:\n${migrated.stderr}`);
  const read = readSettings(env);
  const log = makeLog("silent");
  const database: TestDatabase = {
    name: DATABASE,
    adminUrl,
    gatewayUrl: (await openLogin(read, "curestry_gateway", adminUrl, log)).url,
    workerUrl: (await openLogin(read, "curestry_worker", adminUrl, log)).url,
    env,
    query: (sql, values) =>
      withClient(adminUrl, async (client) => (await client.query(sql, values)).rows),
    roleName: (suffix) => `drill_${suffix}`,
  };
  const pooler = pgbouncer === null
    ? null
    : await startPgbouncer(database.gatewayUrl, poolerConnections);
  if (pooler !== null) afterwards(pooler.stop);

  function keep(start: () => RunningProcess, isReady: RegExp): KeptProcess {
    const process = keepProcess(start, isReady);
    kept.push(process);
    return process;
  }
  const gatewayEnv = {
    ...env,
    CURESTRY_LOG_LEVEL: "warn",
    CURESTRY_STATEMENT_TIMEOUT: `${settings.statementTimeoutMs}ms`,
    CURESTRY_POOL_WAIT: `${settings.poolWaitMs}ms`,
    CURESTRY_CLIENT_TIMEOUT: `${settings.clientTimeoutMs}ms`,
  };
  async function keepGateway(more: Record<string, string>): Promise<DrillGateway> {
    const port = await freePort("127.0.0.1");
    const gateway = { ...gatewayEnv, ...more, PORT: String(port) };
    return {
      url: `http://127.0.0.1:${port}`,
      process: keep(() => runTask("gateway", gateway), /ready on http/),
    };
  }
  const gateways = [
    await keepGateway({}),
    await keepGateway(pooler === null ? {} : { CURESTRY_GATEWAY_URL: pooler.url }),
  ] as const;
  const workers = Array.from(
    { length: 2 },
    () => keep(() => runTask("worker", env), /The worker is ready/),
  );

  const made: Client[] = [];
  for (let n = 0; n <= clients; n++) {
    const organization = await makeOrganization(database, { slug: `drill-${n}` });
    made.push({ organization, key: await makeKey(database, organization, scopes) });
  }
  const [{ organization, key }, ...others] = made as [Client, ...Client[]];
  const otherKeys = await Promise.all([1, 2, 3].map(() => makeKey(database, organization, scopes)));
  const analystUrl = await makeAnalyst(database, [organization]);
  await untilReady(kept);

  const tally: Tally = { outcomes: new Map(), late: 0, slowestMs: 0, bad: [] };
  return {
    server,
    database,
    gateways,
    workers,
    pooler,
    clients: others,
    attacked: { organization, key, otherKeys },
    analystUrl,
    tally,
    ledger: makeLedger(),
    ask: makeAsk(tally, settings.statementTimeoutMs + settings.poolWaitMs + marginMs),
    startGateway: (around) => runTask("gateway", { ...gatewayEnv, PORT: "0" }, around),
    ...makeCopies(server.url, DATABASE),
  };
}

async function untilReady(processes: readonly KeptProcess[]): Promise<void> {
  const isReady = new AbortController();
  const late = sleep(startMs, undefined, { signal: isReady.signal }).then(() => {
    throw new Error("Gateways and workers do not get ready: try the tasks by hand");
  });
  try {
    await Promise.race([Promise.all(processes.map((one) => one.ready())), late]);
  } finally {
    isReady.abort();
    late.catch(() => {});
  }
}

/** Runs a task of deno.json as a process. */
function runTask(
  name: string,
  env: Record<string, string>,
  around: (command: string[]) => string[] = (command) => command,
): RunningProcess {
  const command = [process.execPath, ...taskFlags(name), "--quiet"];
  return runProcess([`src/bin/${name}.ts`], env, around(command));
}
