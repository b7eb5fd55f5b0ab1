import "./graphile_env.ts";
import pg from "pg";
import type { Pool } from "pg";
import type { Logger } from "pino";
import { isSafeError } from "postgraphile/grafast";
import { GraphQLError } from "postgraphile/graphql";
import { refused } from "./credentials.ts";
import { makeExpiringCache } from "./expiring_cache.ts";
import { type ErrorCode, GatewayError } from "./gateway_error.ts";

/** An entry of `errors` in an answer. */
export interface ClientError {
  message: string;
  locations?: readonly { line: number; column: number }[];
  path?: readonly (string | number)[];
  extensions: ClientErrorExtensions;
}

/** What programs read of an error. */
export interface ClientErrorExtensions {
  code: ErrorCode;
  /** The input field at fault, in camel case. */
  field?: string;
  /** The database's constraint that was broken. */
  constraint?: string;
  /** Of an internal error: where to look in the log. */
  requestId?: string;
}

/** Turns whatever went wrong into what a client may know. */
export interface ErrorMapper {
  toClientError(error: unknown, requestId: string): Promise<ClientError>;
}

interface Known {
  code: ErrorCode;
  message: string;
  field?: string | undefined;
  constraint?: string | undefined;
}

/** SQLSTATEs and classes of them; the longest match counts. */
const codes: Readonly<Record<string, ErrorCode>> = {
  CU001: "UNAUTHENTICATED",
  CU002: "FORBIDDEN",
  CU003: "NOT_FOUND",
  CU004: "INVALID",
  CU005: "CONFLICT",
  CU006: "LIMIT",
  CU007: "UNAVAILABLE",
  // Data exceptions: a value that its type does not take.
  "22": "INVALID",
  "23502": "INVALID",
  "23514": "INVALID",
  "23503": "CONFLICT",
  "23505": "CONFLICT",
  "23P01": "CONFLICT",
  "40001": "CONFLICT",
  "40P01": "CONFLICT",
  "42501": "FORBIDDEN",
  // Connection lost, no connection left, statement timed out, shutting down, lock not available.
  "08": "UNAVAILABLE",
  "53": "UNAVAILABLE",
  "55P03": "UNAVAILABLE",
  "57014": "UNAVAILABLE",
  "57P": "UNAVAILABLE",
};

/** Messages that take the place of PostgreSQL's, which name tables or say nothing to a client. */
const messages: Readonly<Record<string, string>> = {
  // Unknown, expired, revoked: the same words.
  CU001: refused().message,
  "40001": "Another change came in between; try again",
  "40P01": "Another change came in between; try again",
  "42501": "The credential does not permit this",
  "57014": "The database took too long to answer; ask for less, or try again",
};

const keptConstraints = 2_000;

/**
 * Makes the one place where a failure becomes an answer. Our own SQLSTATEs keep their message,
 * broken constraints get the sentence that is the constraint's comment in the database, refused
 * documents say why; everything else is "internal error" with the request's id, and in the log.
 *
 * @param pool where constraints are looked up
 */
