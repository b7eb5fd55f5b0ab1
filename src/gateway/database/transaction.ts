import { nextTick } from "node:process";
import type { PoolClient } from "pg";
import { GatewayError } from "../gateway_error.ts";
import { nextTurn } from "../turns.ts";
import {
  ConnectionLost,
  connectionLost,
  isFromServer,
  SkippedStatement,
  TooMuchData,
} from "./connection_failures.ts";
import { type Answer, Exchange, type Message } from "./exchange.ts";
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
  first: readonly Message[];
  limits: TransactionLimits;
  /** For one that reads: its statements are expected to come in one turn, and `commit` goes out with them. */
  inOneTurn: boolean;
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

/** A statement came after the turn that was taken to be the last: the operation has to be run again. */
export class MissedTurn extends Error {}

/** How much longer than a statement may take we wait for its answer: then the server hangs. */
const hungServerMs = 3_000;
/** What only reads waits at most this part of a statement's time for a lock: others need the connection. */
const lockTimeoutPart = 0.25;

/** What PostGraphile does with more rows than these takes milliseconds. */
const rowsOfATurn = 50;
/** An idle transaction means that the gateway lost track of it. */
const idleTransactionTimeoutMs = 60_000;
/**
 * A transaction. `begin`, the statements that make the context and the first statements of the work go out
 * in one piece, without waiting for answers. The result of a statement is handed out only when the context
 * was accepted. A statement behind a refused credential cannot do harm: the server does not run it.
 */
export class Transaction implements DatabaseClient {
  /** Settles when the database has accepted or refused the context: the answers to `first`. */
  readonly begun: Promise<readonly Answer[]>;
  readonly #lease: Lease;
  readonly #options: TransactionOptions;
  readonly #stopMetering: () => void;
  /** What is sent together: all of it in a transaction that reads, a turn's statements in one that writes. */
  #exchange: Exchange | null = null;
  #isSending = false;
  /** Turns in which statements of the work were sent. */
  #turnCount = 0;
  #hasWork = false;
  /** The answer to the `commit` that went out with the first turn. */
  #committed: Promise<Answer> | null = null;
  /** Answers that are waited for, and until when. */
  #missing = 0;
  #hungTimer: ReturnType<typeof setTimeout> | undefined;
  #firstFailure: unknown;
  #savepoints = 0;
  #ended = false;

