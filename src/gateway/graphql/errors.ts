import "./graphile_env.ts";
import pg from "pg";
import type { Logger } from "pino";
import { isSafeError } from "postgraphile/grafast";
import { GraphQLError } from "postgraphile/graphql";
import type { BesideQueries } from "../database/beside_queries.ts";
import { SkippedStatement } from "../database/connection_failures.ts";
import type { StorageFailures } from "../database/storage_failures.ts";
import { type ConstraintRule, readConstraintRule } from "../../database/constraint_rule.ts";
import type { ErrorCode } from "../../shared/error_codes.ts";
import { makeExpiringCache } from "../expiring_cache.ts";
import { GatewayError } from "../gateway_error.ts";
import { findLongText } from "./find_long_text.ts";
import { explainSql, type Explanation } from "./explain_sql.ts";
import { rootCause } from "./root_cause.ts";

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
  /** @param variables of the operation, to name the field whose text is too long */
  toClientError(error: unknown, requestId: string, variables?: unknown): Promise<ClientError>;
}

/** What graphql-js says of a double that JSON does not have. */
const notANumber = /cannot represent non numeric value: (NaN|-?Infinity)/;

const maxRememberedConstraints = 2_000;

/**
 * Makes the one place where a failure becomes an answer. Our own SQLSTATEs keep their message,
 * broken constraints get the sentence that is the constraint's comment in the database, refused
 * documents say why; everything else is "internal error" with the request's id, and in the log.
 *
 * @param pool where constraints are looked up
 * @param storage gets what the database's machine is to blame for
 */
export function makeErrorMapper(
  pool: BesideQueries,
  log: Logger,
  storage: StorageFailures,
): ErrorMapper {
  const rules = makeExpiringCache<ConstraintRule>(maxRememberedConstraints);
  /** One failure can be the end of several fields; it is logged once. */
  const logged = new WeakSet<object>();

  /** What a constraint means; null when it cannot be read now. */
  async function ruleOf(error: pg.DatabaseError): Promise<ConstraintRule | null> {
    const key = `${error.schema}.${error.table}.${error.constraint}`;
    const known = rules.get(key);
    if (known !== undefined) return known;
    try {
      const rule = await readConstraintRule((sql, values) => pool.query(sql, values), error);
      if (rule !== null) rules.set(key, rule);
      return rule;
    } catch (failure) {
      log.warn({ err: failure, constraint: key }, "The comment of a constraint could not be read");
      return null;
    }
  }

  async function explain(
    cause: unknown,
    graphqlError: GraphQLError | null,
  ): Promise<Explanation | null> {
    if (cause instanceof GatewayError) return { code: cause.code, message: cause.message };
    if (cause instanceof pg.DatabaseError) return await explainSql(cause, ruleOf);
    if (cause instanceof Error && isSafeError(cause)) {
      const timedOut = /took too long|timeout/i.test(cause.message);
      return { code: timedOut ? "UNAVAILABLE" : "INVALID", message: cause.message };
    }
    if (cause instanceof Error && notANumber.test(cause.message)) {
      // Rows of the old backends may hold what no rule lets in any more
      return {
        code: "INVALID",
        message: "The stored value is not a finite number (NaN or Infinity)",
      };
    }
    // graphql-js made it itself. Without a path it refuses the document or its variables; with one
    // it says that a field which cannot be null was: our failure.
    if (cause instanceof GraphQLError && graphqlError?.path === undefined) {
      const code = cause.extensions["code"] === "LIMIT" ? "LIMIT" : "INVALID";
      const field = cause.extensions["field"];
      return { code, message: cause.message, ...(typeof field === "string" ? { field } : {}) };
    }
    return null;
  }

  return {
    async toClientError(error, requestId, variables) {
      const graphqlError = error instanceof GraphQLError ? error : null;
      const cause = failureOf(error);
      if (cause instanceof pg.DatabaseError) storage.note(cause);
      const known = nameLongText(await explain(cause, graphqlError), cause, variables);
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

/** Of a text that is too long, PostgreSQL says the length and not the column. */
function nameLongText(
  known: Explanation | null,
  cause: unknown,
  variables: unknown,
): Explanation | null {
  const longest = cause instanceof pg.DatabaseError && cause.code === "22001"
    ? /\((\d+)\)/.exec(cause.message)?.[1]
    : undefined;
  if (known === null || longest === undefined) return known;
  const field = findLongText(variables, Number(longest)) ?? undefined;
  const message = `${field ?? "A text"} must be at most ${longest} characters`;
  return { ...known, message, field };
}

/** What went wrong at first: a statement that was not run has the reason of the one that failed. */
function failureOf(error: unknown): unknown {
  const cause = rootCause(error);
  return cause instanceof SkippedStatement ? cause.failure : cause;
}
