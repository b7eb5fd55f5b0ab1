import type { Command } from "commander";
import type { Run } from "../shared/command.ts";
import { formatTable } from "../shared/format_table.ts";

interface Row {
  name: string;
  organizations: string[];
  /** A bigint. */
  connections: string;
}

/** `curestry analyst list` */
export function addAnalystList(parent: Command, run: Run): void {
  parent.command("list")
    .description("list the analysts' logins, what each may read, and who is connected")
    .action(() =>
      run(async ({ connect }) => {
        const { rows } = await connect(
          "owner",
          (client) => client.query<Row>("select * from app.analyst_list()"),
        );
        return {
          result: {
            analysts: rows.map(({ name, organizations, connections }) => ({
              name,
              organizations,
              connections: Number(connections),
            })),
          },
          text: rows.length === 0 ? "There are no analysts" : formatTable(
            ["NAME", "CONNECTIONS", "ORGANIZATIONS"],
            rows.map(({ name, organizations, connections }) => [
              name,
              connections,
              organizations.join(" ") || "none in this database",
            ]),
          ),
        };
      })
    );
}
