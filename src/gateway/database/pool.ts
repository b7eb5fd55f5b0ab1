import pg from "pg";
import type { Logger } from "pino";
import type { Login } from "../../database/login.ts";
import { makeLoginPool } from "../../database/login_pool.ts";

/** Answers whether the database is one of ours, migrated. */
export const readyQuery =
  "select to_regprocedure('app.begin_request(text,text,text,text)') is not null as migrated";

/** How connections are made. Times are in milliseconds. */
export interface PoolOptions {
  databaseUrl: string | Login;
  /** Under which PostgreSQL shows them. */
  applicationName: string;
  log: Logger;
  /** Connections at most. */
  size: number;
  /** How long to make a connection may take. */
  connectMs: number;
}

/**
 * Whether something between us and PostgreSQL shares its connections among clients, as PgBouncer does:
 * it gives each client a process number of its own making. Named prepared statements may then be on
 * another connection than the next request.
 */
export async function isPooled(pool: pg.Pool): Promise<boolean> {
  const client = await pool.connect();
  try {
    const { rows } = await client.query<{ pid: number }>(
      "select pg_catalog.pg_backend_pid() as pid",
    );
    return rows[0]?.pid !== (client as unknown as { processID: number }).processID;
  } finally {
    client.release();
  }
}

/** A pool, and what it holds. */
export interface PoolWithConnections {
  pool: pg.Pool;
  /** The connections that are open, idle or not. */
  connections: ReadonlySet<pg.Connection>;
}

/** What a client speaks over; pg has it, and its types do not. */
export function connectionOf(client: pg.PoolClient): pg.Connection {
  return (client as unknown as { connection: pg.Connection }).connection;
}

/**
 * Makes the gateway's pool. A connection that breaks is logged and replaced, and ends nothing else.
 */
export function makePool(options: PoolOptions): PoolWithConnections {
  const pool = makeLoginPool(options.databaseUrl, {
    application_name: options.applicationName,
    pipeline: true,
    max: options.size,
    connectionTimeoutMillis: options.connectMs,
    idleTimeoutMillis: 30_000,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    // A connection's memory grows with the statements prepared on it.
    maxLifetimeSeconds: 1_800,
  });
  // Without listeners, a connection that breaks ends the process.
  const warn = (error: Error) => {
    // The pool counts as ended before its connections are closed; a server that stops may be faster.
    const level = pool.ending ? "debug" : "warn";
    options.log[level]({ err: error }, "A database connection broke");
  };
  pool.on("error", warn);
  const connections = new Set<pg.Connection>();
  pool.on("connect", (client) => {
    client.on("error", warn);
    const connection = connectionOf(client);
    connections.add(connection);
    connection.on("end", () => connections.delete(connection));
  });
  return { pool, connections };
}

/**
 * Tries until the database answers: it may be starting just now.
 *
 * @throws when it does not in time, refuses the login, or is not migrated
 */
export async function connectFirst(pool: pg.Pool, waitMs: number, log: Logger): Promise<void> {
  const deadline = Date.now() + waitMs;
  for (let pause = 100;; pause = Math.min(pause * 2, 2_000)) {
    try {
      const { rows } = await pool.query<{ migrated: boolean }>(readyQuery);
      if (rows[0]?.migrated === true) return;
    } catch (error) {
      if (error instanceof pg.DatabaseError && /^(28|3D|42501)/.test(error.code ?? "")) {
        const message = `The database refuses the gateway's login: ${error.message}; ` +
          "run `deno task migrate`, which makes the login and sets its password";
        throw new Error(message, { cause: error });
      }
      if (Date.now() + pause > deadline) {
        const message = `The database does not answer after ${waitMs / 1000} s; is it running?`;
        throw new Error(message, { cause: error });
      }
      log.info({ err: error }, "The database does not answer yet");
      await new Promise((resolve) => setTimeout(resolve, pause));
      continue;
    }
    throw new Error("The database is not migrated; run `deno task migrate`");
  }
}
