import type { DatabaseError } from "pg";
import { type ErrorCode, errorCodeOf } from "../../shared/error_codes.ts";
import type { ConstraintRule } from "../../database/constraint_rule.ts";
import { apiName } from "../api_name.ts";
import { refused } from "../gateway_error.ts";

/** What a client may know of a failure. */
export interface Explanation {
  code: ErrorCode;
  message: string;
  field?: string | undefined;
  constraint?: string | undefined;
}

/** Messages that take the place of PostgreSQL's, which name tables or say nothing to a client. */
const messagesByState: Readonly<Record<string, string>> = {
  // Unknown, expired, revoked: the same words.
  CU001: refused().message,
  "40001": "Another change came in between; try again",
  "40P01": "Another change came in between; try again",
  "42501": "The credential does not permit this",
  "57014": "The database took too long to answer; ask for less, or try again",
};

/**
 * Explains an error of PostgreSQL to a client.
 *
 * @param ruleOf answers what the constraint that was broken means, or null
 * @returns null for an internal error, of which clients are told nothing
 */
export async function explainSql(
  error: DatabaseError,
  ruleOf: (error: DatabaseError) => Promise<ConstraintRule | null>,
): Promise<Explanation | null> {
  const state = error.code ?? "";
  const code = errorCodeOf(state);
  if (code === undefined) return null;
  const constraint = error.constraint || undefined;
  if (state === "23503" && /^update or delete|still referenced/.test(error.message)) {
    // The constraint's sentence is about the other side: the rows that refer.
    const message = `Rows of ${apiName(error.table ?? "another table")} refer to this one`;
    return { code, message, constraint };
  }
  if (state.startsWith("23")) {
    const rule = await ruleOf(error);
    const field = error.column ? apiName(error.column) : rule?.field ?? undefined;
    return { code, message: rule?.message || brokenRule(error, field), field, constraint };
  }
  const field = error.column ? apiName(error.column) : undefined;
  if (code === "UNAVAILABLE" && !state.startsWith("CU")) {
    return { code, message: messagesByState[state] ?? "The database is not available; try again" };
  }
  return { code, message: messagesByState[state] ?? error.message, field, constraint };
}

/** A sentence for a constraint without a comment. */
function brokenRule(error: DatabaseError, field: string | undefined): string {
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
