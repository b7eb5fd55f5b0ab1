import { createPrivateKey, createPublicKey } from "node:crypto";
import { isIP } from "node:net";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";

/** The root of the checkout: relative paths in settings are relative to it. */
export const REPOSITORY_ROOT: string = fileURLToPath(new URL("..", import.meta.url)).replace(
  /[\\/]$/,
  "",
);

/** One Ed25519 key of a JWKS (RFC 7517, RFC 8037). Without `d` it verifies only. */
export interface JwtKey {
  kty: "OKP";
  crv: "Ed25519";
  kid: string;
  x: string;
  d?: string;
}

/** One key for what is encrypted at rest: AES-256, so 32 bytes. */
export interface EncryptionKey {
  id: string;
  bytes: Uint8Array;
}

/** What a sign-in provider gave us when the application was registered there. */
export interface SignInClient {
  clientId: string;
  clientSecret: string;
}

/** How much is logged; the names are pino's. */
export type LogLevel = "trace" | "debug" | "info" | "warn" | "error" | "fatal" | "silent";

/** Every setting of Curestry, checked. `null`: not set, and there is no constant default. */
export interface Settings {
  /** An administrator's login; null means the embedded PostgreSQL. */
  databaseUrl: string | null;
  /** A login of the DBA's own for the gateway, instead of curestry_gateway with its derived password. */
  gatewayUrl: string | null;
  /** The same for the worker. */
  workerUrl: string | null;
  /** A command that gets each checkpoint of the audit log on its standard input. */
  checkpointCommand: string | null;
  host: string;
  /** 0 lets the system choose a free one. */
  port: number;
  /** Absolute path. */
  dataDir: string;
  /** Of the embedded PostgreSQL; 0 lets the system choose a free one. */
  databasePort: number;
  /** The first signs, all verify; null means the file in the data directory. */
  jwtKeys: JwtKey[] | null;
  /** The first encrypts, all decrypt; null means the file in the data directory. */
  encryptionKeys: EncryptionKey[] | null;
  signIn: {
    google: SignInClient | null;
    github: SignInClient | null;
    oidc: (SignInClient & { issuer: string }) | null;
  };
  logLevel: LogLevel;
}

/** Settings that cannot be used; the message names each of them, with the reason. */
export class SettingsError extends Error {
  override name = "SettingsError";
}

const LOG_LEVELS: readonly string[] = [
  "trace",
  "debug",
  "info",
  "warn",
  "error",
  "fatal",
  "silent",
];

/**
 * Reads and checks every setting at once, so that a wrong one stops the program before it has done
 * anything.
 *
 * @param env the environment; an empty variable counts as not set
 * @throws {SettingsError} naming every variable that cannot be used, and why
 */
export function readSettings(env: Record<string, string | undefined> = process.env): Settings {
  const problems: string[] = [];
  /** Reads one variable; what `parse` throws becomes one line of the final message. */
  function read<T>(name: string, parse: (text: string) => T): T | null {
    const text = env[name]?.trim();
    if (!text) return null;
    try {
      return parse(text);
    } catch (error) {
      problems.push(`${name}: ${error instanceof Error ? error.message : String(error)}`);
      return null;
    }
  }
  function readClient(prefix: string, needed: boolean): SignInClient | null {
    const clientId = read(`${prefix}_CLIENT_ID`, String);
    const clientSecret = read(`${prefix}_CLIENT_SECRET`, String);
    if (clientId && clientSecret) return { clientId, clientSecret };
    if (clientId || clientSecret || needed) {
      for (const [suffix, value] of [["ID", clientId], ["SECRET", clientSecret]] as const) {
        if (!value) problems.push(`${prefix}_CLIENT_${suffix}: Is not set, but its companion is`);
      }
    }
    return null;
  }

  const issuer = read("CURESTRY_OIDC_ISSUER", parseIssuer);
  const oidc = readClient("CURESTRY_OIDC", issuer !== null);
  if (oidc && issuer === null && !env["CURESTRY_OIDC_ISSUER"]?.trim()) {
    problems.push("CURESTRY_OIDC_ISSUER: Is not set, but CURESTRY_OIDC_CLIENT_ID is");
  }
  const settings: Settings = {
    databaseUrl: read("DATABASE_URL", parseDatabaseUrl),
    gatewayUrl: read("CURESTRY_GATEWAY_URL", parseDatabaseUrl),
    workerUrl: read("CURESTRY_WORKER_URL", parseDatabaseUrl),
    checkpointCommand: read("CURESTRY_CHECKPOINT_COMMAND", (text) => text),
    host: read("HOST", parseHost) ?? "127.0.0.1",
    port: read("PORT", parsePort) ?? 5678,
    dataDir: resolve(REPOSITORY_ROOT, read("CURESTRY_DATA_DIR", String) ?? ".curestry"),
    databasePort: read("CURESTRY_DATABASE_PORT", parsePort) ?? 5679,
    jwtKeys: read("CURESTRY_JWT_KEYS", parseJwtKeys),
    encryptionKeys: read("CURESTRY_ENCRYPTION_KEYS", parseEncryptionKeys),
    signIn: {
      google: readClient("CURESTRY_GOOGLE", false),
      github: readClient("CURESTRY_GITHUB", false),
      oidc: oidc && issuer ? { ...oidc, issuer } : null,
    },
    logLevel: read("CURESTRY_LOG_LEVEL", parseLogLevel) ?? "info",
  };
  if (settings.databaseUrl === null && settings.port !== 0) {
    if (settings.port === settings.databasePort) {
      problems.push(
        `CURESTRY_DATABASE_PORT: Is ${settings.databasePort}, the same as PORT; give them different ports`,
      );
    }
  }
  if (problems.length > 0) {
    throw new SettingsError(
      `${problems.length === 1 ? "A setting is" : `${problems.length} settings are`} wrong:\n` +
        problems.map((problem) => `  ${problem}`).join("\n"),
    );
  }
  return settings;
}

