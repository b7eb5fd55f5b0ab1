import { GatewayError } from "../gateway_error.ts";
import { inputLimitOf } from "../graphql/check_operation.ts";
import type { GraphqlBody } from "../graphql/graphql_body.ts";
import type { AppParts } from "./app_parts.ts";
import { BodyError, checkVariables, parseBody } from "./parse_body.ts";

/**
 * Reads an operation from the body of a request: its document, which may be named by id, and its variables.
 *
 * @throws BodyError when something is wrong with it
 */
export async function readOperation(
  { documents, operationLimits }: Pick<AppParts, "documents" | "operationLimits">,
  body: Uint8Array,
  contentType: string | undefined,
): Promise<GraphqlBody> {
  const { query, documentId, ...rest } = parseBody(body, contentType);
  const found = { ...rest, query: await findDocument(documents, query, documentId) };
  checkVariables(found, inputLimitOf(found.query, operationLimits));
  return found;
}

async function findDocument(
  documents: AppParts["documents"],
  query: string | null,
  documentId: string | null,
): Promise<string> {
  try {
    return await documents.find(query, documentId);
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    throw new BodyError(error.code === "NOT_FOUND" ? 404 : 403, error.code, error.message);
  }
}
