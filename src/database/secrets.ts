import { createHmac, generateKeyPairSync, randomBytes } from "node:crypto";
import { chmod, link, mkdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  type EncryptionKey,
  type JwtKey,
  parseEncryptionKeys,
  parseJwtKeys,
  type Settings,
  SettingsError,
} from "../settings.ts";
import { loginUrl, passwordOf } from "./urls.ts";

/** The logins whose passwords are derived: nobody has to make, keep or hand out a password. */
export type DerivedLogin = "curestry_gateway" | "curestry_worker";

/** Passwords to set; null leaves the login as the DBA made it. */
export type LoginPasswords = Record<DerivedLogin, string | null>;

/** The keys that sign (the first) and verify (all) session tokens; made on first use. */
export async function readJwtKeys(settings: Settings): Promise<JwtKey[]> {
  if (settings.jwtKeys) return settings.jwtKeys;
  return await readSecretFile(settings.dataDir, "jwt-keys.json", makeJwtKeys, parseJwtKeys);
}

/** The keys that encrypt (the first) and decrypt (all) stored secrets; made on first use. */
export async function readEncryptionKeys(settings: Settings): Promise<EncryptionKey[]> {
  if (settings.encryptionKeys) return settings.encryptionKeys;
  return await readSecretFile(
    settings.dataDir,
    "encryption-keys",
    () => `${new Date().toISOString().slice(0, 10)}:${randomBytes(32).toString("base64")}\n`,
    parseEncryptionKeys,
  );
}

/** The key that signs checkpoints of the audit log; made on first use. */
export async function readCheckpointKey(settings: Settings): Promise<JwtKey> {
  const [key] = await readSecretFile(
    settings.dataDir,
    "checkpoint-key.json",
    makeJwtKeys,
    parseJwtKeys,
  );
  if (key === undefined) throw new Error("There is no key in checkpoint-key.json");
  return key;
}

/**
 * The passwords that `migrate` gives to our logins, and that the gateway and the worker compute for
 * themselves.
 *
 * @param adminUrl the administrator's connection string
 */
export async function readLoginPasswords(
  settings: Settings,
  adminUrl: string,
): Promise<LoginPasswords> {
  const key = await readPasswordKey(settings, adminUrl);
  return {
    curestry_gateway: settings.gatewayUrl ? null : derivePassword(key, "curestry_gateway"),
    curestry_worker: settings.workerUrl ? null : derivePassword(key, "curestry_worker"),
  };
}

/** What the gateway connects to. */
export async function readGatewayUrl(settings: Settings, adminUrl: string): Promise<string> {
  return settings.gatewayUrl ?? await derivedUrl(settings, adminUrl, "curestry_gateway");
}

/** What the worker connects to. */
export async function readWorkerUrl(settings: Settings, adminUrl: string): Promise<string> {
  return settings.workerUrl ?? await derivedUrl(settings, adminUrl, "curestry_worker");
}

/**
 * A login's password: HMAC-SHA-256 of its name, in base64url.
 *
 * @param key the administrator's password, or the bytes of the file `secret`
 */
export function derivePassword(key: string | Uint8Array, login: DerivedLogin): string {
  return createHmac("sha256", key).update(login).digest("base64url");
}

async function derivedUrl(settings: Settings, url: string, login: DerivedLogin): Promise<string> {
  return loginUrl(url, login, derivePassword(await readPasswordKey(settings, url), login));
}

async function readPasswordKey(settings: Settings, url: string): Promise<string | Uint8Array> {
  const password = passwordOf(url);
  if (password) return password;
  return await readSecretFile(
    settings.dataDir,
    "secret",
    () => randomBytes(32).toString("base64"),
    (text) => {
      const bytes = Buffer.from(text, "base64");
      if (bytes.length !== 32) throw new TypeError("Does not have 32 bytes");
      return bytes;
    },
  );
}

function makeJwtKeys(): string {
  const { privateKey } = generateKeyPairSync("ed25519");
  const kid = randomBytes(9).toString("base64url");
  const key = { kid, alg: "EdDSA", use: "sig", ...privateKey.export({ format: "jwk" }) };
  return JSON.stringify({ keys: [key] }, null, 2) + "\n";
}

/**
 * Reads a secret of the data directory; whoever comes first makes it, and all get the same.
 *
 * @throws {SettingsError} if what the file holds cannot be used
 */
export async function readSecretFile<T>(
  dataDir: string,
  name: string,
  make: () => string,
  parse: (text: string) => T,
): Promise<T> {
  const path = join(dataDir, name);
  let text = await readFile(path, "utf8").catch(ignoreMissing);
  if (text === null) {
    await mkdir(dataDir, { recursive: true, mode: 0o700 });
    const unfinished = `${path}.${randomBytes(8).toString("hex")}`;
    try {
      await writeFile(unfinished, make(), { mode: 0o600, flag: "wx", flush: true });
      // A link, unlike a rename, never replaces the one that another process has just made
      await link(unfinished, path).catch((error) => {
        if (error.code !== "EEXIST") throw error;
      });
    } finally {
      await rm(unfinished, { force: true });
    }
    text = await readFile(path, "utf8");
  } else if (process.platform !== "win32" && ((await stat(path)).mode & 0o077) !== 0) {
    await chmod(path, 0o600);
  }
  try {
    return parse(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new SettingsError(`The file ${path} cannot be used: ${reason}`);
  }
}

function ignoreMissing(error: NodeJS.ErrnoException): null {
  if (error.code === "ENOENT") return null;
  throw error;
}
