import { Buffer } from "node:buffer";
import pg, { type PoolClient } from "pg";
import { serialize } from "pg-protocol";
import { isFromServer, SkippedStatement } from "./connection_failures.ts";
import { connectionOf } from "./pool.ts";

/** A statement to be sent. */
export interface Message {
  text: string;
  values?: readonly unknown[] | undefined;
  /** Prepares it under this name, once for each connection, as long as there is room. */
  name?: string | undefined;
  /** Rows as arrays, not as objects. */
  arrayMode?: boolean | undefined;
}

/** The answer to a statement. */
export interface Answer {
  /** "SELECT", "UPDATE", …; the answer to "commit" in a failed transaction is "ROLLBACK". */
  command: string;
  rowCount: number | null;
  rows: unknown[];
}

/** A column of a result. */
interface Column {
  name: string;
  parse(text: string): unknown;
}

/** An answer that is waited for. */
interface Expected {
  /** The name that it is prepared under, "" if it is not. */
  statement: string;
  isArrayMode: boolean;
  columns: readonly Column[];
  rows: unknown[];
  resolve(answer: Answer): void;
  reject(error: unknown): void;
}

/** What PostgreSQL tells about a column of a result, as pg-protocol reads it. */
interface Field {
  name: string;
  dataTypeID: number;
}

/** How pg writes a value; its types do not have it. */
const { prepareValue } =
  (pg as unknown as { utils: { prepareValue(value: unknown): unknown } }).utils;
/** Prepared statements per connection; whatever comes after these is sent unprepared. */
const maxPreparedPerConnection = 200;
const preparedOf = new WeakMap<PoolClient, PreparedStatements>();

/**
 * Statements sent to PostgreSQL in one piece, and their answers, which come in one piece, too. pg alone
 * writes each statement by itself, and lets the server answer each by itself: these writes were half of the
 * gateway's time.
 *
 * Until `sync`, the server keeps to the extended query protocol's rule that nothing behind a failed
 * statement runs (https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-PIPELINING).
 * It is a `pg.Query`, since pg's client accepts nothing else on a pipelined connection.
 */
export class Exchange extends pg.Query {
  readonly #stream: { write(bytes: Uint8Array): void };
  readonly #prepared: PreparedStatements;
  /** Messages that are not written yet. */
  #unsent: { message: Message; expected: Expected }[] = [];
  #expected: Expected[] = [];
  #isSynced = false;
  #failure: { error: unknown } | null = null;

  /** @param client of a pool with `pipeline: true`, with no other statement under way */
  constructor(client: PoolClient) {
    super("");
    this.#stream = connectionOf(client).stream;
    let prepared = preparedOf.get(client);
    if (prepared === undefined) {
      preparedOf.set(client, prepared = new PreparedStatements(connectionOf(client)));
    }
    this.#prepared = prepared;
    client.query(this);
  }

  /** Whether another statement can be added. */
  get isOpen(): boolean {
    return !this.#isSynced && this.#failure === null;
  }

  /**
   * Adds a statement; it is sent by `flush` or `sync`. The answer fails with what the server says of it, or
   * with SkippedStatement when one before it has failed.
   */
  add(message: Message): Promise<Answer> {
    if (this.#failure !== null) return Promise.reject(new SkippedStatement(this.#failure.error));
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const isArrayMode = message.arrayMode === true;
    const expected = { statement: "", isArrayMode, columns: [], rows: [], resolve, reject };
    this.#unsent.push({ message, expected });
    this.#expected.push(expected);
    return promise;
  }

  /** Sends what was added, and asks for the answers; more can be added. */
  flush(): void {
    this.#write(serialize.flush());
  }

  /** Sends what was added, and ends the exchange: afterwards the connection is free for the next. */
  sync(): void {
    this.#isSynced = true;
    this.#write(serialize.sync());
  }

  #write(end: Uint8Array): void {
    const unsent = this.#unsent;
    this.#unsent = [];
    if (this.#failure !== null) return;
    const parts: Uint8Array[] = [];
    try {
      for (const { message, expected } of unsent) this.#serialize(message, expected, parts);
    } catch (error) {
      // A value that cannot be sent
      return this.handleError(error);
    }
    parts.push(end);
    // One buffer: for many, Deno takes twice the time
    this.#stream.write(Buffer.concat(parts));
  }

  #serialize({ name, text, values }: Message, expected: Expected, parts: Uint8Array[]): void {
    const statement = expected.statement = this.#prepared.choose(name);
    if (!this.#prepared.has(statement)) {
      parts.push(serialize.parse({ name: statement, text }));
      this.#prepared.parsing(statement);
    }
    const bound = values === undefined ? [] : [...values];
    parts.push(serialize.bind({ statement, values: bound, valueMapper: prepareValue }));
    const columns = this.#prepared.columnsOf(statement);
    if (columns === undefined) parts.push(serialize.describe({ type: "P" }));
    else expected.columns = columns;
    parts.push(serialize.execute());
  }

