import type { Command } from "commander";
import type { Run } from "../shared/command.ts";
import { formatTable } from "../shared/format_table.ts";

interface Row {
  id: string;
  organization: string;
  name: string;
  scopes: string[];
  created_by: string | null;
  created_at: Date;
  expires_at: Date | null;
  is_revoked: boolean;
}

/** `curestry api-key list` */
export function addApiKeyList(parent: Command, run: Run): void {
  parent.command("list")
    .description("list API keys: what they may do, not the keys themselves")
    .option("--organization <slug>", "only those of this organization")
    .action(({ organization }: { organization?: string }) =>
      run(async ({ connect }) => {
        const { rows } = await connect("owner", (client) =>
          client.query<Row>(
            organization === undefined
              ? "select * from app.api_key_list()"
              : "select * from app.api_key_list(app.organization_by_slug($1))",
            organization === undefined ? [] : [organization],
          ));
        return {
          result: {
            apiKeys: rows.map((row) => ({
              id: row.id,
              organization: row.organization,
              name: row.name,
              scopes: row.scopes,
              createdBy: row.created_by,
              createdAt: row.created_at,
              expiresAt: row.expires_at,
              isRevoked: row.is_revoked,
            })),
          },
          text: rows.length === 0 ? "There are no API keys" : formatTable(
            ["ID", "ORGANIZATION", "NAME", "STATE", "SCOPES"],
            rows.map((
              row,
            ) => [row.id, row.organization, row.name, describeState(row), row.scopes.join(" ")]),
          ),
        };
      })
    );
}

function describeState({ is_revoked: isRevoked, expires_at: expiresAt }: Row): string {
  if (isRevoked) return "revoked";
  if (expiresAt === null) return "valid";
  const time = expiresAt.toISOString().slice(0, 16) + "Z";
  return expiresAt.getTime() > Date.now() ? `until ${time}` : `expired ${time}`;
}
