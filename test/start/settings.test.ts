import { generateKeyPairSync } from "node:crypto";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readSettings, repositoryRoot, SettingsError } from "../../src/shared/settings.ts";

/** What the settings are refused for. */
function problems(env: Record<string, string>): string[] {
  try {
    readSettings(env);
  } catch (error) {
    expect(error).toBeInstanceOf(SettingsError);
    return (error as Error).message.split("\n").map((line) => line.trim());
  }
  throw new Error("They were accepted");
}

function problem(env: Record<string, string>): string {
  const [first, second, ...others] = problems(env);
  expect([first, others]).toEqual(["A setting is wrong:", []]);
  return second ?? "";
}

function makeJwk(kid: string): Record<string, unknown> {
  return { ...generateKeyPairSync("ed25519").privateKey.export({ format: "jwk" }), kid };
}

test("without any, the settings are those that the contract names", () => {
  expect(readSettings({})).toMatchObject({
    databaseUrl: null,
    gatewayUrls: null,
    workerUrls: null,
    loginSecrets: null,
    host: "127.0.0.1",
    port: 5678,
    dataDir: join(repositoryRoot, ".curestry"),
    databasePort: 5679,
    jwtKeys: null,
    logLevel: "info",
    analystStatementLimitMs: 300_000,
    analystIdleLimitMs: 60_000,
  });
});

test("an empty variable counts as not set, and space around a value does not count", () => {
  expect(readSettings({ PORT: "", DATABASE_URL: "  " })).toEqual(readSettings({}));
  expect(readSettings({ PORT: " 80 " }).port).toBe(80);
});

test("every wrong setting is named in the one message, each with what is wrong with it", () => {
  expect(problems({
    DATABASE_URL: "mysql://me:hush@db/curestry",
    PORT: "eighty",
    HOST: "127.0.0.300",
    CURESTRY_DATABASE_PORT: "65536",
    CURESTRY_JWT_KEYS: "{}",
    CURESTRY_LOG_LEVEL: "loud",
  })).toEqual([
    "6 settings are wrong:",
    "DATABASE_URL: Does not begin with postgres:// or postgresql://; use the form postgres://USER:PASSWORD@HOST:5432/DATABASE",
    'HOST: "127.0.0.300" is neither an IP address nor a host name; try 127.0.0.1',
    'PORT: "eighty" is not a port; use a whole number from 1 to 65535, or 0 for any free one',
    'CURESTRY_DATABASE_PORT: "65536" is not a port; use a whole number from 1 to 65535, or 0 for any free one',
    'CURESTRY_JWT_KEYS: Has no keys; give a JWKS with at least one: {"keys": [...]}',
    'CURESTRY_LOG_LEVEL: "loud" is not a level; use one of trace, debug, info, warn, error, fatal, silent',
  ]);
});

describe("DATABASE_URL", () => {
  test("takes what libpq takes: no password, a socket, options", () => {
    for (
      const url of [
        "postgres://me@db",
        "postgresql://me:a%2Fb@db:5433/curestry?sslmode=require",
        "postgres:///curestry?host=/run/postgresql&user=me",
        "postgres://me@[::1]/curestry",
      ]
    ) expect(readSettings({ DATABASE_URL: url }).databaseUrl).toBe(url);
  });

  test("is refused without being repeated, because it may hold a password", () => {
    for (
      const [url, reason] of [
        ["postgres://me:hush@db:x/curestry", /^DATABASE_URL: Is not a URL/],
        ["postgres:///curestry", /^DATABASE_URL: Names no host/],
        ["postgres://me:hush%@db/curestry", /^DATABASE_URL: Has a "%" that begins no escape/],
        ["postgres://me:hush@db/a/b", /^DATABASE_URL: Has a "\/" in the name of the database/],
      ] as const
    ) {
      expect(problem({ DATABASE_URL: url })).toMatch(reason);
      expect(problem({ DATABASE_URL: url })).not.toContain("hush");
    }
  });
});

describe("CURESTRY_GATEWAY_URL and CURESTRY_WORKER_URL", () => {
  test("hold one connection string, or two with white space between them", () => {
    const [first, second] = ["postgres://a:x,y@db/c?options=-c a=b", "postgresql://b:z@db/c"];
    const { gatewayUrls, workerUrls } = readSettings({
      CURESTRY_GATEWAY_URL: first,
      CURESTRY_WORKER_URL: `${second}\n  ${first} `,
    });
    expect({ gatewayUrls, workerUrls })
      .toEqual({ gatewayUrls: [first], workerUrls: [second, first] });
  });

  test("are refused with three, and with one that is none, without being repeated", () => {
    const [good, bad] = ["postgres://me:hush@db/c", "postgres://me:hush@db:x/c"];
    expect(problem({ CURESTRY_WORKER_URL: [good, good, good].join(" ") })).toBe(
      "CURESTRY_WORKER_URL: Holds 3 connection strings; give one, or two: the second is tried " +
        "when the first is refused",
    );
    const refused = problem({ CURESTRY_GATEWAY_URL: `${good} ${bad}` });
    expect(refused).toMatch(/^CURESTRY_GATEWAY_URL: Is not a URL/);
    expect(refused).not.toContain("hush");
  });
});

