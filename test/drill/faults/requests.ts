import { getIntrospectionQuery } from "postgraphile/graphql";
import { pick } from "../../helpers/random.ts";
import { costlyOperations, type RequestBomb, wideInputs } from "../../helpers/request_bombs.ts";
import { count, describeOutcomes, type Outcome } from "../asking.ts";
import type { Fault, How, Seen } from "../fault.ts";
import type { Installation } from "../installation.ts";
import {
  describeNeighbor,
  isUndisturbed,
  NEIGHBOR_PROMISE,
  neighborTimes,
  withNeighbor,
} from "../neighbor.ts";

const bombs: readonly RequestBomb[] = [...costlyOperations, ...wideInputs];
const atOnce = 50;
const floodMs = { long: 4_000, short: 1_500 };

/** A connection that was idle may be closed at this moment; a gateway that ended is another row. */
function isOnly(expected: RegExp, outcomes: ReadonlyMap<Outcome, number>): boolean {
  return [...outcomes.keys()].every((outcome) =>
    outcome === "no connection" || expected.test(outcome)
  );
}

/** What was promised of those who flood. */
const floodPromise = `what is too much gets 429 or 503; ${NEIGHBOR_PROMISE}`;

const largePages = `{ prompts(first: 100) { totalCount nodes { id name content
  analysisRuns(first: 20) { totalCount nodes { id status } } } } }`;

/** Asks without a pause, from many connections at once. */
async function flood(
  { gateways, clients, ask }: Installation,
  { random, isLong }: How,
  query: string,
  keys: readonly string[],
): Promise<Seen> {
  const gateway = pick(random, gateways);
  const outcomes = new Map<Outcome, number>();
  const saw = await withNeighbor(gateway, pick(random, clients), async () => {
    const until = performance.now() + (isLong ? floodMs.long : floodMs.short);
    await Promise.all(Array.from({ length: atOnce }, async (_, n) => {
      do {
        const { outcome } = await ask(gateway.url, { key: keys[n % keys.length] ?? "", query });
        count(outcomes, outcome);
      } while (performance.now() < until);
    }));
  });
  return {
    text: `${describeOutcomes(outcomes)}; ${describeNeighbor(saw)}`,
    kept: isUndisturbed(saw) && isOnly(/^(200|429 LIMIT|503 UNAVAILABLE)$/, outcomes),
    times: neighborTimes(saw),
  };
}

/** What clients with a key can ask for. */
export const requestFaults: readonly Fault[] = [
  {
    name: "request-bombs",
    done: `${atOnce} requests at once that cost too much, or are too wide`,
    promise: `each is refused with 400 or 429 LIMIT, or 503 on a busy machine; ${NEIGHBOR_PROMISE}`,
    weight: 12,
    async run({ gateways, clients, attacked, ask }, { random }) {
      const gateway = pick(random, gateways);
      const outcomes = new Map<Outcome, number>();
      const first = Math.floor(random() * bombs.length);
      const saw = await withNeighbor(gateway, pick(random, clients), async () => {
        await Promise.all(Array.from({ length: atOnce }, async (_, n) => {
          const [, query, variables = {}] = bombs[(first + n) % bombs.length] as RequestBomb;
          const { outcome } = await ask(gateway.url, { key: attacked.key, query, variables });
          count(outcomes, outcome);
        }));
      });
      return {
        text: `${describeOutcomes(outcomes)}; ${describeNeighbor(saw)}`,
        kept: isUndisturbed(saw) && isOnly(/^((400|429) LIMIT|503 UNAVAILABLE)$/, outcomes),
        times: neighborTimes(saw),
      };
    },
  },
  {
    name: "key-flood",
    done: `${atOnce} clients with one key ask for large pages without a pause`,
    promise: floodPromise,
    weight: 8,
    run: (installation, how) => flood(installation, how, largePages, [installation.attacked.key]),
  },
  {
    name: "organization-flood",
    done: `${atOnce} clients with several keys of one organization do`,
    promise: floodPromise,
    weight: 6,
    run: (installation, how) =>
      flood(installation, how, largePages, installation.attacked.otherKeys),
  },
  {
    name: "introspection-flood",
    done: `${atOnce} clients with one key ask for the whole schema without a pause`,
    promise: floodPromise,
    weight: 4,
    run: (installation, how) =>
      flood(installation, how, getIntrospectionQuery(), [installation.attacked.key]),
  },
];
