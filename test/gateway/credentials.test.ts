import { createHash, createHmac, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { describe, expect, test, vi } from "vitest";
import { makeReadCredential } from "../../src/gateway/credentials/read_credential.ts";
import { withTestDatabase } from "../helpers/database.ts";
import { startGateway } from "../helpers/gateway.ts";
import { graphql } from "../helpers/graphql.ts";
import { makeKey, makeOrganization } from "../helpers/make.ts";

const ours = generateKeyPairSync("ed25519");
const foreign = generateKeyPairSync("ed25519");
const jwk = { ...ours.publicKey.export({ format: "jwk" }), kid: "k1" };

/** Signs a token by hand, so that anything can be wrong with it. */
function makeToken(
  change: {
    header?: Record<string, unknown>;
    claims?: Record<string, unknown>;
    key?: KeyObject;
  } = {},
): string {
  const now = Math.floor(Date.now() / 1000);
  const header = { alg: "EdDSA", typ: "JWT", kid: "k1", ...change.header };
  const claims = {
    iss: "curestry",
    aud: "curestry",
    sub: "1",
    jti: "session",
    iat: now,
    exp: now + 60,
    ...change.claims,
  };
  const parts = [header, claims].map((part) =>
    Buffer.from(JSON.stringify(part)).toString("base64url")
  );
  const signature = sign(null, Buffer.from(parts.join(".")), change.key ?? ours.privateKey);
  return [...parts, signature.toString("base64url")].join(".");
}

/** A key of the right form, which no database knows. */
function makeUnknownKey(): string {
  const body = `cur_${"0".repeat(31)}1_${"a".repeat(64)}`;
  return body + createHash("sha256").update(body).digest("hex").slice(0, 8);
}

function encode(part: unknown): string {
  return Buffer.from(JSON.stringify(part)).toString("base64url");
}

describe("what is wrong on its face is refused without the database", async () => {
  const readCredential = await makeReadCredential([jwk]);
  const good = makeToken();
  const [header, claims, signature] = good.split(".");
  const key = makeUnknownKey();
  const now = Math.floor(Date.now() / 1000);

  test.each([
    ["a session token", `Bearer ${good}`, { kind: "session", jwtId: "session" }],
    ["the same token again, which is remembered", `Bearer ${good}`, {
      kind: "session",
      jwtId: "session",
    }],
    ["the scheme in small letters", `bearer ${good}`, { kind: "session", jwtId: "session" }],
    ["an API key", `Bearer ${key}`, {
      kind: "key",
      keyId: `${"0".repeat(31)}1`,
      hash: createHash("sha256").update(key).digest("hex"),
    }],
    ["no header", null, { kind: "none" }],
  ])("accepted: %s", async (_name, authorization, expected) => {
    expect(await readCredential(authorization)).toEqual(expected);
  });

  test.each([
    ["an empty header", ""],
    ["no token", "Bearer"],
    ["no token but a space", "Bearer "],
    ["another scheme", `Basic ${good}`],
    ["two tokens", `Bearer ${good} ${good}`],
    ["two headers", `Bearer ${good}, Bearer ${good}`],
    ["something very long", `Bearer ${"a".repeat(100_000)}`],
    ["a key with a wrong checksum", `Bearer ${key.slice(0, -1)}${key.endsWith("0") ? "1" : "0"}`],
    ["a key in capitals", `Bearer ${key.toUpperCase()}`],
    ["a key that is cut", `Bearer ${key.slice(0, -8)}`],
    ["a key with more behind it", `Bearer ${key}0`],
    ["no algorithm", `Bearer ${encode({ alg: "none", typ: "JWT", kid: "k1" })}.${claims}.`],
    ["no algorithm, spelled otherwise", `Bearer ${encode({ alg: "None", kid: "k1" })}.${claims}.`],
    ["HMAC with the public key as secret", `Bearer ${makeHmacToken(claims ?? "")}`],
    ["a foreign key with our kid", `Bearer ${makeToken({ key: foreign.privateKey })}`],
    [
      "a foreign key in the token's own header",
      `Bearer ${
        makeToken({
          key: foreign.privateKey,
          header: { jwk: foreign.publicKey.export({ format: "jwk" }) },
        })
      }`,
    ],
    ["an unknown kid", `Bearer ${makeToken({ header: { kid: "k2" } })}`],
    ["no kid", `Bearer ${makeToken({ header: { kid: undefined } })}`],
    ["a kid that is a path", `Bearer ${makeToken({ header: { kid: "../../dev/null" } })}`],
    ["a kid that is a property", `Bearer ${makeToken({ header: { kid: "__proto__" } })}`],
    ["an extension that must be understood", `Bearer ${makeToken({ header: { crit: ["x"] } })}`],
    ["another type", `Bearer ${makeToken({ header: { typ: "at+jwt" } })}`],
    ["no type", `Bearer ${makeToken({ header: { typ: undefined } })}`],
    ["expired", `Bearer ${makeToken({ claims: { exp: now - 1 } })}`],
    ["no expiry", `Bearer ${makeToken({ claims: { exp: undefined } })}`],
    ["an expiry that is text", `Bearer ${makeToken({ claims: { exp: "never" } })}`],
    ["not yet valid", `Bearer ${makeToken({ claims: { nbf: now + 3600 } })}`],
    ["another issuer", `Bearer ${makeToken({ claims: { iss: "evil" } })}`],
    ["no issuer", `Bearer ${makeToken({ claims: { iss: undefined } })}`],
    ["another audience", `Bearer ${makeToken({ claims: { aud: "other" } })}`],
    ["no audience", `Bearer ${makeToken({ claims: { aud: undefined } })}`],
    ["no session", `Bearer ${makeToken({ claims: { jti: undefined } })}`],
    ["an empty session", `Bearer ${makeToken({ claims: { jti: "" } })}`],
    ["no user", `Bearer ${makeToken({ claims: { sub: undefined } })}`],
    ["no time of issue", `Bearer ${makeToken({ claims: { iat: undefined } })}`],
    ["other claims under the signature", `Bearer ${header}.${encode({ jti: "x" })}.${signature}`],
    ["a signature that is cut", `Bearer ${good.slice(0, -4)}`],
    ["two parts", `Bearer ${header}.${claims}`],
  ])("refused: %s", async (_name, authorization) => {
    await expect(readCredential(authorization)).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
  });

  function makeHmacToken(claims: string): string {
    const start = `${encode({ alg: "HS256", typ: "JWT", kid: "k1" })}.${claims}`;
    return `${start}.${createHmac("sha256", String(jwk.x)).update(start).digest("base64url")}`;
  }
});

test("a token that is remembered expires all the same", async () => {
  const readCredential = await makeReadCredential([jwk]);
  const token = `Bearer ${makeToken({ claims: { exp: Math.floor(Date.now() / 1000) + 3_600 } })}`;
  expect(await readCredential(token)).toMatchObject({ kind: "session" });
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 3_601_000 });
  try {
    await expect(readCredential(token)).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
  } finally {
    vi.useRealTimers();
  }
});

