import type { PoolClient, QueryConfig, QueryResult } from "pg";
import pg from "pg";
import { GatewayError } from "../gateway_error.ts";
import { nextTurn } from "../turns.ts";
import type { Lease } from "./fair_pool.ts";
import { connectionOf } from "./pool.ts";

/** A statement as PostGraphile hands it over. */
export interface Statement {
  text: string;
  values?: readonly unknown[];
  arrayMode?: boolean;
  name?: string;
}

/** The answer to a statement. */
export interface StatementResult<Row> {
  rows: readonly Row[];
  rowCount: number | null;
}

/** PostGraphile's view of a connection. */
export interface DatabaseClient {
  query<Row>(statement: Statement): Promise<StatementResult<Row>>;
  withTransaction<Result>(callback: (client: this) => Promise<Result>): Promise<Result>;
}

/** How a transaction begins, and what it may do. */
export interface TransactionOptions {
  /** `read`: one read-only snapshot, statements in any order; `write`: one statement at a time. */
  kind: "read" | "write";
  /** Statements sent right behind `begin`; the transaction is usable when all have succeeded. */
  first: readonly QueryConfig[];
  limits: TransactionLimits;
  /** What all transactions of a request have received together. */
  meter: { bytes: number };
}

/** What a transaction may cost. Times are in milliseconds. */
export interface TransactionLimits {
  /** A statement is cancelled after this time, by the server; and soon after it by us. */
  statementTimeoutMs: number;
  /** The connection is closed when a request has received more from the database. */
  maxResultBytes: number;
  /** The same for what only reads. */
  maxQueryBytes: number;
  /** Whether statements are prepared by name; not with a pooler in transaction mode in between. */
  prepare: boolean;
}

/** How much longer than a statement may take we wait for its answer: then the server hangs. */
const hungServerMs = 3_000;
/** What only reads waits at most this part of a statement's time for a lock: others need the connection. */
const lockTimeoutPart = 0.25;

/** Prepared statements per connection; whatever comes after these is sent unprepared. */
const maxPreparedPerConnection = 200;
const preparedNames = new WeakMap<PoolClient, Set<string>>();
/** What PostGraphile does with more rows than these takes milliseconds. */
const rowsOfATurn = 50;
/** An idle transaction means that the gateway lost track of it. */
const idleTransactionTimeoutMs = 60_000;
/** SQLSTATEs after which the server closes the connection: shutdown, time-outs of the session. */
const endsConnection = /^(08|57P0|25P0[34])/;

/**
 * A transaction on a pipelined connection. `begin`, the statements that make the context and the
 * first statement of the work go out without waiting for answers: one round trip instead of four.
 * The result of a statement is handed out only when the context was accepted. A statement behind a
 * refused credential cannot do harm: its transaction is aborted already, and outside of one the
 * gateway's own login may read nothing.
 */
export class Transaction implements DatabaseClient {
  /** Settles when the database has accepted or refused the context: the answers to `first`. */
  readonly begun: Promise<readonly QueryResult[]>;
  readonly #lease: Lease;
  readonly #client: PoolClient;
  readonly #options: TransactionOptions;
  readonly #stopMetering: () => void;
  #firstFailure: unknown;
  #savepoints = 0;
  #ended = false;

