import { type Command, InvalidArgumentError } from "commander";
import type { Run } from "../shared/command.ts";

/** `curestry quota set` */
export function addQuotaSet(parent: Command, run: Run): void {
  parent.command("set")
    .description("change a quota, for everybody; what is there already stays")
    .argument("<name>", "the quota; `quota list` shows them")
    .argument("<maximum>", "how many there may be", parseMaximum)
    .action((name: string, maximum: number) =>
      run(async ({ connect }) => {
        await connect("owner", (client) =>
          client.query("select app.quota_set($1, $2)", [name, maximum]));
        return { result: { name, maximum }, text: `${name}: at most ${maximum}` };
      })
    );
}

function parseMaximum(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError("It is no number of at least 0.");
  return Number(text);
}
