import { withClient } from "../../../src/database/open_client.ts";
import { pick } from "../../helpers/random.ts";
import { count, describeOutcomes, type Outcome } from "../asking.ts";
import type { Fault } from "../fault.ts";

/** Longer than a query waits for a lock. */
const lockedMs = { long: 3_000, short: 1_500 };

/** Somebody alters a table, and takes their time. */
export const tableLocked: Fault = {
  name: "table-locked",
  done: "core.prompts locked in access exclusive mode",
  promise: "who reads it gets 503; others are answered, /readyz too",
  weight: 12,
  async run({ database, gateways, clients, ask }, { random, isLong }) {
    const { url } = pick(random, gateways);
    const locked = new Map<Outcome, number>();
    const others = new Map<Outcome, number>();
    const readyz = new Map<Outcome, number>();
    await withClient(database.adminUrl, async (client) => {
      await client.query("begin; lock table core.prompts in access exclusive mode");
      const until = performance.now() + (isLong ? lockedMs.long : lockedMs.short);
      const repeat = async (work: () => Promise<void>) => {
        do await work(); while (performance.now() < until);
      };
      await Promise.all(clients.flatMap(({ key }) => [
        repeat(async () => {
          const query = "{ prompts(first: 1) { nodes { id } } }";
          count(locked, (await ask(url, { key, query })).outcome);
        }),
        repeat(async () => {
          const query = "{ analysisRuns(first: 1) { nodes { id status } } }";
          count(others, (await ask(url, { key, query })).outcome);
          const response = await fetch(`${url}/readyz`);
          await response.body?.cancel();
          count(readyz, String(response.status));
        }),
      ]));
      await client.query("rollback");
    });
    const isRight = [others, readyz].every((found) => found.size === 1 && found.has("200"));
    return {
      text: `it: ${describeOutcomes(locked)}; others: ${describeOutcomes(others)}; /readyz: ${
        describeOutcomes(readyz)
      }`,
      // The last one may find it free again
      kept: isRight && locked.has("503 UNAVAILABLE") &&
        [...locked.keys()].every((outcome) => /^(200|503 UNAVAILABLE)$/.test(outcome)),
    };
  },
};
