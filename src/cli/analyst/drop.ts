import type { Command } from "commander";
import type { Run } from "../shared/command.ts";

/** `curestry analyst drop` */
export function addAnalystDrop(parent: Command, run: Run): void {
  parent.command("drop")
    .description("remove an analyst's login, and all that it was granted in this database")
    .requiredOption("--name <name>", "name of the analyst's login")
    .action(({ name }: { name: string }) =>
      run(async ({ connect }) => {
        await connect(
          "administrator",
          (client) => client.query("select app.analyst_drop($1)", [name]),
        );
        return { result: { name }, text: `Dropped the analyst ${name}` };
      })
    );
}
