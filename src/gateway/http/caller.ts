import type { Credential } from "../credentials/read_credential.ts";
import type { Caller } from "../database/adaptor.ts";
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
