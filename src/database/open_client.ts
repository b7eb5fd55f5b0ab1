import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import type { Log } from "../shared/log.ts";

/** SQLSTATEs of a server that is there, but not ready yet: starting, stopping, out of connections. */
const transientSqlStates = new Set(["57P03", "57P01", "57P02", "53300"]);
/** Errors of the network that pass when the server, or its name, comes up. */
const transientSystemCodes = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "EAI_AGAIN",
  "ENOTFOUND",
  "ENOENT",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ETIMEDOUT",
  "EPIPE",
]);

/** How to connect. */
export interface ConnectOptions {
  /** How long to go on trying while the server is not there; default 10 s. */
  retryForMs?: number;
  log?: Log | undefined;
}

/**
 * Opens one connection and closes it after use, whatever happens.
 *
 * @param url postgres://…
 * @throws {Error} if there is no connection, saying where to and what to do; what `use` throws
 */
export async function withClient<T>(
  url: string,
  use: (client: pg.Client) => Promise<T>,
  options: ConnectOptions = {},
): Promise<T> {
  const client = await openClient(url, options);
  try {
    return await use(client);
  } finally {
    await client.end().catch(() => {});
  }
}

/**
 * Opens one connection. While the server is not there it tries again, because databases and their
 * clients are often started at the same moment.
 *
 * @throws {Error} if the server stays away or refuses us; `code` is the SQLSTATE or the system's code
 */
export async function openClient(url: string, options: ConnectOptions = {}): Promise<pg.Client> {
  const { retryForMs = 10_000, log } = options;
  const giveUp = Date.now() + retryForMs;
  for (let attempt = 1;; attempt++) {
    const client = new pg.Client({
      connectionString: url,
      application_name: "curestry",
      connectionTimeoutMillis: 10_000,
      keepAlive: true,
    });
    // Without a listener, a connection that breaks while idle ends the process; the next query
    // reports it anyway
    client.on("error", (error) => log?.debug({ err: error }, "A database connection broke"));
    try {
      await client.connect();
      return client;
    } catch (error) {
      await client.end().catch(() => {});
      if (!isTransient(error) || Date.now() >= giveUp) throw explain(url, error);
      if (attempt === 3) log?.info(`Waiting for ${describeServer(url)}`);
      await sleep(Math.min(100 * attempt, 1000));
    }
  }
}

/** The SQLSTATE, or the system's code, of an error; "" if it has none. */
export function errorCode(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "string" ? code : "";
}

function isTransient(error: unknown): boolean {
  // Several addresses of one name fail together
  if (error instanceof AggregateError) return error.errors.every(isTransient);
  const code = errorCode(error);
  return transientSqlStates.has(code) || transientSystemCodes.has(code) ||
    (error instanceof Error && /timeout expired|Connection terminated/.test(error.message));
}

function explain(url: string, error: unknown): Error {
  const inner = error instanceof AggregateError ? error.errors[0] : error;
  const reason = inner instanceof Error ? inner.message : String(inner);
  const advice = /^28/.test(errorCode(inner))
    ? "check the user and the password in DATABASE_URL, and the server's pg_hba.conf"
    : "check that the server runs and that DATABASE_URL names its host and port";
  return Object.assign(
    new Error(`Cannot connect to ${describeServer(url)}: ${reason}; ${advice}`, { cause: error }),
    { code: errorCode(inner) },
  );
}

function describeServer(url: string): string {
  const { username, hostname, port, searchParams } = new URL(url);
  const host = `${hostname || searchParams.get("host")}:${port || 5432}`;
  return `the database server ${host}${username ? ` as ${decodeURIComponent(username)}` : ""}`;
}
