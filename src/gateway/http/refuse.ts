import type { ErrorCode } from "../../shared/error_codes.ts";
import type { ErrorMapper } from "../graphql/errors.ts";
import type { Answer } from "../answer.ts";
import type { GatewayContext } from "./context.ts";

/** The HTTP statuses of codes; 500 for all others. */
const statusByCode: Readonly<Partial<Record<ErrorCode, number>>> = {
  UNAUTHENTICATED: 401,
  FORBIDDEN: 403,
  UNAVAILABLE: 503,
};

/** An answer, in the form of GraphQL, to a request that did not get as far as GraphQL. */
export interface Refusal extends Answer {
  codes: readonly [ErrorCode];
}

/**
 * @param request.accept the header, null if there is none
 * @param field of the input that is at fault; null if it is none of these
 */
export function refusal(
  status: number,
  code: ErrorCode,
  message: string,
  request: { requestId: string; accept: string | null },
  field: string | null = null,
): Refusal {
  const extensions = {
    code,
    ...(field === null ? {} : { field }),
    ...(code === "INTERNAL" ? { requestId: request.requestId } : {}),
  };
  const mediaType = request.accept?.includes("application/graphql-response+json")
    ? "application/graphql-response+json"
    : "application/json";
  const headers: Record<string, string> = { "content-type": `${mediaType};charset=utf-8` };
  if (status === 401) headers["www-authenticate"] = "Bearer";
  if (status === 503) headers["retry-after"] = "1";
  return {
    status,
    headers,
    body: JSON.stringify({ errors: [{ message, extensions }] }),
    codes: [code],
  };
}

/** The same for something that went wrong. */
export async function refusalOf(
  error: unknown,
  errors: ErrorMapper,
  requestId: string,
  accept: string | null,
): Promise<Refusal> {
  const { message, extensions: { code } } = await errors.toClientError(error, requestId);
  return refusal(statusByCode[code] ?? 500, code, message, { requestId, accept });
}

/** A refusal as the answer of a route. */
export function sendRefusal(
  c: GatewayContext,
  { status, headers, body, codes }: Refusal,
): Response {
  c.set("codes", codes);
  return c.body(body as string, { status: status as 400, headers });
}

/** What a refusal depends on, of a route's request. */
export function refusedRequest(c: GatewayContext): { requestId: string; accept: string | null } {
  return { requestId: c.get("requestId"), accept: c.req.header("accept") ?? null };
}