describe("CURESTRY_LOGIN_SECRETS", () => {
  const secret = (byte: number) => Buffer.alloc(32, byte).toString("base64");

  test("takes secrets of 32 bytes in base64 with commas between them", () => {
    const { loginSecrets } = readSettings({
      CURESTRY_LOGIN_SECRETS: `${secret(1)}, ${secret(255).replace("=", "")}`,
    });
    expect(loginSecrets?.map((bytes) => [...bytes])).toEqual([
      Array(32).fill(1),
      Array(32).fill(255),
    ]);
  });

  test("names the secret that is wrong, and repeats nothing of it", () => {
    const hush = Buffer.from("hush".repeat(7)).toString("base64");
    for (const wrong of [hush, `${secret(1)}AAAA`, secret(255).replaceAll("/", "_")]) {
      expect(problem({ CURESTRY_LOGIN_SECRETS: `${secret(1)},${wrong}` })).toBe(
        "CURESTRY_LOGIN_SECRETS: Secret 2 is not 32 bytes in base64; " +
          "`openssl rand -base64 32` makes one",
      );
    }
    expect(problem({ CURESTRY_LOGIN_SECRETS: "," })).toBe("CURESTRY_LOGIN_SECRETS: Has no secret");
  });
});

describe("HOST and the ports", () => {
  test("an IPv6 address may stand in brackets, as in a URL", () => {
    expect(readSettings({ HOST: "[::1]" }).host).toBe("::1");
    expect(readSettings({ HOST: "db.internal" }).host).toBe("db.internal");
  });

  test("the gateway and the embedded database cannot have the same port, unless any will do", () => {
    expect(problem({ PORT: "5679" })).toBe(
      "CURESTRY_DATABASE_PORT: Is 5679, the same as PORT; give them different ports",
    );
    readSettings({ PORT: "5679", DATABASE_URL: "postgres://db" });
    readSettings({ PORT: "0", CURESTRY_DATABASE_PORT: "0" });
  });

  test("a port is a whole number in its range", () => {
    for (const text of ["-1", "80.5", "0x50", "1e3", "65536", "80 81"]) {
      expect(problem({ PORT: text })).toContain(`"${text}" is not a port`);
    }
  });
});

describe("CURESTRY_JWT_KEYS", () => {
  test("takes a JWKS whose first key signs, and whose others may only verify", () => {
    const { d: _, ...verifier } = makeJwk("b");
    const keys = [makeJwk("a"), verifier];
    const { jwtKeys } = readSettings({ CURESTRY_JWT_KEYS: JSON.stringify({ keys }) });
    expect(jwtKeys).toEqual(keys);
  });

  test("names the key that is wrong, and repeats nothing of it", () => {
    const [good, other] = [makeJwk("a"), makeJwk("b")];
    const { d, ...verifier } = other;
    for (
      const [keys, reason] of [
        [[good, { ...other, kid: "a" }], "Key 2 has the kid of another one, a"],
        [[{ ...good, kid: "" }], "Key 1 has no kid"],
        [[verifier], "Key 1 has no private part (d), but the first one signs"],
        [
          [{ ...good, d }],
          "Key 1 has parts that are not a pair of 32 bytes in base64url",
        ],
        [
          [good, { ...verifier, x: "AAAA" }],
          "Key 2 has parts that are not a pair of 32 bytes in base64url",
        ],
        [
          [good, { kty: "oct", k: "hush", kid: "c" }],
          'Key 2 is not an Ed25519 key (kty "OKP", crv "Ed25519")',
        ],
        [[null], 'Key 1 is not an Ed25519 key (kty "OKP", crv "Ed25519")'],
      ] as const
    ) {
      const text = problem({ CURESTRY_JWT_KEYS: JSON.stringify({ keys }) });
      expect(text).toBe(`CURESTRY_JWT_KEYS: ${reason}`);
    }
    expect(problem({ CURESTRY_JWT_KEYS: "{" })).toMatch(/^CURESTRY_JWT_KEYS: Is not JSON/);
  });
});

test("a relative data directory is one of the checkout, wherever the program is started", () => {
  expect(readSettings({ CURESTRY_DATA_DIR: "data" }).dataDir).toBe(join(repositoryRoot, "data"));
  expect(readSettings({ CURESTRY_DATA_DIR: "/srv/curestry" }).dataDir).toBe("/srv/curestry");
});

describe("the gateway's limits", () => {
  test("durations have a unit", () => {
    const read = (text: string) => readSettings({ CURESTRY_POOL_WAIT: text }).poolWaitMs;
    expect(["500ms", "3s", "1.5 s", "2min", "24h"].map(read))
      .toEqual([500, 3_000, 1_500, 120_000, 86_400_000]);
    for (const text of ["3", "s", "0s", "-1s", "25h", "1500min", "1e3s"]) {
      expect(problem({ CURESTRY_POOL_WAIT: text })).toBe(
        `CURESTRY_POOL_WAIT: "${text}" is not a duration up to a day; try 500ms, 10s or 2min`,
      );
    }
  });

  test("are whole numbers in their ranges, and a pooler has one of two names", () => {
    expect(readSettings({})).toMatchObject({
      pooler: null,
      poolSize: 10,
      statementTimeoutMs: 10_000,
    });
    expect(readSettings({ CURESTRY_POOLER: "transaction" }).pooler).toBe("transaction");
    expect(problem({ CURESTRY_POOLER: "session" })).toContain("use none or transaction");
    for (const text of ["0", "1001", "ten", "1.5"]) {
      expect(problem({ CURESTRY_POOL_SIZE: text })).toContain(
        "is not a whole number from 1 to 1000",
      );
    }
  });
});
