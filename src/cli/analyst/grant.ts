import type { Command } from "commander";
import { collect } from "../shared/arguments.ts";
import type { Run } from "../shared/command.ts";

interface Options {
  name: string;
  organization: string[];
}

/** `curestry analyst grant` */
export function addAnalystGrant(parent: Command, run: Run): void {
  parent.command("grant")
    .description("let an analyst read more organizations, from the next statement on")
    .requiredOption("--name <name>", "name of the analyst's login")
    .requiredOption(
      "--organization <slug>",
      "an organization that it may read; repeat it, or separate with commas",
      collect,
    )
    .action(({ name, organization: organizations }: Options) =>
      run(async ({ connect }) => {
        await connect("owner", (client) =>
          client.query(
            "select app.analyst_grant($1, app.organization_by_slug(slug)) from unnest($2::text[]) as slug",
            [name, organizations],
          ));
        return {
          result: { name, granted: organizations },
          text: `The analyst ${name} may read ${organizations.join(", ")}`,
        };
      })
    );
}
