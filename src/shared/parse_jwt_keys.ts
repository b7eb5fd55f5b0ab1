import { createPrivateKey, createPublicKey } from "node:crypto";

/** One Ed25519 key of a JWKS (RFC 7517, RFC 8037). Without `d` it verifies only. */
export interface JwtKey {
  kty: "OKP";
  crv: "Ed25519";
  kid: string;
  x: string;
  d?: string;
}

/**
 * Checks the text of a JWKS: Ed25519 keys, each with its own `kid`, the first one private.
 *
 * @param text JSON as in RFC 7517, section 5: `{"keys": [{"kty": "OKP", "crv": "Ed25519", …}]}`
 * @throws {TypeError} saying which key is wrong and why, without repeating any of it
 */
export function parseJwtKeys(text: string): JwtKey[] {
  let set: unknown;
  try {
    set = JSON.parse(text);
  } catch {
    throw new TypeError(`Is not JSON; give a JWKS: {"keys": [...]}`);
  }
  const keys = (set as { keys?: unknown } | null)?.keys;
  if (!Array.isArray(keys) || keys.length === 0) {
    throw new TypeError(`Has no keys; give a JWKS with at least one: {"keys": [...]}`);
  }
  const seen = new Set<string>();
  return keys.map((key: Partial<Record<string, unknown>> | null, index) => {
    const which = `Key ${index + 1}`;
    const { kty, crv, kid, x, d } = key ?? {};
    if (kty !== "OKP" || crv !== "Ed25519") {
      throw new TypeError(`${which} is not an Ed25519 key (kty "OKP", crv "Ed25519")`);
    }
    if (typeof kid !== "string" || kid === "") throw new TypeError(`${which} has no kid`);
    if (seen.has(kid)) throw new TypeError(`${which} has the kid of another one, ${kid}`);
    seen.add(kid);
    if (index === 0 && d === undefined) {
      throw new TypeError(`${which} has no private part (d), but the first one signs`);
    }
    if (typeof x !== "string" || (d !== undefined && typeof d !== "string")) {
      throw new TypeError(`${which} has no public part (x), or a part that is not text`);
    }
    const checked: JwtKey = { kty, crv, kid, x, ...(d === undefined ? {} : { d }) };
    if (!isValidKey(checked)) {
      throw new TypeError(`${which} has parts that are not a pair of 32 bytes in base64url`);
    }
    return checked;
  });
}

/** Whether the public part is a key, and the private part, if there is one, belongs to it. */
function isValidKey(key: JwtKey): boolean {
  try {
    if (key.d === undefined) {
      createPublicKey({ key: { ...key }, format: "jwk" });
      return Buffer.from(key.x, "base64url").length === 32;
    }
    const publicPart = createPublicKey(createPrivateKey({ key: { ...key }, format: "jwk" }));
    return publicPart.export({ format: "jwk" }).x === key.x;
  } catch {
    return false;
  }
}
