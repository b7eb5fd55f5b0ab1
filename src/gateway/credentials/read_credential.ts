import { createHash } from "node:crypto";
import { importJWK, type JWK, jwtVerify, type JWTVerifyGetKey } from "jose";
import { sessionTokenClaims } from "../../shared/session_token.ts";
import { makeExpiringCache } from "../expiring_cache.ts";
import { refused } from "../gateway_error.ts";

/** Who a request says it is, as far as that can be told without the database. */
export type Credential =
  | { kind: "none" }
  /** A session token whose signature and claims are right; `jwtId` names its core.sessions row. */
  | { kind: "session"; jwtId: string }
  /** An API key of the right form; `hash` is what the database stores, `keyId` may be logged. */
  | { kind: "key"; hash: string; keyId: string };

/** A credential in the log. */
export function nameCredential(credential: Credential): string {
  return credential.kind === "key" ? `key ${credential.keyId}` : credential.kind;
}

/** Reads the `Authorization` header of one request. */
export type ReadCredential = (authorization: string | null) => Promise<Credential>;

/** `cur_<32 hex key id>_<64 hex secret><8 hex checksum>`. */
const keyPattern = /^(cur_([0-9a-f]{32})_[0-9a-f]{64})([0-9a-f]{8})$/;
/** RFC 6750: one scheme, one token; a header sent twice arrives joined by a comma and does not fit. */
const bearerPattern = /^Bearer +([A-Za-z0-9\-._~+/]+=*)$/i;
const longestTokenCharacters = 8192;
const maxRememberedTokens = 10_000;

/**
 * Makes the reader of credentials. It refuses everything that is wrong on its face (another scheme,
 * a key with a bad checksum, a token that is forged, expired or not ours) without touching the
 * database; whether a credential still holds is the database's to say, in each transaction.
 *
 * Verifying a token costs 100 to 700 µs, so tokens which passed are remembered by hash until they
 * expire.
 *
 * @param jwtKeys JWKS keys, each with a `kid`; public parts suffice
 * @returns a function that throws a GatewayError with code UNAUTHENTICATED for a refused credential
 */
export async function makeReadCredential(jwtKeys: readonly JWK[]): Promise<ReadCredential> {
  const keys = new Map<string, { algorithm: string; key: Awaited<ReturnType<typeof importJWK>> }>();
  for (const jwk of jwtKeys) {
    if (jwk.kid === undefined) throw new TypeError("Give each key in CURESTRY_JWT_KEYS a kid");
    const algorithm = algorithmOf(jwk);
    keys.set(jwk.kid, { algorithm, key: await importJWK(publicPart(jwk), algorithm) });
  }
  const algorithms = [...new Set([...keys.values()].map((entry) => entry.algorithm))];
  const verified = makeExpiringCache<Credential>(maxRememberedTokens);

  const findKey: JWTVerifyGetKey = (header) => {
    const entry = header.kid === undefined ? undefined : keys.get(header.kid);
    if (entry === undefined || entry.algorithm !== header.alg) throw refused();
    return entry.key;
  };

  async function readToken(token: string): Promise<Credential> {
    const hash = sha256(token);
    const known = verified.get(hash);
    if (known !== undefined) return known;
    try {
      const { payload } = await jwtVerify(token, findKey, {
        algorithms,
        ...sessionTokenClaims,
        requiredClaims: ["jti", "sub", "iat", "exp"],
      });
      if (typeof payload.jti !== "string" || payload.jti === "" || payload.exp === undefined) {
        throw refused();
      }
      const credential: Credential = { kind: "session", jwtId: payload.jti };
      verified.set(hash, credential, payload.exp * 1000);
      return credential;
    } catch {
      throw refused();
    }
  }

  return async function readCredential(authorization) {
    if (authorization === null) return { kind: "none" };
    const token = authorization.length > longestTokenCharacters
      ? undefined
      : bearerPattern.exec(authorization)?.[1];
    if (token === undefined) throw refused();
    return token.startsWith("cur_") ? readKey(token) : await readToken(token);
  };
}

function readKey(token: string): Credential {
  const match = keyPattern.exec(token);
  const [, body, keyId, checksum] = match ?? [];
  if (body === undefined || keyId === undefined || sha256(body).slice(0, 8) !== checksum) {
    throw refused();
  }
  return { kind: "key", hash: sha256(token), keyId };
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/** The one algorithm that a key may be used with: a token does not choose. */
function algorithmOf(jwk: JWK): string {
  if (jwk.kty === "OKP" && jwk.crv === "Ed25519") return "EdDSA";
  if (jwk.kty === "EC" && jwk.crv === "P-256") return "ES256";
  if (jwk.kty === "EC" && jwk.crv === "P-384") return "ES384";
  if (jwk.kty === "RSA") return jwk.alg ?? "RS256";
  throw new TypeError(
    `A key of type ${jwk.kty} in CURESTRY_JWT_KEYS cannot be used; make an Ed25519 key`,
  );
}

function publicPart(jwk: JWK): JWK {
  const { kty, crv, x, y, n, e } = jwk;
  return Object.fromEntries(
    Object.entries({ kty, crv, x, y, n, e }).filter(([, value]) => value !== undefined),
  ) as JWK;
}
