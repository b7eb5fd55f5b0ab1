import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Command } from "commander";
import { buildSchema, GraphQLError, parse, validate } from "postgraphile/graphql";
import { repositoryRoot } from "../../shared/settings.ts";
import type { Run } from "../shared/command.ts";
import { readDocuments } from "./read_documents.ts";

interface Refused {
  id: string;
  reason: string;
}

/** `curestry document register` */
export function addDocumentRegister(parent: Command, run: Run): void {
  parent.command("register")
    .description("register a client's documents, so that it sends their ids alone")
    .argument(
      "<files...>",
      "documents by id (JSON of Relay, Apollo or Code Generator), or .graphql",
    )
    .requiredOption("--client <name>", "whose documents they are, such as web@1.4")
    .addHelpText(
      "after",
      `
A document that is not valid for this version's API, or whose id is another document's, is refused with the
reason; the others are registered. With CURESTRY_TRUSTED_DOCUMENTS=required a gateway runs nothing else.`,
    )
    .action((files: string[], { client: name }: { client: string }) =>
      run(async ({ connect }) => {
        const documents: Record<string, string> = {};
        for (const file of files) {
          Object.assign(documents, readDocuments(file, await readFile(file, "utf8")));
        }
        const refused = await findInvalid(documents);
        for (const { id } of refused) {
          delete documents[id];
        }
        const { rows } = await connect(
          "owner",
          (client) =>
            client.query<{ id: string; outcome: string }>(
              "select id, outcome from app.trusted_document_register($1, $2)",
              [name, documents],
            ),
        );
        const count = (outcome: string) => rows.filter((row) => row.outcome === outcome).length;
        for (const { id, outcome } of rows) {
          if (outcome === "conflict") refused.push({ id, reason: "another document has this id" });
        }
        const result = { registered: count("registered"), unchanged: count("unchanged"), refused };
        return {
          result,
          failed: refused.length > 0,
          text: [
            `Registered ${result.registered} documents of ${name}; ${result.unchanged} were known`,
            ...refused.map(({ id, reason }) => `Refused ${id}: ${reason}`),
          ].join("\n"),
        };
      })
    );
}

/** Those that this version of the API would not run. */
async function findInvalid(documents: Readonly<Record<string, string>>): Promise<Refused[]> {
  const schema = buildSchema(await readFile(join(repositoryRoot, "schema.graphql"), "utf8"));
  return Object.entries(documents).flatMap(([id, text]) => {
    try {
      const [error] = validate(schema, parse(text));
      return error ? [{ id, reason: error.message }] : [];
    } catch (error) {
      if (!(error instanceof GraphQLError)) throw error;
      return [{ id, reason: error.message }];
    }
  });
}
