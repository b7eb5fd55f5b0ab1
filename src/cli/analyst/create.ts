import { randomInt } from "node:crypto";
import type { Command } from "commander";
import { scramVerifier } from "../../database/set_passwords.ts";
import { loginUrl } from "../../database/urls.ts";
import { collect } from "../shared/arguments.ts";
import type { Run } from "../shared/command.ts";

interface Options {
  name: string;
  organization: string[];
}

/** `curestry analyst create` */
export function addAnalystCreate(parent: Command, run: Run): void {
  parent.command("create")
    .description(
      "create a login that reads organizations with SQL, and print its connection string",
    )
    .requiredOption("--name <name>", "name of the login: lower-case letters, digits, underscores")
    .requiredOption(
      "--organization <slug>",
      "an organization that it may read; repeat it, or separate with commas",
      collect,
    )
    .action(({ name, organization: organizations }: Options) =>
      run(async ({ connect, adminUrl }) => {
        const password = makePassword();
        // The verifier in place of the password, so that no log of the server has the latter
        const verifier = await scramVerifier(password);
        await connect(
          "administrator",
          (client) =>
            client.query("select app.analyst_create($1, $2, $3)", [name, verifier, organizations]),
        );
        const url = loginUrl(adminUrl, name, password);
        return {
          result: { name, url, organizations },
          text: `${url}

The analyst ${name} reads ${
            organizations.join(", ")
          }, and writes nothing. The password is shown once.
Try: psql "${url}" -c 'select * from mart.analysis_daily order by day desc limit 5'`,
        };
      })
    );
}

/** 32 letters and digits, 190 bits: nothing that a URL or a shell would have to escape. */
function makePassword(): string {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  return Array.from({ length: 32 }, () => alphabet[randomInt(alphabet.length)]).join("");
}
