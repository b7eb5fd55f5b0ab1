import "../graphql/graphile_env.ts";
import { GraphQLError } from "postgraphile/graphql";
import type { Balance, Budgets, Payer } from "../budgets.ts";
import { GatewayError } from "../gateway_error.ts";
import type { Pay } from "../graphql/graphql_server.ts";
import type { Answer } from "../answer.ts";

/** To read a body takes as long as to answer so many objects, for each byte; */
const byteCost = 0.01;
/** to check a document, for each character. */
const characterCost = 0.2;

/** Too many requests were refused to look at one more now. */
export class OwingError extends GatewayError {
  constructor(readonly retrySeconds: number) {
    super("LIMIT", `Too many requests were refused; try again in ${retrySeconds} s`);
  }
}

/** How a request pays, and what its answer says about it. */
export interface Charge {
  pay: Pay;
  /** Throws if what was refused before is still to be paid for. */
  throwIfOwing(): void;
  /** What it has cost to look at a request that is refused: bytes of its body, characters of its document. */
  owe(bytes: number, characters: number): void;
  /** Adds the headers of draft-ietf-httpapi-ratelimit-headers-03; what was not paid becomes 429. */
  finish(answer: Answer): Answer;
}

/** @param payer null: nobody pays, without credentials or without budgets */
export function makeCharge(budgets: Budgets | null, payer: Payer | null): Charge {
  let balance: Balance | null = null;
  return {
    async pay(cost, records) {
      if (budgets === null || payer === null) return null;
      balance = await budgets.charge(payer, cost, records);
      if (balance.retrySeconds === null) return null;
      return new GraphQLError(
        `This operation costs ${cost}, and ${balance.remaining} of ${balance.limit} per minute are ` +
          `left; try again in ${balance.retrySeconds} s`,
        { extensions: { code: "LIMIT" } },
      );
    },
    throwIfOwing() {
      if (budgets === null || payer === null) return;
      const seconds = budgets.debtSeconds(payer);
      if (seconds > 0) throw new OwingError(seconds);
    },
    owe(bytes, characters) {
      if (budgets === null || payer === null || balance !== null) return;
      budgets.owe(payer, Math.ceil(bytes * byteCost + characters * characterCost));
    },
    finish(answer) {
      if (balance === null) return answer;
      const { limit, remaining, resetSeconds, retrySeconds } = balance;
      return {
        ...answer,
        status: retrySeconds === null ? answer.status : 429,
        headers: {
          ...answer.headers,
          "ratelimit-limit": String(limit),
          "ratelimit-remaining": String(remaining),
          "ratelimit-reset": String(resetSeconds),
          ...(retrySeconds === null ? {} : { "retry-after": String(retrySeconds) }),
        },
      };
    },
  };
}
