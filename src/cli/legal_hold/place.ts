import type { Command } from "commander";
import type { Run } from "../shared/command.ts";

interface Options {
  organization?: string;
  user?: string;
  reason: string;
}

/** `curestry legal-hold place` */
export function addLegalHoldPlace(parent: Command, run: Run): void {
  parent.command("place")
    .description(
      "hold an organization or a user: nothing of it is erased or deleted until released",
    )
    .option("--organization <slug>", "the organization")
    .option("--user <email>", "the user")
    .requiredOption("--reason <text>", "why; whoever tries to erase or delete is told")
    .action(({ organization, user, reason }: Options, command: Command) => {
      if ((organization === undefined) === (user === undefined)) {
        command.error("error: give either --organization or --user");
      }
      return run(async ({ connect }) => {
        const { rows: [hold] } = await connect(
          "owner",
          (client) =>
            client.query<{ id: string; placed_at: Date }>(
              `select id, placed_at from app.legal_hold_place(
               case when $1::text is null then null else app.organization_by_slug($1) end,
               case when $2::text is null then null else app.user_by_email($2) end, $3)`,
              [organization ?? null, user ?? null, reason],
            ),
        );
        return {
          result: {
            id: hold?.id,
            ...(organization === undefined ? { user } : { organization }),
            reason,
            placedAt: hold?.placed_at,
          },
          text: `${organization ?? user} is under legal hold ${hold?.id}`,
        };
      });
    });
}