function parsePort(text: string): number {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port > 65535) {
    throw new RangeError(
      `"${text}" is not a port; use a whole number from 1 to 65535, or 0 for any free one`,
    );
  }
  return port;
}

function parseHost(text: string): string {
  const host = text.replace(/^\[(.*)\]$/, "$1");
  const isName = /^(?!-)[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})*$/.test(host);
  // A name of digits and dots only is a mistyped address: 127.0.0.300
  if (isIP(host) === 0 && (!isName || /^[\d.]+$/.test(host))) {
    throw new TypeError(`"${text}" is neither an IP address nor a host name; try 127.0.0.1`);
  }
  return host;
}

/** Values are never repeated in these messages: they hold passwords and keys. */
function parseDatabaseUrl(text: string): string {
  const example = "use the form postgres://USER:PASSWORD@HOST:5432/DATABASE";
  if (!/^postgres(ql)?:\/\//.test(text)) {
    throw new TypeError(`Does not begin with postgres:// or postgresql://; ${example}`);
  }
  if (!URL.canParse(text)) {
    throw new TypeError(
      `Is not a URL; ${example}, with special characters of the password percent-encoded`,
    );
  }
  const url = new URL(text);
  if (!url.hostname && !url.searchParams.has("host")) {
    throw new TypeError(`Names no host; ${example}`);
  }
  try {
    for (const part of [url.username, url.password, url.pathname]) decodeURIComponent(part);
  } catch {
    throw new TypeError(`Has a "%" that begins no escape; write a literal one as %25`);
  }
  if (url.pathname.slice(1).includes("/")) {
    throw new TypeError(`Has a "/" in the name of the database; ${example}`);
  }
  return text;
}

function parseIssuer(text: string): string {
  if (!URL.canParse(text) || !/^https?:$/.test(new URL(text).protocol)) {
    throw new TypeError(`"${text}" is not an http(s) URL; give the issuer's identifier`);
  }
  return text;
}

function parseLogLevel(text: string): LogLevel {
  if (!LOG_LEVELS.includes(text)) {
    throw new TypeError(`"${text}" is not a level; use one of ${LOG_LEVELS.join(", ")}`);
  }
  return text as LogLevel;
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

/**
 * Checks a list of encryption keys.
 *
 * @param text `id:base64` items of 32 bytes, separated by commas or white space
 * @throws {TypeError} saying which item is wrong and why, without repeating the key
 */
export function parseEncryptionKeys(text: string): EncryptionKey[] {
  const seen = new Set<string>();
  return text.split(/[\s,]+/).filter(Boolean).map((item, index) => {
    const which = `Item ${index + 1}`;
    const [, id, base64] = /^([A-Za-z0-9_.-]{1,64}):([A-Za-z0-9+/_-]+={0,2})$/.exec(item) ?? [];
    if (id === undefined || base64 === undefined) {
      throw new TypeError(`${which} is not of the form id:base64`);
    }
    if (seen.has(id)) throw new TypeError(`${which} has the id of another one, ${id}`);
    seen.add(id);
    const bytes = new Uint8Array(Buffer.from(base64, "base64"));
    if (bytes.length !== 32) {
      throw new TypeError(
        `${which} (${id}) has ${bytes.length} bytes; a key has 32: openssl rand -base64 32`,
      );
    }
    return { id, bytes };
  });
}
