import type { Command } from "commander";
import { makeParseUuid } from "../shared/arguments.ts";
import type { Run } from "../shared/command.ts";

/** `curestry api-key revoke` */
export function addApiKeyRevoke(parent: Command, run: Run): void {
  parent.command("revoke")
    .description("revoke an API key, for good: it is refused from the next request on")
    .argument("<id>", "its id, as shown by `api-key list`", makeParseUuid("api-key list"))
    .action((id: string) =>
      run(async ({ connect }) => {
        const { rows: [row] } = await connect("owner", (client) =>
          client.query<{ id: string; name: string; revoked_at: Date }>(
            "select * from app.api_key_revoke($1)",
            [id],
          ));
        return {
          result: { id: row?.id, name: row?.name, revokedAt: row?.revoked_at },
          text: `Revoked the API key ${row?.name} (${row?.id})`,
        };
      })
    );
}
