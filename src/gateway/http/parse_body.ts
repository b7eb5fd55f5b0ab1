import type { ErrorCode } from "../../shared/error_codes.ts";
import { GatewayError } from "../gateway_error.ts";
import type { GraphqlBody } from "../graphql/graphql_body.ts";
import { limits } from "../graphql/limits.ts";
import { isRecord } from "../../shared/is_record.ts";
import { LostNumber, parseJson } from "../../shared/json_numbers.ts";

/** To parse a longer body takes milliseconds: only for those whose credential holds, one after the other. */
export const smallBodyBytes = 64 * 1024;

/** Fatal: a byte that is no character must not be stored as another one. */
const decoder = new TextDecoder("utf-8", { fatal: true });

/** A body that is refused, with the HTTP status for it. */
export class BodyError extends GatewayError {
  constructor(
    readonly status: 400 | 403 | 404 | 413 | 415,
    code: ErrorCode,
    message: string,
    readonly field: string | null = null,
  ) {
    super(code, message);
  }
}

/** A body whose document may be named by id. */
export interface NamedBody extends Omit<GraphqlBody, "query"> {
  query: string | null;
  documentId: string | null;
}

/**
 * Parses the body of a GraphQL request and checks its outer form.
 *
 * @param contentType the header
 * @throws BodyError
 */
export function parseBody(bytes: Uint8Array, contentType: string | undefined): NamedBody {
  const mediaType = contentType?.split(";")[0]?.trim().toLowerCase();
  if (mediaType === undefined || mediaType === "") {
    throw new BodyError(400, "INVALID", "Send the header Content-Type: application/json");
  }
  if (mediaType !== "application/json") {
    throw new BodyError(415, "INVALID", "Send the operation as application/json");
  }
  const body = readJson(bytes);
  if (Array.isArray(body)) {
    throw new BodyError(400, "LIMIT", "Send one operation per request, not a list of them");
  }
  if (!isRecord(body)) throw new BodyError(400, "INVALID", "The body must be a JSON object");
  const { query, operationName, variables, extensions } = body;
  const documentId = documentIdOf(body);
  if (typeof query !== "string" && (query != null || documentId === null)) {
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
  if (query?.isWellFormed() === false) {
    throw new BodyError(400, "INVALID", "query: a text contains half of a surrogate pair");
  }
  return {
    query: query ?? null,
    documentId,
    operationName: operationName ?? null,
    variables: variables ?? null,
  };
}

/**
 * The id of a registered document: `documentId` as GraphQL over HTTP calls it, `doc_id` of Relay's examples, or the
 * digest of Apollo's persisted queries.
 */
function documentIdOf(body: Readonly<Record<string, unknown>>): string | null {
  const { extensions } = body;
  const persisted = isRecord(extensions) ? extensions["persistedQuery"] : undefined;
  const id = body["documentId"] ?? body["doc_id"] ??
    (isRecord(persisted) ? persisted["sha256Hash"] : undefined);
  if (id == null) return null;
  if (typeof id === "string" && /^[A-Za-z0-9._:-]{1,135}$/.test(id)) return id;
  throw new BodyError(
    400,
    "INVALID",
    "documentId must be 1 to 128 letters, digits or one of . _ : -",
  );
}

/**
 * Checks the size of the variables, where it costs least.
 *
 * @param most values that they may have, see `inputLimitOf`
 * @throws BodyError
 */
export function checkVariables({ variables }: GraphqlBody, most: number): void {
  checkValue(variables, limits.valueDepth, { values: most, most });
}

function readJson(bytes: Uint8Array): unknown {
  try {
    return parseJson(decoder.decode(bytes));
  } catch (error) {
    if (error instanceof LostNumber) {
      const named = error.field === null ? "" : `${error.field}: `;
      throw new BodyError(400, "INVALID", `${named}${error.message}`, error.field);
    }
    throw new BodyError(400, "INVALID", "The body is not valid JSON in UTF-8");
  }
}

/**
 * Refuses what is too deep or too wide to handle.
 *
 * @param left counts down
 */
function checkValue(value: unknown, levels: number, left: { values: number; most: number }): void {
  if (typeof value === "object" && value !== null) {
    if (levels === 0) {
      throw new BodyError(400, "LIMIT", `variables may be nested ${limits.valueDepth} deep`);
    }
    if (Array.isArray(value)) {
      for (const inner of value) checkValue(inner, levels - 1, left);
      return;
    }
    for (const key in value) {
      checkValue((value as Record<string, unknown>)[key], levels - 1, left);
    }
  }
  if (--left.values < -1) {
    throw new BodyError(
      400,
      "LIMIT",
      `The arguments of an operation may have ${left.most} values, these have ${
        left.most + 1
      } or more; split it`,
    );
  }
}