export function makeErrorMapper(pool: Pool, log: Logger): ErrorMapper {
  const sentences = makeExpiringCache<string>(keptConstraints);
  /** One failure can be the end of several fields; it is logged once. */
  const logged = new WeakSet<object>();

  /** The comment of a constraint, or "" when it has none or cannot be read now. */
  async function sentenceOf(error: pg.DatabaseError): Promise<string> {
    const { schema, table, constraint } = error;
    if (!schema || !table || !constraint) return "";
    const key = `${schema}.${table}.${constraint}`;
    const known = sentences.get(key);
    if (known !== undefined) return known;
    try {
      const { rows } = await pool.query<{ sentence: string | null }>(
        "select app.constraint_message($1, $2, $3) as sentence",
        [schema, table, constraint],
      );
      const sentence = rows[0]?.sentence ?? "";
      sentences.set(key, sentence);
      return sentence;
    } catch (failure) {
      log.warn({ err: failure, constraint: key }, "The comment of a constraint could not be read");
      return "";
    }
  }

  async function explain(cause: unknown, graphqlError: GraphQLError | null): Promise<Known | null> {
    if (cause instanceof GatewayError) return { code: cause.code, message: cause.message };
    if (cause instanceof pg.DatabaseError) return await explainSql(cause, sentenceOf);
    if (cause instanceof Error && isSafeError(cause)) {
      const timedOut = /took too long|timeout/i.test(cause.message);
      return { code: timedOut ? "UNAVAILABLE" : "INVALID", message: cause.message };
    }
    // graphql-js made it itself. Without a path it refuses the document or its variables; with one
    // it says that a field which cannot be null was: our failure.
    if (cause instanceof GraphQLError && graphqlError?.path === undefined) {
      const code = cause.extensions["code"] === "LIMIT" ? "LIMIT" : "INVALID";
      return { code, message: cause.message };
    }
    return null;
  }

  return {
    async toClientError(error, requestId) {
      const graphqlError = error instanceof GraphQLError ? error : null;
      const cause = rootCause(error);
      const known = await explain(cause, graphqlError);
      const answer: ClientError = {
        message: known?.message ?? "internal error",
        extensions: { code: known?.code ?? "INTERNAL" },
      };
      if (graphqlError?.locations) answer.locations = graphqlError.locations;
      if (graphqlError?.path) answer.path = graphqlError.path;
      if (known?.field !== undefined) answer.extensions.field = known.field;
      if (known?.constraint !== undefined) answer.extensions.constraint = known.constraint;
      if (known === null) answer.extensions.requestId = requestId;
      if (typeof cause === "object" && cause !== null) {
        if (logged.has(cause)) return answer;
        logged.add(cause);
      }
      const where = { requestId, path: graphqlError?.path, err: cause };
      if (known === null) log.error(where, "Internal error");
      else if (known.code === "UNAVAILABLE") log.warn(where, "Unavailable");
      return answer;
    },
  };
}

async function explainSql(
  error: pg.DatabaseError,
  sentenceOf: (error: pg.DatabaseError) => Promise<string>,
): Promise<Known | null> {
  const state = error.code ?? "";
  const code = codes[state] ?? codes[state.slice(0, 3)] ?? codes[state.slice(0, 2)];
  if (code === undefined) return null;
  const constraint = error.constraint || undefined;
  if (state === "23503" && /^update or delete|still referenced/.test(error.message)) {
    // The constraint's sentence is about the other side: the rows that refer.
    const message = `Rows of ${camelCase(error.table ?? "another table")} refer to this one`;
    return { code, message, constraint };
  }
  const field = fieldOf(error);
  if (state.startsWith("23")) {
    const sentence = await sentenceOf(error);
    return { code, message: sentence || brokenRule(error, field), field, constraint };
  }
  if (code === "UNAVAILABLE" && !state.startsWith("CU")) {
    return { code, message: messages[state] ?? "The database is not available; try again" };
  }
  return { code, message: messages[state] ?? error.message, field, constraint };
}

/** A sentence for a constraint without a comment. */
function brokenRule(error: pg.DatabaseError, field: string | undefined): string {
  const name = field ?? error.constraint;
  switch (error.code) {
    case "23502":
      return `${name} must not be null`;
    case "23503":
      return `${name} refers to a row that does not exist`;
    case "23505":
      return `There is a row with this ${name} already`;
    case "23P01":
      return `There is a row in conflict with this one already (${error.constraint})`;
    default:
      return `${name} breaks the rule ${error.constraint}`;
  }
}

/**
 * The field at fault: the column which the error names; or the last of the key's columns that its
 * detail names; or what the constraint's name says, by the convention {chk|unq|fk}_{table}_{column}.
 */
function fieldOf(error: pg.DatabaseError): string | undefined {
  if (error.column) return camelCase(error.column);
  const key = /\(([\w, "]+)\)=\(/.exec(error.detail ?? "")?.[1];
  const columns = key?.split(", ").filter((column) => column !== "organization_id");
  if (columns?.length === 1 && columns[0] !== undefined) return camelCase(columns[0]);
  const prefix = new RegExp(`^(chk|unq|fk)_${error.table}_(\\w+)$`);
  const column = prefix.exec(error.constraint ?? "")?.[2];
  return column === undefined ? undefined : camelCase(column.replace(/^organization_id_/, ""));
}

function camelCase(column: string): string {
  return column.replace(/_+([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

/** Unwraps the errors that graphql-js and Grafast put around the first one. */
function rootCause(error: unknown): unknown {
  let cause = error;
  while (cause instanceof GraphQLError && cause.originalError) cause = cause.originalError;
  return cause;
}
