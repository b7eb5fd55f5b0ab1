import type { Credential } from "../credentials/read_credential.ts";
import type { Adaptor, Caller, Rights } from "../database/adaptor.ts";
import { readOrganization } from "./read_organization.ts";

/** Headers of a request, names in small letters. */
export type RequestHeaders = Readonly<Record<string, string>>;

/** `X-API-Key` is another way to send a key; `Authorization` goes before it. */
export function credentialOf(headers: RequestHeaders): string | null {
  const key = headers["x-api-key"];
  return headers.authorization ?? (key === undefined ? null : `Bearer ${key}`);
}

/**
 * What the database is told about a request.
 *
 * @throws GatewayError with code FORBIDDEN
 */
export function callerOf(
  credential: Credential,
  headers: RequestHeaders,
  requestId: string,
): Caller {
  return {
    role: credential.kind === "none" ? "curestry_anonymous" : "curestry_member",
    jwtId: credential.kind === "session" ? credential.jwtId : null,
    keyHash: credential.kind === "key" ? credential.hash : null,
    organization: readOrganization(headers["x-curestry-organization"]),
    requestId,
  };
}

/**
 * Asks the database whether a caller's credential holds, and what it may do, before anything else is asked.
 *
 * @param work what the request does, see `workOf`
 * @throws the database's refusal (SQLSTATE CU001, CU002), or UNAVAILABLE
 */
export async function verifyCaller(
  adaptor: Adaptor,
  caller: Caller,
  work: string,
): Promise<Rights> {
  const database = adaptor.openRequest(caller, work);
  try {
    return await database.verify();
  } finally {
    database.finish();
  }
}
