import type { PoolClient, QueryConfig, QueryResult } from "pg";
import pg from "pg";
import { GatewayError } from "../gateway_error.ts";

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
  /** A statement is cancelled after this many milliseconds. */
  statementTimeoutMs: number;
  /** Whether statements are prepared by name; not with a pooler in transaction mode in between. */
  prepare: boolean;
}

/** Prepared statements per connection; whatever comes after these is sent unprepared. */
const maxPreparedPerConnection = 200;
const preparedNames = new WeakMap<PoolClient, Set<string>>();
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
  /** Settles when the database has accepted or refused the context. */
  readonly begun: Promise<void>;
  readonly #client: PoolClient;
  readonly #options: TransactionOptions;
  #firstFailure: unknown;
  #savepoints = 0;
  #ended = false;

  constructor(client: PoolClient, options: TransactionOptions) {
    this.#client = client;
    this.#options = options;
    const mode = options.kind === "read" ? "isolation level repeatable read, read only" : "";
    const begin = `begin ${mode}; set local statement_timeout = ${options.statementTimeoutMs}; ` +
      `set local idle_in_transaction_session_timeout = ${idleTransactionTimeoutMs}`;
    const answers = [{ text: begin }, ...options.first].map((query) => this.#send(query));
    this.begun = Promise.all(answers).then(() => undefined);
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
      answer = await this.#client.query(command);
    } catch (error) {
      // A commit can be refused (a deferred constraint): then the connection is as good as before.
      this.#client.release(!isFromServer(error));
      throw isFromServer(error) ? error : connectionLost(error);
    }
    this.#client.release(this.#firstFailure instanceof ConnectionLost);
    // The answer to "commit" in an aborted transaction is "ROLLBACK", and not an error.
    if (how === "commit" && answer.command !== "COMMIT") {
      throw this.#firstFailure ?? new Error("The transaction was rolled back instead of committed");
    }
  }

  /** Sends a statement. Of several failures the first counts: the others only follow from it. */
  #send(query: QueryConfig): Promise<QueryResult> {
    const answer = this.#client.query(query).catch((error: unknown) => {
      this.#firstFailure ??= isFromServer(error) ? error : connectionLost(error);
      throw this.#firstFailure;
    });
    // An answer that is not waited for any more must not count as an unhandled rejection.
    answer.catch(ignore);
    return answer;
  }

  #mayPrepare(name: string): boolean {
    if (!this.#options.prepare) return false;
    let names = preparedNames.get(this.#client);
    if (names === undefined) preparedNames.set(this.#client, names = new Set());
    if (!names.has(name) && names.size >= maxPreparedPerConnection) return false;
    names.add(name);
    return true;
  }
}

/** The connection went away: the statement under way may or may not have had its effect. */
export class ConnectionLost extends GatewayError {
  constructor(cause: unknown) {
    super("UNAVAILABLE", "The connection to the database was lost; try again", { cause });
  }
}

/** Whether PostgreSQL sent this error, over a connection that goes on working. */
function isFromServer(error: unknown): error is pg.DatabaseError {
  return error instanceof pg.DatabaseError && !endsConnection.test(error.code ?? "");
}

function connectionLost(error: unknown): unknown {
  return error instanceof GatewayError ? error : new ConnectionLost(error);
}

function ignore(): void {}
