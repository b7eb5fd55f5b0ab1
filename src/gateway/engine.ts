import "./graphql/graphile_env.ts";
import type { Logger } from "pino";
import type { Login } from "../database/login.ts";
import { type Adaptor, makeAdaptor, type RequestRole } from "./database/adaptor.ts";
import { type BesideQueries, makeBesideQueries } from "./database/beside_queries.ts";
import { type EarlyIntrospection, withEarlyIntrospection } from "./database/early_introspection.ts";
import { type FairPool, makeFairPool } from "./database/fair_pool.ts";
import { connectFirst, isPooled, makePool, type PoolWithConnections } from "./database/pool.ts";
import { makeStorageFailures, type StorageFailures } from "./database/storage_failures.ts";
import { type ErrorMapper, makeErrorMapper } from "./graphql/errors.ts";
import type { GraphqlServer } from "./graphql/graphql_server.ts";
import { makeGraphqlServers } from "./graphql/graphql_servers.ts";
import type { OperationLimits } from "./graphql/operation_limits.ts";

/** What an engine needs. Times are in milliseconds. */
export interface EngineOptions {
  /** Under which PostgreSQL shows its connections. */
  applicationName: string;
  /** Connections to the database. */
  poolSize: number;
  /** How long an operation waits for a connection. */
  poolWaitMs: number;
  statementTimeoutMs: number;
  /** How long the first connection is tried. */
  connectWaitMs: number;
  /** Named prepared statements; null finds out whether they work. */
  preparedStatements: boolean | null;
  operationLimits: OperationLimits;
  /** What a query may receive here; one that needs more is given up, to be run elsewhere. */
  maxQueryBytes?: number;
}

/** Runs GraphQL operations on connections of its own. */
export interface Engine {
  requests: PoolWithConnections;
  fair: FairPool;
  beside: BesideQueries;
  adaptor: Adaptor;
  errors: ErrorMapper;
  storage: StorageFailures;
  /** Whether statements are prepared by name. */
  prepare: boolean;
  /** The API as a role sees it; may build it, and throw when that fails. */
  serverOf(role: RequestRole): Promise<GraphqlServer>;
}

/** The database sends more than the answer has: it nests texts in texts. */
const resultBytesFactor = 2;

/**
 * Makes an engine, with the members' API built.
 *
 * @param databaseUrl connection string of the gateway's own login, or this login with all its passwords
 * @param onConnected called when the database answers, before the API is built
 * @param early what the API is built from, where it was asked for beforehand
 * @throws when the database cannot be reached in time, or is not migrated
 */
export async function makeEngine(
  databaseUrl: string | Login,
  options: EngineOptions,
  log: Logger,
  onConnected: (preparedStatements: boolean) => void = () => {},
  early: EarlyIntrospection | null = null,
): Promise<Engine> {
  const { applicationName, poolSize: size, poolWaitMs: waitMs, statementTimeoutMs } = options;
  const { operationLimits } = options;
  const requests = makePool({ databaseUrl, applicationName, log, size, connectMs: waitMs });
  try {
    await connectFirst(requests.pool, options.connectWaitMs, log);
    const prepare = options.preparedStatements ?? !(await isPooled(requests.pool));
    if (!prepare) log.info("Statements are not prepared: the database is behind a pooler");
    onConnected(prepare);
    const fair = makeFairPool(requests.pool, { size, waitMs, maxWaiting: 20 * size });
    const beside = makeBesideQueries(fair);
    const maxResultBytes = resultBytesFactor * operationLimits.answerBytes;
    const plain = makeAdaptor(fair, {
      statementTimeoutMs,
      maxResultBytes,
      maxQueryBytes: Math.min(options.maxQueryBytes ?? maxResultBytes, maxResultBytes),
      prepare,
    });
    const adaptor = early === null ? plain : withEarlyIntrospection(plain, early);
    const storage = makeStorageFailures();
    const errors = makeErrorMapper(beside, log, storage);
    const serverOf = makeGraphqlServers(adaptor, errors, { statementTimeoutMs, operationLimits });
    await serverOf("curestry_member");
    return { requests, fair, beside, adaptor, errors, storage, prepare, serverOf };
  } catch (error) {
    await requests.pool.end();
    throw error;
  }
}
