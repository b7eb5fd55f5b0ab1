import type { Command } from "commander";
import { formatTable } from "./format_table.ts";
import type { Run } from "./run_command.ts";

/** `curestry operator grant`, `revoke`, `list` */
export function addOperator(parent: Command, run: Run): void {
  parent.command("grant")
    .description("let a user see failed jobs and tasks through the API, and retry jobs")
    .argument("<email>", "the user's e-mail address")
    .action((email: string) =>
      run(async ({ connect }) => {
        await connect("owner", (client) => client.query("select app.grant_operator($1)", [email]));
        return { result: { email, operator: true }, text: `${email} is an operator` };
      })
    );
  parent.command("revoke")
    .description("make an operator an ordinary user again, from their next request on")
    .argument("<email>", "the user's e-mail address")
    .action((email: string) =>
      run(async ({ connect }) => {
        const { rows: [row] } = await connect("owner", (client) =>
          client.query<{ revoked: boolean }>("select app.revoke_operator($1) as revoked", [email]));
        const revoked = row?.revoked ?? false;
        return {
          result: { email, operator: false, revoked },
          text: revoked ? `${email} is no operator any more` : `${email} was no operator`,
        };
      })
    );
  parent.command("list")
    .description("list the operators")
    .action(() =>
      run(async ({ connect }) => {
        const { rows } = await connect("owner", (client) =>
          client.query<{ email: string; granted_at: Date }>("select * from app.list_operators()"));
        return {
          result: {
            operators: rows.map((row) => ({ email: row.email, grantedAt: row.granted_at })),
          },
          text: rows.length === 0 ? "There are no operators" : formatTable(
            ["EMAIL", "SINCE"],
            rows.map((row) => [row.email, row.granted_at.toISOString().slice(0, 10)]),
          ),
        };
      })
    );
}
