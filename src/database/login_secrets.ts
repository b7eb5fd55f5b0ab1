import { randomBytes } from "node:crypto";
import { loginSecretBytes, parseLoginSecrets } from "../shared/parse_login_secrets.ts";
import { readSecretFile, replaceSecretFile } from "../shared/secret_file.ts";
import type { Settings } from "../shared/settings.ts";

const fileName = "secret";

/**
 * What the passwords of our logins are derived from: CURESTRY_LOGIN_SECRETS, or the file `secret` of
 * the data directory, which is made on first need.
 *
 * @returns at least one; `migrate` sets the password of the first, and all are tried
 */
export async function readLoginSecrets(settings: Settings): Promise<Uint8Array[]> {
  if (settings.loginSecrets !== null) return settings.loginSecrets;
  return await readSecretFile(
    settings.dataDir,
    fileName,
    () => `${encode(makeLoginSecret())}\n`,
    parseLoginSecrets,
  );
}

/** A new secret. */
export function makeLoginSecret(): Uint8Array {
  return randomBytes(loginSecretBytes);
}

/** Puts a new secret in front of the file; the one before becomes the second, and the last. */
export async function putLoginSecret(settings: Settings, secret: Uint8Array): Promise<void> {
  const [before] = await readLoginSecrets(settings);
  const kept = before === undefined ? [secret] : [secret, before];
  await replaceSecretFile(
    settings.dataDir,
    fileName,
    kept.map((each) => `${encode(each)}\n`).join(""),
  );
}

function encode(secret: Uint8Array): string {
  return Buffer.from(secret).toString("base64");
}
