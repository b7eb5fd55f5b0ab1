import type { Command } from "commander";
import { derivedLogins, deriveLoginPasswords } from "../../database/login_passwords.ts";
import { makeLoginSecret, putLoginSecret } from "../../database/login_secrets.ts";
import { errorCode } from "../../database/open_client.ts";
import { retryCatalogRace } from "../../database/retry_catalog_race.ts";
import { setPassword } from "../../database/set_passwords.ts";
import type { Answer, CommandContext, Run } from "../shared/command.ts";

/** `curestry login-secret rotate` */
export function addLoginSecretRotate(parent: Command, run: Run): void {
  parent.command("rotate")
    .description("give gateway and worker new passwords, while they run")
    .action(() => run(rotate));
}

async function rotate({ settings, connect }: CommandContext): Promise<Answer> {
  const secret = makeLoginSecret();
  if (settings.loginSecrets !== null) return explainSetting(secret);
  const passwords = deriveLoginPasswords(settings, secret);
  const logins = derivedLogins.filter((login) => passwords[login] !== null);
  if (logins.length === 0) {
    throw new Error(
      "CURESTRY_GATEWAY_URL and CURESTRY_WORKER_URL hold passwords of their own: nothing follows from " +
        "a secret. Give both settings a second connection string, with the new password, and then change it",
    );
  }
  await connect("administrator", (client) =>
    retryCatalogRace(async () => {
      await client.query("begin");
      try {
        for (const login of logins) await setPassword(client, login, passwords[login] ?? "");
        // In the file before anybody needs it; whoever rotates at the same time waits behind our changes
        await putLoginSecret(settings, secret);
        await client.query("commit");
      } catch (error) {
        await client.query("rollback").catch(() => {});
        throw explainRefusal(error);
      }
    }));
  return {
    result: { rotated: logins },
    text: `${logins.join(" and ")} ${
      logins.length === 1 ? "has a new password" : "have new passwords"
    }.
Gateways and workers with this data directory find it by themselves when they connect anew.`,
  };
}

/** With the secrets in a setting there is no file to change, and no process reads them again. */
function explainSetting(secret: Uint8Array): Answer {
  const made = Buffer.from(secret).toString("base64");
  const steps = [
    `put a new secret in front of CURESTRY_LOGIN_SECRETS, for migrate and for every gateway and worker, ` +
    `and start them anew: ${made},…`,
    "run `deno task migrate`, which sets the passwords of the first secret",
    "remove the old secret",
  ];
  return {
    result: { rotated: [], secret: made, steps },
    text:
      `Nothing was changed: the secrets are in the setting CURESTRY_LOGIN_SECRETS. To rotate them:
${steps.map((step, index) => `  ${index + 1}. ${step}`).join("\n")}`,
    failed: true,
  };
}

function explainRefusal(error: unknown): unknown {
  if (errorCode(error) !== "42501") return error;
  return new Error(
    "The login of DATABASE_URL may not change the passwords of gateway and worker: a DBA changes them, " +
      "with a second connection string in CURESTRY_GATEWAY_URL and CURESTRY_WORKER_URL meanwhile",
    { cause: error },
  );
}
