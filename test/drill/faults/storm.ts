import { pick } from "../../helpers/random.ts";
import { type Fault, formatMs } from "../fault.ts";
import { untilFollowed, untilWritten } from "../writing.ts";

const rounds = 12;

/**
 * Several faults at once. What each of them sees is disturbed by the others, and does not count: in
 * the end all has to work, and nothing may be lost.
 *
 * @param groups of each, one is in every round
 */
export function makeStorm(groups: readonly (readonly Fault[])[]): Fault {
  return {
    name: "storm",
    done: `${groups.length} of these at once, ${rounds} times`,
    promise: "back by itself, nothing lost; marts and seals go on",
    weight: 0,
    isLongOnly: true,
    async run(installation, how) {
      const names: string[] = [];
      for (let round = 0; round < rounds; round++) {
        const chosen = groups.map((group) => pick(how.random, group));
        names.push(chosen.map(({ name }) => name).join(" + "));
        await Promise.allSettled(chosen.map((fault) => fault.run(installation, how)));
      }
      const backMs = await untilWritten(installation);
      const { martMs, sealMs } = await untilFollowed(installation);
      return {
        text: `back after ${formatMs(backMs)}, in the mart after ${formatMs(martMs)}, sealed ` +
          `after ${formatMs(sealMs)}; last: ${names.at(-1)}`,
        kept: true,
      };
    },
  };
}
