/** What clients find in `errors[].extensions.code` (contract, section "Errors"). */
export type ErrorCode =
  | "UNAUTHENTICATED"
  | "FORBIDDEN"
  | "NOT_FOUND"
  | "INVALID"
  | "CONFLICT"
  | "LIMIT"
  | "UNAVAILABLE"
  | "INTERNAL";

/** A failure which the gateway itself found; its message is written for the client. */
export class GatewayError extends Error {
  override name = "GatewayError";

  constructor(readonly code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
  }
}
