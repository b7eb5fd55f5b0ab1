import { createHash, createHmac, pbkdf2, randomBytes } from "node:crypto";
import { promisify } from "node:util";
import type { Client } from "pg";
import { type DerivedLogin, derivedLogins, type LoginPasswords } from "./login_passwords.ts";
import { errorCode } from "./open_client.ts";
import { retryCatalogRace } from "./retry_catalog_race.ts";

/**
 * Sets the passwords of our logins.
 *
 * @param client an administrator's
 * @returns a note for each login that this administrator may not change
 */
export async function setPasswords(client: Client, passwords: LoginPasswords): Promise<string[]> {
  const notes: string[] = [];
  for (const login of derivedLogins) {
    const password = passwords[login];
    if (password === null) continue;
    try {
      await retryCatalogRace(() => setPassword(client, login, password));
    } catch (error) {
      if (errorCode(error) !== "42501") throw error;
      const setting = login === "curestry_gateway" ? "CURESTRY_GATEWAY_URL" : "CURESTRY_WORKER_URL";
      notes.push(
        `The password of ${login} was left as it is: this login may not change it. ` +
          `Give the connection string of ${login} in ${setting}`,
      );
    }
  }
  return notes;
}

/**
 * Sets the password of one of them.
 *
 * @param client an administrator's
 */
export async function setPassword(
  client: Client,
  login: DerivedLogin,
  password: string,
): Promise<void> {
  const verifier = await scramVerifier(password);
  await client.query(
    `alter role ${client.escapeIdentifier(login)} password ${client.escapeLiteral(verifier)}`,
  );
}

/**
 * What PostgreSQL stores of a password: `SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>`
 * (RFC 5803). Sent in place of the password, it keeps the password out of the server's log.
 */
export async function scramVerifier(password: string): Promise<string> {
  const iterations = 4096;
  const salt = randomBytes(16);
  const salted = await promisify(pbkdf2)(password, salt, iterations, 32, "sha256");
  const clientKey = createHmac("sha256", salted).update("Client Key").digest();
  const storedKey = createHash("sha256").update(clientKey).digest("base64");
  const serverKey = createHmac("sha256", salted).update("Server Key").digest("base64");
  return `SCRAM-SHA-256$${iterations}:${salt.toString("base64")}$${storedKey}:${serverKey}`;
}