  constructor(lease: Lease, options: TransactionOptions) {
    this.#lease = lease;
    this.#client = lease.client;
    this.#options = options;
    this.#stopMetering = this.#meter();
    const { statementTimeoutMs } = options.limits;
    const isRead = options.kind === "read";
    const mode = isRead ? "isolation level repeatable read, read only" : "";
    const lockTimeoutMs = Math.ceil(statementTimeoutMs * (isRead ? lockTimeoutPart : 1));
    const begin = `begin ${mode}; set local statement_timeout = ${statementTimeoutMs}; ` +
      `set local lock_timeout = ${lockTimeoutMs}; ` +
      `set local idle_in_transaction_session_timeout = ${idleTransactionTimeoutMs}`;
    const answers = [{ text: begin }, ...options.first].map((query) => this.#send(query));
    this.begun = Promise.all(answers).then(([, ...first]) => first);
    this.begun.catch(ignore);
  }

  async query<Row>(statement: Statement): Promise<StatementResult<Row>> {
    if (this.#ended) throw new GatewayError("UNAVAILABLE", "The operation has ended already");
    const { text, values, arrayMode, name } = statement;
    const query: QueryConfig & { rowMode?: "array" } = { text };
    if (values !== undefined) query.values = [...values];
    if (arrayMode === true) query.rowMode = "array";
    if (name !== undefined && this.#mayPrepare(name)) query.name = name;
    const answer = this.#send(query);
    await this.begun;
    const { rows, rowCount } = await answer;
    if (rows.length > rowsOfATurn) await nextTurn();
    if (rowCount === 0 && /^(update|delete)\s/.test(text)) {
      // PostGraphile writes such a statement for one row, found by its key.
      this.#firstFailure ??= new GatewayError("NOT_FOUND", "There is no such row");
      throw this.#firstFailure;
    }
    return { rows, rowCount };
  }

  async withTransaction<Result>(callback: (client: this) => Promise<Result>): Promise<Result> {
    if (this.#options.kind === "read") return await callback(this);
    const savepoint = `level_${++this.#savepoints}`;
    await this.query({ text: `savepoint ${savepoint}` });
    try {
      const result = await callback(this);
      await this.query({ text: `release savepoint ${savepoint}` });
      return result;
    } catch (error) {
      await this.#send({ text: `rollback to savepoint ${savepoint}` }).then(() => {
        this.#firstFailure = undefined;
      }, ignore);
      throw error;
    }
  }

  /**
   * Commits, or rolls back, and gives the connection back to the pool; a broken one is closed.
   *
   * @throws when what was to be committed was not, or when that is not known
   */
  async end(how: "commit" | "rollback"): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    const command = this.#firstFailure === undefined ? how : "rollback";
    let answer: QueryResult;
    try {
      answer = await this.#untilHung(this.#client.query(command));
    } catch (error) {
      // A commit can be refused (a deferred constraint): then the connection is as good as before.
      this.#giveBack(!isFromServer(error));
      throw isFromServer(error) ? error : connectionLost(error);
    }
    this.#giveBack(this.#firstFailure instanceof ConnectionLost);
    // The answer to "commit" in an aborted transaction is "ROLLBACK", and not an error.
    if (how === "commit" && answer.command !== "COMMIT") {
      throw this.#firstFailure ?? new Error("The transaction was rolled back instead of committed");
    }
  }

  /** Sends a statement. Of several failures the first counts: the others only follow from it. */
  #send(query: QueryConfig): Promise<QueryResult> {
    const answer = this.#untilHung(this.#client.query(query)).catch((error: unknown) => {
      this.#firstFailure ??= isFromServer(error) ? error : connectionLost(error);
      throw this.#firstFailure;
    });
    // An answer that is not waited for any more must not count as an unhandled rejection.
    answer.catch(ignore);
    return answer;
  }

  #giveBack(broken: boolean): void {
    this.#stopMetering();
    this.#lease.release(broken);
  }

  /** Counts what arrives, whatever becomes of it, and closes the connection when that is too much. */
  #meter(): () => void {
    const { kind, meter, limits } = this.#options;
    const maxBytes = kind === "read" ? limits.maxQueryBytes : limits.maxResultBytes;
    const { stream } = connectionOf(this.#client);
    const add = (data: Uint8Array) => {
      meter.bytes += data.byteLength;
      if (meter.bytes <= maxBytes) return;
      this.#firstFailure ??= new TooMuchData(maxBytes);
      stream.destroy();
    };
    stream.on("data", add);
    return () => stream.off("data", add);
  }

  /** Closes the connection when an answer is so late that the server, or the way to it, must hang. */
  async #untilHung<Result>(answer: Promise<Result>): Promise<Result> {
    const timer = setTimeout(() => {
      this.#firstFailure ??= new ConnectionLost(new Error("The database hangs"), true);
      connectionOf(this.#client).stream.destroy();
    }, this.#options.limits.statementTimeoutMs + hungServerMs);
    try {
      return await answer;
    } finally {
      clearTimeout(timer);
    }
  }

  #mayPrepare(name: string): boolean {
    if (!this.#options.limits.prepare) return false;
    let names = preparedNames.get(this.#client);
    if (names === undefined) preparedNames.set(this.#client, names = new Set());
    if (!names.has(name) && names.size >= maxPreparedPerConnection) return false;
    names.add(name);
    return true;
  }
}

/** A request asked for more than one may; its connection was closed, so that the rest need not be read. */
export class TooMuchData extends GatewayError {
  constructor(maxBytes: number) {
    super(
      "LIMIT",
      `The answer needs more than ${maxBytes} bytes of the database; ask for smaller pages (first), or ` +
        "for fewer long texts",
    );
  }
}

/** The connection went away: the statement under way may or may not have had its effect. */
export class ConnectionLost extends GatewayError {
  /** @param hangs whether that took so long that another attempt is no use */
  constructor(cause: unknown, readonly hangs = false) {
    super("UNAVAILABLE", "The connection to the database was lost; try again", { cause });
  }
}

/** Whether PostgreSQL sent this error, over a connection that goes on working. */
export function isFromServer(error: unknown): error is pg.DatabaseError {
  return error instanceof pg.DatabaseError && !endsConnection.test(error.code ?? "");
}

/** Any other failure than one that the server reports. */
export function connectionLost(error: unknown): unknown {
  return error instanceof GatewayError ? error : new ConnectionLost(error);
}

function ignore(): void {}
