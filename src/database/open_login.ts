import { setTimeout as sleep } from "node:timers/promises";
import type { Log } from "../shared/log.ts";
import type { Settings } from "../shared/settings.ts";
import { isRefusedLogin, isWrongPassword, type Login } from "./login.ts";
import { type DerivedLogin, derivePassword } from "./login_passwords.ts";
import { readLoginSecrets } from "./login_secrets.ts";
import { openClient, withClient } from "./open_client.ts";
import { retryCatalogRace } from "./retry_catalog_race.ts";
import { setPassword } from "./set_passwords.ts";
import { loginUrl } from "./urls.ts";

/** Another installation on the server may set its own password between two of our attempts. */
const maxRounds = 5;
/** Before each round but the first, up to this long; longer from round to round. */
const pauseMs = 100;

/**
 * A login as the settings say: a DBA's connection strings, or ours with the passwords derived from the
 * secrets. Those of the data directory are read again when the server refuses what was good before.
 *
 * @param adminUrl the administrator's connection string; null if only a DBA's login can be used
 * @throws {SettingsError} if the secrets of the data directory cannot be read
 */
export async function openLogin(
  settings: Settings,
  name: DerivedLogin,
  adminUrl: string | null,
  log: Log,
): Promise<Login> {
  const own = name === "curestry_gateway" ? settings.gatewayUrls : settings.workerUrls;
  let url = await first();
  /** One search at a time, however many connections were refused. */
  let finding: Promise<string> | null = null;

  async function first(): Promise<string> {
    const [found] = await readUrls();
    if (found === undefined) throw new Error(`There is no connection string of ${name}`);
    return found;
  }

  async function readUrls(): Promise<string[]> {
    if (own !== null) return own;
    if (adminUrl === null) throw new Error(`There is no server to be ${name} on`);
    const secrets = await readLoginSecrets(settings);
    return secrets.map((secret) => loginUrl(adminUrl, name, derivePassword(secret, name)));
  }

  async function find(refusal: unknown): Promise<string> {
    for (let round = 1;; round++) {
      let newest = refusal;
      for (const candidate of await readUrls()) {
        const refused = await tryLogin(candidate);
        if (refused === null) return candidate;
        newest = refused;
      }
      const canSet = own === null && adminUrl !== null && isWrongPassword(newest);
      if (round === (canSet ? maxRounds : 2)) throw refusal;
      // A rotation may be under way: the second round reads the secrets again and changes nothing
      await sleep(Math.random() * pauseMs * round);
      if (round > 1 && canSet) await setAgain(adminUrl, refusal);
    }
  }

  async function setAgain(adminUrl: string, refusal: unknown): Promise<void> {
    const [secret] = await readLoginSecrets(settings);
    if (secret === undefined) throw refusal;
    try {
      await withClient(
        adminUrl,
        (client) => retryCatalogRace(() => setPassword(client, name, derivePassword(secret, name))),
        { retryForMs: 0 },
      );
    } catch (error) {
      log.error({ err: error, login: name }, "The password of a login cannot be set again");
      throw refusal;
    }
    log.warn(
      { login: name },
      `The server refused every password of ${name} that follows from our secrets, so it was set ` +
        "again: another installation on this server seems to have other secrets; give both the same " +
        "CURESTRY_LOGIN_SECRETS",
    );
  }

  return {
    get url() {
      return url;
    },
    async renew(refused, refusal) {
      // Found meanwhile, for another connection
      if (refused !== url) return;
      finding ??= find(refusal).finally(() => finding = null);
      url = await finding;
    },
  };
}

/**
 * @returns how the server refuses the login; null if it takes it
 * @throws {Error} if the server cannot be asked
 */
async function tryLogin(url: string): Promise<unknown> {
  try {
    await (await openClient(url, { retryForMs: 0 })).end();
    return null;
  } catch (error) {
    if (isRefusedLogin(error)) return error;
    throw error;
  }
}
