import "./graphile_env.ts";
import type { JWK } from "jose";
import pg from "pg";
import type { Logger } from "pino";
import { type Adaptor, makeAdaptor, type RequestRole } from "./adaptor.ts";
import { makeApp } from "./app.ts";
import { makeReadCredential } from "./credentials.ts";
import { type ErrorMapper, makeErrorMapper } from "./errors.ts";
import { type GraphqlServer, makeGraphqlServer } from "./graphql_server.ts";
import { makeHealth } from "./health.ts";
import { makePreset } from "./preset.ts";

/** How the gateway is set up. Times are in milliseconds. */
export interface GatewayOptions {
  /** Connection string of the gateway's own login. */
  databaseUrl: string;
  host: string;
  /** 0 takes any free port. */
  port: number;
  /** JWKS keys with a `kid` each; those that verify session tokens. */
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
  /** Named prepared statements, on by default; turn off behind a pooler in transaction mode. */
  preparedStatements?: boolean;
}

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
  const pool = makePool(options);
  try {
    await connectFirst(pool, options.connectWaitMs ?? 15_000, log);
    const statementTimeoutMs = options.statementTimeoutMs ?? 10_000;
    const adaptor = makeAdaptor(pool, {
      statementTimeoutMs,
      mostWaiting: 20 * (options.poolSize ?? 10),
      prepare: options.preparedStatements ?? true,
    });
    const errors = makeErrorMapper(pool, log);
    const serverOf = makeServers(adaptor, errors, statementTimeoutMs);
    await serverOf("curestry_member");
    const app = makeApp({
      adaptor,
      errors,
      serverOf,
      log,
      health: makeHealth(pool, log),
      readCredential: await makeReadCredential(options.jwtKeys),
    });
    const abort = new AbortController();
    const server = Deno.serve({
      hostname: options.host,
      port: options.port,
      signal: abort.signal,
      onListen: () => {},
    }, app.fetch);
    const host = options.host.includes(":") ? `[${options.host}]` : options.host;
    return {
      url: `http://${host}:${server.addr.port}`,
      async stop() {
        const timer = setTimeout(() => abort.abort(), options.stopWaitMs ?? 10_000);
        await server.shutdown().catch((error: unknown) => {
          log.warn({ err: error }, "Requests under way were cut off");
        });
        clearTimeout(timer);
        await pool.end();
      },
    };
  } catch (error) {
    await pool.end();
    throw error;
  }
}

function makePool(options: GatewayOptions): pg.Pool {
  const pool = new pg.Pool({
    connectionString: options.databaseUrl,
    application_name: "curestry gateway",
    pipeline: true,
    max: options.poolSize ?? 10,
    connectionTimeoutMillis: options.poolWaitMs ?? 3_000,
    idleTimeoutMillis: 30_000,
    // A connection's memory grows with the statements prepared on it.
    maxLifetimeSeconds: 1_800,
  });
  // Without listeners, a connection that breaks ends the process.
  const warn = (error: Error) => options.log.warn({ err: error }, "A database connection broke");
  pool.on("error", warn);
  pool.on("connect", (client) => client.on("error", warn));
  return pool;
}

/** Tries until the database answers: it may be starting just now. */
async function connectFirst(pool: pg.Pool, waitMs: number, log: Logger): Promise<void> {
  const deadline = Date.now() + waitMs;
  for (let pause = 100;; pause = Math.min(pause * 2, 2_000)) {
    try {
      await pool.query("select 1");
      return;
    } catch (error) {
      if (Date.now() + pause > deadline) {
        const message = `The database does not answer after ${waitMs / 1000} s; is it running?`;
        throw new Error(message, { cause: error });
      }
      log.info({ err: error }, "The database does not answer yet");
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }
}

/** One API per role, built at the first request that needs it; a failed attempt is repeated. */
function makeServers(
  adaptor: Adaptor,
  errors: ErrorMapper,
  statementTimeoutMs: number,
): (role: RequestRole) => Promise<GraphqlServer> {
  const servers = new Map<RequestRole, Promise<GraphqlServer>>();
  return function serverOf(role) {
    let server = servers.get(role);
    if (server === undefined) {
      const timeouts = { planning: 1_000, execution: statementTimeoutMs + 5_000 };
      server = makeGraphqlServer(makePreset(role, adaptor, timeouts), errors, {
        suggestions: role === "curestry_member",
      });
      servers.set(role, server);
      server.catch(() => servers.delete(role));
    }
    return server;
  };
}
