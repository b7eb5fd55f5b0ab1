import type { Command } from "commander";
import type { Run } from "../shared/command.ts";
import { formatTable } from "../shared/format_table.ts";

interface Row {
  organization_slug: string;
  user_id: number;
  email: string | null;
  role: string;
  status: string;
  created_at: Date;
}

/** `curestry member list` */
export function addMemberList(parent: Command, run: Run): void {
  parent.command("list")
    .description("list members of organizations, and those who are invited")
    .option("--organization <slug>", "only those of this organization")
    .action(({ organization }: { organization?: string }) =>
      run(async ({ connect }) => {
        const { rows } = await connect("owner", (client) =>
          client.query<Row>(
            "select * from app.member_list(case when $1::text is not null then app.organization_by_slug($1) end)",
            [organization ?? null],
          ));
        return {
          result: {
            members: rows.map((row) => ({
              organization: row.organization_slug,
              userId: row.user_id,
              email: row.email,
              role: row.role,
              status: row.status,
              createdAt: row.created_at,
            })),
          },
          text: rows.length === 0 ? "There are no members" : formatTable(
            ["ORGANIZATION", "EMAIL", "ROLE", "STATUS", "SINCE"],
            rows.map((row) => [
              row.organization_slug,
              row.email ?? `user ${row.user_id}`,
              row.role,
              row.status,
              row.created_at.toISOString().slice(0, 10),
            ]),
          ),
        };
      })
    );
}
