import type { MiddlewareHandler } from "hono";
import { randomUUID } from "node:crypto";
import type { GatewayEnv } from "./context.ts";

const requestIdPattern = /^[\w.:/+=@-]{1,128}$/;

/** Names each request: by the header X-Request-Id if it has a usable one. The answer says the name. */
export function requestId(): MiddlewareHandler<GatewayEnv> {
  return async function requestId(c, next) {
    const given = c.req.header("x-request-id");
    const id = given !== undefined && requestIdPattern.test(given) ? given : randomUUID();
    c.set("requestId", id);
    await next();
    c.header("x-request-id", id);
  };
}
