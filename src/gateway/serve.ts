import "./graphile_env.ts";
import type { JWK } from "jose";
import type { Logger } from "pino";
import { type Adaptor, makeAdaptor, type RequestRole } from "./adaptor.ts";
import { makeApp } from "./app.ts";
import { makeReadCredential } from "./credentials.ts";
import { type ErrorMapper, makeErrorMapper } from "./errors.ts";
import { type GraphqlServer, makeGraphqlServer } from "./graphql_server.ts";
import { makeHealth } from "./health.ts";
import { makeNoteKeyUse } from "./key_use.ts";
import { makeMetrics } from "./metrics.ts";
import { makeOwnFeatures, type OwnFeatures } from "./own_features.ts";
import { connectFirst, makePool } from "./pool.ts";
import { makePreset } from "./preset.ts";
import { makeSessions } from "./sessions.ts";

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
  ownFeaturesMs?: number;
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
  let ownFeatures: OwnFeatures | undefined;
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
    const metrics = makeMetrics(pool, log);
    const features = ownFeatures = makeOwnFeatures(
      pool,
      options.ownFeaturesMs ?? 10_000,
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
      ownFeatures: features,
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
          // nobody can catch). Without the database the requests end by themselves.
          for (const connection of connections) connection.stream.destroy();
          await within(1_000, finished);
        }
        await within(3_000, features.stop());
        await within(1_000, pool.end());
      },
    };
  } catch (error) {
    await ownFeatures?.stop();
    await pool.end();
    throw error;
  }
}

function listen(
  { host, port }: GatewayOptions,
  handler: (request: Request) => Response | Promise<Response>,
): Deno.HttpServer<Deno.NetAddr> {
  try {
    return Deno.serve({ hostname: host, port, onListen: () => {} }, handler);
  } catch (error) {
    if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    const message = `Port ${port} of ${host} is in use by another program: ` +
      "stop that program, or set PORT to a free port";
    throw new Error(message, { cause: error });
  }
}

/** Waits for something, but not for ever: whether it came to pass in time. */
async function within(milliseconds: number, event: Promise<unknown>): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const timeout = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), milliseconds);
  });
  try {
    return await Promise.race([event.then(() => true, () => true), timeout]);
  } finally {
    clearTimeout(timer);
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
