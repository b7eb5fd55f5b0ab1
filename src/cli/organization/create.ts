import type { Command } from "commander";
import type { Run } from "../shared/command.ts";

interface Options {
  slug: string;
  name: string;
  owner: string;
}

/** `curestry organization create` */
export function addOrganizationCreate(parent: Command, run: Run): void {
  parent.command("create")
    .description("create an organization and, if new, the account of its owner")
    .requiredOption("--slug <slug>", "short name: lower-case letters, digits and hyphens")
    .requiredOption("--name <name>", "display name")
    .requiredOption("--owner <email>", "e-mail address of its owner")
    .action(({ slug, name, owner }: Options) =>
      run(async ({ connect }) => {
        const { rows: [made] } = await connect("owner", (client) =>
          client.query<{ id: string; slug: string; name: string; owner_user_id: number }>(
            "select * from app.organization_create($1, $2, $3)",
            [slug, name, owner],
          ));
        return {
          result: {
            id: made?.id,
            slug: made?.slug,
            name: made?.name,
            owner,
            ownerUserId: made?.owner_user_id,
          },
          text: `Created the organization ${slug} (${made?.id}), owned by ${owner}`,
        };
      })
    );
}
