import type { Command } from "commander";
import { makeParseUuid } from "../shared/arguments.ts";
import type { Run } from "../shared/command.ts";

/** `curestry legal-hold release` */
export function addLegalHoldRelease(parent: Command, run: Run): void {
  parent.command("release")
    .description("release a legal hold")
    .argument("<id>", "the hold; `legal-hold list` shows the ids", makeParseUuid("legal-hold list"))
    .action((id: string) =>
      run(async ({ connect }) => {
        const { rows: [hold] } = await connect(
          "owner",
          (client) =>
            client.query<{ released_at: Date }>(
              "select released_at from app.legal_hold_release($1)",
              [id],
            ),
        );
        return {
          result: { id, releasedAt: hold?.released_at },
          text: `Released the legal hold ${id}`,
        };
      })
    );
}
