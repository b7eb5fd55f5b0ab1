import "./graphql/graphile_env.ts";
import type { JWK } from "jose";
import type { Logger } from "pino";
import type { Login } from "../database/login.ts";
import { makeLineWriter } from "../shared/log.ts";
import type { RateLimit } from "../shared/settings.ts";
import { type ApiUsage, makeApiUsage } from "./api_usage.ts";
import { makeBudgets } from "./budgets.ts";
import { type CostlyOperations, startCostlyOperations } from "./costly/costly_operations.ts";
import { makeNoteKeyUse } from "./credentials/note_key_use.ts";
import { makeReadCredential } from "./credentials/read_credential.ts";
import { makeSessions } from "./credentials/sessions.ts";
import { makeAskBeside } from "./database/ask_beside.ts";
import type { EarlyIntrospection } from "./database/early_introspection.ts";
import { makePool } from "./database/pool.ts";
import { type EngineOptions, makeEngine } from "./engine.ts";
import { makeAdaptor } from "./database/adaptor.ts";
import { makeFairPool } from "./database/fair_pool.ts";
import { makeAnswerFiles } from "./files/answer_files.ts";
import { makeGate } from "./gate.ts";
import { defaultOperationLimits, type OperationLimits } from "./graphql/operation_limits.ts";
import { type DocumentMode, makeTrustedDocuments } from "./graphql/trusted_documents.ts";
import { makeAnswerOperation } from "./http/answer_operation.ts";
import { makeApp } from "./http/app.ts";
import type { AppParts } from "./http/app_parts.ts";
import { makeAnswerStream } from "./http/event_stream.ts";
import { makeHealth } from "./http/health.ts";
import { listen } from "./http/listen.ts";
import { makeMetrics } from "./http/metrics.ts";
import { makeNoteRequest } from "./http/note_request.ts";
import { makeWebSockets } from "./http/websocket.ts";
import { makeChangeSource } from "./live/change_source.ts";
import { type Hub, makeHub } from "./live/hub.ts";
import { makeSubscribe } from "./live/subscribe.ts";

/** How the gateway is set up. Times are in milliseconds. */
export interface GatewayOptions {
  /** Connection string of the gateway's own login, or this login with all its passwords. */
  databaseUrl: string | Login;
  host: string;
  /** 0 takes any free port. */
  port: number;
  /** JWKS keys with a `kid` each: the first signs session tokens, all verify them. */
  jwtKeys: readonly JWK[];
  log: Logger;
  /** Connections to the database, 10 by default. */
  poolSize?: number;
  /** How long a request waits for a connection, 3 s by default. */
  poolWaitMs?: number;
  /** A statement is cancelled after this time, 10 s by default. */
  statementTimeoutMs?: number;
  /** How long the first connection is tried, 15 s by default. */
  connectWaitMs?: number;
  /** How long requests under way may take to finish at stop, 10 s by default. */
  stopWaitMs?: number;
  /** Between two writes of feature events about the API itself, 10 s by default. */
  apiUsageIntervalMs?: number;
  /** Named prepared statements; not behind a pooler in transaction mode. Found out by default. */
  preparedStatements?: boolean;
  /** How long a client may take to send a request, and until the next one, 30 s by default. */
  clientTimeoutMs?: number;
  /** Connections of clients at once, 10,000 by default. */
  maxClients?: number;
  /** Whether other gateways of this machine may listen on the same port; not by default. */
  sharedPort?: boolean;
  /** Subscriptions at once, and websockets at once, 5,000 by default. */
  maxSubscriptions?: number;
  /** Silence after which a subscriber gets a fresh cursor, 5 min by default. */
  freshCursorMs?: number;
  /** How long a websocket's client may take to say who it is, 5 s by default. */
  socketInitMs?: number;
  /** Origins that browsers may call from, `*` for all; none by default. */
  corsOrigins?: readonly string[];
  /** Whether documents must be registered; by default they need not. */
  documentMode?: DocumentMode;
  /** Where the access log's lines go, standard error by default. */
  writeRequestLine?: (line: string) => void;
  /** Whether costly operations run on a thread of their own; by default they do. */
  costlyThread?: boolean;
  /** Budgets of keys and organizations; none by default. */
  rateLimit?: RateLimit;
  /** What the members' API is built from, where it was asked for beforehand. */
  introspection?: EarlyIntrospection;
  /** Connections to the database for exports and imports, 4 by default. */
  fileConnections?: number;
  /** Bytes of an import, 10 GiB by default. */
  maxImportBytes?: number;
  /** What one operation may ask for; those that are not given have their defaults. */
  operationLimits?: Partial<OperationLimits>;
}

