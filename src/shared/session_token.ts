import { importJWK, SignJWT } from "jose";
import type { JwtKey } from "./parse_jwt_keys.ts";

/** What every session token has, and the gateway requires of it (RFC 7519). */
export const sessionTokenClaims = { issuer: "curestry", audience: "curestry", typ: "JWT" } as const;

/** What a token says of its session, which is a row of core.sessions. */
export interface SessionClaims {
  userId: number;
  jwtId: string;
  expiresAt: Date;
}

/**
 * Signs a session token: a JWT by Ed25519, with the claims that the gateway requires.
 *
 * @param key has its private part
 */
export async function signSessionToken(key: JwtKey, claims: SessionClaims): Promise<string> {
  return await new SignJWT()
    .setProtectedHeader({ alg: "EdDSA", typ: sessionTokenClaims.typ, kid: key.kid })
    .setIssuer(sessionTokenClaims.issuer)
    .setAudience(sessionTokenClaims.audience)
    .setSubject(String(claims.userId))
    .setJti(claims.jwtId)
    .setIssuedAt()
    .setExpirationTime(claims.expiresAt)
    .sign(await importJWK({ ...key }, "EdDSA"));
}
