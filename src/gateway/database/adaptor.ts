import type { QueryConfig } from "pg";
import { makeExpiringCache } from "../expiring_cache.ts";
import { GatewayError } from "../gateway_error.ts";
import type { Claim, FairPool } from "./fair_pool.ts";
import {
  ConnectionLost,
  type DatabaseClient,
  Transaction,
  type TransactionLimits,
} from "./transaction.ts";

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

/** A request's way to the database. */
export interface RequestDatabase {
  /**
   * Asks the database whether the credential holds.
   *
   * @returns the id of the request's organization, "" if it has none
   * @throws the database's refusal (SQLSTATE CU001, CU002), or UNAVAILABLE
   */
  verify(): Promise<string>;
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
  /** @param work what the request does, see `workOf` */
  openRequest(caller: Caller, work: string): RequestDatabase;
  /** Runs the introspection queries of PostGraphile as a role. */
  introspectAs(role: RequestRole): WithClient;
}

/** How many dead connections a request may meet in the pool before it gives up. */
const maxDeadConnections = 4;
/** Credentials whose organization is remembered, and for how long: a slug can change its owner. */
const maxRememberedCredentials = 10_000;
const rememberCredentialMs = 60_000;
/** Requests whose organization is not known yet share one organization's part of the pool. */
const unknownOrganization = "unknown";

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
export function makeAdaptor(pool: FairPool, limits: TransactionLimits): Adaptor {
  /** Organizations by credential, to tell whose request one is before the database is asked. */
  const organizations = makeExpiringCache<string>(maxRememberedCredentials);

  /** Where a transaction comes from. */
  interface Origin {
    claim: Claim;
    first: QueryConfig[];
    meter: { bytes: number };
  }

  async function start(kind: "read" | "write", origin: Origin): Promise<Transaction> {
    const { claim, first, meter } = origin;
    return new Transaction(await pool.acquire(claim), { kind, first, limits, meter });
  }

  /** A transaction for one callback. */
  async function runAlone<Result>(
    kind: "read" | "write",
    origin: Origin,
    callback: (client: DatabaseClient) => Result | Promise<Result>,
    mayCommit: () => boolean,
  ): Promise<Result> {
    const transaction = await start(kind, origin);
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
    openRequest(caller, work) {
      const credential = JSON.stringify([caller.jwtId, caller.keyHash, caller.organization]);
      const organization = caller.role === "curestry_anonymous"
        ? caller.role
        : organizations.get(credential) ?? unknownOrganization;
      const first = context(caller, limits.prepare);
      const origin = { claim: { organization, work }, first, meter: { bytes: 0 } };
      let kind: "query" | "mutation" = "query";
      let shared: Promise<Transaction> | undefined;
      let finished = false;

      function share(): Promise<Transaction> {
        shared ??= start("read", origin);
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
              const [context] = await (await share()).begun;
              const id = String(context?.rows[0]?.organization ?? "");
              organizations.set(credential, id, Date.now() + rememberCredentialMs);
              origin.claim = { organization: id, work };
              return id;
            } catch (error) {
              // A connection that died while it was idle: nothing was done on it yet
              const again = error instanceof ConnectionLost && !error.hangs;
              if (!again || attempt === maxDeadConnections) throw error;
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
          if (kind === "mutation") {
            return await runAlone("write", origin, callback, () => !finished);
          }
          return await callback(await share());
        },
        finish() {
          finished = true;
          endShared();
        },
      };
    },

    introspectAs(role) {
      const claim = { organization: "", work: "introspection" };
      return (_settings, callback) => {
        const origin = { claim, first: [setRole(role)], meter: { bytes: -Infinity } };
        return runAlone("read", origin, callback, () => true);
      };
    },
  };
}

function context(caller: Caller, prepare: boolean): QueryConfig[] {
  const beginRequest: QueryConfig = {
    text: "select pg_catalog.current_setting('curestry.organization_id') as organization " +
      "from app.begin_request($1, $2, $3, $4)",
    values: [caller.jwtId, caller.keyHash, caller.organization, caller.requestId],
  };
  if (prepare) beginRequest.name = "begin_request";
  return [beginRequest, setRole(caller.role)];
}

function setRole(role: RequestRole): QueryConfig {
  return { text: `set local role ${role}` };
}

function ignore(): void {}
