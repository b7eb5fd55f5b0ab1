import type { Command } from "commander";
import type { Run } from "../shared/command.ts";
import { formatTable } from "../shared/format_table.ts";

interface Row {
  id: number;
  email: string | null;
  name: string | null;
  platform_admin: boolean;
  organizations: string[];
  signed_in_at: Date | null;
  created_at: Date;
}

/** `curestry user list` */
export function addUserList(parent: Command, run: Run): void {
  parent.command("list")
    .description("list the people with an account, and what they are in which organization")
    .option("--organization <slug>", "only members of this organization")
    .action(({ organization }: { organization?: string }) =>
      run(async ({ connect }) => {
        const { rows } = await connect("owner", (client) =>
          client.query<Row>(
            "select * from app.user_list(case when $1::text is not null then app.organization_by_slug($1) end)",
            [organization ?? null],
          ));
        return {
          result: {
            users: rows.map((row) => ({
              id: row.id,
              email: row.email,
              name: row.name,
              platformAdmin: row.platform_admin,
              organizations: row.organizations,
              signedInAt: row.signed_in_at,
              createdAt: row.created_at,
            })),
          },
          text: rows.length === 0 ? "There are no users" : formatTable(
            ["ID", "EMAIL", "ORGANIZATIONS", "SIGNED IN"],
            rows.map((row) => [
              String(row.id),
              row.email ?? "",
              [...row.organizations, ...(row.platform_admin ? ["platform admin"] : [])].join(", "),
              row.signed_in_at?.toISOString().slice(0, 10) ?? "never",
            ]),
          ),
        };
      })
    );
}
