import { pick } from "../../helpers/random.ts";
import { type Fault, formatMs } from "../fault.ts";
import { untilFollowed } from "../writing.ts";

/** Processes of ours that end without a word. */
export const processFaults: readonly Fault[] = [
  {
    name: "gateway-killed",
    done: "kill -9 of a gateway",
    promise: "the other one answers meanwhile; nothing is lost",
    weight: 12,
    async run({ gateways, clients, ask }, { random }) {
      const victim = pick(random, gateways);
      const [other] = gateways.filter((gateway) => gateway !== victim);
      await victim.process.kill();
      const from = performance.now();
      const { outcome } = await ask(other!.url, {
        key: clients[0]!.key,
        query: "{ prompts(first: 1) { totalCount } }",
      });
      await victim.process.ready();
      return {
        text: `the other one: ${outcome}; back after ${formatMs(performance.now() - from)}`,
        kept: outcome === "200",
      };
    },
  },
  {
    name: "worker-killed",
    done: "kill -9 of a worker",
    promise: "marts (5 s) and seals (1 s) go on",
    weight: 12,
    async run(installation, { random }) {
      const victim = pick(random, installation.workers);
      await victim.kill();
      const { martMs, sealMs } = await untilFollowed(installation);
      await victim.ready();
      return {
        text: `in the mart after ${formatMs(martMs)}, sealed after ${formatMs(sealMs)}`,
        kept: true,
        times: [
          { what: "mart", ms: martMs, promisedMs: 5_000 },
          { what: "seal", ms: sealMs, promisedMs: 1_000 },
        ],
      };
    },
  },
];
