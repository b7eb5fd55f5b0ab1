import { importJWK, SignJWT } from "jose";
import type { JwtKey } from "../settings.ts";

/** What a token says; the session itself is a row of core.sessions. */
export interface SessionClaims {
  userId: number;
  jwtId: string;
  expiresAt: Date;
}

/**
 * Signs a session token: a JWT (RFC 7519) with the claims that src/gateway/credentials.ts requires.
 *
 * @param key has its private part
 */
export async function signSessionToken(key: JwtKey, claims: SessionClaims): Promise<string> {
  return await new SignJWT()
    .setProtectedHeader({ alg: "EdDSA", typ: "JWT", kid: key.kid })
    .setIssuer("curestry")
    .setAudience("curestry")
    .setSubject(String(claims.userId))
    .setJti(claims.jwtId)
    .setIssuedAt()
    .setExpirationTime(claims.expiresAt)
    .sign(await importJWK({ ...key }, "EdDSA"));
}
