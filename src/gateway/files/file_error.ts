import type { ErrorCode } from "../../shared/error_codes.ts";
import { GatewayError } from "../gateway_error.ts";

/** A request for a file that is refused before anything of it is answered. */
export class FileError extends GatewayError {
  constructor(
    readonly status: number,
    code: ErrorCode,
    message: string,
    /** Of the answer, beside the usual ones. */
    readonly headers: Readonly<Record<string, string>> = {},
  ) {
    super(code, message);
  }
}

/** A parameter of the address that is refused. */
export function badParameter(name: string, rule: string): FileError {
  return new FileError(400, "INVALID", `${name}: ${rule}`);
}

/** Nobody is there any more to be answered. */
export class ClientGone extends Error {}