test("a shared secret is no key for tokens", async () => {
  await expect(makeReadCredential([{ kty: "oct", k: "c2VjcmV0", kid: "k" }])).rejects
    .toThrow("make an Ed25519 key");
});

describe("over HTTP", () => {
  const database = withTestDatabase();
  const query = "{ viewer { organizationSlug userId } }";

  test("unknown, expired and revoked credentials are one and the same 401", async () => {
    const gateway = await startGateway(database, { jwtKeys: [jwk] });
    try {
      const acme = await makeOrganization(database, { slug: "acme" });
      const revoked = await makeKey(database, acme, ["prompts:read"]);
      const expired = await makeKey(database, acme, ["prompts:read"]);
      const [session] = await database.query<{ jwt_id: string }>(
        "select jwt_id from app.session_open($1, '1 hour')",
        [acme.ownerEmail],
      );
      const token = makeToken({ claims: { jti: session?.jwt_id } });
      const accepted = await graphql(gateway.url, { query, token, organization: "acme" });
      expect(accepted.data).toEqual({
        viewer: { organizationSlug: "acme", userId: acme.ownerUserId },
      });
      for (const key of [revoked, expired]) {
        expect((await graphql(gateway.url, { query, key })).status).toBe(200);
      }

      await database.query(
        `update ops.api_key set is_revoked = true, revoked_at = now() where key_hash = $1`,
        [createHash("sha256").update(revoked).digest("hex")],
      );
      await database.query(
        `update ops.api_key set expires_at = now() where key_hash = $1`,
        [createHash("sha256").update(expired).digest("hex")],
      );
      await database.query("update core.sessions set revoked_at = now() where jwt_id = $1", [
        session?.jwt_id,
      ]);

      const answers = await Promise.all(
        [revoked, expired, token, makeUnknownKey(), makeToken(), "nonsense"].map((credential) =>
          fetch(`${gateway.url}/graphql`, {
            method: "POST",
            headers: {
              "content-type": "application/json",
              authorization: `Bearer ${credential}`,
            },
            body: JSON.stringify({ query }),
          })
        ),
      );
      const bodies = await Promise.all(answers.map((answer) => answer.text()));
      expect(answers.map((answer) => answer.status)).toEqual(answers.map(() => 401));
      expect(answers.map((answer) => answer.headers.get("www-authenticate")))
        .toEqual(answers.map(() => "Bearer"));
      expect(new Set(bodies).size).toBe(1);
      expect(JSON.parse(bodies[0] ?? "")).toEqual({
        errors: [{
          message: expect.stringContaining("was refused"),
          extensions: { code: "UNAUTHENTICATED" },
        }],
      });
    } finally {
      await gateway.stop();
    }
  });

  test("a refused credential learns nothing of the schema, whatever it asks", async () => {
    const gateway = await startGateway(database);
    try {
      for (const document of ["{ nonsense }", "{", "{ promps { totalCount } }"]) {
        const { status, errors } = await graphql(gateway.url, {
          query: document,
          key: makeUnknownKey(),
        });
        expect([status, errors?.[0]?.extensions?.code]).toEqual([401, "UNAUTHENTICATED"]);
      }
    } finally {
      await gateway.stop();
    }
  });

  test("an organization that is not one's own is a 403", async () => {
    const gateway = await startGateway(database);
    try {
      const one = await makeOrganization(database);
      const other = await makeOrganization(database);
      const key = await makeKey(database, one, ["prompts:read"]);
      for (const organization of [other.slug, "no-such", "x".repeat(1_000)]) {
        const { status, errors } = await graphql(gateway.url, { query, key, organization });
        expect([status, errors?.[0]?.extensions?.code]).toEqual([403, "FORBIDDEN"]);
      }
      const { data } = await graphql(gateway.url, { query, key, organization: one.slug });
      expect(data).toMatchObject({ viewer: { organizationSlug: one.slug } });
    } finally {
      await gateway.stop();
    }
  });
});
