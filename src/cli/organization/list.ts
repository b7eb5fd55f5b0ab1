import type { Command } from "commander";
import type { Run } from "../shared/command.ts";
import { formatTable } from "../shared/format_table.ts";

interface Row {
  id: string;
  slug: string;
  name: string;
  time_zone: string;
  personal: boolean;
  owners: string[];
  members: number;
  invited: number;
  raw_retention_days: number | null;
  audit_retention_months: number | null;
  held: boolean;
  created_at: Date;
}

/** `curestry organization list` */
export function addOrganizationList(parent: Command, run: Run): void {
  parent.command("list")
    .description("list the organizations: owners, members, time zone, how long what is kept")
    .option("--personal", "also the personal ones, which everybody has")
    .action(({ personal = false }: { personal?: boolean }) =>
      run(async ({ connect }) => {
        const { rows } = await connect("owner", (client) =>
          client.query<Row>("select * from app.organization_list($1)", [personal]));
        return {
          result: {
            organizations: rows.map((row) => ({
              id: row.id,
              slug: row.slug,
              name: row.name,
              timeZone: row.time_zone,
              personal: row.personal,
              owners: row.owners,
              members: row.members,
              invited: row.invited,
              rawRetentionDays: row.raw_retention_days,
              auditRetentionMonths: row.audit_retention_months,
              held: row.held,
              createdAt: row.created_at,
            })),
          },
          text: rows.length === 0 ? "There are no organizations" : formatTable(
            ["SLUG", "NAME", "OWNERS", "MEMBERS", "TIME ZONE", "KEEPS", "CREATED"],
            rows.map((row) => [
              row.slug,
              row.name,
              row.owners.join(" ") || "nobody",
              row.invited === 0 ? String(row.members) : `${row.members}, invited ${row.invited}`,
              row.time_zone,
              describeRetention(row),
              row.created_at.toISOString().slice(0, 10),
            ]),
          ),
        };
      })
    );
}

function describeRetention(row: Row): string {
  if (row.held) return "all: legal hold";
  const kept = [
    ...(row.raw_retention_days === null ? [] : [`facts ${row.raw_retention_days} days`]),
    ...(row.audit_retention_months === null ? [] : [`log ${row.audit_retention_months} months`]),
  ];
  return kept.join(", ") || "all";
}
