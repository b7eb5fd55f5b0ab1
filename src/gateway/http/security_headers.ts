import type { MiddlewareHandler } from "hono";
import type { GatewayEnv } from "./context.ts";

/** Forbids browsers to guess the type of an answer. (The explorer's page has a policy of its own.) */
export function securityHeaders(): MiddlewareHandler<GatewayEnv> {
  return async function securityHeaders(c, next) {
    await next();
    c.header("x-content-type-options", "nosniff");
  };
}
