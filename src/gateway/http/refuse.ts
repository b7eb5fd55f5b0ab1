import type { ErrorCode } from "../../shared/error_codes.ts";
import type { ErrorMapper } from "../graphql/errors.ts";
import type { GatewayContext } from "./context.ts";

/** The HTTP statuses of codes; 500 for all others. */
const statusByCode: Readonly<Partial<Record<ErrorCode, number>>> = {
  UNAUTHENTICATED: 401,
  FORBIDDEN: 403,
  UNAVAILABLE: 503,
};

/** An answer, in the form of GraphQL, to a request that did not get as far as GraphQL. */
export function refuse(
  c: GatewayContext,
  status: number,
  code: ErrorCode,
  message: string,
): Response {
  c.set("codes", [code]);
  if (status === 401) c.header("www-authenticate", "Bearer");
  if (status === 503) c.header("retry-after", "1");
  const extensions = code === "INTERNAL" ? { code, requestId: c.get("requestId") } : { code };
  const accepted = c.req.header("accept") ?? "";
  c.header(
    "content-type",
    accepted.includes("application/graphql-response+json")
      ? "application/graphql-response+json;charset=utf-8"
      : "application/json;charset=utf-8",
  );
  return c.body(JSON.stringify({ errors: [{ message, extensions }] }), { status: status as 400 });
}

/** The same for something that went wrong. */
export async function refuseError(
  c: GatewayContext,
  errors: ErrorMapper,
  error: unknown,
): Promise<Response> {
  const { message, extensions } = await errors.toClientError(error, c.get("requestId"));
  return refuse(c, statusByCode[extensions.code] ?? 500, extensions.code, message);
}
