import { isIP } from "node:net";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { type JwtKey, parseJwtKeys } from "./parse_jwt_keys.ts";
import { parseLoginSecrets } from "./parse_login_secrets.ts";

/** The root of the checkout: relative paths in settings are relative to it. */
export const repositoryRoot: string = fileURLToPath(new URL("../..", import.meta.url)).replace(
  /[\\/]$/,
  "",
);

/** How much is logged; the names are pino's. */
export type LogLevel = "trace" | "debug" | "info" | "warn" | "error" | "fatal" | "silent";

/** Every setting of Curestry, checked. `null`: not set, and there is no constant default. */
export interface Settings {
  /** An administrator's login; null means the embedded PostgreSQL. */
  databaseUrl: string | null;
  /**
   * A login of the DBA's own for the gateway, instead of curestry_gateway with its derived password;
   * the second one is for when the first is refused.
   */
  gatewayUrls: string[] | null;
  /** The same for the worker. */
  workerUrls: string[] | null;
  /** Passwords of our logins are derived from the first, all are tried; null means the file `secret`. */
  loginSecrets: Uint8Array[] | null;
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
  logLevel: LogLevel;
  /** What is between us and PostgreSQL; null: found out. */
  pooler: Pooler | null;
  /** Connections of a gateway to the database. */
  poolSize: number;
  /** How long a request waits for one of them. */
  poolWaitMs: number;
  /** How long a statement of a request may take. */
  statementTimeoutMs: number;
  /** How long a client may take to send a request, and to send the next one on its connection. */
  clientTimeoutMs: number;
  /** Connections of clients at once. */
  maxClients: number;
  /** Subscriptions of a gateway at once. */
  maxSubscriptions: number;
  /** Origins that browsers may call from; `*` for all. */
  corsOrigins: readonly string[];
  /** Whether gateways run registered documents alone. */
  trustedDocuments: "accepted" | "required";
  /** Whether other gateways of this machine may listen on the same port. */
  sharedPort: boolean;
  /** What one operation may cost. */
  maxCost: number;
  /** Values in the arguments of one operation. */
  maxInputValues: number;
  /** Bytes of one answer. */
  maxAnswerBytes: number;
  /** Connections of a gateway to the database for exports and imports. */
  fileConnections: number;
  /** Bytes of an import, decompressed. */
  maxImportBytes: number;
  /** Cost per minute, of one API key or session and of one organization. */
  rateLimit: RateLimit;
  /** How long a transaction of an analyst may last before the worker ends it. */
  analystStatementLimitMs: number;
  /** How long a transaction of an analyst may do nothing. */
  analystIdleLimitMs: number;
}

/** Budgets, in cost per minute. */
export interface RateLimit {
  key: number;
  organization: number;
  /** Of what records, beside the others: by key and by organization alike. */
  recording: number;
}

/** `transaction`: a pooler that gives each transaction another connection. */
export type Pooler = "none" | "transaction";

/** Settings that cannot be used; the message names each of them, with the reason. */
export class SettingsError extends Error {
  override name = "SettingsError";
}

