import type { MiddlewareHandler } from "hono";
import type { GatewayEnv } from "./context.ts";
import type { Metrics } from "./metrics.ts";

/** Counts requests, how long they took, and the errors in their answers. */
export function countRequests(metrics: Metrics): MiddlewareHandler<GatewayEnv> {
  return async function countRequests(c, next) {
    const start = performance.now();
    await next();
    metrics.countRequest(c.req.method, c.res.status, (performance.now() - start) / 1000);
    metrics.countErrors(c.get("codes") ?? []);
  };
}
