import type { GraphqlServer } from "../graphql/graphql_server.ts";
import type { GatewayContext } from "./context.ts";

/** The explorer loads nothing from elsewhere, sends keys nowhere else, and may not be in a frame. */
const contentSecurityPolicy = [
  "default-src 'self'",
  "script-src 'self' 'unsafe-inline'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "font-src 'self' data:",
  "worker-src 'self' blob:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

/** The API explorer's page, and the files that it loads. */
export async function explore(c: GatewayContext, server: GraphqlServer): Promise<Response> {
  const page = await server.explore(c.req.raw);
  page.headers.set("content-security-policy", contentSecurityPolicy);
  return page;
}
