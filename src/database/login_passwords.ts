import { createHmac } from "node:crypto";
import type { Settings } from "../shared/settings.ts";
import { readLoginSecrets } from "./login_secrets.ts";

/** The logins whose passwords are derived: they need not be made, kept or handed out. */
export const derivedLogins = ["curestry_gateway", "curestry_worker"] as const;

/** One of them. */
export type DerivedLogin = typeof derivedLogins[number];

/** Passwords to set; null leaves the login as the DBA made it. */
export type LoginPasswords = Record<DerivedLogin, string | null>;

/** The passwords that `migrate` gives to our logins. */
export async function readLoginPasswords(settings: Settings): Promise<LoginPasswords> {
  if (settings.gatewayUrls !== null && settings.workerUrls !== null) {
    return { curestry_gateway: null, curestry_worker: null };
  }
  const [secret] = await readLoginSecrets(settings);
  if (secret === undefined) throw new Error("There is no login secret");
  return deriveLoginPasswords(settings, secret);
}

/** Those of a secret, for the logins that the settings leave to us. */
export function deriveLoginPasswords(settings: Settings, secret: Uint8Array): LoginPasswords {
  return {
    curestry_gateway: settings.gatewayUrls ? null : derivePassword(secret, "curestry_gateway"),
    curestry_worker: settings.workerUrls ? null : derivePassword(secret, "curestry_worker"),
  };
}

/** A login's password: HMAC-SHA-256 of its name, in base64url. */
export function derivePassword(secret: Uint8Array, login: DerivedLogin): string {
  return createHmac("sha256", secret).update(login).digest("base64url");
}
