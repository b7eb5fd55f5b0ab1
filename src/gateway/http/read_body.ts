import type { ErrorCode } from "../../shared/error_codes.ts";
import { GatewayError } from "../gateway_error.ts";
import type { GraphqlBody } from "../graphql/graphql_body.ts";
import { limits } from "../graphql/limits.ts";

/** A body that is refused, with the HTTP status for it. */
export class BodyError extends GatewayError {
  constructor(readonly status: 400 | 413 | 415, code: ErrorCode, message: string) {
    super(code, message);
  }
}

/**
 * Reads the body of a GraphQL request and checks its outer form.
 *
 * @throws BodyError
 */
export async function readBody(request: Request): Promise<GraphqlBody> {
  const mediaType = request.headers.get("content-type")?.split(";")[0]?.trim().toLowerCase();
  if (mediaType === undefined || mediaType === "") {
    throw new BodyError(400, "INVALID", "Send the header Content-Type: application/json");
  }
  if (mediaType !== "application/json") {
    throw new BodyError(415, "INVALID", "Send the operation as application/json");
  }
  const body = parseJson(await request.arrayBuffer());
  if (Array.isArray(body)) {
    throw new BodyError(400, "LIMIT", "Send one operation per request, not a list of them");
  }
  if (!isRecord(body)) throw new BodyError(400, "INVALID", "The body must be a JSON object");
  const { query, operationName, variables, extensions } = body;
  if (typeof query !== "string") {
    throw new BodyError(400, "INVALID", "query must be a string, the GraphQL document");
  }
  if (operationName != null && typeof operationName !== "string") {
    throw new BodyError(400, "INVALID", "operationName must be a string or null");
  }
  if (variables != null && !isRecord(variables)) {
    throw new BodyError(400, "INVALID", "variables must be an object or null");
  }
  if (extensions != null && !isRecord(extensions)) {
    throw new BodyError(400, "INVALID", "extensions must be an object or null");
  }
  checkValue(query, 0);
  checkValue(variables, limits.valueDepth);
  return { query, operationName: operationName ?? null, variables: variables ?? null };
}

function parseJson(bytes: ArrayBuffer): unknown {
  try {
    // Fatal: a byte that is no character must not be stored as another one.
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw new BodyError(400, "INVALID", "The body is not valid JSON in UTF-8");
  }
}

/** Refuses what would be stored otherwise than it was sent, or is too deep to handle. */
function checkValue(value: unknown, levels: number): void {
  if (typeof value === "string") {
    if (value.isWellFormed()) return;
    throw new BodyError(400, "INVALID", "A text contains half of a surrogate pair");
  }
  if (typeof value !== "object" || value === null) return;
  if (levels === 0) {
    throw new BodyError(400, "LIMIT", `variables may be nested ${limits.valueDepth} deep`);
  }
  for (const [key, inner] of Object.entries(value)) {
    checkValue(key, levels);
    checkValue(inner, levels - 1);
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
