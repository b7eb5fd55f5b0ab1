import { importJWK, SignJWT } from "jose";
import type { JwtKey } from "./settings.ts";

/** What every session token says, whoever signs it, and what the gateway asks of it (RFC 7519). */
export const SESSION_TOKEN = { issuer: "curestry", audience: "curestry", typ: "JWT" } as const;

/** What a token says of its session, which is a row of core.sessions. */
export interface SessionClaims {
  userId: number;
  jwtId: string;
  expiresAt: Date;
}

/**
 * Signs a session token: a JWT by Ed25519, with the claims that src/gateway/credentials.ts requires.
 *
 * @param key has its private part
 */
export async function signSessionToken(key: JwtKey, claims: SessionClaims): Promise<string> {
  return await new SignJWT()
    .setProtectedHeader({ alg: "EdDSA", typ: SESSION_TOKEN.typ, kid: key.kid })
    .setIssuer(SESSION_TOKEN.issuer)
    .setAudience(SESSION_TOKEN.audience)
    .setSubject(String(claims.userId))
    .setJti(claims.jwtId)
    .setIssuedAt()
    .setExpirationTime(claims.expiresAt)
    .sign(await importJWK({ ...key }, "EdDSA"));
}
