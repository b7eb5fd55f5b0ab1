import { makeExpiringCache } from "../expiring_cache.ts";
import { GatewayError } from "../gateway_error.ts";
import type { Claim, FairPool, Lease } from "./fair_pool.ts";
import { ConnectionLost, isFromServer } from "./connection_failures.ts";
import type { Answer, Message } from "./exchange.ts";
import { type DatabaseClient, Transaction, type TransactionLimits } from "./transaction.ts";

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

/** What the database says about a request. */
export interface Rights {
  /** Its organization's id, "" if it has none. */
  organization: string;
  /** With a blank before and after each. */
  permissions: string;
}

/** @param permissions as `Rights` has them */
export function hasPermission(permissions: string, needed: string): boolean {
  return permissions.includes(` ${needed} `);
}

/** A request's way to the database. */
export interface RequestDatabase {
  /**
   * What the request may do: as it was a minute ago at most, and else as the database says. Nothing may
   * be answered before `verify` has settled.
   *
   * @throws what `verify` throws
   */
  readRights(): Promise<Rights>;
  /**
   * Whether the credential holds, and what it may do: what the database said in the request's first
   * transaction, or, if it has had none yet, what it says now.
   *
   * @throws the database's refusal (SQLSTATE CU001, CU002), or UNAVAILABLE
   */
  verify(): Promise<Rights>;
  /**
   * Says what the operation is, before it runs.
   *
   * @param options.inOneTurn whether a query's statements are expected to come all at once: then they go to
   * the database, and their transaction ends, in one round trip. If more come, they are refused
   */
  begin(kind: "query" | "mutation", options: { inOneTurn: boolean }): void;
  /** In how many turns the statements of a query came since it began. */
  readonly turnCount: number;
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

const noRights: Rights = { organization: "", permissions: "" };
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
 * totalCount agree. In a mutation each root field (and each step that reads its payload) has a
 * transaction of its own, so that the fields before a failing one stay, as GraphQL has it. Every
 * transaction begins with `app.begin_request`, so a credential revoked meanwhile is refused, and nothing
 * is left on a connection when its transaction ends.
 *
 * A credential that the database has accepted within the last minute is not asked for beforehand: it is
 * checked together with the first statement of the operation, in one round trip.
 *
 * @param pool connections of the gateway's login, with `pipeline: true`
 */
export function makeAdaptor(pool: FairPool, limits: TransactionLimits): Adaptor {
  /** Rights by credential, to tell whose request one is before the database is asked. */
  const rightsOf = makeExpiringCache<Rights>(maxRememberedCredentials);

  /** Where a transaction comes from. */
  interface Origin {
    claim: Claim;
    first: Message[];
    meter: { bytes: number };
    inOneTurn: boolean;
    /** Told what becomes of the context of each transaction. */
    onBegun(answer: Promise<readonly Answer[]>): void;
  }

  async function start(kind: "read" | "write", origin: Origin): Promise<Transaction> {
    for (let attempt = 1;; attempt++) {
      const lease = await acquire(origin);
      const { first, meter, onBegun, inOneTurn } = origin;
      const transaction = new Transaction(lease, { kind, first, limits, meter, inOneTurn });
      if (!lease.isFresh && attempt < maxDeadConnections) {
        // It may have died while it was idle: then nothing was done on it yet
        const failure = await transaction.begun.then(() => null, (error: unknown) => error);
        if (failure instanceof ConnectionLost && !failure.hangs) {
          await transaction.end("rollback").catch(ignore);
          continue;
        }
      }
      onBegun(transaction.begun);
      return transaction;
    }
  }

  async function acquire({ claim, onBegun }: Origin): Promise<Lease> {
    try {
      return await pool.acquire(claim);
    } catch (error) {
      const failed = Promise.reject(error);
      failed.catch(ignore);
      onBegun(failed);
      throw error;
    }
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
      const isAnonymous = caller.role === "curestry_anonymous";
      const remembered = isAnonymous ? noRights : rightsOf.get(credential);
      let firstBegun: Promise<Rights> | undefined;
      const origin: Origin = {
        claim: {
          organization: isAnonymous ? caller.role : remembered?.organization ?? unknownOrganization,
          work,
        },
        first: [context(caller)],
        meter: { bytes: 0 },
        inOneTurn: false,
        onBegun(answer) {
          const settled = answer.then(accept, refuse);
          settled.catch(ignore);
          firstBegun ??= settled;
        },
      };
      let kind: "query" | "mutation" = "query";
      let shared: Promise<Transaction> | undefined;
      /** The last one that was shared. */
      let current: Transaction | undefined;
      let finished = false;

      function accept([context]: readonly Answer[]): Rights {
        const rights = context?.rows[0] as Rights;
        rightsOf.set(credential, rights, Date.now() + rememberCredentialMs);
        if (!isAnonymous) origin.claim = { organization: rights.organization, work };
        return rights;
      }

      function refuse(error: unknown): never {
        if (isFromServer(error)) rightsOf.delete(credential);
        throw error;
      }

      function share(): Promise<Transaction> {
        if (shared === undefined) {
          shared = start("read", origin);
          shared.then((transaction) => current = transaction, ignore);
        }
        return shared;
      }

      function endShared(): void {
        // The answer does not wait for this: nothing was written, and what was read is read.
        shared?.then((transaction) => transaction.end("commit")).catch(ignore);
        shared = undefined;
      }

      return {
        async readRights() {
          return remembered ?? accept(await (await share()).begun);
        },
        async verify() {
          // There is no credential that could have been taken back
          if (isAnonymous) return noRights;
          if (firstBegun === undefined) await (await share()).begun;
          const rights = await firstBegun!;
          if (finished) endShared();
          return rights;
        },
        begin(operation, { inOneTurn }) {
          kind = operation;
          // One that has begun to verify the credential is used, if the query was not run before
          if (kind === "mutation" || current !== undefined && current.turnCount > 0) endShared();
          origin.inOneTurn = inOneTurn;
        },
        get turnCount() {
          return current?.turnCount ?? 0;
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
      const first = [{ text: `select ${setRole(role)}` }];
      return (_settings, callback) => {
        const origin = {
          claim,
          first,
          meter: { bytes: -Infinity },
          inOneTurn: false,
          onBegun: ignore,
        };
        return runAlone("read", origin, callback, () => true);
      };
    },
  };
}

/** Who the request is, and which rights it has: in one statement. */
function context(caller: Caller): Message {
  return {
    name: `begin_request as ${caller.role}`,
    text: `select pg_catalog.current_setting('curestry.organization_id') as organization, ` +
      "pg_catalog.current_setting('curestry.permissions') as permissions, " +
      `${setRole(caller.role)} from app.begin_request($1, $2, $3, $4)`,
    values: [caller.jwtId, caller.keyHash, caller.organization, caller.requestId],
  };
}

function setRole(role: RequestRole): string {
  return `pg_catalog.set_config('role', '${role}', true)`;
}

function ignore(): void {}