/** Connections for health checks and metrics. */
const healthConnections = 2;
/** How long a health check waits for the database. */
const healthTimeoutMs = 2_000;
/** Connections of those who look for changes, beside the requests; open while somebody subscribes. */
const liveConnections = 4;
/** Operations of a websocket at a time. */
const socketOperations = 100;
/** What may wait for a subscriber: changes, their characters, and how long while it reads nothing. */
const waitingEvents = 5_000;
const unreadCharacters = 16 * 1024 * 1024;
const unreadMs = 60_000;
/** What is read for subscriptions at a time: for one organization, and for each connection to the database. */
const gateOfOne = 3;
const gateParts = 5;
/** Connections of the thread of costly operations: more would keep PostgreSQL from the others. */
const costlyConnections = 3;
/** How long a page of an export, or a batch of an import, waits for a connection: it has begun already. */
const fileWaitMs = 60_000;
/** Pages and batches that may wait at once. */
const maxWaitingFiles = 100;
/** What a page may receive: one row may be long. */
const maxPageBytes = 128 * 1024 * 1024;
/** What a query may receive on the thread of the others. */
const maxQueryBytesBesideOthers = 1024 * 1024;

/** A gateway that is listening. */
export interface Gateway {
  url: string;
  /** Takes no more requests, finishes those under way, closes its connections. */
  stop(): Promise<void>;
}

/**
 * Starts the gateway; it listens when the database answers and the members' API is built.
 *
 * @throws when the database cannot be reached in time, is not migrated, or the port is taken
 */
