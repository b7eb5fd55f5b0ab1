import type { Command } from "commander";
import { collect } from "../shared/arguments.ts";
import type { Run } from "../shared/command.ts";

interface Options {
  name: string;
  organization: string[];
}

/** `curestry analyst revoke` */
export function addAnalystRevoke(parent: Command, run: Run): void {
  parent.command("revoke")
    .description("take organizations away from an analyst, and end its sessions")
    .requiredOption("--name <name>", "name of the analyst's login")
    .requiredOption(
      "--organization <slug>",
      "an organization that it may no longer read; repeat it, or separate with commas",
      collect,
    )
    .action(({ name, organization: organizations }: Options) =>
      run(async ({ connect }) => {
        const { rows } = await connect("owner", async (client) => {
          const answer = await client.query<{ slug: string; revoked: boolean }>(
            `select slug, app.analyst_revoke($1, app.organization_by_slug(slug)) as revoked
               from unnest($2::text[]) as slug`,
            [name, organizations],
          );
          // Those that were opened before the revocation was committed
          await client.query("select app.analyst_disconnect($1)", [name]);
          return answer;
        });
        const revoked = rows.filter((row) => row.revoked).map(({ slug }) => slug);
        const notGranted = rows.filter((row) => !row.revoked).map(({ slug }) => slug);
        return {
          result: { name, revoked, notGranted },
          text: [
            ...(revoked.length > 0
              ? [`The analyst ${name} may no longer read ${revoked.join(", ")}`]
              : []),
            ...(notGranted.length > 0
              ? [`The analyst ${name} could not read ${notGranted.join(", ")} before`]
              : []),
          ].join("\n"),
        };
      })
    );
}
