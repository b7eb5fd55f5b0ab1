import type { MiddlewareHandler } from "hono";
import type { Logger } from "pino";
import type { GatewayEnv } from "./context.ts";

/** Logged at the level debug only: asked every second, or thirty times for one page. */
const quietPaths = /^\/(livez|readyz|health|metrics|favicon\.ico|ruru-static\/.*)$/;

/** Writes one line for each request into the log. */
export function accessLog(log: Logger): MiddlewareHandler<GatewayEnv> {
  return async function accessLog(c, next) {
    const start = performance.now();
    await next();
    const level = quietPaths.test(c.req.path) ? "debug" : "info";
    log[level]({
      requestId: c.get("requestId"),
      method: c.req.method,
      path: c.req.path,
      status: c.res.status,
      ms: Math.round((performance.now() - start) * 10) / 10,
      credential: c.get("credential"),
      errors: c.get("codes"),
    }, "request");
  };
}
