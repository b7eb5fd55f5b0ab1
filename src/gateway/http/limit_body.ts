import type { MiddlewareHandler } from "hono";
import { bodyLimit } from "hono/body-limit";
import type { GatewayContext, GatewayEnv } from "./context.ts";
import { refuse } from "./refuse.ts";

/** A batch of 100 analyses, with prompts of up to 1 MiB among them. */
export const largestBodyBytes = 2 * 1024 * 1024;

/** Refuses requests whose body is too large. */
export function limitBody(): MiddlewareHandler<GatewayEnv> {
  return bodyLimit({
    maxSize: largestBodyBytes,
    onError: (c) =>
      refuse(c as GatewayContext, 413, "LIMIT", `A request may have ${largestBodyBytes} bytes`),
  });
}
