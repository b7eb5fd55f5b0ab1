import type { MiddlewareHandler } from "hono";
import { randomUUID } from "node:crypto";
import type { GatewayEnv } from "./context.ts";

const requestIdPattern = /^[\w.:/+=@-]{1,128}$/;

/** What our own work writes in the place of a request's name, in the audit log: no request has these. */
const reservedNames: ReadonlySet<string> = new Set([
  "baseline",
  "erasure",
  "import",
  "job",
  "legacy",
  "migration",
  "retention",
  "system",
  "worker",
]);

/** Names each request: by the header X-Request-Id if it has a usable one. The answer says the name. */
export function requestId(): MiddlewareHandler<GatewayEnv> {
  return async function requestId(c, next) {
    const given = c.req.header("x-request-id") ?? "";
    const isUsable = requestIdPattern.test(given) && !reservedNames.has(given.toLowerCase());
    const id = isUsable ? given : randomUUID();
    c.set("requestId", id);
    await next();
    c.header("x-request-id", id);
  };
}
