import { createHmac, randomBytes } from "node:crypto";
import { readSecretFile } from "../shared/secret_file.ts";
import type { Settings } from "../shared/settings.ts";
import { loginUrl, passwordOf } from "./urls.ts";

/** The logins whose passwords are derived: they need not be made, kept or handed out. */
export type DerivedLogin = "curestry_gateway" | "curestry_worker";

/** Passwords to set; null leaves the login as the DBA made it. */
export type LoginPasswords = Record<DerivedLogin, string | null>;

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