  // What pg's client calls

  override submit = (): null => null;

  handleRowDescription({ fields }: { fields: Field[] }): void {
    const [expected] = this.#expected;
    if (expected === undefined) return;
    expected.columns = fields.map(({ name, dataTypeID }) => ({
      name,
      parse: pg.types.getTypeParser(dataTypeID, "text"),
    }));
  }

  handleDataRow({ fields: texts }: { fields: (string | null)[] }): void {
    const [expected] = this.#expected;
    if (expected === undefined) return;
    const { columns, isArrayMode, rows } = expected;
    const read = (text: string | null, n: number) => text === null ? null : columns[n]!.parse(text);
    rows.push(
      isArrayMode
        ? texts.map(read)
        : Object.fromEntries(texts.map((text, n) => [columns[n]!.name, read(text, n)])),
    );
  }

  handleCommandComplete({ text }: { text: string }): void {
    const expected = this.#expected.shift();
    if (expected === undefined) return;
    const { statement, columns, rows } = expected;
    this.#prepared.described(statement, columns);
    const [command = "", ...counts] = text.split(" ");
    const count = counts.at(-1);
    expected.resolve({ command, rows, rowCount: count === undefined ? null : Number(count) });
  }

  handleEmptyQuery(): void {
    this.handleCommandComplete({ text: "" });
  }

  handlePortalSuspended(): void {}

  handleReadyForQuery(): void {}

  handleError(error: unknown): void {
    this.#failure ??= { error };
    this.#prepared.forgetParsing();
    // The server passes over everything up to a Sync
    if (!this.#isSynced) {
      this.#isSynced = true;
      this.#stream.write(serialize.sync());
    }
    const [failed, ...skipped] = this.#expected;
    this.#expected = [];
    failed?.reject(error);
    for (const { reject } of skipped) {
      reject(isFromServer(error) ? new SkippedStatement(error) : error);
    }
  }
}

/** The statements that are prepared on a connection, and the columns of their results. */
class PreparedStatements {
  readonly #known = new Set<string>();
  readonly #columns = new Map<string, readonly Column[]>();
  /** Those whose Parse was sent, and not answered yet, "" for one without a name. */
  #parsing: string[] = [];

  constructor(connection: pg.Connection) {
    connection.on("parseComplete", () => {
      const name = this.#parsing.shift();
      if (name !== undefined && name !== "") this.#known.add(name);
    });
  }

  /** @returns the name that a statement is sent under, "" if there is no room for another one */
  choose(name = ""): string {
    if (this.has(name)) return name;
    return this.#known.size + this.#parsing.length < maxPreparedPerConnection ? name : "";
  }

  has(name: string): boolean {
    return name !== "" && (this.#known.has(name) || this.#parsing.includes(name));
  }

  parsing(name: string): void {
    this.#parsing.push(name);
  }

  /** After a failure: what was not answered yet is not prepared. */
  forgetParsing(): void {
    this.#parsing = [];
  }

  /** What a prepared statement answers; the server refuses to run it when that has changed. */
  columnsOf(statement: string): readonly Column[] | undefined {
    return this.#columns.get(statement);
  }

  described(statement: string, columns: readonly Column[]): void {
    if (statement !== "") this.#columns.set(statement, columns);
  }
}
