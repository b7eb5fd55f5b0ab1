import "./graphql/graphile_env.ts";
import type { JWK } from "jose";
import type { Logger } from "pino";
import { type ApiUsage, makeApiUsage } from "./api_usage.ts";
import { makeNoteKeyUse } from "./credentials/note_key_use.ts";
import { makeReadCredential } from "./credentials/read_credential.ts";
import { makeSessions } from "./credentials/sessions.ts";
import { makeAdaptor } from "./database/adaptor.ts";
import { connectFirst, makePool } from "./database/pool.ts";
import { makeErrorMapper } from "./graphql/errors.ts";
import { makeGraphqlServers } from "./graphql/graphql_servers.ts";
import { makeApp } from "./http/app.ts";
import { makeHealth } from "./http/health.ts";
import { listen } from "./http/listen.ts";
import { makeMetrics } from "./http/metrics.ts";

/** How the gateway is set up. Times are in milliseconds. */
export interface GatewayOptions {
  /** Connection string of the gateway's own login. */
  databaseUrl: string;
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
  const { pool, connections } = makePool(options);
  let apiUsage: ApiUsage | undefined;
  try {
    await connectFirst(pool, options.connectWaitMs ?? 15_000, log);
    const statementTimeoutMs = options.statementTimeoutMs ?? 10_000;
    const adaptor = makeAdaptor(pool, {
      statementTimeoutMs,
      maxWaitingRequests: 20 * (options.poolSize ?? 10),
      prepare: options.preparedStatements ?? true,
    });
    const errors = makeErrorMapper(pool, log);
    const serverOf = makeGraphqlServers(adaptor, errors, statementTimeoutMs);
    await serverOf("curestry_member");
    const metrics = makeMetrics(pool, log);
    const usage = apiUsage = makeApiUsage(
      pool,
      options.apiUsageIntervalMs ?? 10_000,
      log,
      metrics.countLostUses,
    );
    const app = makeApp({
      adaptor,
      errors,
      serverOf,
      log,
      health: makeHealth(pool, log),
      metrics,
      apiUsage: usage,
      readCredential: await makeReadCredential(options.jwtKeys),
      noteKeyUse: makeNoteKeyUse(pool, log),
      sessions: makeSessions(pool, options.jwtKeys),
    });
    const server = listen(options, app.fetch);
    const host = options.host.includes(":") ? `[${options.host}]` : options.host;
    return {
      url: `http://${host}:${server.addr.port}`,
      async stop() {
        const finished = server.shutdown();
        if (!await within(options.stopWaitMs ?? 10_000, finished)) {
          log.warn("Requests under way are cut off: they took too long to finish");
          // Deno cannot close a server that is shutting down (its signal then raises an error that
          // cannot be caught). Without the database the requests end by themselves.
          for (const connection of connections) connection.stream.destroy();
          await within(1_000, finished);
        }
        await within(3_000, usage.stop());
        await within(1_000, pool.end());
      },
    };
  } catch (error) {
    await apiUsage?.stop();
    await pool.end();
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
