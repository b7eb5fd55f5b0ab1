import type { Command } from "commander";
import type { Run } from "../shared/command.ts";

/** `curestry document remove` */
export function addDocumentRemove(parent: Command, run: Run): void {
  parent.command("remove")
    .description("remove the documents of a client; gateways forget them within a minute")
    .requiredOption("--client <name>", "whose documents; `document list` shows the clients")
    .action(({ client: name }: { client: string }) =>
      run(async ({ connect }) => {
        const { rows: [row] } = await connect(
          "owner",
          (client) =>
            client.query<{ removed: number }>("select app.trusted_document_remove($1) as removed", [
              name,
            ]),
        );
        const removed = row?.removed ?? 0;
        if (removed === 0) {
          throw new Error(`No documents of ${name}; \`document list\` shows the clients`);
        }
        return {
          result: { client: name, removed },
          text: `Removed ${removed} documents of ${name}`,
        };
      })
    );
}
