import process from "node:process";
import { eventually } from "../../helpers/eventually.ts";
import { pick } from "../../helpers/random.ts";
import { closeAll, sendPiece, slowRequests, withOpenFiles } from "../../helpers/raw_sockets.ts";
import { type Fault, formatMs, skipped } from "../fault.ts";
import { describeNeighbor, isUndisturbed, withNeighbor } from "../neighbor.ts";

/** Connections that are opened and not used as they should be. */
export const socketFaults: readonly Fault[] = [
  {
    name: "slow-clients",
    done: "connections that send nothing, half a header, half a body, or no second request",
    promise: "each is cut off after CURESTRY_CLIENT_TIMEOUT; others are answered",
    weight: 5,
    async run({ gateways, clients }, { random, isLong }) {
      const gateway = pick(random, gateways);
      const ofEachKind = isLong ? 600 : 60;
      let cutMs = 0;
      let opened = 0;
      const saw = await withNeighbor(gateway, pick(random, clients), async () => {
        const from = performance.now();
        const states = slowRequests.flatMap(([, text]) =>
          Array.from({ length: ofEachKind }, () => sendPiece(gateway.url, text))
        );
        opened = states.length;
        await eventually(() => {
          const open = states.filter(({ closed }) => !closed).length;
          if (open > 0) throw new Error(`${open} of ${opened} connections are still open`);
        });
        cutMs = performance.now() - from;
      }).finally(closeAll);
      return {
        text: `${opened} cut off after ${formatMs(cutMs)}; ${describeNeighbor(saw)}`,
        kept: isUndisturbed(saw),
      };
    },
  },
  {
    name: "files-exhausted",
    done: "400 silent connections to a gateway that may open 300 files",
    promise: "it lives, and answers when there is room",
    weight: 0,
    when: "beside",
    async run(installation) {
      if (process.platform !== "linux") return skipped("only on Linux is the limit ours to set");
      const gateway = installation.startGateway((command) => withOpenFiles(300, command));
      let hasEnded = false;
      gateway.ended.then(() => hasEnded = true);
      try {
        const [, url = ""] = await gateway.prints(/ready on (http:\S+)/);
        const from = performance.now();
        for (let n = 0; n < 400; n++) sendPiece(url, "");
        await eventually(async () => {
          const response = await fetch(`${url}/readyz`);
          await response.body?.cancel();
          if (response.status !== 200) throw new Error(`/readyz: ${response.status}`);
        });
        const ms = performance.now() - from;
        return { text: `/readyz: 200 after ${formatMs(ms)}`, kept: !hasEnded };
      } finally {
        closeAll();
        await gateway.stop();
      }
    },
  },
];
