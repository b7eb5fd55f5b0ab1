/** What clients find in `errors[].extensions.code`. */
export type ErrorCode =
  | "UNAUTHENTICATED"
  | "FORBIDDEN"
  | "NOT_FOUND"
  | "INVALID"
  | "CONFLICT"
  | "LIMIT"
  | "UNAVAILABLE"
  | "INTERNAL";

/** SQLSTATEs and classes of them; the longest match counts. Ours are raised by the SQL function app.refuse. */
const codesByState: Readonly<Partial<Record<string, ErrorCode>>> = {
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

/**
 * What a SQLSTATE means to a client.
 *
 * @returns undefined for what clients are not told: an internal error
 */
export function errorCodeOf(state: string): ErrorCode | undefined {
  return codesByState[state] ?? codesByState[state.slice(0, 3)] ?? codesByState[state.slice(0, 2)];
}
