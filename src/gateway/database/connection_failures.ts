import pg from "pg";
import { GatewayError } from "../gateway_error.ts";

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

/** A statement that was not run, because another one of its transaction had failed. */
export class SkippedStatement extends Error {
  /** @param failure why the other one failed */
  constructor(readonly failure: unknown) {
    super("Another statement of the transaction failed");
  }
}

/** SQLSTATEs after which the server closes the connection: shutdown, time-outs of the session. */
const endsConnection = /^(08|57P0|25P0[34])/;

/** Whether PostgreSQL sent this error, over a connection that goes on working. */
export function isFromServer(error: unknown): error is pg.DatabaseError {
  return error instanceof pg.DatabaseError && !endsConnection.test(error.code ?? "");
}

/** Any other failure than one that the server reports. */
export function connectionLost(error: unknown): unknown {
  return error instanceof GatewayError ? error : new ConnectionLost(error);
}

/** Whether a statement took too long, or waited too long for a lock: another time it may not. */
export function isBusy(error: unknown): boolean {
  return error instanceof pg.DatabaseError && /^(57014|55P03)$/.test(error.code ?? "");
}
