import type { ErrorCode } from "../../shared/error_codes.ts";
import type { Caller } from "../database/adaptor.ts";
import type { EngineOptions } from "../engine.ts";
import type { GraphqlBody } from "../graphql/graphql_body.ts";
import type { LoginRefusal } from "./login_refusal.ts";

/** An operation that was checked and paid, with what its answer depends on. */
export interface CostlyOperation {
  caller: Caller;
  /** What it does, see `workOf`. */
  work: string;
  body: GraphqlBody;
  /** The header Accept. */
  accept: string | null;
}

/** Its answer. */
export interface CostlyAnswer {
  status: number;
  headers: Record<string, string>;
  body: Uint8Array<ArrayBuffer>;
  codes: readonly ErrorCode[];
  used: readonly string[];
}

/** To the thread. */
export type ToThread =
  | { type: "start"; databaseUrl: string; engine: EngineOptions }
  /** The connection string of the login that is good now; or the refusal of all. */
  | { type: "renewed"; url: string; refusal: LoginRefusal | null }
  /** `sentAt`: milliseconds of the system's clock */
  | { type: "run"; id: number; operation: CostlyOperation; sentAt: number }
  | { type: "stop" };

/** From the thread. */
export type FromThread =
  | { type: "ready" }
  | { type: "answer"; id: number; answer: CostlyAnswer }
  /** It did not get as far as GraphQL. */
  | { type: "refused"; id: number; code: ErrorCode; message: string }
  /** The server has refused the login with this connection string. */
  | { type: "renew"; url: string; refusal: LoginRefusal }
  /** A line of pino, to be logged by the gateway. */
  | { type: "log"; line: string }
  | { type: "stopped" };
