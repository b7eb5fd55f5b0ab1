import type { Command } from "commander";
import { collect, parseDuration } from "../shared/arguments.ts";
import type { Run } from "../shared/command.ts";

interface Options {
  organization: string;
  name: string;
  scope: string[];
  /** Seconds. */
  expires?: number;
}

interface Row {
  id: string;
  key: string;
  name: string;
  scopes: string[];
  expires_at: Date | null;
  created_at: Date;
}

/** `curestry api-key create` */
export function addApiKeyCreate(parent: Command, run: Run): void {
  parent.command("create")
    .description("make an API key and print it, once and never again")
    .requiredOption("--organization <slug>", "the organization that it opens")
    .requiredOption("--name <name>", "what it is for")
    .requiredOption(
      "--scope <scope>",
      "what it may do, such as prompts:read (a wrong one is answered with all); repeat it, or separate with commas",
      collect,
    )
    .option(
      "--expires <duration>",
      "how long it is valid, such as 90d (default: no end)",
      parseDuration,
    )
    .action(({ organization, name, scope, expires }: Options) =>
      run(async ({ connect }) => {
        const { rows: [row] } = await connect("owner", (client) =>
          client.query<Row>(
            "select * from app.api_key_create(app.organization_by_slug($1), null, $2, $3, " +
              "now() + make_interval(secs => $4))",
            [organization, name, scope, expires ?? null],
          ));
        if (!row) throw new Error("The database made no key");
        const { id, key, scopes, expires_at: expiresAt, created_at: createdAt } = row;
        return {
          result: { id, key, organization, name: row.name, scopes, expiresAt, createdAt },
          text: `${key}

This key of ${organization} is shown once and never again: keep it safe. Its id is ${id}.
It may: ${scopes.join(", ")}. It is valid ${
            expiresAt ? `until ${expiresAt.toISOString()}` : "until it is revoked"
          }.`,
        };
      })
    );
}
