import type { Command } from "commander";
import type { Run } from "../shared/command.ts";
import { formatTable } from "../shared/format_table.ts";

interface Row {
  client: string;
  documents: number;
  first_registered_at: Date;
  last_registered_at: Date;
}

/** `curestry document list` */
export function addDocumentList(parent: Command, run: Run): void {
  parent.command("list")
    .description("list the clients that registered documents")
    .action(() =>
      run(async ({ connect }) => {
        const { rows } = await connect(
          "owner",
          (client) => client.query<Row>("select * from app.trusted_document_list()"),
        );
        return {
          result: {
            clients: rows.map((row) => ({
              client: row.client,
              documents: row.documents,
              firstRegisteredAt: row.first_registered_at,
              lastRegisteredAt: row.last_registered_at,
            })),
          },
          text: rows.length === 0 ? "No documents are registered" : formatTable(
            ["CLIENT", "DOCUMENTS", "LAST"],
            rows.map((row) => [
              row.client,
              String(row.documents),
              row.last_registered_at.toISOString().slice(0, 10),
            ]),
          ),
        };
      })
    );
}
