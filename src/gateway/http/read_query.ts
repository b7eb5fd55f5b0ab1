import { parseJsonToPassOn } from "../../shared/json_numbers.ts";

/**
 * The body that a GET request would have as POST: https://graphql.github.io/graphql-over-http/draft/#sec-GET
 *
 * @returns null if there is no operation in the parameters
 */
export function readQuery(parameters: URLSearchParams): Uint8Array<ArrayBuffer> | null {
  const query = parameters.get("query");
  const documentId = parameters.get("documentId");
  if (query === null && documentId === null && !parameters.has("extensions")) return null;
  const body = {
    query,
    ...(documentId === null ? {} : { documentId }),
    operationName: parameters.get("operationName") || null,
    variables: readJson(parameters, "variables"),
    extensions: readJson(parameters, "extensions"),
  };
  return new TextEncoder().encode(JSON.stringify(body));
}

function readJson(parameters: URLSearchParams, name: string): unknown {
  const text = parameters.get(name);
  if (text === null || text === "") return null;
  try {
    return parseJsonToPassOn(text);
  } catch {
    // Refused as what it is: no object
    return text;
  }
}
