import { graphql, type GraphqlAnswer, type GraphqlRequest } from "../helpers/graphql.ts";

/** How a request ended: "200", "503 UNAVAILABLE", "200 with CONFLICT", "no connection", "never ended". */
export type Outcome = string;

/** What came back, and how long it took. */
export interface Answer<D> {
  outcome: Outcome;
  ms: number;
  /** Only if it is whole. */
  data: D | null;
}

/** What all requests of a drill came to. */
export interface Tally {
  outcomes: Map<Outcome, number>;
  /** Those that took longer than the gateway's own limits. */
  late: number;
  slowestMs: number;
  /** What was said by answers that must not be. */
  bad: string[];
}

/** Whoever waits longer than this waits for ever. */
const neverMs = 60_000;

/** What an answer may not be, whatever happens. */
export function isBad(outcome: Outcome): boolean {
  return /INTERNAL|^5\d\d (?!UNAVAILABLE)|^5\d\d$|^never ended|no JSON/.test(outcome);
}

/** The outcomes in words, the most frequent first. */
export function describeOutcomes(outcomes: ReadonlyMap<Outcome, number>): string {
  return [...outcomes].toSorted((a, b) => b[1] - a[1])
    .map(([outcome, count]) => `${count} × ${outcome}`).join(", ") || "no request";
}

/** Counts one more. */
export function count(outcomes: Map<Outcome, number>, outcome: Outcome): void {
  outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
}

/** Sends a request to a gateway; it never throws. */
export type Ask = <D = Record<string, unknown>>(
  url: string,
  request: GraphqlRequest,
) => Promise<Answer<D>>;

/**
 * Makes the way in which a drill asks: every answer is counted.
 *
 * @param limitMs how long a request may take by the gateway's own limits
 */
export function makeAsk(tally: Tally, limitMs: number): Ask {
  return async function ask<D>(url: string, request: GraphqlRequest): Promise<Answer<D>> {
    const from = performance.now();
    const signal = AbortSignal.timeout(neverMs);
    let answer: GraphqlAnswer<D> | null = null;
    let failure = "";
    try {
      answer = await graphql<D>(url, { ...request, signal });
    } catch (error) {
      failure = signal.aborted ? "never ended" : "no connection";
      if (error instanceof SyntaxError) failure = "an answer that is no JSON";
    }
    const ms = performance.now() - from;
    const code = answer?.errors?.[0]?.extensions?.code;
    const outcome = answer === null
      ? failure
      : code === undefined
      ? String(answer.status)
      : answer.status === 200
      ? `200 with ${code}`
      : `${answer.status} ${code}`;
    count(tally.outcomes, outcome);
    if (ms > limitMs) tally.late++;
    tally.slowestMs = Math.max(tally.slowestMs, ms);
    if (isBad(outcome) && tally.bad.length < 20) {
      tally.bad.push(`${outcome}: ${JSON.stringify(answer?.errors ?? failure).slice(0, 500)}`);
    }
    return { outcome, ms, data: outcome === "200" ? answer?.data ?? null : null };
  };
}
