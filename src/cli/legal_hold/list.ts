import type { Command } from "commander";
import type { Run } from "../shared/command.ts";
import { formatTable } from "../shared/format_table.ts";

interface Row {
  id: string;
  organization: string | null;
  user_id: number | null;
  email: string | null;
  reason: string | null;
  placed_by: string;
  placed_at: Date;
  released_by: string | null;
  released_at: Date | null;
}

/** `curestry legal-hold list` */
export function addLegalHoldList(parent: Command, run: Run): void {
  parent.command("list")
    .description("list the legal holds, those in force first")
    .action(() =>
      run(async ({ connect }) => {
        const { rows } = await connect(
          "owner",
          (client) => client.query<Row>("select * from app.legal_hold_list()"),
        );
        return {
          result: {
            holds: rows.map((row) => ({
              id: row.id,
              organization: row.organization,
              userId: row.user_id,
              email: row.email,
              reason: row.reason,
              placedBy: row.placed_by,
              placedAt: row.placed_at,
              releasedBy: row.released_by,
              releasedAt: row.released_at,
            })),
          },
          text: rows.length === 0 ? "There are no legal holds" : formatTable(
            ["ID", "HELD", "STATE", "REASON"],
            rows.map((row) => [
              row.id,
              row.organization ?? row.email ?? `user ${row.user_id}`,
              row.released_at === null ? "in force" : `released ${day(row.released_at)}`,
              row.reason ?? "",
            ]),
          ),
        };
      })
    );
}

function day(time: Date): string {
  return time.toISOString().slice(0, 10);
}
