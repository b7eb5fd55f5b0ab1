import { createHash } from "node:crypto";
import { isRecord } from "../../shared/is_record.ts";

/**
 * Reads the documents of a client, by id, from what its tools write:
 *
 * - a JSON object of documents by id: Relay's `persistConfig`, the client preset of GraphQL Code Generator
 * - Apollo's manifest: `{"format": "apollo-persisted-query-manifest", "operations": [{"id", "body"}]}`
 * - a document itself (`.graphql`), whose id is then its SHA-256
 *
 * @param text of the file
 * @throws when it is none of these
 */
export function readDocuments(name: string, text: string): Record<string, string> {
  if (/\.(graphql|gql)$/i.test(name)) {
    return { [createHash("sha256").update(text).digest("hex")]: text };
  }
  const value = parse(name, text);
  const operations = isRecord(value) ? value["operations"] : undefined;
  if (Array.isArray(operations)) {
    return Object.fromEntries(operations.map((operation, index) => {
      const { id, body } = isRecord(operation) ? operation : {};
      if (typeof id !== "string" || typeof body !== "string") {
        throw new Error(`${name}: operations[${index}] must have an id and a body`);
      }
      return [id, body];
    }));
  }
  if (!isRecord(value) || !Object.values(value).every((document) => typeof document === "string")) {
    throw new Error(`${name} must be a JSON object of documents by id, or a manifest of Apollo's`);
  }
  return value as Record<string, string>;
}

function parse(name: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(`${name} is no JSON; documents themselves are files that end in .graphql`);
  }
}
