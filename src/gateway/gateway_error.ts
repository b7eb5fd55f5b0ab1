import type { ErrorCode } from "../shared/error_codes.ts";

/** A failure which the gateway itself found; its message is written for the client. */
export class GatewayError extends Error {
  override name = "GatewayError";

  constructor(readonly code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
  }
}

/** The same words whatever was wrong: a caller learns nothing about which credentials exist. */
export function refused(): GatewayError {
  return new GatewayError(
    "UNAUTHENTICATED",
    "The credential was refused. Send an API key or a session token that is valid, as Authorization: Bearer",
  );
}

/** `app.require` says the same. */
export function noPermission(permission: string): GatewayError {
  return new GatewayError(
    "FORBIDDEN",
    `This needs the permission ${permission}, which these credentials do not have`,
  );
}