export async function makeGateway(options: GatewayOptions): Promise<Gateway> {
  const { log } = options;
  const { databaseUrl, costlyThread = true } = options;
  const engineOptions: EngineOptions = {
    applicationName: "curestry gateway",
    poolSize: options.poolSize ?? 10,
    poolWaitMs: options.poolWaitMs ?? 3_000,
    statementTimeoutMs: options.statementTimeoutMs ?? 10_000,
    connectWaitMs: options.connectWaitMs ?? 15_000,
    preparedStatements: options.preparedStatements ?? null,
    operationLimits: { ...defaultOperationLimits, ...options.operationLimits },
  };
  let costly = null as CostlyOperations | null;
  // It loads its modules while the API is built here
  const startThread = (preparedStatements: boolean) => {
    costly = startCostlyOperations(databaseUrl, {
      ...engineOptions,
      applicationName: `${engineOptions.applicationName} costly`,
      poolSize: costlyConnections,
      preparedStatements,
    }, log);
  };
  const engine = await makeEngine(
    databaseUrl,
    costlyThread ? { ...engineOptions, maxQueryBytes: maxQueryBytesBesideOthers } : engineOptions,
    log,
    costlyThread ? startThread : undefined,
    options.introspection,
  ).catch(async (error) => {
    await costly?.stop();
    throw error;
  });
  const { requests, fair, beside, adaptor, errors, storage, serverOf } = engine;
  const checks = makePool({
    databaseUrl,
    log,
    applicationName: engineOptions.applicationName,
    size: healthConnections,
    connectMs: healthTimeoutMs,
  });
  const fileConnections = options.fileConnections ?? 4;
  const files = makePool({
    databaseUrl,
    log,
    applicationName: `${engineOptions.applicationName} files`,
    size: fileConnections,
    connectMs: engineOptions.poolWaitMs,
  });
  const changes = makePool({
    databaseUrl,
    log,
    applicationName: `${engineOptions.applicationName} live`,
    size: liveConnections,
    connectMs: engineOptions.poolWaitMs,
  });
  const pools = [requests, checks, files, changes];
  const endPools = () => Promise.all(pools.map(({ pool }) => pool.end()));
  let apiUsage: ApiUsage | undefined;
  let hub: Hub | undefined;
  const { rateLimit } = options;
  const budgets = rateLimit === undefined ? null : makeBudgets(rateLimit, beside, log);
  try {
    const ask = makeAskBeside(checks.pool, {
      timeoutMs: healthTimeoutMs,
      hungServerMs: 1_000,
    });
    const maxSubscriptions = options.maxSubscriptions ?? 5_000;
    const gate = makeGate(gateOfOne, gateParts * engineOptions.poolSize);
    const live = hub = makeHub(
      makeChangeSource(changes.pool),
      { adaptor, errors, budgets, gate, log },
      {
        subscriptions: maxSubscriptions,
        waitingEvents,
        unreadCharacters,
        unreadMs,
        freshCursorMs: options.freshCursorMs ?? 5 * 60_000,
      },
    );
    const metrics = makeMetrics(
      { pool: requests.pool, fair, costlyCount: () => costly?.underWayCount ?? 0, live },
      ask,
      log,
    );
    const usage = apiUsage = makeApiUsage(
      beside,
      options.apiUsageIntervalMs ?? 10_000,
      log,
      metrics.countLostUses,
    );
    // Before anybody can take all files: Deno ends when it has none left for a new thread
    await costly?.ready();
    const parts: AppParts = {
      adaptor,
      costly,
      operationLimits: engineOptions.operationLimits,
      budgets,
      documents: makeTrustedDocuments(options.documentMode ?? "accepted", beside),
      errors,
      hub: live,
      gate,
      serverOf,
      log,
      health: makeHealth(ask, storage, log),
      metrics,
      corsOrigins: options.corsOrigins ?? [],
      noteRequest: makeNoteRequest(log, metrics, options.writeRequestLine ?? makeLineWriter()),
      apiUsage: usage,
      readCredential: await makeReadCredential(options.jwtKeys),
      noteKeyUse: makeNoteKeyUse(beside, log),
      sessions: makeSessions(fair, options.jwtKeys),
    };
    const answerOperation = makeAnswerOperation(parts);
    const app = makeApp(parts, answerOperation);
    const clientTimeoutMs = options.clientTimeoutMs ?? 30_000;
    const answerFiles = makeAnswerFiles(parts, {
      adaptor: makeAdaptor(
        makeFairPool(files.pool, {
          size: fileConnections,
          waitMs: fileWaitMs,
          maxWaiting: maxWaitingFiles,
        }),
        {
          statementTimeoutMs: engineOptions.statementTimeoutMs,
          maxResultBytes: maxPageBytes,
          maxQueryBytes: maxPageBytes,
          prepare: engine.prepare,
        },
      ),
      errors,
      log,
      clientTimeoutMs,
      maxImportBytes: options.maxImportBytes ?? 10 * 1024 ** 3,
    });
    const subscribe = makeSubscribe(parts);
    const webSockets = makeWebSockets(parts, subscribe, {
      sockets: maxSubscriptions,
      operations: socketOperations,
      initMs: options.socketInitMs ?? 5_000,
      unreadMs,
    });
    const server = await listen({
      host: options.host,
      port: options.port,
      clientTimeoutMs,
      maxClients: options.maxClients ?? 10_000,
      sharedPort: options.sharedPort ?? false,
      log,
    }, {
      answerOperation,
      answerOther: (request) => app.fetch(request),
      answerFiles,
      answerStream: makeAnswerStream(parts, subscribe, answerOperation),
      upgrade: webSockets.upgrade,
    });
    const host = options.host.includes(":") ? `[${options.host}]` : options.host;
    return {
      url: `http://${host}:${server.port}`,
      async stop() {
        const finished = server.close();
        // Clients of websockets connect again by themselves; others are told to
        await webSockets.stop();
        live.stop();
        if (!await within(options.stopWaitMs ?? 10_000, finished)) {
          log.warn("Requests under way are cut off: they took too long to finish");
          // Without the database the requests end by themselves, with an honest answer
          for (const { connections } of pools) {
            for (const connection of connections) connection.stream.destroy();
          }
          if (!await within(1_000, finished)) server.cut();
        }
        await costly?.stop();
        await within(3_000, Promise.all([usage.stop(), budgets?.stop()]));
        await within(1_000, endPools());
      },
    };
  } catch (error) {
    hub?.stop();
    await costly?.stop();
    await budgets?.stop();
    await apiUsage?.stop();
    await endPools();
    throw error;
  }
}

/** Waits for something for a limited time. @returns whether it happened in time */
async function within(timeoutMs: number, event: Promise<unknown>): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const timeout = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), timeoutMs);
  });
  try {
    return await Promise.race([event.then(() => true, () => true), timeout]);
  } finally {
    clearTimeout(timer);
  }
}
