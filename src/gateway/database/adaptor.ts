import type { Pool, PoolClient, QueryConfig } from "pg";
import { GatewayError } from "../gateway_error.ts";
import { ConnectionLost, type DatabaseClient, Transaction } from "./transaction.ts";

/** The roles that a request can act as; chosen by our code, never by a token. */
export type RequestRole = "curestry_member" | "curestry_anonymous";

/** What the database is told about a request, by `app.begin_request`. */
export interface Caller {
  role: RequestRole;
  /** `core.sessions.jwt_id` of a verified token. */
  jwtId: string | null;
  /** Lower-case hex SHA-256 of an API key. */
  keyHash: string | null;
  /** Slug of the organization which the request chose. */
  organization: string | null;
  requestId: string;
}

/** Limits of the adaptor. */
export interface AdaptorOptions {
  /** A statement is cancelled after this many milliseconds. */
  statementTimeoutMs: number;
  /** Requests that may wait for a connection at once; more are refused without waiting. */
  maxWaitingRequests: number;
  /** Whether statements are prepared by name; not with a pooler in transaction mode in between. */
  prepare: boolean;
}

/** A request's way to the database. */
export interface RequestDatabase {
  /**
   * Asks the database whether the credential holds.
   *
   * @throws the database's refusal (SQLSTATE CU001, CU002), or UNAVAILABLE
   */
  verify(): Promise<void>;
  /** Says what the operation is, before it runs; a query is the default. */
  begin(kind: "query" | "mutation"): void;
  /** Runs a callback in the query's one transaction, or in one of its own in a mutation. */
  withPgClient: WithClient;
  /** The operation has its answer: ends what is open. */
  finish(): void;
}

/** PostGraphile's way of asking for a connection. */
export type WithClient = <Result>(
  settings: unknown,
  callback: (client: DatabaseClient) => Result | Promise<Result>,
) => Promise<Result>;

/** What `makeAdaptor` makes. */
export interface Adaptor {
  openRequest(caller: Caller): RequestDatabase;
  /** Runs the introspection queries of PostGraphile as a role. */
  introspectAs(role: RequestRole): WithClient;
}

/** How many dead connections a request may meet in the pool before it gives up. */
const maxDeadConnections = 4;

/**
 * The gateway's one path to the database.
 *
 * A query operation has one read-only transaction for all its steps, thus one snapshot: nodes and
 * totalCount agree. It begins when the credential is checked, before GraphQL runs. In a mutation
 * each root field (and each step that reads its payload) has a transaction of its own, so that the
 * fields before a failing one stay, as GraphQL has it. Every transaction begins with
 * `app.begin_request`, so a credential revoked meanwhile is refused, and nothing is left on a
 * connection when its transaction ends.
 *
 * @param pool connections of the gateway's login, with `pipeline: true`
 */
export function makeAdaptor(pool: Pool, options: AdaptorOptions): Adaptor {
  async function start(kind: "read" | "write", first: QueryConfig[]): Promise<Transaction> {
    return new Transaction(await connect(pool, options.maxWaitingRequests), {
      kind,
      first,
      statementTimeoutMs: options.statementTimeoutMs,
      prepare: options.prepare,
    });
  }

  /** A transaction for one callback. */
  async function runAlone<Result>(
    kind: "read" | "write",
    first: QueryConfig[],
    callback: (client: DatabaseClient) => Result | Promise<Result>,
    mayCommit: () => boolean,
  ): Promise<Result> {
    const transaction = await start(kind, first);
    let result: Result;
    try {
      result = await callback(transaction);
      await transaction.begun;
      if (!mayCommit()) throw new GatewayError("UNAVAILABLE", "The operation took too long");
    } catch (error) {
      await transaction.end("rollback").catch(ignore);
      throw error;
    }
    await transaction.end("commit");
    return result;
  }

  return {
    openRequest(caller) {
      const first = context(caller, options.prepare);
      let kind: "query" | "mutation" = "query";
      let shared: Promise<Transaction> | undefined;
      let finished = false;

      function share(): Promise<Transaction> {
        shared ??= start("read", first);
        shared.catch(ignore);
        return shared;
      }

      function endShared(): void {
        // The answer does not wait for this: nothing was written, and what was read is read.
        shared?.then((transaction) => transaction.end("commit")).catch(ignore);
        shared = undefined;
      }

      return {
        async verify() {
          for (let attempt = 1;; attempt++) {
            try {
              return await (await share()).begun;
            } catch (error) {
              // A connection that died while it was idle: nothing was done on it yet
              if (!(error instanceof ConnectionLost) || attempt === maxDeadConnections) {
                throw error;
              }
              endShared();
            }
          }
        },
        begin(operation) {
          kind = operation;
          if (kind === "mutation") endShared();
        },
        async withPgClient(_settings, callback) {
          if (finished) throw new GatewayError("UNAVAILABLE", "The operation took too long");
          if (kind === "mutation") return await runAlone("write", first, callback, () => !finished);
          return await callback(await share());
        },
        finish() {
          finished = true;
          endShared();
        },
      };
    },

    introspectAs(role) {
      return (_settings, callback) => runAlone("read", [setRole(role)], callback, () => true);
    },
  };
}

async function connect(pool: Pool, maxWaitingRequests: number): Promise<PoolClient> {
  if (pool.waitingCount >= maxWaitingRequests) throw busy();
  try {
    return await pool.connect();
  } catch (error) {
    if (error instanceof Error && /timeout/.test(error.message)) throw busy(error);
    throw new GatewayError("UNAVAILABLE", "The database cannot be reached; try again", {
      cause: error,
    });
  }
}

function busy(cause?: unknown): GatewayError {
  return new GatewayError("UNAVAILABLE", "All connections to the database are busy; try again", {
    cause,
  });
}

function context(caller: Caller, prepare: boolean): QueryConfig[] {
  const beginRequest: QueryConfig = {
    text: "select app.begin_request($1, $2, $3, $4)",
    values: [caller.jwtId, caller.keyHash, caller.organization, caller.requestId],
  };
  if (prepare) beginRequest.name = "begin_request";
  return [beginRequest, setRole(caller.role)];
}

function setRole(role: RequestRole): QueryConfig {
  return { text: `set local role ${role}` };
}

function ignore(): void {}