const logLevels: readonly string[] = [
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
  const settings: Settings = {
    databaseUrl: read("DATABASE_URL", parseDatabaseUrl),
    gatewayUrls: read("CURESTRY_GATEWAY_URL", parseDatabaseUrls),
    workerUrls: read("CURESTRY_WORKER_URL", parseDatabaseUrls),
    loginSecrets: read("CURESTRY_LOGIN_SECRETS", parseLoginSecrets),
    checkpointCommand: read("CURESTRY_CHECKPOINT_COMMAND", (text) => text),
    host: read("HOST", parseHost) ?? "127.0.0.1",
    port: read("PORT", parsePort) ?? 5678,
    dataDir: resolve(repositoryRoot, read("CURESTRY_DATA_DIR", String) ?? ".curestry"),
    databasePort: read("CURESTRY_DATABASE_PORT", parsePort) ?? 5679,
    jwtKeys: read("CURESTRY_JWT_KEYS", parseJwtKeys),
    logLevel: read("CURESTRY_LOG_LEVEL", parseLogLevel) ?? "info",
    pooler: read("CURESTRY_POOLER", parsePooler),
    poolSize: read("CURESTRY_POOL_SIZE", wholeNumber(1, 1_000)) ?? 10,
    poolWaitMs: read("CURESTRY_POOL_WAIT", parseDuration) ?? 3_000,
    statementTimeoutMs: read("CURESTRY_STATEMENT_TIMEOUT", parseDuration) ?? 10_000,
    clientTimeoutMs: read("CURESTRY_CLIENT_TIMEOUT", parseDuration) ?? 30_000,
    maxClients: read("CURESTRY_MAX_CLIENTS", wholeNumber(1, 1_000_000)) ?? 10_000,
    maxSubscriptions: read("CURESTRY_MAX_SUBSCRIPTIONS", wholeNumber(1, 1_000_000)) ?? 5_000,
    corsOrigins: read("CURESTRY_CORS_ORIGINS", parseOrigins) ?? [],
    trustedDocuments: read("CURESTRY_TRUSTED_DOCUMENTS", parseDocumentMode) ?? "accepted",
    sharedPort: read("CURESTRY_SHARED_PORT", parseSwitch) ?? false,
    maxCost: read("CURESTRY_MAX_COST", wholeNumber(1, 1e9)) ?? 100_000,
    maxInputValues: read("CURESTRY_MAX_INPUT_VALUES", wholeNumber(1, 1e9)) ?? 5_000,
    maxAnswerBytes: read("CURESTRY_MAX_ANSWER_BYTES", wholeNumber(1_000, 1e9)) ?? 16_777_216,
    fileConnections: read("CURESTRY_FILE_CONNECTIONS", wholeNumber(1, 1_000)) ?? 4,
    maxImportBytes: read("CURESTRY_MAX_IMPORT_BYTES", wholeNumber(1_000, 1e15)) ?? 10 * 1024 ** 3,
    rateLimit: {
      key: read("CURESTRY_RATE_LIMIT_KEY", wholeNumber(1, 1e12)) ?? 3_000_000,
      organization: read("CURESTRY_RATE_LIMIT_ORGANIZATION", wholeNumber(1, 1e12)) ?? 6_000_000,
      recording: read("CURESTRY_RATE_LIMIT_RECORDING", wholeNumber(1, 1e12)) ?? 6_000_000,
    },
    analystStatementLimitMs: read("CURESTRY_ANALYST_STATEMENT_LIMIT", parseDuration) ??
      5 * 60_000,
    analystIdleLimitMs: read("CURESTRY_ANALYST_IDLE_LIMIT", parseDuration) ?? 60_000,
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

function parseOrigins(text: string): string[] {
  return text.split(",").map((part) => part.trim()).map((origin) => {
    if (origin === "*") return origin;
    const isOrigin = URL.canParse(origin) && /^https?:$/.test(new URL(origin).protocol) &&
      new URL(origin).origin === origin;
    if (isOrigin) return origin;
    throw new Error(`Is ${text}; must be origins such as https://app.example.com, or *`);
  });
}

function parseSwitch(text: string): boolean {
  if (text !== "on" && text !== "off") throw new Error(`Is ${text}; must be on or off`);
  return text === "on";
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

/** One, or two with white space between them, which a connection string may have inside as well. */
function parseDatabaseUrls(text: string): string[] {
  const urls = text.split(/\s+(?=postgres(?:ql)?:\/\/)/);
  if (urls.length > 2) {
    throw new TypeError(
      `Holds ${urls.length} connection strings; give one, or two: the second is tried when the ` +
        "first is refused",
    );
  }
  return urls.map(parseDatabaseUrl);
}

function wholeNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    const number = Number(text);
    if (!/^\d+$/.test(text) || number < least || number > most) {
      throw new RangeError(`"${text}" is not a whole number from ${least} to ${most}`);
    }
    return number;
  };
}

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1_000, min: 60_000, h: 3_600_000 };
const longestDurationMs = 24 * 3_600_000;

/** @returns milliseconds */
function parseDuration(text: string): number {
  const [, number = "", unit = ""] = /^(\d+(?:\.\d+)?) ?(ms|s|min|h)$/.exec(text) ?? [];
  const ms = Math.round(Number(number) * (unitMs[unit] ?? NaN));
  if (!(number !== "" && ms >= 1 && ms <= longestDurationMs)) {
    throw new RangeError(`"${text}" is not a duration up to a day; try 500ms, 10s or 2min`);
  }
  return ms;
}

function parsePooler(text: string): Pooler {
  if (text !== "none" && text !== "transaction") {
    throw new TypeError(`"${text}" is not a pooler; use none or transaction`);
  }
  return text;
}

function parseDocumentMode(text: string): Settings["trustedDocuments"] {
  if (text !== "accepted" && text !== "required") {
    throw new TypeError(`"${text}" is neither accepted nor required`);
  }
  return text;
}

function parseLogLevel(text: string): LogLevel {
  if (!logLevels.includes(text)) {
    throw new TypeError(`"${text}" is not a level; use one of ${logLevels.join(", ")}`);
  }
  return text as LogLevel;
}