  constructor(lease: Lease, options: TransactionOptions) {
    this.#lease = lease;
    this.#options = options;
    this.#stopMetering = this.#meter();
    for (const message of openingStatements(lease.client, options)) this.#send(message);
    this.begun = Promise.all(options.first.map((message) => this.#send(message)));
    this.begun.catch(ignore);
  }

  async query<Row>(statement: Statement): Promise<StatementResult<Row>> {
    if (this.#ended) throw new GatewayError("UNAVAILABLE", "The operation has ended already");
    if (this.#firstFailure !== undefined) throw skipped(this.#firstFailure);
    if (this.#committed !== null) {
      this.#turnCount++;
      throw new MissedTurn();
    }
    this.#hasWork = true;
    const answer = this.#send(statement);
    await this.begun;
    const { rows, rowCount } = await answer;
    if (rows.length > rowsOfATurn) await nextTurn();
    if (rowCount === 0 && /^(update|delete)\s/.test(statement.text)) {
      // PostGraphile writes such a statement for one row, found by its key.
      this.#firstFailure ??= new GatewayError("NOT_FOUND", "There is no such row");
      throw this.#firstFailure;
    }
    return { rows: rows as Row[], rowCount };
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

  /** In how many turns its statements came so far. */
  get turnCount(): number {
    return this.#turnCount;
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
    let answer: Answer;
    try {
      const isCommitted = this.#committed !== null && this.#firstFailure === undefined;
      answer = await (isCommitted ? this.#committed! : this.#sendLast(command));
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
  #send(message: Message): Promise<Answer> {
    const answer = this.#add(message).catch((error: unknown) => {
      if (error instanceof SkippedStatement) throw skipped(this.#firstFailure ?? error.failure);
      this.#firstFailure ??= isFromServer(error) ? error : connectionLost(error);
      throw this.#firstFailure;
    });
    // An answer that is not waited for any more must not count as an unhandled rejection.
    answer.catch(ignore);
    if (!this.#isSending) {
      this.#isSending = true;
      nextTick(() => this.#sendNow());
    }
    return answer;
  }

  #sendLast(command: "commit" | "rollback"): Promise<Answer> {
    const answer = this.#add({ text: command, name: command });
    this.#exchange?.sync();
    return answer;
  }

  #add(message: Message): Promise<Answer> {
    if (!this.#exchange?.isOpen) this.#exchange = new Exchange(this.#lease.client);
    const { prepare } = this.#options.limits;
    return this.#untilHung(this.#exchange.add(prepare ? message : { ...message, name: undefined }));
  }

  /** Sends what a turn has asked for. */
  #sendNow(): void {
    this.#isSending = false;
    if (!this.#exchange?.isOpen) return;
    const { kind, inOneTurn } = this.#options;
    const isWork = this.#hasWork;
    this.#hasWork = false;
    if (isWork) this.#turnCount++;
    if (isWork && inOneTurn) {
      this.#committed = this.#sendLast("commit");
      this.#committed.catch(ignore);
    } else if (kind === "read") this.#exchange.flush();
    else this.#exchange.sync();
  }

  #giveBack(broken: boolean): void {
    this.#stopMetering();
    this.#lease.release(broken);
  }

  /** Counts what arrives, whatever becomes of it, and closes the connection when that is too much. */
  #meter(): () => void {
    const { kind, meter, limits } = this.#options;
    const maxBytes = kind === "read" ? limits.maxQueryBytes : limits.maxResultBytes;
    const { stream } = connectionOf(this.#lease.client);
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
  async #untilHung(answer: Promise<Answer>): Promise<Answer> {
    if (this.#missing++ === 0) {
      this.#hungTimer = setTimeout(() => {
        this.#firstFailure ??= new ConnectionLost(new Error("The database hangs"), true);
        connectionOf(this.#lease.client).stream.destroy();
      }, this.#options.limits.statementTimeoutMs + hungServerMs);
    }
    try {
      return await answer;
    } finally {
      if (--this.#missing === 0) clearTimeout(this.#hungTimer);
    }
  }
}

/** What a statement fails with that was not run: of a lost connection, that it was lost. */
function skipped(failure: unknown): unknown {
  return isFromServer(failure) ? new SkippedStatement(failure) : failure;
}

/** Connections that have the limits of what reads, until they are closed. */
const limited = new WeakSet<PoolClient>();

/**
 * The beginning of a transaction, with its limits: those of what reads are settings of the connection,
 * unless it is shared with others, by a pooler.
 */
function openingStatements(client: PoolClient, options: TransactionOptions): Message[] {
  const { kind, limits: { statementTimeoutMs, prepare } } = options;
  const isRead = kind === "read";
  const lockTimeoutMs = Math.ceil(statementTimeoutMs * lockTimeoutPart);
  const setLimits = (isLocal: boolean) =>
    `select pg_catalog.set_config('statement_timeout', '${statementTimeoutMs}', ${isLocal}), ` +
    `pg_catalog.set_config('lock_timeout', '${lockTimeoutMs}', ${isLocal}), ` +
    "pg_catalog.set_config('idle_in_transaction_session_timeout', " +
    `'${idleTransactionTimeoutMs}', ${isLocal})`;
  const begin = isRead ? "begin isolation level repeatable read, read only" : "begin";
  const opening: Message[] = [{ text: begin, name: `begin ${kind}` }];
  if (!prepare) opening.push({ text: setLimits(true) });
  else if (!limited.has(client)) {
    const exchange = new Exchange(client);
    exchange.add({ text: setLimits(false) }).then(() => limited.add(client), ignore);
    exchange.sync();
  }
  if (!isRead) {
    const text = `select pg_catalog.set_config('lock_timeout', '${statementTimeoutMs}', true)`;
    opening.push({ text, name: "limit write" });
  }
  return opening;
}

function ignore(): void {}
