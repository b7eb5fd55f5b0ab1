import type { Command } from "commander";
import type { Run } from "../shared/command.ts";
import { formatTable } from "../shared/format_table.ts";

/** `curestry quota list` */
export function addQuotaList(parent: Command, run: Run): void {
  parent.command("list")
    .description("list the quotas")
    .action(() =>
      run(async ({ connect }) => {
        const { rows } = await connect(
          "owner",
          (client) =>
            client.query<{ name: string; maximum: number }>(
              "select name, maximum from app.quota_list()",
            ),
        );
        return {
          result: { quotas: rows },
          text: formatTable(
            ["QUOTA", "MAXIMUM"],
            rows.map(({ name, maximum }) => [name, String(maximum)]),
          ),
        };
      })
    );
}
