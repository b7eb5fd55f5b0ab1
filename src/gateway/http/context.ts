import type { Context, Hono } from "hono";
import type { ErrorCode } from "../../shared/error_codes.ts";

/** What is known of a request, and what middleware and routes tell each other about it. */
export interface GatewayEnv {
  Variables: {
    requestId: string;
    /** For the access log. */
    credential?: string;
    /** Of the errors in the answer. */
    codes?: readonly ErrorCode[];
  };
}

/** A request and its answer. */
export type GatewayContext = Context<GatewayEnv>;

/** The gateway's HTTP application. */
export type GatewayApp = Hono<GatewayEnv>;
